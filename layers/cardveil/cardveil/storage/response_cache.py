"""Answers that were paid for, kept until the sidecar is committed, so that a failure costs no second payment.

They hold what a card says. Those about one source stand in one object under ``<state prefix>answers/``. It is
deleted at the commit, is of no use after `kept_s`, and is swept away after that; a setting switches it off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, wait
from hashlib import sha256
from typing import Any, Final

import orjson

from cardveil.core.errors import Reject, Retry
from cardveil.core.frozen import dataclass, field
from cardveil.storage.objects import Objects

_FORM: Final = 2
_MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ResponseCache:
    """The answers about one source.

    Attributes
    ----------
    key : str
        Where they stand.
    kept : Future
        What `look` has found there; asked for beforehand, since most sources have none.
    kept_s : float
        Seconds for which an answer is of use; 0 keeps nothing.
    pool : Executor
        Writes and deletes while other work goes on; it is waited for before the invocation ends.
    """

    objects: Objects
    key: str
    kept: Future[Mapping[str, Any] | None]
    kept_s: float
    pool: Executor
    now: Callable[[], float] = time.time
    _new: dict[str, Any] = field(default_factory=dict)
    _writes: list[Future[None]] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def recall(self, name: str, image: bytes) -> Mapping[str, Any] | None:
        """Return the answer of one call about one picture, None when it has to be paid for."""
        note = self._before().get(name)
        if not isinstance(note, Mapping) or _until(note) < self.now() or note.get("image") != _digest(image):
            return None
        content = note.get("content")
        return content if isinstance(content, Mapping) else None

    def keep(self, name: str, image: bytes, content: Mapping[str, Any]) -> None:
        """Keep an answer, beside what is done next with it."""
        if self.kept_s <= 0:
            return
        until = self.now() + self.kept_s
        self._writes.append(self.pool.submit(self._write, name, image, until, content))

    def settle(self) -> None:
        """Wait until every answer is kept; whoever takes the source over must find them."""
        wait(self._writes)

    def forget(self) -> list[Future[None]]:
        """Delete what was kept, whoever kept it.

        Returns
        -------
        list of Future
            The deletion, if one is needed, which is under way; its result is to be asked for, so that no
            failure is lost.
        """
        if self.kept.result() is None and not self._writes:
            return []
        return [self.pool.submit(self._delete)]

    def _before(self) -> Mapping[str, Any]:
        return (self.kept.result() or {}) if self.kept_s > 0 else {}

    def _write(self, name: str, image: bytes, until: float, content: Mapping[str, Any]) -> None:
        with self._turn:  # one after the other, and each writes all that there is by then
            self._new[name] = {"image": _digest(image), "until": until, "content": content}
            note = {"form": _FORM, "answers": {**self._before(), **self._new}}
            data = orjson.dumps(note)
            if len(data) > _MAX_BYTES:
                return  # of the many pages of a document: what is kept already is of more use
            try:
                self.objects.put(self.key, data, media_type="application/json", meta={"kind": "answer"})
            except Retry:
                return  # that it could not be kept is no failure: it may cost a second payment, no more

    def _delete(self) -> None:
        for writing in self._writes:
            writing.result()  # they were submitted before: this waits for no turn of its own
        self.objects.delete(self.key)


def look(objects: Objects, key: str) -> Mapping[str, Any] | None:
    """Return the kept answers by name, None where nothing stands; what cannot be read holds none."""
    try:
        _, data = objects.get(key, max_bytes=_MAX_BYTES)
    except Reject:
        return None
    try:
        note = orjson.loads(data or b"")
    except orjson.JSONDecodeError:
        return {}
    answers = note.get("answers") if isinstance(note, Mapping) and note.get("form") == _FORM else None
    return answers if isinstance(answers, Mapping) else {}


def expired(objects: Objects, key: str, now: float) -> bool:
    """Say whether no kept answer is of use any more; one that cannot be read is of none."""
    found = look(objects, key)
    return found is not None and all(_until(note) < now for note in found.values())


def _digest(image: bytes) -> str:
    return sha256(image).hexdigest()


def _until(note: Any) -> float:
    until = note.get("until") if isinstance(note, Mapping) else None
    return float(until) if isinstance(until, int | float) else 0.0
