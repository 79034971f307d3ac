"""Threads for what is done beside the work, kept from source to source: starting one is costly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, TypeVar

T = TypeVar("T")
#: A claim's requests and the locating of a card; with so many ready none has to be started.
_READY: Final = 6
#: What is more than this waits its turn: a sweep may have 256 sources in hand, each with a few requests.
_MOST: Final = 1024


@contextmanager
def background_tasks() -> Iterator[Executor]:
    """Give an executor whose work has all ended when the block ends, whatever the block ends with.

    What is submitted to it may wait for what was submitted before, never for what comes later: threads are
    shared, and work is begun in the order of its coming.
    """
    work = _Work(_threads())
    try:
        yield work
    finally:
        work.end()


class _Work(Executor):
    """One block's share of the threads."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._begun: list[Future[Any]] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a thread call `fn`; the caller keeps the processor meanwhile."""
        future = self._threads.submit(fn, *args, **kwargs)
        self._begun.append(future)
        return future

    def end(self) -> None:
        """Wait until all has ended, and all that was begun by it."""
        while left := [future for future in self._begun if not future.done()]:
            wait(left)


@cache
def _threads() -> ThreadPoolExecutor:
    threads = ThreadPoolExecutor(_MOST, thread_name_prefix="beside")
    meeting = threading.Barrier(_READY)
    for met in [threads.submit(meeting.wait) for _ in range(_READY)]:
        met.result()
    return threads
