"""What the account should hold: read from serverless.yml and the zips, in the words of SCF's API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.package.trees import digest
from cardveil_cloud.scf.deployment import (
    DEFAULT_ALIAS,
    CosTrigger,
    Deployment,
    FunctionSpec,
    HttpTrigger,
    TimerTrigger,
)

#: The alias that all triggers call, so that one change of it rolls a function back. Every function has it;
#: the triggers of the vendor's own tool call it too.
ALIAS: Final = DEFAULT_ALIAS

#: Descriptions may hold letters, digits, spaces, commas and full stops only.
MADE: Final = "Made by cardveil deploy"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; its versions tell by their description which zip they hold."""

    name: str
    zip: bytes

    @property
    def description(self) -> str:
        """What marks the version that holds this zip."""
        return f"{MADE}, zip {digest(self.zip)}."


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger in the form of CreateTrigger.

    Attributes
    ----------
    parameters
        TriggerDesc, as an object.
    """

    kind: str
    name: str
    parameters: Mapping[str, Any]
    enabled: bool
    argument: str = ""

    def as_call(self, function: str) -> dict[str, Any]:
        """Return the parameters of CreateTrigger."""
        call = {
            "FunctionName": function,
            "Namespace": "default",
            "TriggerName": self.name,
            "Type": self.kind,
            "TriggerDesc": json.dumps(self.parameters, separators=(",", ":")),
            "Qualifier": ALIAS,
            "Enable": "OPEN" if self.enabled else "CLOSE",
            "Description": MADE,
        }
        return {**call, "CustomArgument": self.argument} if self.argument else call


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes
    ----------
    owner
        Digest of application and stage: two stages do not touch each other's functions.
    """

    key: str
    spec: FunctionSpec
    zip: bytes
    owner: str
    triggers: tuple[Trigger, ...]

    @property
    def mark(self) -> str:
        """What tells a function of ours from all others."""
        return f"{MADE}, owner {self.owner}"

    def configuration(self, layers: Mapping[str, int]) -> dict[str, Any]:
        """Return the settings in the form of UpdateFunctionConfiguration.

        Parameters
        ----------
        layers
            Version of each layer.
        """
        spec = self.spec
        found: dict[str, Any] = {
            "MemorySize": spec.memory_mb,
            "Timeout": spec.timeout_s,
            "InitTimeout": spec.init_timeout_s,
            "Environment": {
                "Variables": [
                    {"Key": key, "Value": spec.environment[key]} for key in sorted(spec.environment)
                ]
            },
            "Layers": [{"LayerName": name, "LayerVersion": layers[name]} for name in spec.layers],
            "Role": spec.role,
        }
        if spec.logs:
            found |= {"ClsLogsetId": spec.logs[0], "ClsTopicId": spec.logs[1]}
        if spec.dead_letter:
            found["DeadLetterConfig"] = {"Type": spec.dead_letter[0], "Name": spec.dead_letter[1]}
        return found

    def creation(self, layers: Mapping[str, int], code: Mapping[str, Any]) -> dict[str, Any]:
        """Return the whole in the form of CreateFunction.

        Parameters
        ----------
        code
            Where the zip is.
        """
        return {
            "FunctionName": self.spec.name,
            "Type": "Event",
            "Namespace": self.spec.namespace,
            "Handler": self.spec.handler,
            "Runtime": self.spec.runtime,
            # The functions call APIs on the public network, by no address of their own.
            "PublicNetConfig": {
                "PublicNetStatus": "ENABLE",
                "EipConfig": {"EipStatus": "DISABLE"},
            },
            "Description": self.description,
            "Code": dict(code),
            **self.configuration(layers),
        }

    @property
    def description(self) -> str:
        """Mark, code and the user's words; written after the code, so that it tells which code is there."""
        words = f" {self.spec.description}" if self.spec.description else ""
        return f"{self.mark}, code {digest(self.zip)}.{words}"

    def state(self, layers: Mapping[str, int]) -> str:
        """Return the description of the version that holds exactly this code and configuration."""
        whole = json.dumps([self.configuration(layers), self.spec.handler, digest(self.zip)], sort_keys=True)
        return f"{MADE}, state {hashlib.sha256(whole.encode()).hexdigest()[:32]}."


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything that the account should hold."""

    layers: tuple[Layer, ...]
    functions: tuple[Function, ...]


def wanted(deployment: Deployment, package: Path, *, app: str, stage: str, region: str) -> Wanted:
    """Put a deployment and its zips together.

    Parameters
    ----------
    package
        The folder that `cardveil package` wrote.

    Raises
    ------
    DeployError
        If a zip is missing.
    """
    owner = hashlib.sha256(f"{app}/{stage}".encode()).hexdigest()[:16]
    names = dict.fromkeys(name for spec in deployment.functions.values() for name in spec.layers)
    return Wanted(
        layers=tuple(Layer(name, _zip(package / "layers" / f"{name}.zip")) for name in names),
        functions=tuple(
            Function(
                key=key,
                spec=spec,
                zip=_zip(package / "functions" / f"{key}.zip"),
                owner=owner,
                triggers=tuple(_triggers(key, deployment, region)),
            )
            for key, spec in deployment.functions.items()
        ),
    )


def _zip(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DeployError(
            f"there is no {path.parent.name}/{path.name}: run `cardveil package` first"
        ) from None


def _triggers(key: str, deployment: Deployment, region: str) -> list[Trigger]:
    found = [
        _cos(each, event, region) for each in deployment.cos if each.function == key for event in each.events
    ]
    found += [_timer(each) for each in deployment.timers if each.function == key]
    found += [_http(each) for each in deployment.http if each.function == key]
    return found


def _cos(trigger: CosTrigger, event: str, region: str) -> Trigger:
    # COS's triggers are named by the bucket's host.
    parameters = {"event": event, "filter": {"Prefix": trigger.prefix, "Suffix": trigger.suffix}}
    return Trigger("cos", f"{trigger.bucket}.cos.{region}.myqcloud.com", parameters, trigger.enabled)


def _timer(trigger: TimerTrigger) -> Trigger:
    return Trigger("timer", trigger.name, {"cron": trigger.cron}, trigger.enabled, trigger.argument)


def _http(trigger: HttpTrigger) -> Trigger:
    net = {"EnableIntranet": trigger.intranet, "EnableExtranet": trigger.extranet}
    parameters = {"AuthType": trigger.auth, "NetConfig": net}
    return Trigger("http", trigger.name, parameters, trigger.enabled)
