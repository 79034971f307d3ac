"""Asynchronous invocation: queued, retried as SCF retries, laid among the dead letters when all failed."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cardveil_cloud.scf.deadletters import DeadLetters
from cardveil_cloud.scf.environment import Platform
from cardveil_cloud.scf.results import PLATFORM_STATUSES, REFUSED_STATUSES, InvokeResult, Status
from cardveil_cloud.scf.runtime import ASYNC_LIMIT, FunctionRuntime

#: An event whose function failed is tried again so often; the platform fixes the number.
RETRIES: Final = 2
#: Throttling and platform errors are retried until the event is so old, in seconds.
MAXIMUM_AGE_S: Final = 6 * 3600.0
#: Longest pause between tries of a throttled event, in seconds.
_LONGEST_PAUSE_S: Final = 300.0

_log = logging.getLogger(__name__)


class EventRefusedError(Exception):
    """The event was not taken into the queue; `status` says why."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


@dataclass(slots=True)
class QueuedEvent:
    """One event on its way; its request id stays the same over all tries."""

    function: str
    payload: bytes
    source: str
    request_id: str
    queued_at: float
    failures: int = 0
    throttles: int = 0


@dataclass(slots=True)
class _Lane:
    runtime: FunctionRuntime
    waiting: asyncio.Queue[QueuedEvent] = field(default_factory=asyncio.Queue)


class AsyncInvoker:
    """Runs queued events, as many of a function at a time as it may have instances.

    Parameters
    ----------
    retry_interval_s
        Pause before an event whose function failed is tried again: 60 s on the platform.
    """

    def __init__(
        self,
        runtimes: Mapping[str, FunctionRuntime],
        dead_letters: DeadLetters,
        platform: Platform,
        *,
        retry_interval_s: float,
    ) -> None:
        self._lanes = {key: _Lane(runtime) for key, runtime in runtimes.items()}
        self._dead_letters = dead_letters
        self._platform = platform
        self._retry_interval_s = retry_interval_s
        self._tasks: list[asyncio.Task[None]] = []
        self._started = False
        self._pending = 0

    @property
    def pending(self) -> int:
        """How many events are queued, running, or waiting for their next try."""
        return self._pending

    @property
    def ready(self) -> int:
        """How many events wait for nothing but a free instance."""
        return sum(lane.waiting.qsize() for lane in self._lanes.values())

    def start(self) -> None:
        """Start taking events from the queues."""
        self._started = True
        for lane in self._lanes.values():
            self._attend(lane)

    def attach(self, key: str, runtime: FunctionRuntime) -> None:
        """Run a function's events by this runtime from now on; those that wait stay in the queue."""
        if key in self._lanes:
            self._lanes[key].runtime = runtime
            return
        lane = self._lanes[key] = _Lane(runtime)
        if self._started:
            self._attend(lane)

    def _attend(self, lane: _Lane) -> None:
        for _ in range(lane.runtime.max_instances):
            self._tasks.append(asyncio.ensure_future(self._serve(lane)))

    async def stop(self) -> None:
        """Stop; events that are still queued are dropped, which a log line counts."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._pending:
            _log.warning("stopped with %d asynchronous events undelivered", self._pending)

    def submit(self, function: str, event: Mapping[str, Any], source: str, delay_s: float = 0.0) -> str:
        """Queue an event and return its request id.

        Parameters
        ----------
        source
            What sent it, in the platform's words: ``TRIGGER_COS``, ``TRIGGER_TIMER``, ``API``.

        Raises
        ------
        EventRefusedError
            If there is no such function, or the event is larger than an asynchronous one may be.
        """
        if function not in self._lanes:
            raise EventRefusedError(Status.FUNCTION_NOT_FOUND)
        payload = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if len(payload) > ASYNC_LIMIT:
            raise EventRefusedError(Status.REQUEST_TOO_LARGE)
        queued = QueuedEvent(function, payload, source, str(uuid.uuid4()), time.time())
        self._pending += 1
        self._later(queued, delay_s)
        return queued.request_id

    def _later(self, queued: QueuedEvent, delay_s: float) -> None:
        lane = self._lanes[queued.function]
        if delay_s <= 0:
            lane.waiting.put_nowait(queued)
        else:
            asyncio.get_running_loop().call_later(delay_s, lane.waiting.put_nowait, queued)

    async def _serve(self, lane: _Lane) -> None:
        while True:
            queued = await lane.waiting.get()
            result = await self._try(lane, queued)
            if result.ok:
                self._pending -= 1
            elif result.status in PLATFORM_STATUSES:
                self._throttled(queued, result)
            else:
                self._failed(queued, result)

    async def _try(self, lane: _Lane, queued: QueuedEvent) -> InvokeResult:
        try:
            return await lane.runtime.invoke(queued.payload, queued.request_id, wait_s=None)
        except Exception:  # noqa: BLE001 - logged, and the event is tried again
            # Our own fault, such as no process to be had: to the function it is the platform's.
            _log.exception("an invocation of function %s could not be run", queued.function)
            return InvokeResult(queued.request_id, Status.INTERNAL_ERROR)

    def _throttled(self, queued: QueuedEvent, result: InvokeResult) -> None:
        queued.throttles += 1
        pause = min(self._retry_interval_s * 2.0 ** (queued.throttles - 1), _LONGEST_PAUSE_S)
        if time.time() + pause - queued.queued_at > MAXIMUM_AGE_S:
            self._bury(queued, result)
        else:
            self._later(queued, pause)

    def _failed(self, queued: QueuedEvent, result: InvokeResult) -> None:
        queued.failures += 1
        if queued.failures > RETRIES or result.status in REFUSED_STATUSES:
            self._bury(queued, result)
        else:
            self._later(queued, self._retry_interval_s)

    def _bury(self, queued: QueuedEvent, result: InvokeResult) -> None:
        spec = self._lanes[queued.function].runtime.spec
        form = result.error_form()
        self._dead_letters.add(
            {
                "RequestId": queued.request_id,
                "ErrorCode": int(result.status),
                "ErrorMessage": form.get("stackTrace") or form["errorMessage"],
                "Body": {
                    "AppId": self._platform.app_id,
                    "Uin": self._platform.uin,
                    "SubAccountUin": self._platform.uin,
                    "RequestSource": queued.source,
                    "FunctionName": spec.name,
                    "Namespace": spec.namespace,
                    "Qualifier": "$DEFAULT",
                    "InvocationType": "Event",
                    "ClientContext": queued.payload.decode("utf-8", "surrogatepass"),
                    "LogType": "",
                    "TimeStampForInvoker": str(int(queued.queued_at * 1000)),
                    "RequestId": queued.request_id,
                    "PushTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "RetryNum": queued.failures - 1 if queued.failures else queued.throttles - 1,
                    "Ttl": 0,
                },
            }
        )
        self._pending -= 1
        _log.warning("an event for function %s became a dead letter (%d)", queued.function, result.status)
