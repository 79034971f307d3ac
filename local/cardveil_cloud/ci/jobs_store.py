"""The queue of recognition jobs: what was submitted, what runs, what it came to, and who is to be told."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Final

from cardveil_cloud.xml import Content

_ZONE: Final = timezone(timedelta(hours=8))
#: CI keeps finished jobs for a time that its pages do not tell; here so many are kept.
_CAPACITY: Final = 50_000


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom a job tells when it is done: ``URL`` or ``TDMQ``; an empty or ``no`` address tells nobody."""

    kind: str = "URL"
    address: str = ""
    form: str = "XML"


@dataclass(slots=True)
class Job:
    """One job; times in seconds since the epoch, 0 while there is none."""

    job_id: str
    queue_id: str
    tag: str
    bucket: str
    region: str
    object_key: str
    card_type: str
    user_data: str
    level: int
    notify: Notify
    created: float
    state: str = "Submitted"
    code: str = "Success"
    message: str = ""
    started: float = 0.0
    ended: float = 0.0
    result: list[tuple[str, Content]] | None = field(default=None)

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in {"Success", "Failed", "Cancel"}


Work = Callable[[Job], Awaitable[None]]


class JobStore:
    """Jobs of all buckets, in memory, run one after another in the order of level, then of age.

    Parameters
    ----------
    work
        Recognises: sets the job's `result`, or `code` and `message`; what it raises fails the job.
    done
        Called with each finished job.
    """

    def __init__(self, work: Work, done: Work, clock: Callable[[], float] = time.time) -> None:
        self._work = work
        self._done = done
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._waiting: list[Job] = []
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._paused = False
        self.queue_id = "p" + secrets.token_hex(16)
        self.created = clock()

    @property
    def paused(self) -> bool:
        """Whether the queue is paused."""
        return self._paused

    @property
    def pending(self) -> int:
        """Jobs that are not finished, and callbacks that are still to be made."""
        return sum(not job.finished for job in self._jobs.values()) + len(self._telling)

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._jobs[job.job_id] = job
        if len(self._jobs) > _CAPACITY:
            oldest = next(key for key, old in self._jobs.items() if old.finished)
            del self._jobs[oldest]
        if self._paused:
            job.state = "Pause"
        self._waiting.append(job)
        if self._runner is None:
            self._runner = asyncio.ensure_future(self._run())
        self._wake.set()

    def get(self, job_id: str) -> Job | None:
        """Return a job, None when there is none of that id."""
        return self._jobs.get(job_id)

    def all(self) -> Iterable[Job]:
        """Return all jobs, oldest first."""
        return list(self._jobs.values())

    def cancel(self, job: Job) -> bool:
        """Cancel a job; False when it has ended already."""
        if job.finished:
            return False
        job.state, job.ended = "Cancel", self._clock()
        return True

    def pause(self) -> None:
        """Pause the queue: jobs that wait are then in state ``Pause``."""
        self._paused = True
        for job in self._waiting:
            if job.state == "Submitted":
                job.state = "Pause"

    def resume(self) -> None:
        """Let a paused queue go on."""
        self._paused = False
        for job in self._waiting:
            if job.state == "Pause":
                job.state = "Submitted"
        self._wake.set()

    def later(self, work: Awaitable[None]) -> None:
        """Let something go on beside the queue; it is ended with it."""
        task = asyncio.ensure_future(work)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def stop(self) -> None:
        """End everything; jobs that are not done stay undone."""
        tasks = [*self._telling, *([self._runner] if self._runner else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._runner = None

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            ready = [job for job in self._waiting if job.state == "Submitted"]
            self._waiting = [job for job in self._waiting if job.state in {"Submitted", "Pause"}]
            if not ready or self._paused:
                self._wake.clear()
                continue
            job = max(ready, key=lambda waiting: waiting.level)
            self._waiting.remove(job)
            await self._one(job)

    async def _one(self, job: Job) -> None:
        job.state, job.started = "Running", self._clock()
        await self._work(job)
        if not job.finished:  # it may have been cancelled meanwhile
            job.state = "Success" if job.code == "Success" else "Failed"
            job.ended = self._clock()
        if job.state != "Cancel":
            await self._done(job)


def new_job_id() -> str:
    """Return an id of the form that the pages show."""
    return "a" + secrets.token_hex(16)


def moment(seconds: float) -> str:
    """Write a time as CI does; a dash for none."""
    return datetime.fromtimestamp(seconds, _ZONE).strftime("%Y-%m-%dT%H:%M:%S%z") if seconds else "-"
