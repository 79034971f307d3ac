"""What is deployed, as the account tells it: functions with their settings, logs and queues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from cardveil.core.retry import RetryPolicy
from cardveil.settings import PREFIX, Settings, from_environment
from cardveil.storage.objects import CosObjects
from cardveil.storage.vendor import Credentials, cos_client
from cardveil_cli.deploy.access import Access, call_api
from cardveil_cli.deploy.errors import DeployError
from cardveil_cloud.scf.deployment import DEFAULT_ALIAS
from cardveil_cloud.scf.schema import check
from cardveil_cloud.scf.variables import resolve

_SCF: Final = ("scf", "2018-04-16")
_LATEST: Final = "$LATEST"
#: Tries of one request to COS; a person waits for the answer.
_ATTEMPTS: Final = 3
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """One function of the account.

    Attributes
    ----------
    topic
        Of the log service; empty where its lines go nowhere.
    queue
        Where its dead letters go; empty where they are dropped, or go to a topic.
    """

    key: str
    name: str
    topic: str
    queue: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Deployed:
    """The functions of one account, and how its buckets are reached."""

    access: Access
    functions: tuple[DeployedFunction, ...]
    settings: Settings

    @property
    def sources(self) -> CosObjects:
        """The bucket of the sources, and of the state."""
        return self._objects(self.settings.bucket)

    @property
    def results(self) -> CosObjects:
        """The bucket of the results."""
        return self._objects(self.settings.result_bucket or self.settings.bucket)

    def function(self, name: str) -> DeployedFunction | None:
        """Return a function by the name that the account has for it."""
        return next((each for each in self.functions if each.name == name), None)

    def invoke(self, name: str, event: str) -> str:
        """Hand an event (JSON text) to a function's queue of events and return its request id.

        Raises
        ------
        DeployError
            If the event was not taken.
        """
        parameters = {
            "FunctionName": name,
            "Qualifier": DEFAULT_ALIAS,
            "InvocationType": "Event",
            "ClientContext": event,
        }
        answer = call_api(self.access, *_SCF, "Invoke", parameters)
        request_id = ((answer or {}).get("Result") or {}).get("FunctionRequestId")
        if not request_id:
            raise DeployError(f"scf:Invoke: function {name} did not take the event")
        return str(request_id)

    def _objects(self, bucket: str) -> CosObjects:
        access = self.access
        credentials = Credentials(access.secret_id, access.secret_key, access.token)
        client = cos_client(self.settings, credentials, access.region, access.proxy or None)
        return CosObjects(client, bucket, RetryPolicy(_ATTEMPTS, lambda: _PATIENCE_S))


def deployed(access: Access, file: Path, variables: Mapping[str, str]) -> Deployed:
    """Ask the account for the functions that serverless.yml names, as they are live.

    Raises
    ------
    DeployError
        If the file has mistakes, none is there, or the account refuses.
    """
    if mistakes := check(file):
        raise DeployError("\n".join(map(str, mistakes)))
    found = []
    for key, name in _names(file, variables).items():
        alias = call_api(access, *_SCF, "GetAlias", {"FunctionName": name, "Name": DEFAULT_ALIAS})
        version = str(alias["FunctionVersion"]) if alias else _LATEST
        there = call_api(access, *_SCF, "GetFunction", {"FunctionName": name, "Qualifier": version})
        if there is not None:
            found.append(_function(key, there))
    if not found:
        raise DeployError(f"none of {file.name}'s functions is deployed here: run `cardveil deploy` first")
    merged: dict[str, str] = {}
    for function in found:
        merged |= {name: text for name, text in function.environment.items() if name.startswith(PREFIX)}
    settings = from_environment(merged)
    if not settings.bucket:
        raise DeployError("no function knows the bucket: deploy them with CARDVEIL_BUCKET")
    # What is right inside a function is not here: its authorities, and the scheme of the local cloud.
    scheme = "http" if access.proxy else "https"
    return Deployed(access, tuple(found), replace(settings, ca_directory="", scheme=scheme))


def _names(file: Path, variables: Mapping[str, str]) -> dict[str, str]:
    functions = yaml.safe_load(file.read_text("utf-8"))["inputs"]["functions"]
    return {str(key): str(resolve(str(each["name"]), variables)) for key, each in functions.items()}


def _function(key: str, there: Mapping[str, Any]) -> DeployedFunction:
    variables = (there.get("Environment") or {}).get("Variables") or []
    return DeployedFunction(
        key=key,
        name=str(there["FunctionName"]),
        topic=str(there.get("ClsTopicId") or ""),
        queue=_queue(there.get("DeadLetterConfig") or {}),
        environment={str(each["Key"]): str(each["Value"]) for each in variables},
    )


def _queue(letters: Mapping[str, Any]) -> str:
    # From a topic nothing can be received: what subscribes to it has the letters.
    is_topic = "topic" in str(letters.get("Type") or "").lower()
    return "" if is_topic else str(letters.get("Name") or "")
