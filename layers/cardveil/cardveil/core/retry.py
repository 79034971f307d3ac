"""The one place that decides whether a call is made again: by the error tree, in the time that is left."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from cardveil.core.errors import Retry, out_of_time
from cardveil.core.frozen import dataclass, field, replace

T = TypeVar("T")

#: First and longest pause in seconds. A second is the window of the OCR API's rate limit (20 requests/s).
_BASE_S: Final = 0.2
_CAP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a call may be tried.

    Attributes
    ----------
    attempts : int
        Tries in all.
    remaining_s : callable
        Seconds left to the invocation; no pause is begun that would not fit, and zero means zero.
    """

    attempts: int
    remaining_s: Callable[[], float]
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float, float], float] = field(default=random.uniform)

    def within(self, seconds: float, now: Callable[[], float] = time.monotonic) -> RetryPolicy:
        """Return a policy whose time ends so many seconds from now, or with the invocation's."""
        end, remaining_s = now() + seconds, self.remaining_s
        return replace(self, remaining_s=lambda: min(remaining_s(), end - now()))

    def call(self, action: Callable[[], T]) -> T:
        """Run `action`; on `Retry` pause for a random part of a doubling span and try again.

        Raises
        ------
        Retry
            The last one, when the tries or the time are used up (``out_of_time`` if there was none at all).
        CardveilError
            Any other leaf, at once.
        """
        if self.remaining_s() <= 0:
            raise out_of_time()
        span = _BASE_S
        for attempt in range(1, self.attempts + 1):
            try:
                return action()
            except Retry:
                pause = self.jitter(0.0, span)
                if attempt == self.attempts or pause >= self.remaining_s():
                    raise
            self.sleep(pause)
            span = min(_CAP_S, span * 2)
        raise ValueError("attempts must be at least 1")
