"""Takes every function back to the version before, in one call each: code, settings and layers together."""

from __future__ import annotations

from cardveil_cli.deploy.account import Account
from cardveil_cli.deploy.desired_state import ALIAS, MADE, Function, Wanted
from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.deploy.plan import Plan, Step, point, versions


def rollback_plan(account: Account, wanted: Wanted) -> Plan:
    """Return the steps that take every function back; triggers and reserved memory stay as they are.

    Raises
    ------
    DeployError
        If nothing was deployed, or no function has a version before.
    """
    plan = Plan()
    for function in wanted.functions:
        _add(plan, account, function)
    if not plan.steps:
        raise DeployError("there is no version to go back to")
    return plan


def _add(plan: Plan, account: Account, function: Function) -> None:
    name = function.spec.name
    there = account.find("GetFunction", FunctionName=name)
    alias = account.find("GetAlias", FunctionName=name, Name=ALIAS) if there else None
    if there is None or alias is None or not str(there["Description"]).startswith(function.mark):
        plan.remarks.append(f"left alone: function {name} was not deployed by cardveil")
        return
    now = int(alias["FunctionVersion"]) if str(alias["FunctionVersion"]).isdigit() else 0
    before = next(
        (
            each["Version"]
            for each in versions(account, name)
            if int(each["Version"]) < now and str(each["Description"]).startswith(MADE)
        ),
        None,
    )
    if before is None:
        plan.remarks.append(f"function {name} has no version before {now}")
        return

    def back() -> str:
        point(account, name, before)
        return f"function {name}: {ALIAS} is version {before}"

    plan.steps.append(Step("~", f"function {name}: {ALIAS} {now} → {before}", back))
