"""Checks a multi-scf file before anything is deployed by it: every mistake with its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import yaml

from cardveil.settings import Settings, variable
from cardveil_cloud.scf.cron import Cron
from cardveil_cloud.scf.deployment import LAYER_LIMIT, MEMORY_SIZES, TIMEOUTS

#: A value that holds a variable is known only when it is deployed.
_OPEN: Final = re.compile(r"\$\{")
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


#: A scalar's check and what to say when it fails.
Scalar = tuple[Callable[[str], bool], str]
#: A shape: a scalar, a list of one shape, or keys with shapes (``*`` for any key, ``!`` marks a needed one).
Shape = Any

_ANY: Scalar = (lambda _: True, "")
_TEXT: Scalar = (lambda text: bool(text.strip()), "text is expected")
_FLAG: Scalar = (lambda text: text.lower() in {"true", "false"}, "true or false")
_MEMORY: Scalar = (
    lambda text: text.isdigit() and int(text) in MEMORY_SIZES,
    "64, or 128 to 3072 in steps of 128",
)
_SECONDS: Scalar = (lambda text: text.isdigit() and int(text) in TIMEOUTS, "1 to 900 seconds")
_RESERVED: Scalar = (
    lambda text: text.isdigit() and int(text) > 0 and int(text) % 128 == 0,
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
_NUMBER: Scalar = (str.isdigit, "a whole number is expected")
_SETTINGS: Final = frozenset(variable(field.name) for field in fields(Settings))


def _cron(text: str) -> bool:
    try:
        Cron.parse(text)
    except ValueError:
        return False
    return True


_ENVIRONMENT: Shape = [{"!key": _TEXT, "!value": _ANY}]
_SHARED: Final[Mapping[str, Shape]] = {
    "runtime": _RUNTIME,
    "memorySize": _MEMORY,
    "timeout": _SECONDS,
    "initTimeout": _SECONDS,
    "namespace": _TEXT,
    "role": _TEXT,
    "description": _ANY,
    "layers": [{"!name": _TEXT, "!version": _NUMBER}],
    "environments": _ENVIRONMENT,
    "cls": {"!logsetId": _ANY, "!topicId": _ANY},
    "deadLetter": {"!type": _ANY, "!name": _ANY, "filterType": _ANY},
    "reservedConcurrency": _RESERVED,
    "publicAccess": _FLAG,
    "handler": _HANDLER_NAME,
}
_FUNCTION: Shape = {**_SHARED, "!name": _FUNCTION_NAME, "!src": _TEXT}
_TRIGGERS: Final[Mapping[str, Shape]] = {
    "cos": {
        "!bucket": _TEXT,
        "!events": (
            lambda text: text.startswith("cos:Object"),
            "cos:ObjectCreated:* or another of COS's events",
        ),
        "!filter": {"prefix": _ANY, "suffix": _ANY},
        "enable": _FLAG,
        "name": _TEXT,
        "qualifier": _TEXT,
    },
    "timer": {
        "!name": _TEXT,
        "!cronExpression": (_cron, "seven fields, such as 0 */5 * * * * *"),
        "enable": _FLAG,
        "argument": _ANY,
        "qualifier": _TEXT,
    },
    "http": {
        "!authType": (lambda text: text in {"NONE", "CAM"}, "NONE or CAM"),
        "netConfig": {"enableIntranet": _FLAG, "enableExtranet": _FLAG},
        "qualifier": _TEXT,
    },
}
_TRIGGER: Shape = {
    "!type": (lambda text: text in _TRIGGERS, "cos, timer or http (apigw is gone since 2025-06-30)"),
    "!function": _TEXT,
    "!parameters": _ANY,
}
_FILE: Shape = {
    "!component": (lambda text: text == "multi-scf", "multi-scf is expected"),
    "!name": _TEXT,
    "app": _TEXT,
    "stage": _TEXT,
    "org": _TEXT,
    "!inputs": {
        **_SHARED,
        "src": _ANY,
        "!region": _TEXT,
        "ignoreTriggers": _FLAG,
        "!functions": {"*": _FUNCTION},
        "triggers": [_TRIGGER],
    },
}


def check(path: Path) -> list[Problem]:
    """Return every mistake of a file, none when it is as it should be."""
    text = path.read_text("utf-8")
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return [Problem(path.name, line, "YAML", str(error.problem or "not understood"))]
    if root is None:
        return [Problem(path.name, 1, "file", "it is empty")]
    found = [*_shape(root, _FILE, "")]
    if not found:
        found = [*_relations(root, path.parent)]
    return sorted(
        (Problem(path.name, line + 1, place.lstrip("."), expected) for line, place, expected in found),
        key=lambda problem: problem.line,
    )


Found = Iterator[tuple[int, str, str]]


def _shape(node: yaml.Node, shape: Shape, place: str) -> Found:
    line = node.start_mark.line
    if isinstance(shape, tuple):
        if not isinstance(node, yaml.ScalarNode):
            if shape is not _ANY:
                yield line, place, "one value is expected"
        elif not _OPEN.search(node.value) and not shape[0](node.value):
            yield line, place, shape[1]
    elif isinstance(shape, list):
        if not isinstance(node, yaml.SequenceNode):
            yield line, place, "a list is expected"
            return
        for index, item in enumerate(node.value):
            yield from _shape(item, shape[0], f"{place}[{index}]")
    else:
        yield from _mapping(node, shape, place)


def _mapping(node: yaml.Node, shape: Mapping[str, Shape], place: str) -> Found:
    line = node.start_mark.line
    if not isinstance(node, yaml.MappingNode):
        yield line, place, "keys with values are expected"
        return
    keys: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        inner = f"{place}.{name}"
        if name in keys:
            yield key.start_mark.line, inner, "it stands here twice"
        keys.add(name)
        allowed = shape.get(name, shape.get(f"!{name}", shape.get("*")))
        if allowed is None:
            names = [each.lstrip("!") for each in shape]
            near = difflib.get_close_matches(name, names, 1)
            hint = f": is {near[0]} meant?" if near else ""
            yield key.start_mark.line, inner, f"there is no such key{hint}"
        else:
            yield from _shape(value, allowed, inner)
    for name in shape:
        if name.startswith("!") and name[1:] not in keys:
            yield line, f"{place}.{name[1:]}", "it is missing"


def _relations(root: yaml.Node, folder: Path) -> Found:
    """What no shape can say: names that refer to one another, folders, settings."""
    inputs = _get(root, "inputs")
    functions = _get(inputs, "functions")
    keys = {str(key.value) for key, _ in functions.value}
    yield from _layers(inputs, "inputs")
    yield from _settings(inputs, "inputs")
    for key, function in functions.value:
        place = f"inputs.functions.{key.value}"
        source = _get(function, "src")
        handler = _get(function, "handler") or _get(inputs, "handler")
        if handler is None:
            yield key.start_mark.line, f"{place}.handler", "it is missing"
        elif not (folder / source.value / f"{handler.value.rpartition('.')[0]}.py").is_file():
            yield source.start_mark.line, f"{place}.src", "the entry file that the handler names is not there"
        yield from _layers(function, place)
        yield from _settings(function, place)
    triggers = _get(inputs, "triggers")
    for index, trigger in enumerate(triggers.value if triggers else ()):
        place = f"inputs.triggers[{index}]"
        yield from _shape(
            _get(trigger, "parameters"), _TRIGGERS[_get(trigger, "type").value], f"{place}.parameters"
        )
        target = _get(trigger, "function")
        if target.value not in keys:
            yield target.start_mark.line, f"{place}.function", "there is no function of that key"


def _layers(node: yaml.Node, place: str) -> Found:
    layers = _get(node, "layers")
    if layers is not None and len(layers.value) > LAYER_LIMIT:
        yield layers.start_mark.line, f"{place}.layers", f"at most {LAYER_LIMIT} a function"


def _settings(node: yaml.Node, place: str) -> Found:
    environments = _get(node, "environments")
    for entry in environments.value if environments else ():
        name = _get(entry, "key")
        if name.value.startswith("CARDVEIL_") and name.value not in _SETTINGS:
            near = difflib.get_close_matches(name.value, _SETTINGS, 1)
            hint = f": is {near[0]} meant?" if near else ""
            yield (
                name.start_mark.line,
                f"{place}.environments.{name.value}",
                f"there is no such setting{hint}",
            )


def _get(node: Any, name: str) -> Any:
    """Return the value of a mapping's key, None where it is not there."""
    return next((value for key, value in node.value if key.value == name), None)
