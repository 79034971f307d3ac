"""Files that only their owner can read: the local cloud keeps card pictures, keys and events on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import BufferedWriter
from pathlib import Path
from typing import Literal

#: Bits of a mode that let anybody but the owner in.
_OTHERS = 0o077


def open_private(path: Path, mode: Literal["wb", "ab", "xb"]) -> BufferedWriter:
    """Open a file to write bytes; if it is made here, it is its owner's alone (0600)."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def make_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, for their owner alone (0700); return it.

    A folder that is there already is closed to others too, but not those above it.
    """
    if not path.is_dir():
        if not path.parent.is_dir():
            make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    _close(path)
    return path


def write(path: Path, data: bytes) -> None:
    """Write a file at once, in place of an older one: after a crash it is the old or the new one, whole."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with open_private(part, "wb") as file:
        file.write(data)
    part.replace(path)


def close_to_others(paths: Iterable[Path]) -> None:
    """Take from files, and from folders with all that is in them, what others may do. Links stay alone."""
    for path in paths:
        if path.is_symlink() or not path.exists():
            continue
        _close(path)
        if path.is_dir():
            close_to_others(path.iterdir())


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be read to ``<name>.damaged``, or ``.damaged-2`` and so on; return the name.

    What is damaged is never deleted: it may be all that is left of something.
    """
    number = 1
    while True:
        aside = path.with_name(f"{path.name}.damaged" + (f"-{number}" if number > 1 else ""))
        if not aside.exists():
            return path.rename(aside)
        number += 1


def _close(path: Path) -> None:
    mode = path.stat().st_mode & 0o7777
    if mode & _OTHERS:
        path.chmod(mode & ~_OTHERS)
