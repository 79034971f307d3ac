"""Writes the policies of one serverless.yml, with a page that says why each permission is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cardveil.settings import Settings
from cardveil_cli.package.build import function_folders
from cardveil_cli.permissions.calls import Call, PackageCode
from cardveil_cli.permissions.documents import (
    Place,
    as_text,
    deployer_policy,
    function_policy,
    operator_policy,
)
from cardveil_cli.permissions.grants import DEPLOYER, OPERATOR, Grant, grants


def calls_by_function(root: Path) -> dict[str, tuple[Call, ...]]:
    """Return what each function of a checkout calls."""
    code = PackageCode(root / "layers" / "cardveil" / "cardveil")
    return {
        key: code.calls_of(folder / "index.py")
        for key, folder in function_folders(root / "serverless.yml").items()
    }


def policies_of(
    calls: Mapping[str, tuple[Call, ...]], place: Place, settings: Settings, *, jobs: bool
) -> dict[str, dict[str, Any]]:
    """Return the policy of each function's role, by function key, from what the functions call.

    Raises
    ------
    UngroundedError
        If grants and code disagree.
    Halt
        ``cross_border`` (see `located`).
    """
    granted = grants(settings, place.region, jobs=jobs)
    return {key: function_policy(key, called, granted, place) for key, called in calls.items()}


def files(root: Path, place: Place, settings: Settings, *, jobs: bool) -> dict[str, str]:
    """Return the files to be stored, by name; raises as `policies_of` does."""
    calls = calls_by_function(root)
    found = {
        f"cardveil-{key.replace('_', '-')}.json": as_text(document)
        for key, document in policies_of(calls, place, settings, jobs=jobs).items()
    }
    names = [f"cardveil-{key.replace('_', '-')}" for key in calls]
    granted = grants(settings, place.region, jobs=jobs)
    keys = [grant for grant in granted if grant.action.startswith("kms:")]
    found["deployer.json"] = as_text(deployer_policy(place, names, settings.state_prefix, keys))
    found["operator.json"] = as_text(operator_policy(place, names, settings))
    found["README.md"] = _page(granted, calls)
    return found


_HEAD: Final = """\
# Policies of the functions' roles

Made by `cardveil policies` from what the code calls; make yours with your own bucket. `serverless.yml` names
the roles. A permission that the code does not call, or a call without its permission, fails a test.

| permission | where | functions | why |
|---|---|---|---|
"""
_DEPLOYER: Final = """
`deployer.json` is for the key that runs `cardveil deploy`:

| permission | why |
|---|---|
"""
_OPERATOR: Final = """
`operator.json` is for the key that runs `cardveil status`, `get`, `logs` and `redeliver`:

| permission | why |
|---|---|
"""


def _page(granted: tuple[Grant, ...], calls: Mapping[str, tuple[Call, ...]]) -> str:
    rows = [_row(grant, calls) for grant in granted]
    text = _HEAD + "\n".join(rows) + "\n"
    for head, table in ((_DEPLOYER, DEPLOYER), (_OPERATOR, OPERATOR)):
        text += head + "\n".join(f"| `{action}` | {why} |" for action, why in table.items()) + "\n"
    return text


def _row(grant: Grant, calls: Mapping[str, tuple[Call, ...]]) -> str:
    functions = [key for key in grant.functions if key in calls]
    where = ", ".join(f"`{place.removeprefix('results:')}`" for place in grant.places) or "everywhere"
    return f"| `{grant.action}` | {where} | {', '.join(functions)} | {grant.why} |"
