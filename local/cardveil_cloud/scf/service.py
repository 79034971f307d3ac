"""The functions of one deployment with their triggers: what the local cloud starts, stops and calls."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cardveil_cloud import files
from cardveil_cloud.accounts import Credential, CredentialStore, Policy
from cardveil_cloud.cos.contracts import ObjectEvent
from cardveil_cloud.faults import FaultHook, NoFaults
from cardveil_cloud.scf.deadletters import DeadLetters
from cardveil_cloud.scf.deployment import Deployment, FunctionSpec
from cardveil_cloud.scf.environment import Platform
from cardveil_cloud.scf.kept_events import KeptEvents
from cardveil_cloud.scf.notifications import Notifier
from cardveil_cloud.scf.queue import AsyncInvoker
from cardveil_cloud.scf.results import InvokeResult, Status
from cardveil_cloud.scf.runtime import FunctionRuntime
from cardveil_cloud.scf.timers import Timers

_log = logging.getLogger(__name__)


def _instances(spec: FunctionSpec, most: int) -> int:
    """How many instances of a function may run: its reserved memory bounds them, as on the platform."""
    return most if spec.reserved_mb is None else max(1, min(most, spec.reserved_mb // spec.memory_mb))


class RoleIssuer:
    """Temporary credentials of a function's role, made anew when half of their time is over.

    Parameters
    ----------
    lifetime_s
        How long a pair is good for; SCF's last some hours.
    """

    def __init__(
        self,
        credentials: CredentialStore,
        *,
        policy: Policy | None = None,
        lifetime_s: float = 7200.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._policy = policy
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._current: Credential | None = None

    def __call__(self) -> Credential:
        """Return the credentials for an invocation that starts now."""
        current = self._current
        left = (current.expires or 0.0) - self._clock() if current else 0.0
        if current is None or left < self._lifetime_s / 2:
            current = self._current = self._credentials.issue_temporary(self._lifetime_s, self._policy)
        return current


class ScfService:
    """Runs a deployment. Everything but the constructor belongs to one event loop.

    Parameters
    ----------
    data
        Folder for dead letters and for the queue of events; logs go where `platform` says.
    policies
        What each function's role may do, by function key; without an entry, everything.
    roles
        The same by the role's name, for functions whose key has no entry.
    environment
        What deployed functions are told besides their own environment; see `apply`.
    max_instances
        How many instances of one function run at a time.
    retry_interval_s
        Pause before a failed asynchronous event is tried again: 60 s on the platform.
    timers
        Whether enabled timer triggers are fired by the clock; they can always be fired by name.
    """

    def __init__(
        self,
        deployment: Deployment,
        platform: Platform,
        credentials: CredentialStore,
        data: Path,
        *,
        policies: Mapping[str, Policy] | None = None,
        roles: Mapping[str, Policy] | None = None,
        environment: Mapping[str, str] | None = None,
        max_instances: int = 2,
        idle_s: float = 300.0,
        retry_interval_s: float = 2.0,
        timers: bool = False,
        clock: Callable[[], float] = time.time,
        faults: FaultHook | None = None,
    ) -> None:
        hook: FaultHook = faults or NoFaults()
        self.deployment = self._fixed = deployment
        self._platform = platform
        self._hook = hook
        self._ending: set[asyncio.Task[None]] = set()

        def runtime(key: str, spec: FunctionSpec) -> FunctionRuntime:
            policy = (policies or {}).get(key) or (roles or {}).get(spec.role)
            return FunctionRuntime(
                spec,
                platform,
                RoleIssuer(credentials, policy=policy, clock=clock),
                max_instances=_instances(spec, max_instances),
                idle_s=idle_s,
                faults=hook,
            )

        self._runtime = runtime
        self._extra = dict(environment or {})
        self._clock = clock
        self.dead_letters = DeadLetters(data / "dead-letters.jsonl")
        kept = KeptEvents(data / "queue.sqlite")
        self.notices = [*self.dead_letters.notices, *kept.notices]
        self.runtimes = {key: runtime(key, spec) for key, spec in deployment.functions.items()}
        self.queue = AsyncInvoker(
            self.runtimes, self.dead_letters, kept, platform, retry_interval_s=retry_interval_s
        )
        self.timers = Timers(deployment.timers, self.queue, clock)
        self._scheduled = timers
        self._notifier = Notifier(deployment.cos, dict(deployment.functions), platform, self.queue, hook)
        files.make_folder(platform.logs)

    async def start(self) -> None:
        """Start serving queued events, and timers if they are on."""
        off = [trigger.name for trigger in self.deployment.cos if not trigger.enabled]
        off += [trigger.name for trigger in self.deployment.timers if not trigger.enabled]
        for name in off:
            _log.warning("trigger %s does not say `enable: true`, so it is off", name)
        self.queue.start()
        if self._scheduled:
            self.timers.start()

    async def apply(self, deployed: Deployment) -> None:
        """Run what was deployed, besides what ran from the beginning.

        A function that changed is run anew for the next event; what runs of it comes to its end.
        """
        told = {
            key: replace(spec, environment={**spec.environment, **self._extra})
            for key, spec in deployed.functions.items()
        }
        merged = Deployment(
            {**self._fixed.functions, **told},
            (*self._fixed.cos, *deployed.cos),
            (*self._fixed.timers, *deployed.timers),
            (*self._fixed.http, *deployed.http),
        )
        for key, spec in merged.functions.items():
            old = self.runtimes.get(key)
            if old is None or old.spec != spec:
                self.runtimes[key] = self._runtime(key, spec)
                self.queue.attach(key, self.runtimes[key])
                if old is not None:
                    self._end(old.drain())
        for key in [key for key in self.runtimes if key not in merged.functions]:
            self.queue.detach(key)
            self._end(self.runtimes.pop(key).drain())
        self._notifier = Notifier(merged.cos, dict(merged.functions), self._platform, self.queue, self._hook)
        if merged.timers != self.deployment.timers:
            await self.timers.stop()
            self.timers = Timers(merged.timers, self.queue, self._clock)
            if self._scheduled:
                self.timers.start()
        self.deployment = merged

    def _end(self, draining: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(draining)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def stop(self) -> None:
        """Stop everything; no process of a function is left when this returns."""
        await self.timers.stop()
        await self.queue.stop()
        await asyncio.gather(*self._ending)
        for runtime in self.runtimes.values():
            await runtime.stop()

    def log_of(self, function: str) -> Path:
        """The file of a function's log."""
        return self._platform.logs / f"{function}.log"

    async def on_object_event(self, event: ObjectEvent) -> None:
        """Take a bucket's event; `CosService` calls this after each committed change."""
        await self._notifier(event)

    async def invoke(
        self, function: str, event: Mapping[str, Any], *, wait_s: float | None = 0.0
    ) -> InvokeResult:
        """Run a function and wait for its result; see `FunctionRuntime.invoke`."""
        request_id = str(uuid.uuid4())
        runtime = self.runtimes.get(function)
        if runtime is None:
            return InvokeResult(request_id, Status.FUNCTION_NOT_FOUND)
        payload = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return await runtime.invoke(payload, request_id, wait_s=wait_s)

    def invoke_async(self, function: str, event: Mapping[str, Any]) -> str:
        """Queue an event and return its request id; raises `EventRefusedError`."""
        return self.queue.submit(function, event, "API")
