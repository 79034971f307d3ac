"""Fills the `${…}` variables of serverless.yml in, so that the file which deploys is the one run here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

#: `${env:NAME}`, `${env.NAME}`, `${stage}`, each optionally with `, default`.
_VARIABLE: Final = re.compile(r"\$\{\s*(?P<name>[^,{}]+?)\s*(?:,\s*(?P<default>[^{}]*?)\s*)?\}")
#: A value may name another variable; more turns than this are a circle.
_TURNS: Final = 5


class ConfigurationError(Exception):
    """serverless.yml says something that cannot be run; the text names the place."""


def resolve(document: Any, variables: Mapping[str, str], place: str = "") -> Any:
    """Return `document` with the variables of every string in it filled in.

    Parameters
    ----------
    document
        What the YAML parser gave.
    variables
        Values by name. `${env:X}` and `${env.X}` look `X` up, `${stage}` looks `stage` up, and anything else
        (such as `${output:…}`) is looked up as it is written.
    place
        Where in the file `document` stands, for error messages.

    Raises
    ------
    ConfigurationError
        If a variable has neither a value nor a default.
    """
    if isinstance(document, str):
        return _fill(document, variables, place)
    if isinstance(document, Mapping):
        return {key: resolve(value, variables, f"{place}.{key}") for key, value in document.items()}
    if isinstance(document, list):
        return [resolve(value, variables, f"{place}[{index}]") for index, value in enumerate(document)]
    return document


def _fill(text: str, variables: Mapping[str, str], place: str) -> str:
    for _ in range(_TURNS):
        filled = _VARIABLE.sub(lambda match: _value(match, variables, place), text)
        if filled == text:
            return text
        text = filled
    raise ConfigurationError(f"{place.lstrip('.')}: its variables refer to one another in a circle")


def _value(match: re.Match[str], variables: Mapping[str, str], place: str) -> str:
    name = match["name"]
    key = re.sub(r"^env[:.]", "", name)
    if key in variables:
        return variables[key]
    if match["default"] is not None:
        return match["default"].strip("'\"")
    raise ConfigurationError(f"{place.lstrip('.')}: no value is given for the variable ${{{name}}}")
