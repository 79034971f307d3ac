"""Runs one function: instances started cold, used again warm, bounded in number, ended when idle."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Final

from cardveil_cloud import files
from cardveil_cloud.faults import FaultHook, NoFaults, PlatformFault
from cardveil_cloud.scf.deployment import FunctionSpec
from cardveil_cloud.scf.environment import (
    Platform,
    RoleCredentials,
    context,
    credential_environment,
    process_environment,
)
from cardveil_cloud.scf.instance import Instance, InstanceError, Launch
from cardveil_cloud.scf.results import InvokeResult, Status

#: SCF's limits on an event and on a reply, in bytes.
SYNC_LIMIT: Final = 6 * 1024 * 1024
ASYNC_LIMIT: Final = 128 * 1024

_log = logging.getLogger(__name__)


class FunctionRuntime:
    """All instances of one function.

    Parameters
    ----------
    credentials
        Mints the role's temporary credentials; called once an invocation.
    max_instances
        How many run at a time. More invocations wait or are refused.
    idle_s
        A warm instance that was not used for so long is ended.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        platform: Platform,
        credentials: Callable[[], RoleCredentials],
        *,
        max_instances: int = 2,
        idle_s: float = 300.0,
        faults: FaultHook | None = None,
    ) -> None:
        self.spec = spec
        self.max_instances = max_instances
        self.cold_starts = 0
        self.invocations = 0
        self._platform = platform
        self._credentials = credentials
        self._idle_s = idle_s
        self._faults: FaultHook = faults or NoFaults()
        self._slots = asyncio.Semaphore(max_instances)
        self._idle: list[tuple[Instance, asyncio.TimerHandle]] = []
        self._busy: set[Instance] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._log = platform.logs / f"{spec.key}.log"

    @property
    def instances(self) -> int:
        """How many instances live, busy or warm."""
        return len(self._idle) + len(self._busy)

    async def invoke(self, event: bytes, request_id: str, *, wait_s: float | None = 0.0) -> InvokeResult:
        """Run the handler once.

        Parameters
        ----------
        event
            JSON text.
        wait_s
            How long to wait for a free instance: 0 refuses at once as SCF does, None waits for ever.
        """
        if len(event) > SYNC_LIMIT:
            return InvokeResult(request_id, Status.REQUEST_TOO_LARGE)
        try:
            text = json.dumps(json.loads(event), ensure_ascii=False)
        except ValueError:
            return InvokeResult(request_id, Status.INVALID_EVENT)
        try:
            await self._faults.before_invoke(self.spec.key, request_id)
        except PlatformFault as fault:
            return InvokeResult(request_id, Status(fault.status))
        if wait_s == 0.0 and self._slots.locked():
            return InvokeResult(request_id, Status.RESOURCE_LIMIT)
        try:
            await asyncio.wait_for(self._slots.acquire(), wait_s or None)
        except asyncio.TimeoutError:
            return InvokeResult(request_id, Status.RESOURCE_LIMIT)
        try:
            result = await self._run(text, request_id)
        finally:
            self._slots.release()
        self._report(result)
        return result

    async def stop(self) -> None:
        """End all instances; invocations that still run end with them."""
        ending = [self._retire(instance) for instance, _ in self._idle]
        ending += [instance.end() for instance in self._busy]
        for _, timer in self._idle:
            timer.cancel()
        self._idle.clear()
        await asyncio.gather(*ending, *self._ending)

    async def drain(self) -> None:
        """Let what runs come to its end, then end all instances."""
        for _ in range(self.max_instances):
            await self._slots.acquire()
        await self.stop()

    async def _run(self, event: str, request_id: str) -> InvokeResult:
        self.invocations += 1
        began = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._write(f"START RequestId: {request_id} Time: {began}")
        try:
            instance, cold = await self._instance()
        except InstanceError as error:
            return InvokeResult(request_id, error.status, trace=error.trace, cold=True)
        role = credential_environment(self._credentials())
        message = {
            "type": "invoke",
            "event": event,
            "context": context(self.spec, self._platform, request_id, role),
            "environ": role,
        }
        self._busy.add(instance)
        keep = False
        try:
            deadline = self._faults.worker_deadline(self.spec.key, request_id)
            reply = await instance.call(message, self.spec.timeout_s, kill_after_s=deadline)
            keep = True
        except InstanceError as error:
            return InvokeResult(request_id, error.status, trace=error.trace, cold=cold)
        finally:
            self._busy.discard(instance)
            if keep:
                self._put_back(instance)
            else:
                await self._retire(instance)
        return self._result(reply, request_id, cold, instance.peak_kb)

    def _result(self, reply: dict[str, Any], request_id: str, cold: bool, seen_kb: int) -> InvokeResult:
        # What it has started counts as well, as far as it was seen.
        duration, peak = float(reply["duration_ms"]), max(int(reply["peak_kb"]), seen_kb)
        if reply["type"] == "error":
            status, payload, trace = Status.USER_CODE_EXCEPTION, None, str(reply["trace"])
        elif len(str(reply["result"]).encode("utf-8", "surrogatepass")) > SYNC_LIMIT:
            status, payload, trace = Status.RESPONSE_TOO_LARGE, None, ""
        else:
            status, payload, trace = Status.SUCCESS, str(reply["result"]), ""
        return InvokeResult(request_id, status, payload, trace, duration, peak, cold)

    async def _instance(self) -> tuple[Instance, bool]:
        while self._idle:
            # The one used last is the warmest, and lets the others grow idle.
            instance, timer = self._idle.pop()
            timer.cancel()
            if instance.alive:
                return instance, False
            await self._retire(instance)
        self.cold_starts += 1
        launch = Launch(
            handler=self.spec.handler,
            folder=self.spec.source,
            environment=process_environment(self.spec, self._platform),
            log=self._log,
            memory_mb=self.spec.memory_mb,
            init_timeout_s=self.spec.init_timeout_s,
            python=self._platform.python if self.spec.mounted_layers else sys.executable,
            isolated=self.spec.mounted_layers is not None,
            begin=self._platform.begin,
        )
        return await Instance.start(launch), True

    def _put_back(self, instance: Instance) -> None:
        timer = asyncio.get_running_loop().call_later(self._idle_s, self._expire, instance)
        self._idle.append((instance, timer))

    def _expire(self, instance: Instance) -> None:
        self._idle = [entry for entry in self._idle if entry[0] is not instance]
        task = asyncio.ensure_future(self._retire(instance))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _retire(self, instance: Instance) -> None:
        # Shielded: an invocation that is cancelled must not leave its process behind.
        await asyncio.shield(instance.end())

    def _report(self, result: InvokeResult) -> None:
        if not result.ok:
            self._write(json.dumps(result.error_form(), ensure_ascii=False))
            _log.warning("function %s ended with %d", self.spec.key, result.status)
        self._write(f"END RequestId: {result.request_id}")
        self._write(
            f"REPORT RequestId: {result.request_id} Duration: {result.duration_ms:.0f}ms "
            f"Memory: {self.spec.memory_mb}MB MemUsage: {result.peak_kb / 1024:.1f}MB "
            f"{'cold' if result.cold else 'warm'}"
        )

    def _write(self, line: str) -> None:
        with files.open_private(self._log, "ab") as log:
            log.write((line + "\n").encode("utf-8", "replace"))
