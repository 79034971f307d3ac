"""Writes a file whole beside its place, so that what stands there is never half a file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(folder: Path, data: bytes, *, private: bool) -> Iterator[Path]:
    """Write a file under a name that nothing else has, to be renamed to its own; gone when the block ends.

    Parameters
    ----------
    private
        Keep it from other users of the machine, whatever their umask says.
    """
    part = folder / f".cardveil-{secrets.token_hex(8)}.part"
    try:
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        yield part
    finally:
        part.unlink(missing_ok=True)


def replace_private(path: Path, data: bytes) -> None:
    """Write a file that only its user may read, in place of the one that stands there."""
    with written_beside(path.parent, data, private=True) as part:
        part.replace(path)
