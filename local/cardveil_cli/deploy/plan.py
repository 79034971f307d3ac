"""Compares what is wanted with what is there, and lists the steps between them, each safe to repeat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cardveil.settings import table
from cardveil_cli.deploy.account import Account
from cardveil_cli.deploy.desired_state import ALIAS, MADE, Function, Layer, Trigger, Wanted
from cardveil_cli.deploy.errors import DeployError

#: Does a step and returns what to say of it.
Action = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Step:
    """One change; `text` says what it will do."""

    sign: str
    text: str
    action: Action


@dataclass(slots=True)
class Plan:
    """Steps in order, and remarks on what is left alone."""

    steps: list[Step] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what will be done, one line a step."""
        return [f"{step.sign} {step.text}" for step in self.steps] + [f"  {each}" for each in self.remarks]


class Planner:
    """Makes the plan for one account; layer versions are filled in as they are published."""

    def __init__(self, account: Account, wanted: Wanted) -> None:
        self._account = account
        self._wanted = wanted
        self._versions: dict[str, int] = {}
        self._plan = Plan()

    def plan(self) -> Plan:
        """Look at the account and return what is to be done.

        Raises
        ------
        DeployError
            If something of ours has the name of something that others made.
        """
        for layer in self._wanted.layers:
            self._layer(layer)
        for function in self._wanted.functions:
            self._function(function)
        return self._plan

    def _add(self, sign: str, text: str, action: Action) -> None:
        self._plan.steps.append(Step(sign, text, action))

    def _layer(self, layer: Layer) -> None:
        there = self._account.find("ListLayerVersions", LayerName=layer.name) or {}
        versions = there.get("LayerVersions") or []
        if versions and not any(str(each["Description"]).startswith(MADE) for each in versions):
            raise DeployError(f"layer {layer.name} was not made by cardveil: rename it in serverless.yml")
        for each in versions:
            if each["Description"] == layer.description:
                self._versions[layer.name] = int(each["LayerVersion"])
                return

        def publish() -> str:
            done = self._account.call(
                "PublishLayerVersion",
                LayerName=layer.name,
                CompatibleRuntimes=["Python3.10"],
                Content=self._account.code(layer.zip),
                Description=layer.description,
            )
            self._account.forget(layer.zip)
            self._versions[layer.name] = int(done["LayerVersion"])
            return f"layer {layer.name}: version {done['LayerVersion']}"

        self._add("+", f"layer {layer.name}: publish {len(layer.zip):,} bytes", publish)

    def _function(self, wanted: Function) -> None:
        name = wanted.spec.name
        there = self._account.find("GetFunction", FunctionName=name)
        known = all(layer in self._versions for layer in wanted.spec.layers)
        if there is None:
            self._add("+", f"function {name}: create", partial(self._create, wanted))
        else:
            if not str(there["Description"]).startswith(wanted.mark):
                raise DeployError(
                    f"function {name} was not made by cardveil for this app and stage: rename it"
                )
            same = f"code {wanted.description.split(' code ')[1][:64]}" in str(there["Description"])
            # The entry is changed with the code, by the same call.
            if not same or there.get("Handler") != wanted.spec.handler:
                what = "code" if not same else f"Handler {there.get('Handler')} → {wanted.spec.handler}"
                self._add("~", f"function {name}: {what}", partial(self._update_code, wanted))
            self._remain(wanted, there)
            changes = _changes(wanted.configuration(self._versions) if known else None, there)
            if changes or there["Description"] != wanted.description:
                what = ", ".join(changes) or "description"
                self._add("~", f"function {name}: {what}", partial(self._configure, wanted))
        self._release(wanted, there is not None and known)
        self._reserve(wanted, there)
        self._triggers(wanted, (there or {}).get("Triggers") or [])

    def _remain(self, wanted: Function, there: Mapping[str, Any]) -> None:
        """Remark what the file says nothing of any more, and what no call of the API takes back."""
        queue = (there.get("DeadLetterConfig") or {}).get("Name")
        if queue and not wanted.spec.dead_letter:
            self._plan.remarks.append(
                f"left alone: dead letters of {wanted.spec.name} still go to {queue}: "
                "the console takes that back"
            )

    def _create(self, wanted: Function) -> str:
        code = self._account.code(wanted.zip)
        self._account.call("CreateFunction", **wanted.creation(self._versions, code))
        self._account.settled(wanted.spec.name)
        return f"function {wanted.spec.name}: created"

    def _update_code(self, wanted: Function) -> str:
        self._account.settled(wanted.spec.name)
        self._account.call(
            "UpdateFunctionCode",
            FunctionName=wanted.spec.name,
            Handler=wanted.spec.handler,
            Code=self._account.code(wanted.zip),
        )
        self._account.settled(wanted.spec.name)
        return f"function {wanted.spec.name}: code updated"

    def _configure(self, wanted: Function) -> str:
        self._account.settled(wanted.spec.name)
        self._account.call(
            "UpdateFunctionConfiguration",
            FunctionName=wanted.spec.name,
            Description=wanted.description,
            **wanted.configuration(self._versions),
        )
        self._account.settled(wanted.spec.name)
        return f"function {wanted.spec.name}: settings updated"

    def _release(self, wanted: Function, known: bool) -> None:
        """Publish a version and let the alias point at it, unless it does."""
        name = wanted.spec.name
        if known and not self._pending(name):
            alias = self._account.find("GetAlias", FunctionName=name, Name=ALIAS)
            version = version_of(self._account, name, wanted.state(self._versions))
            if alias and version and alias["FunctionVersion"] == version:
                return

        def release() -> str:
            self._account.settled(name)
            state = wanted.state(self._versions)
            version = version_of(self._account, name, state)
            if version is None:
                version = str(
                    self._account.call("PublishVersion", FunctionName=name, Description=state)[
                        "FunctionVersion"
                    ]
                )
            point(self._account, name, version)
            return f"function {name}: {ALIAS} is version {version}"

        self._add("~", f"function {name}: publish and set {ALIAS}", release)

    def _pending(self, name: str) -> bool:
        return any(step.text.startswith(f"function {name}:") for step in self._plan.steps)

    def _reserve(self, wanted: Function, there: Mapping[str, Any] | None) -> None:
        name, megabytes = wanted.spec.name, wanted.spec.reserved_mb
        found = None
        if there is not None:
            found = self._account.call("GetReservedConcurrencyConfig", FunctionName=name).get("ReservedMem")
        if megabytes is None or found == megabytes:
            if found and megabytes is None:
                self._plan.remarks.append(
                    f"left alone: {found} MB stay reserved for {name}: the console takes that back"
                )
            return

        def reserve() -> str:
            self._account.call(
                "PutReservedConcurrencyConfig", FunctionName=name, ReservedConcurrencyMem=megabytes
            )
            return f"function {name}: {megabytes} MB reserved"

        before = "" if found is None else f", {found} before"
        self._add("~", f"function {name}: reserve {megabytes} MB for its instances{before}", reserve)

    def _triggers(self, wanted: Function, there: list[Mapping[str, Any]]) -> None:
        name = wanted.spec.name
        unused = list(there)
        for trigger in wanted.triggers:
            found = next((each for each in unused if _is(trigger, each)), None)
            if found is not None:
                unused.remove(found)
            else:
                self._add("+", f"trigger {trigger.kind} of {name}", partial(self._trigger, name, trigger))
        # First what is gone, since rules of one event may not overlap.
        gone = [each for each in unused if str(each.get("Description", "")) == MADE]
        for each in gone:
            step = Step("-", f"trigger {each['Type']} of {name}", partial(self._untrigger, name, each))
            first = next(
                (
                    i
                    for i, s in enumerate(self._plan.steps)
                    if s.text.startswith("trigger") and s.text.endswith(name)
                ),
                len(self._plan.steps),
            )
            self._plan.steps.insert(first, step)
        self._plan.remarks += [
            f"left alone: trigger {each['Type']} of {name}, which cardveil did not make"
            for each in unused
            if each not in gone
        ]

    def _trigger(self, function: str, trigger: Trigger) -> str:
        self._account.call("CreateTrigger", **trigger.as_call(function))
        return f"trigger {trigger.kind} of {function}: created"

    def _untrigger(self, function: str, trigger: Mapping[str, Any]) -> str:
        self._account.call(
            "DeleteTrigger",
            FunctionName=function,
            TriggerName=trigger["TriggerName"],
            Type=trigger["Type"],
            TriggerDesc=trigger["TriggerDesc"],
            Qualifier=trigger["Qualifier"],
        )
        return f"trigger {trigger['Type']} of {function}: removed"


