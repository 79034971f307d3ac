"""Counts calls that the vendor would bill, by operation and picture: what a duplicate costs is a test."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter


class UsageMeter:
    """Calls that reached recognition; pictures are told apart by the digest of their bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str]] = Counter()

    def record(self, operation: str, picture: bytes) -> None:
        """Count one call of an operation for one picture."""
        with self._lock:
            self._calls[operation, hashlib.sha256(picture).hexdigest()] += 1

    def by_operation(self) -> dict[str, int]:
        """Return how many calls each operation had."""
        with self._lock:
            totals: Counter[str] = Counter()
            for (operation, _), count in self._calls.items():
                totals[operation] += count
            return dict(totals)

    def of_picture(self, picture: bytes) -> dict[str, int]:
        """Return how many calls each operation had for one picture."""
        digest = hashlib.sha256(picture).hexdigest()
        with self._lock:
            return {operation: n for (operation, seen), n in self._calls.items() if seen == digest}

    def by_picture(self) -> dict[str, dict[str, int]]:
        """Return the counts by the picture's SHA-256 digest, then by operation."""
        found: dict[str, dict[str, int]] = {}
        with self._lock:
            for (operation, digest), count in self._calls.items():
                found.setdefault(digest, {})[operation] = count
        return found
