"""Asynchronous invocation: queued on disk, retried as SCF retries, a dead letter when all tries failed."""

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
from cardveil_cloud.scf.kept_events import KeptEvents, QueuedEvent
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
class _Lane:
    """One function's queue; without a runtime the function was deleted."""

    runtime: FunctionRuntime | None
    waiting: asyncio.Queue[QueuedEvent] = field(default_factory=asyncio.Queue)


class AsyncInvoker:
    """Runs queued events, as many of a function at a time as it may have instances.

    Events that an earlier run did not come to are run first. One whose try was cut off is tried again: it is
    delivered at least once, as on the platform.

    Parameters
    ----------
    kept
        The events on disk; closed by `stop`.
    retry_interval_s
        Pause before an event whose function failed is tried again: 60 s on the platform.
    """

    def __init__(
        self,
        runtimes: Mapping[str, FunctionRuntime],
        dead_letters: DeadLetters,
        kept: KeptEvents,
        platform: Platform,
        *,
        retry_interval_s: float,
    ) -> None:
        self._kept = kept
        self._found = kept.all()
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
        for key, lane in self._lanes.items():
            self._attend(key, lane)

    def attach(self, key: str, runtime: FunctionRuntime) -> None:
        """Run a function's events by this runtime from now on; those that wait stay in the queue."""
        if key in self._lanes:
            self._lanes[key].runtime = runtime
            return
        lane = self._lanes[key] = _Lane(runtime)
        if self._started:
            self._attend(key, lane)

    def detach(self, key: str) -> None:
        """Take no further events for a function that was deleted; those that wait become dead letters."""
        self._lanes[key].runtime = None

    def _attend(self, key: str, lane: _Lane) -> None:
        for queued in [event for event in self._found if event.function == key]:
            self._found.remove(queued)
            self._pending += 1
            self._later(queued)
        for _ in range(lane.runtime.max_instances if lane.runtime is not None else 0):
            self._tasks.append(asyncio.ensure_future(self._serve(lane)))

    async def stop(self) -> None:
        """Stop; events that are not done stay on disk for the next start, which a log line counts."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._pending:
            _log.warning("stopped with %d asynchronous events undelivered", self._pending)
        self._kept.close()

    def submit(self, function: str, event: Mapping[str, Any], source: str, delay_s: float = 0.0) -> str:
        """Queue an event and return its request id; it is on disk by then.

        Parameters
        ----------
        source
            What sent it, in the platform's words: ``TRIGGER_COS``, ``TRIGGER_TIMER``, ``API``.

        Raises
        ------
        EventRefusedError
            If there is no such function, or the event is larger than an asynchronous one may be.
        """
        lane = self._lanes.get(function)
        if lane is None or lane.runtime is None:
            raise EventRefusedError(Status.FUNCTION_NOT_FOUND)
        payload = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if len(payload) > ASYNC_LIMIT:
            raise EventRefusedError(Status.REQUEST_TOO_LARGE)
        now = time.time()
        queued = QueuedEvent(function, payload, source, str(uuid.uuid4()), now, due=now + delay_s)
        self._kept.add(queued)
        self._pending += 1
        self._later(queued)
        return queued.request_id

    def _again(self, queued: QueuedEvent, delay_s: float) -> None:
        queued.due = time.time() + delay_s
        self._kept.tried(queued)
        self._later(queued)

    def _done(self, queued: QueuedEvent) -> None:
        self._kept.remove(queued)
        self._pending -= 1

    def _later(self, queued: QueuedEvent) -> None:
        lane = self._lanes[queued.function]
        delay_s = queued.due - time.time()
        if delay_s <= 0:
            lane.waiting.put_nowait(queued)
        else:
            asyncio.get_running_loop().call_later(delay_s, lane.waiting.put_nowait, queued)

    async def _serve(self, lane: _Lane) -> None:
        while True:
            queued = await lane.waiting.get()
            result = await self._try(lane, queued)
            if result.ok:
                self._done(queued)
            elif result.status in PLATFORM_STATUSES:
                self._throttled(queued, result)
            else:
                self._failed(queued, result)

    async def _try(self, lane: _Lane, queued: QueuedEvent) -> InvokeResult:
        if lane.runtime is None:
            return InvokeResult(queued.request_id, Status.FUNCTION_NOT_FOUND)
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
            self._again(queued, pause)

    def _failed(self, queued: QueuedEvent, result: InvokeResult) -> None:
        queued.failures += 1
        if queued.failures > RETRIES or result.status in REFUSED_STATUSES:
            self._bury(queued, result)
        else:
            self._again(queued, self._retry_interval_s)

    def _bury(self, queued: QueuedEvent, result: InvokeResult) -> None:
        runtime = self._lanes[queued.function].runtime
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
                    "FunctionName": runtime.spec.name if runtime is not None else queued.function,
                    "Namespace": runtime.spec.namespace if runtime is not None else "default",
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
        self._done(queued)
        _log.warning("an event for function %s became a dead letter (%d)", queued.function, result.status)
