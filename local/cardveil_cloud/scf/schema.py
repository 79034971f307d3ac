"""Checks a multi-scf file before anything is deployed by it: every mistake with its line.

What `cardveil deploy` does not act on is refused, and what the vendor's own tool would read differently too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from cardveil_cloud.scf.cron import Cron
from cardveil_cloud.scf.deployment import DEFAULT_ALIAS, MEMORY_SIZES, TIMEOUTS
from cardveil_cloud.scf.relations import disagreements
from cardveil_cloud.scf.shapes import ANY, STRING, Found, Scalar, Shape, compare, get

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,58}[A-Za-z0-9]")
_HANDLER: Final = re.compile(r"[A-Za-z][\w/-]*\.[A-Za-z]\w*")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where, and what was expected."""

    file: str
    line: int
    place: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.place}: {self.expected}"


def _whole(text: str) -> bool:
    # With a zero first YAML reads octal.
    return bool(re.fullmatch(r"[1-9][0-9]*", text))


_TEXT: Scalar = (lambda text: bool(text.strip()), "text is expected")
_FLAG: Scalar = (lambda text: text.lower() in {"true", "false"}, "true or false")
_MEMORY: Scalar = (
    lambda text: _whole(text) and int(text) in MEMORY_SIZES,
    "64, or 128 to 3072 in steps of 128",
)
_SECONDS: Scalar = (lambda text: _whole(text) and int(text) in TIMEOUTS, "1 to 900 seconds")
_RESERVED: Scalar = (
    lambda text: _whole(text) and int(text) % 128 == 0,
    "megabytes, a multiple of 128",
)
_FUNCTION_NAME: Scalar = (
    lambda text: bool(_NAME.fullmatch(text)),
    "2 to 60 letters, digits, hyphens, underscores, a letter first",
)
_HANDLER_NAME: Scalar = (
    lambda text: bool(_HANDLER.fullmatch(text)),
    "FileName.FunctionName is expected",
)
_RUNTIME: Scalar = (lambda text: text == "Python3.10", "Python3.10, the newest that SCF has")
_QUALIFIER: Scalar = (lambda text: text == DEFAULT_ALIAS, f"{DEFAULT_ALIAS}, the alias that is moved")
_NUMBER: Scalar = (_whole, "a whole number is expected")


def _cron(text: str) -> bool:
    try:
        Cron.parse(text)
    except ValueError:
        return False
    return True


_ENVIRONMENT: Shape = [{"!key": _TEXT, "!value": STRING}]
_SHARED: Final[Mapping[str, Shape]] = {
    "runtime": _RUNTIME,
    "memorySize": _MEMORY,
    "timeout": _SECONDS,
    "initTimeout": _SECONDS,
    "namespace": (lambda text: text == "default", "default, the only one that is deployed to"),
    "role": _TEXT,
    "description": ANY,
    "layers": [{"!name": _TEXT, "!version": _NUMBER}],
    "environments": _ENVIRONMENT,
    "cls": {"!logsetId": _TEXT, "!topicId": _TEXT},
    "deadLetter": {"!type": _TEXT, "!name": _TEXT},
    "reservedConcurrency": _RESERVED,
    "publicAccess": (lambda text: text == "true", "true: the functions call APIs on the public network"),
    "handler": _HANDLER_NAME,
}
FUNCTION: Shape = {**_SHARED, "!name": _FUNCTION_NAME, "!src": _TEXT}
TRIGGERS: Final[Mapping[str, Shape]] = {
    "cos": {
        "!bucket": _TEXT,
        "!events": (
            lambda text: text.startswith("cos:Object"),
            "cos:ObjectCreated:* or another of COS's events",
        ),
        "!filter": {"prefix": ANY, "suffix": ANY},
        "enable": _FLAG,
        "qualifier": _QUALIFIER,
    },
    "timer": {
        "!name": _TEXT,
        "!cronExpression": (_cron, "seven fields, such as 0 */5 * * * * *"),
        "enable": _FLAG,
        "argument": ANY,
        "qualifier": _QUALIFIER,
    },
    "http": {
        "!authType": (lambda text: text in {"NONE", "CAM"}, "NONE or CAM"),
        # Without it the vendor's tool makes a URL that nobody can reach.
        "!netConfig": {"!enableIntranet": _FLAG, "!enableExtranet": _FLAG},
        "!qualifier": _QUALIFIER,
        "name": _TEXT,
        "enable": _FLAG,
    },
}
_TRIGGER: Shape = {
    "!type": (lambda text: text in TRIGGERS, "cos, timer or http (apigw is gone since 2025-06-30)"),
    "!function": _TEXT,
    "!parameters": ANY,
}
_FILE: Shape = {
    "!component": (lambda text: text == "multi-scf", "multi-scf is expected"),
    "!name": _TEXT,
    "app": _TEXT,
    "stage": _TEXT,
    "!inputs": {
        **_SHARED,
        "!src": {"!src": _TEXT, "exclude": [_TEXT]},
        "!region": _TEXT,
        "ignoreTriggers": _FLAG,
        "!functions": {"*": FUNCTION},
        "triggers": [_TRIGGER],
    },
}


def check(path: Path) -> list[Problem]:
    """Return every mistake of a file, none when it is as it should be."""
    try:
        root = yaml.compose(path.read_text("utf-8"), yaml.SafeLoader)
    except UnicodeDecodeError:
        return [Problem(path.name, 1, "file", "it is no text in UTF-8")]
    except RecursionError:
        return [Problem(path.name, 1, "file", "it is nested too deeply")]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return [Problem(path.name, line, "YAML", str(error.problem or "not understood"))]
    if root is None:
        return [Problem(path.name, 1, "file", "it is empty")]
    found = [*compare(root, _FILE, ""), *_triggers(root)]
    if not found:
        found = [*disagreements(root, path.parent)]
    return sorted(
        (Problem(path.name, line + 1, place.lstrip("."), expected) for line, place, expected in found),
        key=lambda problem: problem.line,
    )


def _triggers(root: yaml.Node) -> Found:
    """The parameters of each trigger, whose shape its type decides."""
    triggers = get(get(root, "inputs"), "triggers") if isinstance(root, yaml.MappingNode) else None
    for index, trigger in enumerate(triggers.value if isinstance(triggers, yaml.SequenceNode) else ()):
        kind, parameters = get(trigger, "type"), get(trigger, "parameters")
        if kind is not None and parameters is not None and kind.value in TRIGGERS:
            yield from compare(parameters, TRIGGERS[kind.value], f"inputs.triggers[{index}].parameters")
