"""The grants as the vendor's policy documents, and a reader of such documents for the local cloud."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from cardveil.settings import Settings
from cardveil_cli.permissions.calls import Call
from cardveil_cli.permissions.grants import DEPLOYER, OPERATOR, Grant

_RESULTS: Final = "results:"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose bucket it is."""

    region: str
    app_id: str
    bucket: str
    result_bucket: str = ""


class UngroundedError(Exception):
    """Grants and code disagree; the text names what is missing or superfluous."""


def function_policy(
    function: str, calls: Sequence[Call], granted: Sequence[Grant], place: Place
) -> dict[str, Any]:
    """Return the policy of one function's role.

    Raises
    ------
    UngroundedError
        If the code calls what is not granted, or something is granted that the code does not call.
    """
    mine = [grant for grant in granted if function in grant.functions]
    called = {call.action for call in calls}
    if extra := sorted({grant.action for grant in mine} - called):
        raise UngroundedError(f"{function} is granted what its code never calls: {', '.join(extra)}")
    return granted_policy(function, granted, place)


def granted_policy(function: str, granted: Sequence[Grant], place: Place) -> dict[str, Any]:
    """Return the policy of one function's role without a look at what its code calls."""
    by_action: dict[str, list[str]] = {}
    for grant in granted:
        if function in grant.functions:
            by_action.setdefault(grant.action, []).extend(_resources(grant, place))
    return _document(by_action)


def missing(function: str, calls: Sequence[Call], everything: Sequence[Grant]) -> list[str]:
    """Return the actions that a function's code calls and that no settings at all would grant."""
    granted = {grant.action for grant in everything if function in grant.functions}
    return sorted({call.action for call in calls} - granted)


def deployer_policy(
    place: Place, functions: Sequence[str], state_prefix: str, keys: Sequence[Grant] = ()
) -> dict[str, Any]:
    """Return the policy of the key that deploys; `keys` are the grants for keys of KMS."""
    named = [f"qcs::scf:{place.region}::namespace/default/function/{name}" for name in functions]
    # Without an account's number a resource is of the account that the policy is made in.
    roles = [f"qcs::cam:::roleName/{name}" for name in functions]
    by_action = {action: roles if action.startswith("cam:") else named for action in DEPLOYER}
    everywhere = {"scf:ListFunctions", "cam:GetPolicy", "ci:DescribeMediaBuckets"}
    by_action |= {action: ["*"] for action in DEPLOYER if "Layer" in action or action in everywhere}
    for action in ("cos:HeadBucket", "cos:GetBucketVersioning"):
        by_action[action] = [f"qcs::cos:{place.region}:uid/{place.app_id}:{place.bucket}/*"]
    zips = f"qcs::cos:{place.region}:uid/{place.app_id}:{place.bucket}/{state_prefix}deploy/*"
    for action in ("cos:HeadObject", "cos:PutObject", "cos:GetObject", "cos:DeleteObject"):
        by_action[action] = [zips]
    by_action |= {grant.action: _resources(grant, place) for grant in keys}
    return _document(by_action)


def operator_policy(place: Place, functions: Sequence[str], settings: Settings) -> dict[str, Any]:
    """Return the policy of the key that looks after a deployment; where a ledger is kept, it enters there."""
    buckets = [
        f"qcs::cos:{place.region}:uid/{place.app_id}:{bucket}/*"
        for bucket in dict.fromkeys(filter(None, (place.bucket, place.result_bucket)))
    ]
    named = {
        "cos": buckets,
        "scf": [f"qcs::scf:{place.region}::namespace/default/function/{name}" for name in functions],
    }
    by_action = {action: named.get(action.partition(":")[0], ["*"]) for action in OPERATOR}
    state = f"qcs::cos:{place.region}:uid/{place.app_id}:{place.bucket}/{settings.state_prefix}"
    deletes = [f"{state}webhooks/tries/*"]
    if settings.ledger != "off":
        deletes.append(f"{state}ledger/heads/*")
        by_action["cos:PutObject"] = [f"{state}ledger/*"]
    return _document({**by_action, "cos:DeleteObject": deletes})


def _resources(grant: Grant, place: Place) -> list[str]:
    if not grant.places:
        return ["*"]
    service = grant.action.partition(":")[0]
    if service == "kms":
        # Without an account's number a resource is of the account that the policy is made in.
        return [f"qcs::kms:{place.region}::{pattern}" for pattern in grant.places]
    found = []
    for pattern in grant.places:
        results = pattern.startswith(_RESULTS)
        bucket = (place.result_bucket or place.bucket) if results else place.bucket
        inner = f"{bucket}/{pattern.removeprefix(_RESULTS)}"
        # COS names a bucket's objects by bucket and key, CI puts the kind before them.
        found.append(
            f"qcs::{service}:{place.region}:uid/{place.app_id}:{'bucket/' if service == 'ci' else ''}{inner}"
        )
    return found


def _document(by_action: Mapping[str, list[str]]) -> dict[str, Any]:
    """One statement for each set of resources, so that no action gets another's."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for action, resources in sorted(by_action.items()):
        grouped.setdefault(tuple(sorted(set(resources))), []).append(action)
    return {
        "version": "2.0",
        "statement": [
            {"effect": "allow", "action": actions, "resource": list(resources)}
            for resources, actions in sorted(grouped.items())
        ],
    }


def as_text(document: Mapping[str, Any]) -> str:
    """Return a document as it is stored."""
    return json.dumps(document, indent=2) + "\n"


class CamPolicy:
    """Decides by a policy document, as the vendor's access management does.

    Parameters
    ----------
    document
        Statements that allow; anything else is refused as not understood.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._statements: list[tuple[list[str], list[str]]] = []
        for statement in document["statement"]:
            if statement["effect"] != "allow" or set(statement) != {"effect", "action", "resource"}:
                raise ValueError("only statements that allow are understood here")
            self._statements.append((list(statement["action"]), list(statement["resource"])))

    def allows(self, action: str, resource: str) -> bool:
        """Whether an action on a resource (``cos/<bucket>/<key>``, ``scf/<kind>/<name>``) is allowed."""
        return any(
            action in actions and any(_covers(pattern, resource) for pattern in resources)
            for actions, resources in self._statements
        )


def _covers(pattern: str, resource: str) -> bool:
    if pattern == "*":
        return True
    kind, _, asked = resource.partition("/")
    inner = pattern.split(":", 5)[-1].removeprefix("bucket/").removeprefix("namespace/default/")
    if kind == "cos" and asked.count("/") == 1 and asked.endswith("/"):
        # A call that names the bucket alone.
        return inner == f"{asked}*"
    return fnmatchcase(asked, inner)
