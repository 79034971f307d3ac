"""Takes away what `cardveil deploy` has made, and nothing else: the bucket and what is in it stay."""

from __future__ import annotations

from functools import partial
from typing import Any

from cardveil_cli.deploy.account import Account
from cardveil_cli.deploy.desired_state import MADE, Function, Wanted
from cardveil_cli.deploy.plan import Plan, Step


def undeploy_plan(account: Account, wanted: Wanted) -> Plan:
    """Return the steps that remove functions, with their versions and triggers, and the layers."""
    plan = Plan()
    going = [function.spec.name for function in wanted.functions if _function(plan, account, function)]
    if staying := [name for name in _made(account) if name not in going]:
        plan.remarks.append(f"left alone: the layers, which function {staying[0]} may use")
        return plan
    for layer in wanted.layers:
        there = account.find("ListLayerVersions", LayerName=layer.name) or {}
        for each in there.get("LayerVersions") or []:
            if not str(each["Description"]).startswith(MADE):
                plan.remarks.append(f"left alone: version {each['LayerVersion']} of layer {layer.name}")
                continue
            action = partial(_remove_layer, account, layer.name, int(each["LayerVersion"]))
            plan.steps.append(Step("-", f"layer {layer.name}: version {each['LayerVersion']}", action))
    return plan


def _function(plan: Plan, account: Account, function: Function) -> bool:
    name = function.spec.name
    there = account.find("GetFunction", FunctionName=name)
    if there is None:
        return False
    if not str(there["Description"]).startswith(function.mark):
        plan.remarks.append(f"left alone: function {name}, which cardveil did not make")
        return False
    if any(str(each.get("Description", "")) != MADE for each in there.get("Triggers") or []):
        plan.remarks.append(f"left alone: function {name}, which has a trigger that cardveil did not make")
        return False

    def remove() -> str:
        account.call("DeleteFunction", FunctionName=name)
        return f"function {name}: removed"

    plan.steps.append(Step("-", f"function {name}, with its versions and triggers", remove))
    return True


def _remove_layer(account: Account, name: str, version: int) -> str:
    account.call("DeleteLayerVersion", LayerName=name, LayerVersion=version)
    return f"layer {name}: version {version} removed"


def _made(account: Account) -> list[str]:
    """Names of all functions that were made by `cardveil deploy`, of other stages too."""
    found: list[dict[str, Any]] = []
    while True:
        page = account.call("ListFunctions", Offset=len(found), Limit=100)
        found += page["Functions"]
        if not page["Functions"] or len(found) >= int(page["TotalCount"]):
            return [each["FunctionName"] for each in found if str(each["Description"]).startswith(MADE)]
