"""Writes results into a user's folder: whole or not at all, and never over what is not ours."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from cardveil_cli.exits import shown
from cardveil_cli.files.atomic import written_beside
from cardveil_cli.files.finding import resolved
from cardveil_cli.files.manifest import Manifest, Record

#: Device and inode: what a file is, whatever path leads to it.
Identity = tuple[int, int]

#: Codes of a conflict, and what each means.
CONFLICTS: Final = {
    "file_not_ours": "a file of the result's name is there that Cardveil did not write, or that was changed: "
    "move it away, or use --force",
    "source_in_the_way": "the result would be written over one of the sources: choose another --out",
    "folder_in_the_way": "a folder stands where the result would be written: choose another --out",
    "link_leads_outside": "a link leads out of --out where the result would be written: choose another --out",
}


class ConflictError(Exception):
    """A result may not be written; `code` is one of `CONFLICTS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Result:
    """One file to write; `private` keeps it from other users of the machine, whatever their umask says."""

    name: str
    data: bytes
    private: bool


class OutFolder:
    """A folder of results, for one run at a time.

    Parameters
    ----------
    path
        The folder, resolved; made with the first result.
    sources
        What is read, and so never written over.
    force
        Write over files that are not ours, but never over a source or a folder.
    """

    def __init__(self, path: Path, sources: Iterable[Path], *, force: bool = False) -> None:
        self.path = path
        self.manifest = Manifest(path)
        self._sources = {identity for source in sources for identity in _identities(source)}
        self._force = force

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder; it is made if it is not there.

        Raises
        ------
        click.UsageError
            When another run is at work in it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"another cardveil is writing to {shown(self.path)}"
                raise click.UsageError(message) from None
            # Read again: another run may have ended in between.
            self.manifest = Manifest(self.path)
            yield
        finally:
            os.close(descriptor)

    def check(self, name: str) -> None:
        """Raise `ConflictError` when a result of this name may not be written."""
        target = self.path / name
        if not resolved(target.parent).is_relative_to(self.path):
            raise ConflictError("link_leads_outside")
        if not os.path.lexists(target):
            return
        if target.is_dir() and not target.is_symlink():
            raise ConflictError("folder_in_the_way")
        if self._sources.intersection(_identities(target)):
            raise ConflictError("source_in_the_way")
        if not self._force and not self.manifest.wrote(name):
            raise ConflictError("file_not_ours")

    def done(self, source: str, sha256: str, request: str) -> Record | None:
        """Return the record of a source for which all is done, its files as they were written."""
        record = self.manifest.records.get(source)
        if record is None or (record.sha256, record.request) != (sha256, request):
            return None
        held = all(self.manifest.holds(name, {digest}) for name, digest in record.files.items())
        return record if held else None

    def put(self, record: Record, results: Sequence[Result]) -> None:
        """Write the results of a source, in their order, and take away what an earlier run made of it.

        Raises
        ------
        ConflictError
            Before anything is written.
        OSError
            When the folder cannot be written to.
        """
        for result in results:
            self.check(result.name)
        before = self.manifest.records.get(record.source)
        with ExitStack() as parts:
            written = [(parts.enter_context(self._part(result)), result.name) for result in results]
            self.manifest.add(record)
            for part, name in written:
                part.replace(self.path / name)
        for name in before.files if before else ():
            if name not in record.files:
                self._take_away(name)

    @contextmanager
    def _part(self, result: Result) -> Iterator[Path]:
        folder = (self.path / result.name).parent
        folder.mkdir(parents=True, exist_ok=True)
        with written_beside(folder, result.data, private=result.private) as part:
            yield part

    def _take_away(self, name: str) -> None:
        """Remove a result of ours that no longer holds; what was changed since is no longer ours."""
        target = self.path / name
        inside = resolved(target.parent).is_relative_to(self.path)
        if inside and self.manifest.wrote(name) and not self._sources.intersection(_identities(target)):
            target.unlink(missing_ok=True)


def _identities(path: Path) -> set[Identity]:
    """Return what a path is, and what it leads to if it is a link."""
    found = set()
    for look in (os.lstat, os.stat):
        with suppress(OSError):
            facts = look(path)
            found.add((facts.st_dev, facts.st_ino))
    return found
