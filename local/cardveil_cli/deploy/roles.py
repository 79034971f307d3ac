"""The roles that the functions get: whether they are there, and whether they may do what the code calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from cardveil_cli.deploy.access import Access, NotPermittedError, call_api
from cardveil_cli.deploy.errors import DeployError

_CAM: Final = ("cam", "2019-01-16")
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Role:
    """What there is to say of one role.

    Attributes
    ----------
    state
        ``fit``, ``lacks`` (permissions), ``gone`` (there is no such role), ``unknown``.
    """

    state: str
    text: str


def roles_of(access: Access, needed: Mapping[str, Mapping[str, Any]]) -> Iterator[Role]:
    """Look every role up: is it there, what is attached to it, and is that enough.

    Parameters
    ----------
    needed
        The policy that the code needs, as `cardveil policies` writes it, by the role's name.

    Raises
    ------
    DeployError
        If the account does not answer.
    """
    for name, document in needed.items():
        try:
            yield _role(access, name, document)
        except NotPermittedError as refused:
            yield Role("unknown", f"not known: whether the roles are there, and what they may do ({refused})")
            return


def _role(access: Access, name: str, needed: Mapping[str, Any]) -> Role:
    if call_api(access, *_CAM, "GetRole", {"RoleName": name}) is None:
        return Role("gone", f"role {name}: not there; make it for SCF, with {_file(name)}")
    attached = list(_attached(access, name))
    statements: list[Mapping[str, Any]] = []
    for each in attached:
        told = call_api(access, *_CAM, "GetPolicy", {"PolicyId": int(each["PolicyId"])})
        statements += _statements(str((told or {}).get("PolicyDocument") or "{}"))
    allowing = [each for each in statements if str(each.get("effect")).lower() == "allow"]
    policies = ", ".join(str(each["PolicyName"]) for each in attached) or "nothing"
    if lacks := lacking(needed, allowing):
        text = f"role {name}: has {policies}; to be added from {_file(name)}: {', '.join(lacks)}"
        return Role("lacks", text)
    # What is denied, or allowed on conditions, is not weighed here.
    doubt = "" if len(allowing) == len(statements) else " (one of them denies something: not weighed)"
    return Role("fit", f"role {name}: there, with {policies}{doubt}; all that the code calls is allowed")


def _file(role: str) -> str:
    return f"policies/{role}.json"


def _attached(access: Access, role: str) -> Iterator[Mapping[str, Any]]:
    page, seen = 1, 0
    while True:
        parameters = {"RoleName": role, "Page": page, "Rp": _PAGE}
        told = call_api(access, *_CAM, "ListAttachedRolePolicies", parameters) or {}
        found = told.get("List") or []
        yield from found
        page, seen = page + 1, seen + len(found)
        if not found or seen >= int(told.get("TotalNum") or 0):
            return


def _statements(document: str) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(document).get("statement") or []
    except (ValueError, AttributeError):
        raise DeployError("cam:GetPolicy: a policy's document is not readable") from None
    return [found] if isinstance(found, Mapping) else list(found)


def lacking(needed: Mapping[str, Any], allowing: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the actions of a needed policy that statements do not allow in every place it names."""
    lacks: dict[str, None] = {}
    for statement in needed["statement"]:
        for action in statement["action"]:
            patterns = [
                pattern
                for each in allowing
                if any(fnmatchcase(action, other) for other in _texts(each.get("action")))
                for pattern in _texts(each.get("resource"))
            ]
            if not all(
                any(_covers(pattern, place) for pattern in patterns) for place in statement["resource"]
            ):
                lacks[action] = None
    return list(lacks)


def _texts(value: Any) -> list[str]:
    """A policy writes one text or a list; actions may begin with ``name/``."""
    found = [value] if isinstance(value, str) else list(value or [])
    return [str(each).removeprefix("name/") for each in found]


def _covers(pattern: str, place: str) -> bool:
    """Whether one resource, or pattern of resources, holds another; parts that are left out hold all."""
    if pattern == "*":
        return True
    ours, theirs = pattern.split(":", 5), place.split(":", 5)
    if len(ours) != len(theirs):
        return False
    pairs = zip(ours, theirs, strict=True)
    return all(mine in {"", other} or fnmatchcase(other, mine) for mine, other in pairs)