def version_of(account: Account, function: str, description: str) -> str | None:
    """Return the published version of this description, None when there is none."""
    return next(
        (each["Version"] for each in versions(account, function) if each["Description"] == description), None
    )


def versions(account: Account, function: str) -> list[dict[str, Any]]:
    """Return a function's published versions, the newest first."""
    found: list[dict[str, Any]] = []
    while True:
        page = account.call("ListVersionByFunction", FunctionName=function, Offset=len(found), Limit=100)
        found += page["Versions"]
        if not page["Versions"] or len(found) >= int(page["TotalCount"]):
            return sorted(
                (each for each in found if str(each["Version"]).isdigit()),
                key=lambda each: int(each["Version"]),
                reverse=True,
            )


def point(account: Account, function: str, version: str) -> None:
    """Let the alias point at a version."""
    account.call("UpdateAlias", FunctionName=function, Name=ALIAS, FunctionVersion=version, Description=MADE)


def _changes(wanted: Mapping[str, Any] | None, there: Mapping[str, Any]) -> list[str]:
    """Name what differs, old and new."""
    if wanted is None:
        return ["layers"]
    found = []
    for name, value in wanted.items():
        if name == "Environment":
            found += _environment_changes(value, there.get(name) or {})
        elif name == "Layers":
            present = [
                {"LayerName": each["LayerName"], "LayerVersion": each["LayerVersion"]}
                for each in there.get("Layers") or []
            ]
            found += ["layers"] if present != value else []
        elif name == "DeadLetterConfig":
            present_queue = there.get(name) or {}
            found += [name] if any(present_queue.get(key) != text for key, text in value.items()) else []
        elif (there.get(name) or ("" if isinstance(value, str) else None)) != value:
            found.append(f"{name} {there.get(name)} → {value}")
    return found


