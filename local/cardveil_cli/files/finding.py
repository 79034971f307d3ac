"""Finds the pictures that the user means: by what files hold, and with a word on all that is passed over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cardveil.core.errors import Reject
from cardveil.redaction import inspect
from cardveil_cli.files.manifest import FILE_NAME, Manifest, manifest_of

#: A file of a folder that is called so is taken for a picture, whatever it holds; others by what they hold.
_ENDINGS: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".heic", ".heif", ".hif", ".tif"}
    | {".tiff", ".gif", ".avif", ".jxl", ".jp2", ".pdf"}
)
#: Enough to tell a format by its first bytes.
_HEAD: Final = 4096

#: Why a path is passed over; `True` where it may hide a picture, so that not all is done.
PASSED_OVER: Final = {
    "other_file": (False, "it holds no picture and is not called as one"),
    "earlier_result": (False, "an earlier run wrote it"),
    "same_file": (False, "it leads to a file that is done under another name"),
    "broken_link": (True, "the link leads nowhere: put it right, or remove it"),
    "linked_folder": (True, "links to folders are not followed: name the folder itself"),
    "unreadable": (True, "it cannot be read: check its permissions and the disk"),
    "missing": (True, "there is no such file"),
    "not_a_file": (True, "it is a pipe, a socket or a device, not a file"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to be done: where it truly lies, and what its results are named by."""

    path: Path
    given: Path
    name: Path


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A path that is not done; `code` is one of `PASSED_OVER`."""

    path: Path
    code: str

    @property
    def missed(self) -> bool:
        """Whether a picture may have been missed."""
        return PASSED_OVER[self.code][0]


@dataclass(slots=True)
class Found:
    """What there is under the named paths."""

    sources: list[Source] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)


def find(paths: Sequence[Path], out: Path) -> Found:
    """List the pictures under `paths`, each once, and all that is passed over.

    Parameters
    ----------
    out
        The output folder, resolved. What lies in it below a named folder is no source; neither is what any
        output folder's manifest knows as a result.
    """
    found = Found()
    roots = [resolved(path) for path in paths]
    seen: set[Path] = set()
    for given, root in zip(paths, roots, strict=True):
        if root.is_dir():
            _Walk(root, given, out, roots, found, seen).go()
        elif code := _trouble(given):
            found.passed_over.append(PassedOver(given, code))
        elif root in seen:
            found.passed_over.append(PassedOver(given, "same_file"))
        else:
            # Whatever it holds or is called: it was named.
            seen.add(root)
            found.sources.append(Source(root, given, Path(given.name)))
    return found


class _Walk:
    """Goes through one named folder."""

    def __init__(
        self, root: Path, given: Path, out: Path, roots: list[Path], found: Found, seen: set[Path]
    ) -> None:
        self._root = root
        self._given = given
        self._out = out if root in out.parents else None
        self._roots = roots
        self._found = found
        self._seen = seen

    def go(self) -> None:
        """Take up all that the folder holds, folder by folder."""
        above = _manifests_above(self._root)
        waiting = [(Path(), above)]
        while waiting:
            name, manifests = waiting.pop()
            here = manifest_of(self._root / name)
            manifests = [*manifests, here] if here else manifests
            try:
                entries = sorted(os.scandir(self._root / name), key=lambda entry: entry.name)
            except OSError:
                self._pass_over(name, "unreadable")
                continue
            below = []
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    self._file(name / entry.name, manifests)
                elif self._root / name / entry.name == self._out:
                    self._pass_over(name / entry.name, "earlier_result")
                else:
                    below.append((name / entry.name, manifests))
            waiting += reversed(below)

    def _file(self, name: Path, manifests: list[Manifest]) -> None:
        path = self._root / name
        real = resolved(path)
        code = _trouble(path)
        if path.is_symlink():
            manifests = [*manifests, *_manifests_above(real)]
        if self._out and real.is_relative_to(self._out):
            code = "earlier_result"
        elif code == "is_folder":
            within = any(real.is_relative_to(root) for root in self._roots)
            code = "same_file" if within else "linked_folder"
        elif code:
            pass
        elif name.name == FILE_NAME or _is_result(real, manifests):
            code = "earlier_result"
        elif not _may_be_a_picture(path):
            code = "other_file"
        elif real in self._seen:
            code = "same_file"
        if code:
            self._pass_over(name, code)
            return
        self._seen.add(real)
        self._found.sources.append(Source(real, self._given / name, name))

    def _pass_over(self, name: Path, code: str) -> None:
        self._found.passed_over.append(PassedOver(self._given / name, code))


def resolved(path: Path) -> Path:
    """Return where a path truly leads; unlike `Path.resolve`, also for links that lead in a circle."""
    return Path(os.path.realpath(path))


def _manifests_above(path: Path) -> list[Manifest]:
    return [manifest for parent in path.parents if (manifest := manifest_of(parent))]


def _trouble(path: Path) -> str:
    """Say why a path is no file to read, ``is_folder`` for a link to a folder; empty if it is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "broken_link" if path.is_symlink() else "missing"
    except OSError:
        # A link that leads to itself among them.
        return "broken_link" if path.is_symlink() else "unreadable"
    if stat.S_ISDIR(mode):
        return "is_folder"
    return "" if stat.S_ISREG(mode) else "not_a_file"


def _is_result(path: Path, manifests: Iterable[Manifest]) -> bool:
    return any(manifest.wrote(os.path.relpath(path, manifest.folder)) for manifest in manifests)


def _may_be_a_picture(path: Path) -> bool:
    """Whether a file's name or first bytes say so; what cannot be read may be one."""
    if path.suffix.lower() in _ENDINGS:
        return True
    try:
        with path.open("rb") as file:
            inspect(file.read(_HEAD))
    except Reject as refusal:
        return refusal.code not in {"not_a_picture", "empty_file"}
    except OSError:
        return True
    return True
