"""What a sweep may spend: paid calls of a run and of a day, counted before they are made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import orjson

from cardveil.core.errors import BudgetSpent, Reject
from cardveil.storage.objects import Objects

#: Calls that are written down as made before they are; a crash leaves the day's count too high by fewer.
_AHEAD: Final = 50


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
        BudgetSpent
        """
        with self._lock:
            self._turn()
            if self.made + calls > self._run_limit or self._of_day + calls > self._day_limit:
                raise BudgetSpent(
                    "sweep_budget_spent",
                    "raise CARDVEIL_SWEEP_CALLS_PER_RUN or _PER_DAY, or wait for the next day",
                )
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


def _day(now: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(now))
