"""A sweep's own rate and budget: every paid call waits here for its turn, and is counted beforehand."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import orjson

from cardveil.bucket.objects import Objects
from cardveil.errors import Halt, Reject, Retry
from cardveil.pacing import Pace

#: Two calls of a network may trade this much of their distance, in seconds, before the vendor counts them.
GUARD_S: Final = 0.025
#: What a refusal for the rate multiplies that with, up to this share of the window, and what each call that
#: was made takes back of it: live uploads, or a slow machine, have the sweep give way.
_WIDER: Final = 1.5
_WIDEST: Final = 0.25
_NARROWER: Final = 0.995
#: The least distance of two calls, as a share of the even one: what a stall has lost may be caught up.
_CLOSEST: Final = 0.5
#: Calls that are written down as made before they are; a crash leaves the day's count too high by fewer.
_AHEAD: Final = 50
SPENT: Final = "sweep_budget_spent"


class Budget:
    """Paid calls that a run and a day may make.

    The day's count stands in the bucket. Only the one who holds the sweeps' lease writes it.

    Parameters
    ----------
    key : str
        Where the day's count stands.
    run_limit, day_limit : int
        Calls that this run may still make, and that all sweeps of a day (UTC) may make.
    """

    def __init__(
        self,
        objects: Objects,
        key: str,
        run_limit: int,
        day_limit: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._objects = objects
        self._key = key
        self._run_limit = run_limit
        self._day_limit = day_limit
        self._now = now
        self._lock = threading.Lock()
        self._day = _day(now())
        self._of_day = self._noted = self._read()
        self.made = 0

    @property
    def spent(self) -> bool:
        """Whether no further call may be made now."""
        with self._lock:
            self._turn()
            return self.made >= self._run_limit or self._of_day >= self._day_limit

    def take(self, calls: int = 1) -> None:
        """Count calls that are about to be made.

        Raises
        ------
        Halt
            ``sweep_budget_spent``.
        """
        with self._lock:
            self._turn()
            if self.made + calls > self._run_limit or self._of_day + calls > self._day_limit:
                raise Halt(SPENT, "raise CARDVEIL_SWEEP_CALLS_PER_RUN or _PER_DAY, or wait for the next day")
            if self._of_day + calls > self._noted:
                self._note(min(self._of_day + calls + _AHEAD, self._day_limit))
            self.made += calls
            self._of_day += calls

    def settle(self) -> None:
        """Write down what was really made."""
        with self._lock:
            if self._noted != self._of_day:
                self._note(self._of_day)

    def _turn(self) -> None:
        if (today := _day(self._now())) != self._day:
            self._day, self._of_day, self._noted = today, 0, 0

    def _note(self, calls: int) -> None:
        note = orjson.dumps({"day": self._day, "calls": calls})
        self._objects.put(self._key, note, media_type="application/json", meta={"kind": "sweep"})
        self._noted = calls

    def _read(self) -> int:
        try:
            _, data = self._objects.get(self._key, max_bytes=4096)
            note = orjson.loads(data or b"")
            return int(note["calls"]) if note["day"] == self._day else 0
        except (Reject, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return 0


class SweepPace(Pace):
    """Calls of each API in windows: never more in any one second than the rate, whatever came before.

    The vendor refuses what is too much within a second. A burst of what was saved up while nothing was to do,
    or after a stall, would be refused; here only the distance of calls shrinks, by half, until the window is
    full.

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
        self._guard = GUARD_S
        self._budget = budget
        #: Of each API's last calls the moments when they were made, or will be.
        self._turns: dict[str, deque[list[float]]] = {}

    def wait(self, per_second: float, remaining_s: Callable[[], float], api: str = "") -> None:  # noqa: ARG002
        """Wait until a call may be made, and count it; see `Pace.wait` and `Budget.take`."""
        self.turn(api, remaining_s)

    def turn(self, api: str, remaining_s: Callable[[], float], calls: int = 1) -> None:
        """Wait for the next turn, which stands for so many paid calls; raises as `wait` does."""
        with self._lock:
            now = turn = self._clock()
            turns = self._turns.setdefault(api, deque(maxlen=self._count))
            before = turns[0] if len(turns) == self._count else None
            window = self._span + self._guard
            if before:
                turn = max(turn, before[0] + window, turns[-1][0] + _CLOSEST * window / self._count)
            elif turns:
                # The first calls take longest: nothing is caught up yet.
                turn = max(turn, turns[-1][0] + window / self._count)
            if turn > now and turn - now >= remaining_s():
                raise Retry("out_of_time", "nothing: it is done by the next run")
            self._budget.take(calls)
            mine = [turn]
            turns.append(mine)
            self._guard = max(GUARD_S, self._guard * _NARROWER)
        while turn > now:
            self._sleep(turn - now)
            with self._lock:
                # Who was called late, by a busy machine, moves the window of the one after.
                now = self._clock()
                turn = max(turn, before[0] + window) if before else turn
                mine[0] = max(turn, now)

    def refused(self, api: str) -> None:  # noqa: ARG002
        """Give way: the vendor has refused a call for the rate."""
        with self._lock:
            self._guard = min(self._guard * _WIDER, _WIDEST * self._span)


def _day(now: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(now))
