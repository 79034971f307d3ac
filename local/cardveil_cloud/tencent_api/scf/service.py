"""The functions' API as a product of API 3.0: permission, action, and what was deployed then runs."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final

from cardveil_cloud.accounts import Credential
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.store import ObjectStore
from cardveil_cloud.options import Account
from cardveil_cloud.scf.deployment import DEFAULT_ALIAS, Deployment, FunctionSpec
from cardveil_cloud.scf.queue import EventRefusedError
from cardveil_cloud.scf.results import Status
from cardveil_cloud.scf.service import ScfService
from cardveil_cloud.tencent_api.errors import ApiError
from cardveil_cloud.tencent_api.scf import fixed, logs
from cardveil_cloud.tencent_api.scf.actions import Actions
from cardveil_cloud.tencent_api.scf.fields import count, name_of, take
from cardveil_cloud.tencent_api.scf.mounting import Mounts, deployment, key_of
from cardveil_cloud.tencent_api.scf.records import LATEST, Records

VERSION: Final = "2018-04-16"
_CHANGES: Final = re.compile(r"(Create|Update|Publish|Put|Delete)")
_INVOKE: Final = "Invoke"
_LOGS: Final = "GetFunctionLogs"
#: What is told of functions that were not deployed, but are those of serverless.yml.
_OF_FIXED: Final = ("GetAlias", "GetFunction")
_ACTIONS: Final = (
    "CreateAlias",
    "CreateFunction",
    "CreateTrigger",
    "DeleteFunction",
    "DeleteLayerVersion",
    "DeleteTrigger",
    "GetAlias",
    "GetFunction",
    "GetReservedConcurrencyConfig",
    "ListAliases",
    "ListFunctions",
    "ListLayerVersions",
    "ListLayers",
    "ListNamespaces",
    "ListTriggers",
    "ListVersionByFunction",
    "PublishLayerVersion",
    "PublishVersion",
    "PutReservedConcurrencyConfig",
    "UpdateAlias",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
    "UpdateTrigger",
)


class ScfApi:
    """The product behind ``scf.tencentcloudapi.com``.

    Parameters
    ----------
    data
        Folder of what was deployed; it is there again after a restart.
    deploys
        Whether functions may be deployed; otherwise those of serverless.yml are told of and invoked.
    """

    name = "scf"
    version = VERSION
    actions = (*_ACTIONS, _INVOKE, _LOGS)

    def __init__(
        self, scf: ScfService, store: ObjectStore, account: Account, data: Path, *, deploys: bool
    ) -> None:
        self._scf = scf
        self._deploys = deploys
        self._store = store
        self._account = account
        self._records = Records(data)
        if not deploys:
            # What an earlier run deployed stays on disk, and does not run beside serverless.yml.
            self._records.functions.clear()
        self.notices = list(self._records.notices)
        self._mounts = Mounts(data)
        self._lock = asyncio.Lock()

    @property
    def region(self) -> str:
        """The account's."""
        return self._account.region

    async def start(self) -> None:
        """Run what was deployed before."""
        if self._deploys:
            await self._run()

    def check(self, credential: Credential, action: str, body: dict[str, Any]) -> None:
        """See `Product.check`."""
        name = body.get("FunctionName") or body.get("LayerName") or "*"
        resource = f"scf/{'layer' if 'Layer' in action else 'function'}/{name}"
        if not credential.allows(f"scf:{action}", resource):
            raise _not_permitted(f"scf:{action}", resource)
        role = body.get("Role")
        # Whoever gives a function a role could do through it whatever the role may.
        if role and not credential.allows("cam:PassRole", f"cam/roleName/{role}"):
            raise _not_permitted("cam:PassRole", f"cam/roleName/{role}")

    async def act(self, credential: Credential, action: str, body: dict[str, Any]) -> dict[str, Any]:
        """See `Product.act`; changes are made one after the other."""
        if action == _INVOKE:
            return await self._invoke(body)
        if action == _LOGS:
            return await self._logs(body)
        if _CHANGES.match(action) and not self._deploys:
            raise ApiError(
                "UnsupportedOperation",
                "This local cloud runs serverless.yml as it is; start one with --bare.",
            )
        if (spec := self._fixed(str(body.get("FunctionName")))) is not None and action in _OF_FIXED:
            return fixed.told(spec, action)
        async with self._lock:
            return await self._act(credential, action, body)

    async def _act(self, credential: Credential, action: str, body: dict[str, Any]) -> dict[str, Any]:
        async def from_cos(bucket: str, key: str) -> bytes:
            return await self._zip(credential, bucket, key)

        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action).lower()
        actions = Actions(self._records, self._mounts, from_cos)
        if not _CHANGES.match(action):
            read: dict[str, Any] = await getattr(actions, method)(body)
            return read
        before = self._records.snapshot()
        try:
            answer: dict[str, Any] = await getattr(actions, method)(body)
            # What cannot be run must not be kept either: the next start would fail on it.
            running = await self._deployment()
        except ApiError:
            self._records.go_back(before)
            raise
        except (AttributeError, KeyError, TypeError, ValueError):
            self._records.go_back(before)
            raise ApiError("InvalidParameter") from None
        self._records.save()
        await self._scf.apply(running)
        return answer

    async def _logs(self, body: dict[str, Any]) -> dict[str, Any]:
        name = name_of(body)
        key = self._key(name, take(body, "Qualifier", str, LATEST))
        found = await asyncio.to_thread(logs.invocations, self._scf.log_of(key), name)
        wanted, only = take(body, "FunctionRequestId", str, ""), take(body, "Filter", dict, {})
        if wanted:
            found = [each for each in found if each["RequestId"] == wanted]
        if only.get("RetCode") in ("is0", "not0"):
            found = [each for each in found if (each["RetCode"] == 0) == (only["RetCode"] == "is0")]
        if take(body, "Order", str, "desc").lower() == "desc":
            found.reverse()
        start = count(body, "Offset", 0)
        return {"Data": found[start : start + count(body, "Limit", 20)], "TotalCount": len(found)}

    async def _zip(self, credential: Credential, bucket: str, key: str) -> bytes:
        name = f"{bucket}-{self._account.app_id}"
        if not credential.allows("cos:GetObject", f"cos/{name}/{key}"):
            raise _not_permitted("cos:GetObject", f"cos/{name}/{key}")
        try:
            _, data = await asyncio.to_thread(self._store.get, name, key)
        except CosError:
            raise ApiError(
                "FailedOperation.CosObjectNotFound", "The zip could not be read from COS."
            ) from None
        return data

    async def _invoke(self, body: dict[str, Any]) -> dict[str, Any]:
        key = self._key(name_of(body), take(body, "Qualifier", str, LATEST))
        try:
            event = json.loads(take(body, "ClientContext", str, "{}"))
        except ValueError:
            raise ApiError("InvalidParameterValue.ClientContext", "The event is not JSON.") from None
        if take(body, "InvocationType", str, "RequestResponse") == "Event":
            return self._queued(key, event)
        result = await self._scf.invoke(key, event, wait_s=15.0)
        return {
            "Result": {
                "FunctionRequestId": result.request_id,
                "InvokeResult": 0 if result.ok else int(result.status),
                "RetMsg": result.payload or "",
                "ErrMsg": "" if result.ok else json.dumps(result.error_form(), ensure_ascii=False),
                "Duration": result.duration_ms,
                "BillDuration": int(result.duration_ms),
                "MemUsage": result.peak_kb * 1024,
                "Log": "",
            }
        }

    def _queued(self, key: str, event: Any) -> dict[str, Any]:
        try:
            request_id = self._scf.invoke_async(key, event)
        except EventRefusedError as refused:
            code = "FunctionNotFound" if refused.status is Status.FUNCTION_NOT_FOUND else "PayloadTooLarge"
            raise ApiError(f"InvalidParameterValue.{code}", "The event was not taken.") from None
        nothing = {"RetMsg": "", "ErrMsg": "", "Log": "", "Duration": 0, "BillDuration": 0, "MemUsage": 0}
        return {"Result": {"FunctionRequestId": request_id, "InvokeResult": 0, **nothing}}

    def _key(self, name: str, qualifier: str) -> str:
        """Find a function among those that were deployed, else among those of serverless.yml."""
        if qualifier in {LATEST, DEFAULT_ALIAS} and (spec := self._fixed(name)) is not None:
            return spec.key
        function = self._records.function(name)
        function.resolve(qualifier)
        return key_of(function.name, qualifier)

    def _fixed(self, name: str) -> FunctionSpec | None:
        """A function of serverless.yml that none was deployed in place of."""
        if name in self._records.functions:
            return None
        return next((spec for spec in self._scf.deployment.functions.values() if spec.name == name), None)

    async def _run(self) -> None:
        await self._scf.apply(await self._deployment())

    async def _deployment(self) -> Deployment:
        return await asyncio.to_thread(deployment, self._records, self._mounts, self._account.region)


def _not_permitted(action: str, resource: str) -> ApiError:
    return ApiError(
        "UnauthorizedOperation.CAM",
        f"you are not authorized to perform operation ({action}) resource ({resource}) has no permission",
    )
