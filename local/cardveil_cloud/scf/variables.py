"""Fills the `${…}` variables of serverless.yml in, so that the file which deploys is the one run here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

#: Everything in `${…}`; and what of it the vendor's tool fills in, which knows no defaults and no spaces.
_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")
_KNOWN: Final = re.compile(r"env:(\w[\w.-]*)|(stage|app|name)", re.ASCII)
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
        Values by name. `${env:X}` looks `X` up; `${stage}`, `${app}` and `${name}` themselves.
    place
        Where in the file `document` stands, for error messages.

    Raises
    ------
    ConfigurationError
        If a variable has no value, or is not of these.
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
    known = _KNOWN.fullmatch(match[1])
    place = place.lstrip(".")
    if known is None:
        raise ConfigurationError(f"{place}: only ${{env:NAME}}, without a default, is filled in everywhere")
    name = known[1] or known[2]
    if name not in variables:
        raise ConfigurationError(f"{place}: set {name} where you deploy: it has no value")
    return variables[name]
