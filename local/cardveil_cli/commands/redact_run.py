"""Redacts one picture after another: each ends in an outcome of its own, whatever happens to it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from cardveil.card.findings import Status
from cardveil.core.errors import CardveilError, Reject
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import (
    PIPELINE_VERSION,
    ProcessingResult,
    examine_source,
    redact_places,
    sidecar_of,
)
from cardveil.recognition.interfaces import CardRecogniser, Hint
from cardveil.storage.sidecar import SourceFacts, to_json
from cardveil_cli.commands.fields_file import FieldsFile
from cardveil_cli.exits import shown
from cardveil_cli.files.finding import Source
from cardveil_cli.files.manifest import Record
from cardveil_cli.files.naming import source_id
from cardveil_cli.files.out_folder import ConflictError, OutFolder, Result

#: Outcomes besides the three states of a source.
CONFLICT: Final = "conflict"
FAILED: Final = "failed"
PASSED_OVER: Final = "passed_over"

_CHUNK: Final = 1 << 20
_ENDINGS: Final = {
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/bmp": (".bmp", ".dib"),
    "image/webp": (".webp",),
    "image/tiff": (".tif", ".tiff"),
    "application/pdf": (".pdf",),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a path.

    Attributes
    ----------
    file, output
        As they may be printed; `output` is the copy, where there is one.
    earlier
        Whether an earlier run did it, and nothing was to be done now.
    fault
        What stopped it, where its code does not tell.
    pages
        How many a document has that was done now; 0 for a picture.
    """

    file: str
    status: str
    codes: tuple[str, ...] = ()
    output: str | None = None
    ms: float = 0.0
    earlier: bool = False
    fault: BaseException | None = None
    pages: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """A source's bytes with their digests; `data` is None when there are more than may be read."""

    data: bytes | None
    size: int
    sha256: str
    md5: str


@dataclass(frozen=True, slots=True)
class RedactRun:
    """Redacts pictures into one folder.

    Attributes
    ----------
    given_out
        The folder as the user typed it, for messages.
    fields
        Polygons to cover instead of recognising.
    again
        Do what is done already.
    """

    out: OutFolder
    given_out: Path
    rules: RedactionRules
    recogniser: CardRecogniser
    hint: Hint
    fields: FieldsFile | None
    again: bool
    clock: Callable[[], float] = time.perf_counter

    def one(self, source: Source, stem: str) -> Outcome:
        """Redact one picture; never raises but when the process is to end."""
        file, started = shown(source.given), self.clock()

        def ended(status: str, *codes: str, fault: BaseException | None = None) -> Outcome:
            return Outcome(file, status, codes, ms=_ms(self.clock() - started), fault=fault)

        try:
            content = read_source(source, self.rules.limits.max_bytes)
        except OSError as error:
            return ended(FAILED, "unreadable", fault=error)
        try:
            if not self.again and (record := self._done(source, content)):
                return self._earlier(file, record)
            self.out.check(f"{stem}.json")
            verdict = self._verdict(content)
            record = self._write(source, stem, content, verdict)
        except ConflictError as conflict:
            return ended(CONFLICT, conflict.code)
        except CardveilError as error:
            return ended(FAILED, error.code, fault=error)
        except OSError as error:
            return ended(FAILED, "not_written", fault=error)
        except Exception as fault:  # noqa: BLE001 - told, counted, and the other pictures go on
            return ended(FAILED, "unexpected_fault", fault=fault)
        copy = self._copy_of(record)
        ms, pages = _ms(self.clock() - started), len(verdict.pages)
        return Outcome(file, record.status, record.findings, copy, ms, pages=pages)

    def request(self) -> str:
        """Return the digest of all that decides over a result besides the source."""
        decisive = {
            "pipeline": PIPELINE_VERSION,
            "policy": self.rules.policy.digest,
            "proof": self.rules.proof,
            "card_type": self.hint.card_type and self.hint.card_type.value,
            "side": self.hint.side and self.hint.side.value,
            "fields": self.fields and self.fields.digest,
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode("ascii")).hexdigest()

    def _done(self, source: Source, content: Content) -> Record | None:
        return self.out.done(source_id(source, self.out.path), content.sha256, self.request())

    def _earlier(self, file: str, record: Record) -> Outcome:
        return Outcome(file, record.status, record.findings, self._copy_of(record), earlier=True)

    def _copy_of(self, record: Record) -> str | None:
        copies = [name for name in record.files if not name.endswith(".json")]
        return shown(self.given_out / copies[0]) if copies else None

    def _verdict(self, content: Content) -> ProcessingResult:
        if content.data is None:
            return ProcessingResult(Status.REJECTED, findings=("picture_too_large",))
        if self.fields is None:
            return examine_source(content.data, self.hint, self.recogniser, self.rules)
        try:
            return redact_places(content.data, self.fields.regions, self.rules)
        except CardveilError as refusal:
            status = Status.REJECTED if isinstance(refusal, Reject) else Status.NEEDS_REVIEW
            return ProcessingResult(status, findings=(refusal.code,))

    def _write(self, source: Source, stem: str, content: Content, verdict: ProcessingResult) -> Record:
        """Write the copy, then the sidecar."""
        copy = verdict.copy
        results = []
        name = f"{stem}.redacted{_ending(source, verdict)}"
        if copy:
            results.append(Result(name, copy.data, private=False))
        facts = SourceFacts(bucket="", key=shown(source.given.name), etag=content.md5, size=content.size)
        sidecar = sidecar_of(
            verdict, facts, self.rules.policy, shown(PurePosixPath(name).name) if copy else ""
        )
        # It holds all that the card says.
        results.append(Result(f"{stem}.json", to_json(sidecar), private=True))
        record = Record(
            source=source_id(source, self.out.path),
            stem=stem,
            sha256=content.sha256,
            request=self.request(),
            status=verdict.status.value,
            findings=verdict.findings,
            files={each.name: hashlib.sha256(each.data).hexdigest() for each in results},
        )
        self.out.put(record, results)
        return record


def read_source(source: Source, most: int) -> Content:
    """Read a source, however large it is, without keeping more than `most` bytes; raises OSError."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    kept: list[bytes] = []
    with source.path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
            if size <= most:
                kept.append(chunk)
    data = b"".join(kept) if size <= most else None
    return Content(data, size, sha256.hexdigest(), md5.hexdigest())


def _ending(source: Source, verdict: ProcessingResult) -> str:
    """Keep the source's ending where it tells the copy's format."""
    allowed = _ENDINGS.get(verdict.copy.media_type if verdict.copy else "", (".bin",))
    ending = source.name.suffix
    return ending if ending.lower() in allowed else allowed[0]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
