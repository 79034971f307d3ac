"""The URLs of what was deployed, as the account tells them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cardveil_cli.deploy.account import Account
from cardveil_cli.deploy.desired_state import ALIAS, Wanted


def function_urls(account: Account, wanted: Wanted) -> list[tuple[str, str]]:
    """Return name and URL of each function that has one; an empty URL where the account does not tell it."""
    found = []
    for function in wanted.functions:
        name = function.spec.name
        if any(trigger.kind == "http" and trigger.enabled for trigger in function.triggers):
            there = account.find("GetFunction", FunctionName=name) or {}
            # The local cloud is reached without the host name.
            local = f"{account.access.proxy}/fn/{name}.{ALIAS.lstrip('$')}" if account.access.proxy else ""
            found.append((name, local or url_of(there.get("Triggers") or [])))
    return found


def url_of(triggers: list[Mapping[str, Any]]) -> str:
    """Return the public URL of a function's triggers, which the platform adds to NetConfig."""
    for trigger in triggers:
        if trigger["Type"] == "http":
            net = json.loads(trigger["TriggerDesc"]).get("NetConfig") or {}
            if url := net.get("ExtranetUrl") or net.get("IntranetUrl"):
                return str(url)
    return ""
