"""Bytes of objects as files, so that nothing that is cut off leaves half an object, or litter."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fastcrc import crc64

from cardveil_cloud import files

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Blob:
    """Finished bytes on disk, not yet or already part of an object. They are never changed again."""

    id: str
    size: int  # bytes
    md5: bytes  # 16 bytes
    crc64: int  # CRC-64/XZ, which COS calls crc64ecma


class BlobWriter:
    """Takes in one upload; `finish` or `discard` must be called. To be used by one thread at a time."""

    def __init__(self, blob_id: str, path: Path) -> None:
        self.id = blob_id
        self._path = path
        self._file = files.open_private(path, "xb")
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc = crc64.xz(b"")
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self._md5.update(data)
        self._crc = crc64.xz(data, self._crc)
        self._size += len(data)

    def finish(self) -> Blob:
        """Close the file and tell what it holds."""
        self._file.close()
        return Blob(self.id, self._size, self._md5.digest(), self._crc)

    def discard(self) -> None:
        """Give the upload up and remove its file; harmless after `finish` or a second time."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class Blobs:
    """Files below ``root``; needs a file system with hard links.

    ``blobs/`` holds what the index refers to. A name in ``doubt/`` (another link to the same file) says that
    a transaction about this blob is under way: it is set before the transaction and removed after it, so
    after a crash the index decides about exactly these files.
    """

    def __init__(self, root: Path) -> None:
        self._kept = root / "blobs"
        self._doubt = root / "doubt"
        files.make_folder(self._doubt)
        for number in range(256):
            files.make_folder(self._kept / f"{number:02x}")

    def writer(self) -> BlobWriter:
        """Begin an upload."""
        blob_id = uuid.uuid4().hex
        return BlobWriter(blob_id, self._doubt / blob_id)

    def link(self, blob_id: str) -> str:
        """A second blob with the same bytes, without copying them; `FileNotFoundError` if it was dropped."""
        new_id = uuid.uuid4().hex
        os.link(self._path(blob_id), self._doubt / new_id)
        return new_id

    def join(self, ids: Iterable[str]) -> Blob:
        """A new blob of other blobs' bytes, one after the other."""
        writer = self.writer()
        try:
            for blob_id in ids:
                with self.open(blob_id) as part:
                    while chunk := part.read(_CHUNK):
                        writer.write(chunk)
        except BaseException:
            writer.discard()
            raise
        return writer.finish()

    def open(self, blob_id: str) -> BinaryIO:
        """Open for reading; the bytes stay readable even if the blob is dropped meanwhile."""
        return self._path(blob_id).open("rb")

    def before_commit(self, added: Iterable[str], removed: Iterable[str]) -> None:
        """Prepare a transaction that begins to refer to ``added`` and ceases to refer to ``removed``."""
        for blob_id in added:
            os.link(self._doubt / blob_id, self._path(blob_id))
        for blob_id in removed:
            with contextlib.suppress(FileNotFoundError):  # lost already: nothing is left to be dropped
                os.link(self._path(blob_id), self._doubt / blob_id)

    def settle(self, kept: Iterable[str], dropped: Iterable[str]) -> None:
        """Clear all doubt after a transaction was committed or rolled back."""
        for blob_id in kept:
            (self._doubt / blob_id).unlink(missing_ok=True)
        for blob_id in dropped:
            self._path(blob_id).unlink(missing_ok=True)
            (self._doubt / blob_id).unlink(missing_ok=True)

    def recover(self, referred: Callable[[set[str]], set[str]]) -> None:
        """Clear the doubt that a crash has left; ``referred`` picks the ids that the index knows."""
        doubtful = {path.name for path in self._doubt.iterdir()}
        if doubtful:
            kept = referred(doubtful)
            self.settle(kept, doubtful - kept)

    def _path(self, blob_id: str) -> Path:
        return self._kept / blob_id[:2] / blob_id
