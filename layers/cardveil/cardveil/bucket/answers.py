"""Answers that were paid for, kept until the sidecar is committed, so that a failure costs no second payment.

They hold what a card says. They stand under ``<state prefix>answers/``, are deleted at the commit, are of no
use after `kept_s`, and are swept away after that; a setting switches them off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from cardveil.bucket.objects import Objects
from cardveil.errors import Reject, Retry

_FORM: Final = 1
_MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers about one source.

    Attributes
    ----------
    prefix : str
        Where this source's answers stand.
    listing : Future
        The keys under `prefix`; asked for beforehand, since most sources have none.
    kept_s : float
        Seconds for which an answer is of use; 0 keeps nothing.
    pool : Executor
        Writes and deletes while other work goes on; it is waited for before the invocation ends.
    """

    objects: Objects
    prefix: str
    listing: Future[set[str]]
    kept_s: float
    pool: Executor
    now: Callable[[], float] = time.time
    _writing: dict[str, Future[None]] = field(default_factory=dict)

    def recall(self, name: str, image_sha256: str) -> Mapping[str, Any] | None:
        """Return the answer of one call about one picture, None when it has to be paid for."""
        key = f"{self.prefix}{name}"
        if self.kept_s <= 0 or key not in self.listing.result():
            return None
        note = _read(self.objects, key)
        if note is None or note.get("image") != image_sha256 or float(note.get("until", 0)) < self.now():
            return None
        content = note.get("content")
        return content if isinstance(content, Mapping) else None

    def keep(self, name: str, image_sha256: str, content: Mapping[str, Any]) -> None:
        """Keep an answer, beside what is done next with it."""
        if self.kept_s <= 0:
            return
        note = {"form": _FORM, "image": image_sha256, "until": self.now() + self.kept_s, "content": content}
        key = f"{self.prefix}{name}"
        self._writing[key] = self.pool.submit(self._write, key, orjson.dumps(note))

    def settle(self) -> None:
        """Wait until every answer is kept; whoever takes the source over must find them."""
        wait(self._writing.values())

    def forget(self) -> list[Future[None]]:
        """Delete what was kept, whoever kept it.

        Returns
        -------
        list of Future
            The deletions, which are under way; their results are to be asked for, so that no failure is lost.
        """
        keys = sorted(self.listing.result() | self._writing.keys())
        return [self.pool.submit(self._delete, key) for key in keys]

    def _write(self, key: str, data: bytes) -> None:
        try:
            self.objects.put(key, data, media_type="application/json", meta={"kind": "answer"})
        except Retry:
            return  # that it could not be kept is no failure: it may cost a second payment, no more

    def _delete(self, key: str) -> None:
        if writing := self._writing.get(key):
            writing.result()  # it was submitted before: this waits for no turn of its own
        self.objects.delete(key)


def expired(objects: Objects, key: str, now: float) -> bool:
    """Say whether a kept answer is of no use any more; one that cannot be read is of none."""
    note = _read(objects, key)
    return note is None or float(note.get("until", 0)) < now


def _read(objects: Objects, key: str) -> Mapping[str, Any] | None:
    try:
        _, data = objects.get(key, max_bytes=_MAX_BYTES)
        note = orjson.loads(data or b"")
    except (Reject, orjson.JSONDecodeError):
        return None
    return note if isinstance(note, Mapping) and note.get("form") == _FORM else None
