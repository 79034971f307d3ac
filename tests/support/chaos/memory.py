"""A bucket in memory that keeps COS's promises, and whose user can be killed at any of its requests."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from cardveil.core.errors import SourceGone
from cardveil.storage.objects import Entry, Stored
from cardveil.storage.source import OUTPUT_MARK


class Killed(BaseException):
    """The instance is gone: nothing of it, no `finally` either, has any effect from here on."""


@dataclass
class MemoryBucket:
    """The objects, which outlive whoever uses them.

    Attributes
    ----------
    versioned : bool
        Whether the bucket ever was: creation then overwrites, as with COS.
    """

    versioned: bool = False
    content: dict[str, tuple[bytes, Mapping[str, str]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys under a prefix, in order."""
        with self.lock:
            return sorted(key for key in self.content if key.startswith(prefix))


@dataclass
class Instance:
    """One instance's requests to a bucket.

    Attributes
    ----------
    check : callable
        Called with the request's name before and after each; may raise `Killed`, and then always does.
    """

    memory: MemoryBucket
    bucket: str = "cards-1250000000"
    check: Callable[[str], None] = field(default=lambda _: None)

    def head(self, key: str) -> Stored | None:
        """See `Objects.head`."""
        self.check("before head")
        with self.memory.lock:
            found = self.memory.content.get(key)
        self.check("after head")
        return _stored(found) if found else None

    def get(self, key: str, *, max_bytes: int) -> tuple[Stored, bytes | None]:
        """See `Objects.get`."""
        self.check("before get")
        with self.memory.lock:
            found = self.memory.content.get(key)
        self.check("after get")
        if found is None:
            raise SourceGone("source_gone", "nothing: the object was deleted before it was read")
        return _stored(found), found[0] if len(found[0]) <= max_bytes else None

    def put(self, key: str, data: bytes, *, media_type: str, meta: Mapping[str, str]) -> None:
        """See `Objects.put`."""
        self.check("before put")
        headers = {f"x-cos-meta-{name}": value for name, value in meta.items()}
        with self.memory.lock:
            self.memory.content[key] = data, {OUTPUT_MARK: meta.get("kind", "state"), **headers}
        self.check("after put")

    def create(self, key: str, data: bytes) -> bool:
        """See `Objects.create`."""
        self.check("before create")
        with self.memory.lock:
            made = self.memory.versioned or key not in self.memory.content
            if made:
                self.memory.content[key] = data, {OUTPUT_MARK: "state"}
        self.check("after create")
        return made

    def delete(self, key: str) -> None:
        """See `Objects.delete`."""
        self.check("before delete")
        with self.memory.lock:
            self.memory.content.pop(key, None)
        self.check("after delete")

    def list(self, prefix: str) -> Iterator[str]:
        """See `Objects.list`."""
        self.check("before list")
        yield from self.memory.keys(prefix)

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]:
        """See `Objects.entries`: sources are from before, results were just written."""
        for key in self.list(prefix):
            if key > after:
                stored = self.head(key)
                assert stored is not None
                yield Entry(key, stored.size, stored.etag, 1.0 if key.startswith("inbox/") else 2.0)

    def fetch(self, key: str, file: BinaryIO) -> None:
        """See `Objects.fetch`."""
        raise NotImplementedError


def _stored(found: tuple[bytes, Mapping[str, str]]) -> Stored:
    data, meta = found
    return Stored(hashlib.md5(data, usedforsecurity=False).hexdigest(), len(data), meta)
