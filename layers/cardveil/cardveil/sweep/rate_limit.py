"""A sweep's own rate: never more calls in any one second than its share, and nearly as many.

The vendor refuses what is too much within a second, and counts a call when it arrives, which nobody here
sees. A call leaves after its turn, by what a busy machine takes to build and send it, and arrives after
that. So turns that are a second apart do not keep calls a second apart, and a guard between them that is
wide enough for every stall would cost more of the rate than stalls do.

For a rate of N calls a second there are N places. A call takes the place of the Nth call before it, once
that one is known to have arrived a second ago. If any two calls of each place arrive a second apart, no
second holds more than N: of N + 1 calls two would have the same place.

When a call has arrived at the latest, its answer tells. Let `fastest` be the shortest time that an answer
was waited for. A call that took d was on its way for d - `fastest` longer than the fastest at most, if the
service took no less. So the next of its place may have its turn a second and d - `fastest` after it: it can
only be on its way longer than the fastest was. This holds whatever stalls there are. To wait for less than
the usual d (three of four take no longer) would gain little, so that is the guard. Where the service's own
time varies, d says less: the guard has its bound, and what is waited beyond it a low one then.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from cardveil.card.model import CardType, Side
from cardveil.core.errors import CardveilError, Retry
from cardveil.core.rate_limit import RateLimiter
from cardveil.recognition.interfaces import Image, Reading, TextLine
from cardveil.sweep.budget import Budget

#: The guard's bounds in seconds; the wider one holds as long as there are too few answers to tell.
LEAST_GUARD_S: Final = 0.005
GUARD_S: Final = 0.025
#: What it is at first, since the first calls build connections: until each place has had two answers.
FIRST_GUARD_S: Final = 0.2
#: What is added to the measured guard: the fastest of the answers that are remembered may not be the fastest.
_SLACK_S: Final = 0.004
#: By how much one call is believed to have arrived late at the most, in seconds, by its answer: where three
#: of four answers take equally long but for the widest guard, and where the service's time varies.
BELIEVED_S: Final = 0.3
LATEST_S: Final = 0.05
#: So many answers are remembered; fewer than the second number tell nothing, than the third not yet that the
#: service's time varies: the first ones may be slow for other reasons.
_REMEMBERED: Final = 200
_TELLING: Final = 10
_SETTLED: Final = 100
_USUAL: Final = 0.75
#: What a refusal for the rate multiplies the guard with, up to this share of the window, and what each call
#: that was made takes back of it: live uploads, or a slow machine, have the sweep give way.
_WIDER: Final = 1.5
_WIDEST: Final = 0.25
_NARROWER: Final = 0.995
#: The least distance of two calls, as a share of the even one: what a stall has lost may be caught up.
_CLOSEST: Final = 0.5


@dataclass(slots=True, eq=False)
class _Turn:
    """One call: when it was let go, or will be, and how long its answer took, None before there is one."""

    api: str
    at: float
    gone: bool = False
    took: float | None = None


@dataclass
class _Lane:
    """The calls of one API."""

    turns: deque[_Turn]
    answers: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    usual: float = float("inf")
    latest: float = LATEST_S
    guard: float = GUARD_S
    widened: float = FIRST_GUARD_S
    begun: bool = False

    def answered(self, took: float) -> None:
        self.answers.append(took)
        count = len(self.answers)
        if not self.begun and count >= min(max(_TELLING, 2 * (self.turns.maxlen or 0)), _REMEMBERED):
            self.begun, self.widened = True, 0.0
        if count >= _TELLING:
            ordered = sorted(self.answers)
            spread = ordered[int(_USUAL * count)] - ordered[0]
            varies = spread > GUARD_S and count >= _SETTLED
            self.usual = ordered[0] + (spread if varies else min(spread, GUARD_S))
            self.latest = LATEST_S if varies else BELIEVED_S
            self.guard = min(max(LEAST_GUARD_S, spread + _SLACK_S), GUARD_S)

    def free(self, before: _Turn, span: float, now: float) -> float:
        """Return when the place of a call may be taken by another."""
        went = before.at if before.gone else max(before.at, now)
        took = now - went if before.took is None else before.took
        late = min(max(0.0, took - self.usual), self.latest)
        return went + span + max(self.guard, self.widened) + late


class SweepRateLimiter(RateLimiter):
    """Calls of each API in windows: never more in any one second than the rate, whatever came before.

    A burst of what was saved up while nothing was to do, or after a stall, would be refused; here only the
    distance of calls shrinks, by half, until every place is taken.

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
        self._lanes: dict[str, _Lane] = {}
        self._local = threading.local()

    def wait(self, per_second: float, remaining_s: Callable[[], float], api: str = "") -> None:  # noqa: ARG002
        """Wait until a call may be made, and count it; see `RateLimiter.wait` and `Budget.take`."""
        self._local.turn = self.turn(api, remaining_s)

    def turn(self, api: str, remaining_s: Callable[[], float], calls: int = 1) -> _Turn:
        """Wait for the next turn, which stands for so many paid calls; raises as `wait` does."""
        with self._lock:
            lane = self._lanes.setdefault(api, _Lane(deque(maxlen=self._count)))
            now = at = self._clock()
            turns = lane.turns
            before = turns[0] if len(turns) == self._count else None
            even = (self._span + max(lane.guard, lane.widened)) / self._count
            if before:
                at = max(at, lane.free(before, self._span, now), turns[-1].at + _CLOSEST * even)
            elif turns:
                # The first calls take longest: nothing is caught up yet.
                at = max(at, turns[-1].at + even)
            if at > now and at - now >= remaining_s():
                raise Retry("out_of_time", "nothing: it is done by the next run")
            self._budget.take(calls)
            mine = _Turn(api, at, gone=at <= now)
            turns.append(mine)
            lane.widened *= _NARROWER
        while at > now:
            self._sleep(at - now)
            with self._lock:
                # Who was called late, by a busy machine, moves the one after; so does a late answer.
                now = self._clock()
                at = max(at, lane.free(before, self._span, now)) if before else at
                mine.at, mine.gone = max(at, now), at <= now
        return mine

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time the call that this thread has waited for; without an answer it counts as late."""
        try:
            yield
        except Retry:
            raise
        except CardveilError:
            self.answered(self._local.turn)
            raise
        self.answered(self._local.turn)

    def answered(self, turn: _Turn) -> None:
        """Hear that the call of a turn was answered."""
        with self._lock:
            turn.took = self._clock() - turn.at
            self._lanes[turn.api].answered(turn.took)

    def refused(self, api: str) -> None:
        """Give way: the vendor has refused a call for the rate."""
        with self._lock:
            lane = self._lanes[api]
            lane.widened = min(max(lane.guard, lane.widened) * _WIDER, _WIDEST * self._span)


@dataclass(frozen=True, slots=True)
class Timed:
    """An adapter to a paid API, whose calls are timed; see `reading` for what its methods do."""

    adapter: Any
    rate_limiter: SweepRateLimiter

    @property
    def by_key(self) -> bool:
        """Whether the service reads the picture by its key."""
        return bool(getattr(self.adapter, "by_key", True))

    def locate(self, image: Image, card_type: CardType) -> Reading:
        """See `Locator.locate`."""
        with self.rate_limiter.timed():
            reading: Reading = self.adapter.locate(image, card_type)
            return reading

    def read(self, image: Image, side: Side | None) -> Reading:
        """See `TextReader.read`."""
        with self.rate_limiter.timed():
            reading: Reading = self.adapter.read(image, side)
            return reading

    def lines(self, image: Image) -> tuple[tuple[TextLine, ...], Reading]:
        """See `TextLocator.lines`."""
        with self.rate_limiter.timed():
            found: tuple[tuple[TextLine, ...], Reading] = self.adapter.lines(image)
            return found
