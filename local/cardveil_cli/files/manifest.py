"""What an output folder holds of ours, so that nothing else in it is ever changed or taken for a result."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from cardveil_cli.exits import shown
from cardveil_cli.files.atomic import replace_private

#: Its place in an output folder. One JSON line a picture, only ever added to: a killed run loses nothing.
FILE_NAME: Final = ".cardveil-manifest.jsonl"
_SCHEMA: Final = "cardveil.manifest/1"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """What was made of one source.

    Attributes
    ----------
    source
        Digest of the source's path from the output folder: a path may hold personal data.
    stem
        What its results are named by, relative to the folder.
    sha256
        Of the source.
    request
        Digest of all that decides over the result besides the source.
    files
        SHA-256 by name, relative to the folder with ``/``.
    """

    source: str
    stem: str
    sha256: str
    request: str
    status: str
    findings: tuple[str, ...]
    files: Mapping[str, str]

    def as_line(self) -> bytes:
        """Return it as a line; undecodable names survive, as escapes of JSON."""
        document = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return json.dumps(document).encode("ascii") + b"\n"


class Manifest:
    """The records of one output folder; nothing is written before the first `add`.

    Raises
    ------
    click.UsageError
        When a file of its name is there that Cardveil did not write, or a later version did.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: dict[str, Record] = {}
        self._digests: dict[str, set[str]] = {}
        self._path = folder / FILE_NAME
        for record in _read(self._path):
            self._keep(record)

    def add(self, record: Record) -> None:
        """Write a record down; to be done before its files are written, so that they are known for ours."""
        if not self._path.exists():
            replace_private(self._path, _HEADER)
        with self._path.open("r+b") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                # A run that was killed may have left half a line.
                torn = file.read(1) != b"\n"
                file.write(b"\n" * torn + record.as_line())
        self._keep(record)

    def wrote(self, name: str) -> bool:
        """Whether the file of this name is there, as it was written by us."""
        return self.holds(name, self._digests.get(name, set()))

    def holds(self, name: str, digests: set[str]) -> bool:
        """Whether a plain file of this name is there with one of these digests."""
        path = self.folder / name
        try:
            return bool(digests) and stat.S_ISREG(path.lstat().st_mode) and digest_of(path) in digests
        except OSError:
            return False

    def _keep(self, record: Record) -> None:
        self.records[record.source] = record
        for name, digest in record.files.items():
            self._digests.setdefault(name, set()).add(digest)


_HEADER: Final = json.dumps({"schema": _SCHEMA}).encode("ascii") + b"\n"


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def manifest_of(folder: Path) -> Manifest | None:
    """Return the manifest of a folder that may be an output folder; None if it is not one that we know."""
    if not os.path.lexists(folder / FILE_NAME):
        return None
    try:
        return Manifest(folder)
    except (click.UsageError, OSError):
        return None


def _read(path: Path) -> Iterator[Record]:
    if not os.path.lexists(path):
        return
    foreign = click.UsageError(
        f"{shown(path)} is not a manifest that this version reads: choose another --out"
    )
    if not stat.S_ISREG(path.lstat().st_mode):
        raise foreign
    with path.open("rb") as file:
        if file.readline(len(_HEADER)) != _HEADER:
            raise foreign
        for line in file:
            if record := _record(line):
                yield record


def _record(line: bytes) -> Record | None:
    """Read a line; None for one that is torn."""
    try:
        document: dict[str, Any] = json.loads(line)
        return Record(
            source=str(document["source"]),
            stem=str(document["stem"]),
            sha256=str(document["sha256"]),
            request=str(document["request"]),
            status=str(document["status"]),
            findings=tuple(map(str, document["findings"])),
            files={str(name): str(digest) for name, digest in document["files"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
