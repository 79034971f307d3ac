"""Notes about jobs under way: which source, which submission, which state; kept until the job is done."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from cardveil.card.model import CardType
from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass, fields
from cardveil.storage.objects import Objects
from cardveil.storage.source import Source


@dataclass(frozen=True, slots=True)
class JobNote:
    """One submission.

    Attributes
    ----------
    source : str
        SHA-256 of the source's key: the note's name, and what the reference carries.
    key, bucket, region, etag : str
        The source and its version.
    object_key : str
        What CI reads: the source, or an upright copy staged for it.
    image_sha256 : str
        Of the bytes that CI reads; the result is of use for no others.
    reference : str
        The signed reference that the job carries; its nonce tells this submission from others.
    job_id : str
        Empty until the submission was answered.
    state : str
        CI's own word, or ``Submitting``.
    force : bool
        Whether the picture is to be recognised although there is a result.
    submitted_at : float
        Seconds since the epoch.
    """

    source: str
    key: str
    bucket: str
    region: str
    etag: str
    object_key: str
    image_sha256: str
    card_type: CardType
    nonce: str
    reference: str
    submitted_at: float
    job_id: str = ""
    state: str = "Submitting"
    force: bool = False

    @property
    def staged(self) -> bool:
        """Whether CI reads a copy that has to be taken away afterwards."""
        return self.object_key != self.key

    def of(self) -> Source:
        """Return the source that the job is about, in the version that was submitted."""
        return Source(self.bucket, self.region, self.key, self.etag)


@dataclass(frozen=True, slots=True)
class JobNotes:
    """The notes of one bucket; `prefix` ends in a slash."""

    objects: Objects
    prefix: str

    def get(self, source: str) -> JobNote | None:
        """Return the note of a source, None when no job of it is under way."""
        return self.at(f"{self.prefix}{source}.json")

    def put(self, note: JobNote) -> None:
        """Write a note, in place of an older one."""
        content = orjson.dumps({each.name: getattr(note, each.name) for each in fields(note)})
        self.objects.put(self._key(note), content, media_type="application/json", meta={"kind": "job"})

    def drop(self, note: JobNote) -> None:
        """Take a note away with the staged copy, unless a newer submission has taken its place."""
        current = self.get(note.source)
        if current is None or current.nonce != note.nonce:
            return
        if note.staged:
            self.objects.delete(note.object_key)
        self.objects.delete(self._key(note))

    def names(self) -> Iterator[str]:
        """Yield where all notes stand."""
        return self.objects.list(self.prefix)

    def at(self, name: str) -> JobNote | None:
        """Return a note by where it stands, None when it is gone, or none of ours."""
        try:
            _, data = self.objects.get(name, max_bytes=64 * 1024)
            content = orjson.loads(data or b"")
            values = {field.name: content[field.name] for field in fields(JobNote)}
            return JobNote(**{**values, "card_type": CardType(values["card_type"])})
        except (Reject, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return None  # gone meanwhile, or not a note of ours: the source is delivered or swept again

    def _key(self, note: JobNote) -> str:
        return f"{self.prefix}{note.source}.json"
