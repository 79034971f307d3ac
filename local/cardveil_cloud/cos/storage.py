"""Files and index under one folder, changed together: the ground that objects and uploads stand on."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, MutableSequence
from pathlib import Path
from typing import TypeVar

from cardveil_cloud import files
from cardveil_cloud.cos.blobs import Blob, Blobs, BlobWriter
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.index import Index

S = TypeVar("S", bound="Storage")


class Storage:
    """A folder that holds blobs and their index; safe to be used from threads, by one process at a time.

    Parameters
    ----------
    root
        The folder; made when missing. Object keys never become path names in it.
    clock
        Seconds since the epoch; stamps what is written.

    Raises
    ------
    RuntimeError
        When the folder is in use already, by another process or in this one.
    """

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        files.make_folder(root)
        self.now = clock
        self._lock_file = files.open_private(root / "lock", "wb")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock_file.close()
            raise RuntimeError("the object store's folder is in use; close the other store first") from error
        self._blobs = Blobs(root)
        self._index = Index(root / "index.sqlite")
        self._blobs.recover(self._index.referred_blobs)

    def close(self) -> None:
        """Close the database, and let the folder go."""
        self._index.close()
        self._lock_file.close()

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def writer(self) -> BlobWriter:
        """Begin to take in bytes."""
        return self._blobs.writer()

    def take(self, data: bytes) -> Blob:
        """Take in bytes that are there already."""
        writer = self.writer()
        try:
            writer.write(data)
            return writer.finish()
        except BaseException:
            writer.discard()
            raise

    def join(self, ids: Iterable[str]) -> Blob:
        """A new blob of other blobs' bytes; `FileNotFoundError` when one of them was dropped meanwhile."""
        return self._blobs.join(ids)

    def discard(self, blob: Blob) -> None:
        """Give up a finished blob that nothing refers to."""
        self._blobs.settle((), [blob.id])

    def reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A connection to read the index with."""
        return self._index.reading()

    @contextlib.contextmanager
    def change(self, added: Iterable[str] = ()) -> Iterator[tuple[sqlite3.Connection, MutableSequence[str]]]:
        """A transaction that takes the blobs ``added`` in, and drops those that the block puts on its list.

        A `CosError` of the block rolls it back. After any other failure the files stay in doubt, and the next
        start decides by the index what becomes of them.
        """
        new = tuple(added)
        removed: list[str] = []
        # One change at a time, until its files are settled too: the next may be about the same blob.
        with self._index.alone():
            try:
                with self._index.writing() as db:
                    yield db, removed
                    self._blobs.before_commit(new, removed)
            except CosError:
                self._blobs.settle(removed, new)
                raise
            self._blobs.settle(new, removed)
