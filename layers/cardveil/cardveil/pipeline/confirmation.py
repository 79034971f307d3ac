"""Whether a source is still the one that was fetched: services read it by its key, and at another moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future

from cardveil.storage.objects import Stored


class Confirmation:
    """Looks whether the source is still the one that was fetched: as soon as services have read it by key."""

    def __init__(self, look: Callable[[], Stored | None], pool: Executor) -> None:
        self._look = look
        self._pool = pool
        self._lock = threading.Lock()
        self._latest: Future[Stored | None] | None = None

    def start(self) -> None:
        """Look now; what was seen before counts no more."""
        with self._lock:
            self._latest = self._pool.submit(self._look)

    def result(self) -> Stored | None:
        """Return the source's head as it was after the last reading."""
        return self._latest.result() if self._latest else self._look()
