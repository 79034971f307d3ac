"""One page of a listing, folded at a delimiter, by seeking past each folder instead of reading through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
# Rows with low <= key < high in key order; no upper bound when high is None. Read lazily.
Scan = Callable[[bytes, "bytes | None"], Iterable[tuple[bytes, T]]]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Entries and common prefixes, both in key order; ``next_marker`` is set when there is more."""

    entries: tuple[T, ...]
    prefixes: tuple[bytes, ...]
    next_marker: bytes | None


def successor(prefix: bytes) -> bytes | None:
    """The least key greater than every key that starts with ``prefix``; None when there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


def list_page(scan: Scan[T], *, prefix: bytes, delimiter: bytes, marker: bytes, limit: int) -> Page[T]:
    """List what follows ``marker``, at most ``limit`` entries and common prefixes together.

    A folder that the marker is in, or is, counts as listed already.
    """
    high = successor(prefix) if prefix else None
    low: bytes | None = max(prefix, marker + b"\0") if marker else prefix
    folder = _folder(marker, prefix, delimiter)
    if folder is not None:
        low = successor(folder)
    entries: list[T] = []
    prefixes: list[bytes] = []
    last: bytes | None = None
    while limit > 0 and low is not None:
        seek: bytes | None = None
        for key, row in scan(low, high):
            if len(entries) + len(prefixes) == limit:
                return Page(tuple(entries), tuple(prefixes), last)
            folder = _folder(key, prefix, delimiter)
            if folder is not None:
                prefixes.append(folder)
                last = folder
                seek = successor(folder)
                break
            entries.append(row)
            last = key
        low = seek
    return Page(tuple(entries), tuple(prefixes), None)


def _folder(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """The common prefix that ``key`` is folded into; None when it is listed itself."""
    if not delimiter or not key.startswith(prefix):
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]
