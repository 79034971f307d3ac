"""A sweep's own rate: nearly the whole of its share of the quota, and next to nothing refused.

The vendor refuses what is too much within a second, and counts a call when it arrives, which nobody here
sees. For a rate of N calls a second, at most N calls of one API leave in any window of one second and a
guard: calls may then be on their way by so much longer or shorter than others. What a longer stall has had
refused is tried again (`RetryPolicy`), after a turn of its own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cardveil.core.errors import RETRY_HINT, Retry
from cardveil.core.rate_limit import RateLimiter
from cardveil.sweep.budget import Budget

#: By how much the window is longer than the vendor's second, which costs as much of the rate: building and
#: sending a call takes a busy machine a few milliseconds, and now and then tens of them.
GUARD_S: Final = 0.04
#: The same for the first two windows of an API: its first calls build connections.
FIRST_GUARD_S: Final = 0.2
#: The least distance of two calls, as a share of the even one: what a stall has lost may be caught up.
_CLOSEST: Final = 0.5


@dataclass(slots=True, eq=False)
class _Turn:
    """One call: when it left, or is to leave."""

    at: float
    gone: bool = False


@dataclass(slots=True)
class _Window:
    """The last N calls of one API, and how many there were in all."""

    turns: deque[_Turn]
    calls: int = field(default=0)


class SweepRateLimiter(RateLimiter):
    """At most so many calls of each API in any window, and each counted by the budget before it is made.

    A burst of what was saved up while nothing was to do, or after a stall, would be refused; here only the
    distance of calls shrinks, by half, until the window is full.

    Parameters
    ----------
    per_second : float
        Calls of one API a second: the sweep's share of the quota.
    """

    def __init__(
        self,
        per_second: float,
        budget: Budget,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(clock, sleep)
        self._count = max(1, int(per_second))
        self._span = self._count / per_second
        self._budget = budget
        self._windows: dict[str, _Window] = {}

    def wait(
        self,
        per_second: float,  # noqa: ARG002 - as `RateLimiter.wait`; the rate is the sweep's
        remaining_s: Callable[[], float],
        api: str = "",
        calls: int = 1,
    ) -> None:
        """Wait until a call may leave that stands for so many paid ones; see `RateLimiter.wait`.

        Raises
        ------
        BudgetSpent
            See `Budget.take`.
        """
        with self._lock:
            window = self._windows.setdefault(api, _Window(deque(maxlen=self._count)))
            length = self._span + (FIRST_GUARD_S if window.calls < 2 * self._count else GUARD_S)
            turns, now = window.turns, self._clock()
            oldest = turns[0] if len(turns) == self._count else None
            at = now
            if turns:
                # While the first window fills nothing is caught up.
                closest = _CLOSEST if oldest else 1.0
                at = max(at, turns[-1].at + closest * length / self._count)
            if oldest:
                at = max(at, _left(oldest, now) + length)
            if at > now and at - now >= remaining_s():
                raise Retry("out_of_time", f"{RETRY_HINT} by the next run")
            self._budget.take(calls)
            mine = _Turn(at, gone=at <= now)
            turns.append(mine)
            window.calls += 1
        while not mine.gone:
            self._sleep(at - now)
            with self._lock:
                # Who was called late, by a busy machine, moves the one that comes a window later.
                now = self._clock()
                at = max(at, _left(oldest, now) + length) if oldest else at
                mine.at, mine.gone = max(at, now), at <= now

    def refused(self, api: str) -> None:
        """Give way: a call that the vendor has refused for the rate takes another one's place."""
        with self._lock:
            window = self._windows[api]
            window.turns.append(_Turn(self._clock(), gone=True))


def _left(turn: _Turn, now: float) -> float:
    """Return when a call left; one that has not yet will do so now at the earliest."""
    return turn.at if turn.gone else max(turn.at, now)
