"""The request rate that the gateway grants: so many of one action in any second, for each account."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable


class RateLimit:
    """A sliding window of one second.

    Parameters
    ----------
    per_second
        How many calls a key may make in any second; None grants all.
    clock
        Monotonic seconds.
    """

    def __init__(self, per_second: int | None, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[Hashable, deque[float]] = {}

    def grant(self, key: Hashable) -> bool:
        """Count a call and say whether it is within the limit; a refused call does not count."""
        if self._per_second is None:
            return True
        now = self._clock()
        with self._lock:
            calls = self._calls.setdefault(key, deque())
            while calls and calls[0] <= now - 1.0:
                calls.popleft()
            if len(calls) >= self._per_second:
                return False
            calls.append(now)
            return True
