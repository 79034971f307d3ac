"""Reads the parameters of a call: each with its kind, refused by the name that the API gives it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from cardveil_cloud.scf.deployment import ENVIRONMENT_LIMIT, LAYER_LIMIT, MEMORY_SIZES, TIMEOUTS
from cardveil_cloud.tencent_api.errors import ApiError

#: "FunctionName": letters, digits, hyphens and underscores, 2 to 60, a letter first, no sign last.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,58}[A-Za-z0-9]")
Kind = TypeVar("Kind")


def take(body: Mapping[str, Any], name: str, kind: type[Kind], default: Kind | None = None) -> Kind:
    """Return a parameter of the right kind, or its default."""
    value = body.get(name)
    if value is None:
        if default is None:
            raise ApiError("MissingParameter", f"The request is missing the parameter `{name}`.")
        return default
    if not isinstance(value, kind):
        raise ApiError("InvalidParameter", f"The parameter `{name}` has a wrong type.")
    return value


def count(body: Mapping[str, Any], name: str, default: int) -> int:
    """Return a number that clients send as a number or as a text."""
    value = body.get(name)
    text = str(default if value is None else value)
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()):
        raise ApiError("InvalidParameter", f"The parameter `{name}` has a wrong type.")
    return int(text)


def name_of(body: Mapping[str, Any]) -> str:
    """Return the function's name."""
    name = take(body, "FunctionName", str)
    if not _NAME.fullmatch(name):
        raise ApiError("InvalidParameterValue.FunctionName", "The function's name is not allowed.")
    return name


def configuration(body: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration that a call asks for, on top of what was before.

    Raises
    ------
    ApiError
        For what the platform does not take.
    """
    found = dict(before)
    for name, kind in (
        ("Handler", str),
        ("Description", str),
        ("Runtime", str),
        ("MemorySize", int),
        ("Timeout", int),
        ("InitTimeout", int),
        ("Role", str),
        ("ClsLogsetId", str),
        ("ClsTopicId", str),
        ("Environment", dict),
        ("Layers", list),
        ("DeadLetterConfig", dict),
        ("Namespace", str),
    ):
        if body.get(name) is not None:
            found[name] = take(body, name, kind)
    if found["MemorySize"] not in MEMORY_SIZES:
        raise ApiError("InvalidParameterValue.MemorySize", "MemorySize: 64, or 128 to 3072 in steps of 128.")
    if found["Timeout"] not in TIMEOUTS:
        raise ApiError("InvalidParameterValue.Timeout", "Timeout: 1 to 900 seconds.")
    variables = found["Environment"].get("Variables") or []
    found["Environment"] = {"Variables": variables}
    if sum(len(v["Key"].encode()) + len(v["Value"].encode()) for v in variables) > ENVIRONMENT_LIMIT:
        raise ApiError("LimitExceeded.Environment", f"Environment: at most {ENVIRONMENT_LIMIT} bytes.")
    if len(found["Layers"]) > LAYER_LIMIT:
        raise ApiError("LimitExceeded.LayerVersions", f"Layers: at most {LAYER_LIMIT} a function.")
    return found


#: What a function has that is told nothing.
BLANK: Final[Mapping[str, Any]] = {
    "Handler": "index.main_handler",
    "Description": "",
    "Runtime": "Python3.10",
    "MemorySize": 128,
    "Timeout": 3,
    "InitTimeout": 65,
    "Role": "",
    "ClsLogsetId": "",
    "ClsTopicId": "",
    "Environment": {"Variables": []},
    "Layers": [],
    "DeadLetterConfig": {},
    "Namespace": "default",
}
