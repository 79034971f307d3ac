"""COS inventory reports: the sources of buckets that are too large to list, read file by file."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from urllib.parse import unquote

import orjson

from cardveil.core.errors import Halt, Reject
from cardveil.storage.objects import Entry, Objects, moment
from cardveil.sweep.listing import Pair, Position

_MAX_MANIFEST: Final = 16 * 1024 * 1024
#: Nothing of one source has a longer line: the key is percent-encoded, at most three times 850 bytes.
_LONGEST_FIELD: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class _File:
    key: str
    md5: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """One report.

    Attributes
    ----------
    sources : Objects
        The bucket of the report, which must also be the one that was reported on.
    manifest : str
        Key of its ``manifest.json``.
    broken : callable
        Told of each line that cannot be read; it is passed over.
    """

    sources: Objects
    manifest: str
    broken: Callable[[], None]

    def pairs(self, prefix: str, start: Position) -> Generator[Pair, None, None]:
        """Yield the sources under a prefix, from `start` on; the sidecar of each has to be asked for.

        Raises
        ------
        Halt
            ``inventory_missing``, ``inventory_schema_unknown`` or ``inventory_damaged``.
        """
        columns, files = self._manifest()
        for number, file in enumerate(files):
            if number < start.file:
                continue
            skip = start.line if number == start.file else 0
            for line, row in self._rows(file):
                if line <= skip:
                    continue
                position = Position(file=number, line=line)
                if _old_version(columns, row):
                    continue
                entry = _entry(columns, row)
                if entry is None:
                    self.broken()
                elif entry.key.startswith(prefix):
                    yield Pair(entry, None, False, position)

    def _manifest(self) -> tuple[Mapping[str, int], list[_File]]:
        with tempfile.TemporaryFile() as file:
            self._fetch(self.manifest, file)
            if file.tell() > _MAX_MANIFEST:
                raise _unknown()
            file.seek(0)
            data = file.read()
        try:
            document = orjson.loads(data)
            kind = str(document.get("fileFormat", "CSV")).upper()
            names = [name.strip().lower() for name in document["fileSchema"].split(",")]
            files = [_File(str(each["key"]), str(each.get("md5Checksum", ""))) for each in document["files"]]
            source = str(document.get("sourceBucket", self.sources.bucket))
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            raise _unknown() from None
        if "CSV" not in kind or not {"key", "size"} <= set(names):
            raise _unknown()
        if source not in self.sources.bucket:
            raise Halt("inventory_schema_unknown", "give an inventory of the bucket that is swept")
        return {name: index for index, name in enumerate(names)}, files

    def _rows(self, file: _File) -> Iterator[tuple[int, list[str]]]:
        with tempfile.TemporaryFile() as held:
            self._fetch(file.key, held)
            if file.md5 and _md5(held) != file.md5.lower():
                raise _damaged()
            held.seek(0)
            packed = held.read(2) == b"\x1f\x8b"
            held.seek(0)
            content: Any = gzip.GzipFile(fileobj=held) if packed else held
            try:
                csv.field_size_limit(_LONGEST_FIELD)
                lines = io.TextIOWrapper(content, "utf-8", errors="replace", newline="")
                for number, line in enumerate(lines, start=1):
                    # Line by line, so that a stray quote spoils its own line only.
                    try:
                        row = next(csv.reader([line]), [])
                    except csv.Error:
                        row = []
                    yield number, row
            except (OSError, EOFError, zlib.error):
                raise _damaged() from None

    def _fetch(self, key: str, file: BinaryIO) -> None:
        try:
            self.sources.fetch(key, file)
        except Reject:
            raise Halt(
                "inventory_missing", "wait until the inventory is complete, or name its manifest.json"
            ) from None


def _old_version(columns: Mapping[str, int], row: list[str]) -> bool:
    """Say whether a line speaks of an old version, or of a deletion, on buckets that keep versions."""
    values = {name: row[at].strip().lower() for name, at in columns.items() if at < len(row)}
    deleted = {values.get("isdeletemarker"), values.get("deletemarker")}
    return values.get("islatest") == "false" or "true" in deleted


def _entry(columns: Mapping[str, int], row: list[str]) -> Entry | None:
    """Read a line; None when it is broken or of another length."""
    if len(row) != len(columns):
        return None
    try:
        key = unquote(row[columns["key"]], errors="strict")
        when = row[columns["lastmodifieddate"]] if "lastmodifieddate" in columns else ""
        etag = row[columns["etag"]].strip('"') if "etag" in columns else ""
        entry = Entry(key, int(row[columns["size"]]), etag, moment(when) if when else 0.0)
    except ValueError:
        return None
    return entry if key else None


def _md5(file: BinaryIO) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    file.seek(0)
    while piece := file.read(1024 * 1024):
        digest.update(piece)
    return digest.hexdigest()


def _unknown() -> Halt:
    return Halt(
        "inventory_schema_unknown", "have the inventory written as CSV, with the fields Key and Size at least"
    )


def _damaged() -> Halt:
    return Halt(
        "inventory_damaged", "wait for the next inventory: a file of this one is not what it should be"
    )
