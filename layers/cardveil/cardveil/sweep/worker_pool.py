"""Works a plan off, so many at a time, and knows at every moment up to where everything is done."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from cardveil.sweep.listing import Pair, Position

#: How often, in seconds, whoever waits for cards looks up: for a stop, a checkpoint, the lease.
_LOOK_UP_S: Final = 0.5
#: Cards behind one that takes long, for each that may be under way; then nothing new is begun.
_BEHIND: Final = 64
#: How long a thread computes, in seconds, before another that waits may: five times as often as usual, since
#: a call whose turn has come is to leave at once.
_SWITCH_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Done:
    """How one source ended.

    Attributes
    ----------
    outcome : str
        A status, or another word of `Run.counts`; ``current`` and ``unfinished`` are not counted as done.
    reason : str
        Why it was taken up.
    of_object : bool
        Whether what failed says nothing of any other source.
    calls : mapping
        Paid calls that it is expected to cost, by API.
    """

    outcome: str
    reason: str = ""
    findings: tuple[str, ...] = ()
    error: str = ""
    of_object: bool = False
    seconds: float = 0.0
    calls: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Engine:
    """Runs the sources of a plan in threads.

    Attributes
    ----------
    in_flight : int
        How many at a time.
    need : callable
        What a source needs by its listing, None for nothing; asked in order, in the caller's thread.
    work : callable
        Does one source, in a thread of its own.
    stop : callable
        Whether nothing new is to be begun.
    on_done : callable
        Called with each source that was done, in the caller's thread.
    look_up : callable
        Called every now and then, with the position up to which everything is done and the sources passed.
    """

    in_flight: int
    need: Callable[[Pair], str | None]
    work: Callable[[Pair, str], Done]
    stop: Callable[[], bool]
    on_done: Callable[[Done], None]
    look_up: Callable[[Position, int], None]

    def run(self, plan: Iterator[Pair], start: Position) -> tuple[Position, int, bool]:
        """Work until the plan ends or `stop` says so; what was begun is brought to its end.

        Returns
        -------
        Position, int, bool
            Up to where everything is done, how many sources were passed, and whether the plan has ended.
        """
        self._place = start
        self._passed = 0
        self._blocked = False
        self._queue: deque[tuple[Position, Future[Done] | None]] = deque()
        self._running: set[Future[Done]] = set()
        ended = False
        with _prompt_threads(), ThreadPoolExecutor(max_workers=self.in_flight) as pool:
            while not self.stop():
                pair = next(plan, None)
                if pair is None:
                    ended = True
                    break
                need = self.need(pair)
                future = pool.submit(self.work, pair, need) if need else None
                if future:
                    self._running.add(future)
                elif not self._queue:
                    self._place = pair.position
                    self._passed += 1
                    if self._passed % 1000 == 0:
                        self.look_up(self._place, self._passed)
                    continue
                self._queue.append((pair.position, future))
                self._reap(self.in_flight - 1, _BEHIND * self.in_flight)
            self._reap(0, 0)
        return self._place, self._passed, ended and not self._blocked

    def _reap(self, running: int, behind: int) -> None:
        """Take what is done, until at most so many run, and so many are behind the first that runs."""
        while True:
            self._running = {future for future in self._running if not future.done()}
            while self._queue and (self._queue[0][1] is None or self._queue[0][1].done()):
                self._take(*self._queue.popleft())
            self.look_up(self._place, self._passed)
            if len(self._running) <= running and len(self._queue) <= behind:
                return
            wait(self._running, timeout=_LOOK_UP_S, return_when=FIRST_COMPLETED)

    def _take(self, position: Position, future: Future[Done] | None) -> None:
        self._passed += 1
        if future is not None:
            done = future.result()
            self.on_done(done)
            # From the first that was not finished on, everything is planned again.
            self._blocked = self._blocked or done.outcome == "unfinished"
        if not self._blocked:
            self._place = position


@contextmanager
def _prompt_threads() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(_SWITCH_S, usual))
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
