"""Folders held in memory as path and bytes, and their zips, in which nothing depends on time or machine."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cardveil_cli.package.errors import PackagingError

#: Relative POSIX path and content of every file of one folder.
Tree = Mapping[str, bytes]

#: The oldest time that a zip can hold: a file's age says nothing.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_FILE, _LIBRARY = 0o100644, 0o100755


def read_tree(folder: Path) -> dict[str, bytes]:
    """Read a folder, without what Python or a tool leaves behind in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and not path.name.endswith((".pyc", "~"))
    }


def own_tree(folder: Path, data: Sequence[str]) -> dict[str, bytes]:
    """Read a folder of sources: code, and what the patterns of `data` name.

    Raises
    ------
    PackagingError
        If anything else lies in it: it would be uploaded, and might be somebody's card.
    """
    tree = read_tree(folder)
    known = {path.relative_to(folder).as_posix() for each in ("**/*.py", *data) for path in folder.glob(each)}
    for name in tree:
        if name not in known:
            raise PackagingError(f"{folder.name}/{name} belongs to no package: take it away from there")
    return tree


def write_tree(tree: Tree, folder: Path) -> None:
    """Write a tree as files."""
    for name, data in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def zipped(tree: Tree) -> bytes:
    """Return the zip of a tree: sorted, with fixed times and modes, so that equal trees give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(tree):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = (_LIBRARY if ".so" in name else _FILE) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, tree[name], compresslevel=6)
    return buffer.getvalue()


def unpacked_size(tree: Tree) -> int:
    """Return the bytes of all files."""
    return sum(len(data) for data in tree.values())


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