def _environment_changes(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    new = {each["Key"]: each["Value"] for each in wanted["Variables"]}
    old = {each["Key"]: each["Value"] for each in there.get("Variables") or []}
    known = table()
    found = []
    for name in sorted(new.keys() | old.keys()):
        if new.get(name) == old.get(name):
            continue
        # What is no setting of ours may be somebody's secret as well.
        if name not in known or known[name].kind.secret:
            sign = "+" if name not in old else "-" if name not in new else "~"
            found.append(f"{sign}{name} (not shown)")
        else:
            found.append(f"{name} {old.get(name, 'unset')} → {new.get(name, 'unset')}")
    return found


def _is(wanted: Trigger, there: Mapping[str, Any]) -> bool:
    if (wanted.kind, wanted.name, ALIAS) != (there["Type"], there["TriggerName"], there.get("Qualifier")):
        return False
    if (
        bool(there.get("Enable")) != wanted.enabled
        or str(there.get("CustomArgument") or "") != wanted.argument
    ):
        return False
    # The platform adds to what it was given.
    parameters = json.loads(there["TriggerDesc"])
    return _within(wanted.parameters, parameters)


def _within(wanted: Any, there: Any) -> bool:
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        return all(_within(value, there.get(key)) for key, value in wanted.items())
    return bool(wanted == there)
