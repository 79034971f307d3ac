"""Keeps one instance's paid calls to a set rate, so that a burst of uploads meets no throttling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cardveil.core.errors import out_of_time


class RateLimiter:
    """A token bucket; one for the whole process, made by the function's entry and passed on.

    The OCR API grants an account 20 requests a second: the rate of an instance times the function's reserved
    concurrency should not be above that.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = float("-inf")

    def wait(self, per_second: float, remaining_s: Callable[[], float], api: str = "") -> None:  # noqa: ARG002
        """Wait until a call may be made: one second's worth at once, then evenly.

        Parameters
        ----------
        per_second : float
            Calls a second; 0 for no limit.
        api : str
            Which of the APIs is to be called, for paces that tell them apart; this one does not.

        Raises
        ------
        Retry
            ``out_of_time`` when the turn comes only after the invocation's end.
        """
        if per_second <= 0:
            return
        with self._lock:
            now = self._clock()
            # The bucket holds one second's worth, but at least one call.
            earliest = now - max(0.0, 1.0 - 1.0 / per_second)
            turn = max(self._free_at, earliest)
            pause = turn - now
            if pause > 0 and pause >= remaining_s():
                raise out_of_time("CARDVEIL_CALLS_PER_SECOND")
            self._free_at = turn + 1.0 / per_second
        if pause > 0:
            self._sleep(pause)

    def refused(self, api: str) -> None:
        """Hear that a call was refused for the rate; this pace does not change for it."""


class Pause:
    """A time in which somebody is left alone: over until it is begun. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock()

    def begin(self, seconds: float) -> None:
        """Begin it, from now on."""
        self._until = self._clock() + seconds

    def over(self) -> bool:
        """Say whether it is over."""
        return self._clock() >= self._until
