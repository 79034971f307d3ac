"""What the receiver of webhooks is to be told: a note for each final state, written before its commit.

A note stands under ``webhooks/notes/`` until the receiver has taken it. It is written before the sidecar that
it is about, and that sidecar's metadata name it: so a note whose state never came about can be told from one
that nobody has told. Whoever replaces a sidecar, or erases it, writes into its note first that it came about.

How often a note was told in vain stands in the *name* of an object under ``webhooks/tries/``, in the order of
the notes: a listing of both says what is due. Nobody but who commits or erases writes a note, always under
the source's lease; who tells only deletes it. So no key comes back that an erasure has taken out of a note.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass, field, fields, replace
from cardveil.settings import Settings
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.leases import Leases
from cardveil.storage.objects import Objects, Stored, delete_under

#: What a person has decided, and what was erased; the other states are those of `card.findings.Status`.
DECIDED: Final = "decided"
ERASED: Final = "erased"
#: By which a sidecar's metadata name the note about it.
MARK: Final = "notice"
_MARK: Final = f"x-cos-meta-{MARK}"
_UNFINISHED: Final = "x-cos-meta-unfinished"
_MAX_BYTES: Final = 64 * 1024
#: Notes that a process holds to be told at once; a sweep, which makes more, leaves them to the schedule.
_MOST_FRESH: Final = 100
_NOTE: Final = re.compile(r"(?P<source>[0-9a-f]{64})/(?P<id>[0-9a-f]{32})\.json")
_TRY: Final = re.compile(
    r"(?P<source>[0-9a-f]{64})/(?P<id>[0-9a-f]{32})/(?P<made>[0-9]{3})-(?P<kind>due|dead)-(?P<at>[0-9]{1,12})"
)


@dataclass(frozen=True, slots=True)
class Notice:
    """One final state of one card.

    Attributes
    ----------
    id : str
        32 hexadecimal digits; the same however often it is told.
    source : str
        SHA-256 of the source's key.
    key : str
        The source's key; empty once it was erased.
    state : str
        ``redacted``, ``needs_review``, ``rejected``, ``decided`` or ``erased``.
    status : str
        The card's status after it; empty of one that was erased.
    findings : tuple of str
        Codes.
    etag : str
        The source's.
    reason : str
        Why it was erased.
    at : float
        Seconds since the epoch.
    committed : bool
        Whether it is known to have come about; otherwise the sidecar tells.
    """

    id: str
    source: str
    key: str
    state: str
    status: str
    findings: tuple[str, ...]
    etag: str
    reason: str
    at: float
    committed: bool = False


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a note was told in vain; `at` is when it is told again or, of a dead one, when it died."""

    made: int = 0
    dead: bool = False
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A note by its name alone."""

    source: str
    id: str
    tries: Tries


@dataclass(frozen=True, slots=True)
class Notices:
    """The notes of one bucket.

    Attributes
    ----------
    objects, results : Objects
        The buckets of the sources, where all state stands, and of the sidecars.
    fresh : list of Notice
        What this process has committed, for it to be told at once.
    """

    objects: Objects
    results: Objects
    leases: Leases
    settings: Settings
    now: Callable[[], float] = time.time
    fresh: list[Notice] = field(default_factory=list)

    def announce(
        self, document: dict[str, Any], state: str, status: str, before: Stored | None
    ) -> dict[str, str]:
        """Write down what is to be told of a sidecar that is about to be committed, and return its mark.

        Parameters
        ----------
        document : dict
            The sidecar.
        before : Stored, optional
            The head of the sidecar that it will replace.
        """
        if before is not None:
            self.settle(source_digest(document["source"]["key"]), before)
        key = document["source"]["key"]
        notice = Notice(
            id=secrets.token_hex(16),
            source=source_digest(key),
            key=key,
            state=state,
            status=status,
            findings=tuple(document["findings"]),
            etag=document["source"]["etag"],
            reason="",
            at=self.now(),
        )
        self._put(notice)
        self._freshly(notice)
        return {MARK: notice.id}

    def erased(self, id: str, source: str, reason: str) -> None:
        """Write down that a card was erased; done again under the same id it is the same note."""
        notice = Notice(id, source, "", ERASED, "", (), "", reason, self.now(), committed=True)
        self._put(notice)
        self._freshly(notice)

    def settle(self, source: str, sidecar: Stored) -> None:
        """Write into the note of a sidecar that is about to go that its state came about."""
        named = sidecar.meta.get(_MARK, "")
        if _UNFINISHED in sidecar.meta or not re.fullmatch("[0-9a-f]{32}", named):
            return
        notice = self.read(source, named)
        if notice is not None and not notice.committed:
            self._put(replace(notice, committed=True))

    def retract(self, source: str) -> None:
        """Take back what this process has announced of a source whose results it has withdrawn."""
        for notice in [each for each in self.fresh if each.source == source]:
            self.fresh.remove(notice)
            self.done(notice.source, notice.id, tried=False)

    def without_key(self, source: str) -> None:
        """Take a source's key out of all that is still to be told of it."""
        for name in list(self.objects.list(f"{self._notes}{source}/")):
            notice = self._read(name)
            if notice is not None and notice.key:
                self._put(replace(notice, key=""))

    def read(self, source: str, id: str) -> Notice | None:
        """Return a note, None when it was told meanwhile."""
        return self._read(f"{self._notes}{source}/{id}.json")

    def came_about(self, notice: Notice) -> bool | None:
        """Say whether a note's state was committed; None while that is not decided yet."""
        if notice.committed or not notice.key:
            return notice.committed  # an erasure has settled what it takes the key out of
        keys = keys_of(notice.key, self.settings)
        if self.leases.held(keys.lease_prefix):
            return None
        sidecar = self.results.head(keys.sidecar)
        if sidecar is not None and sidecar.meta.get(_MARK) == notice.id:
            # A decision that was interrupted will be finished, by whoever comes next to the card.
            return None if _UNFINISHED in sidecar.meta else True
        # Whoever replaced it since we read the note has written into it first.
        again = self.read(notice.source, notice.id)
        return again is not None and again.committed

    def done(self, source: str, id: str, *, tried: bool) -> None:
        """Take a note away: it was told, or there is nothing to tell; `tried` says if it was told in vain."""
        if tried:
            delete_under(self.objects, self._tried(source, id))
        self.objects.delete(f"{self._notes}{source}/{id}.json")

    def failed(self, waiting: Waiting, tries: Tries) -> None:
        """Write down that a note was told in vain once more."""
        kind = "dead" if tries.dead else "due"
        name = f"{self._tried(waiting.source, waiting.id)}{tries.made:03d}-{kind}-{int(tries.at)}"
        self.objects.put(name, b"", media_type="text/plain", meta={"kind": "webhook"})
        delete_under(self.objects, self._tried(waiting.source, waiting.id), but=name)

    def revive(self, waiting: Waiting) -> None:
        """Have a dead letter told again from the beginning."""
        delete_under(self.objects, self._tried(waiting.source, waiting.id))

    def forget(self, source: str, id: str) -> None:
        """Clear away the tries of a note that is not there any more."""
        delete_under(self.objects, self._tried(source, id))

    def waiting(self, orphaned: Callable[[str, str], None] | None = None) -> Iterator[Waiting]:
        """Yield all notes by their names, with how often each was told in vain; two listings, in step.

        Parameters
        ----------
        orphaned : callable, optional
            Told of tries whose note is not there any more: the digest of the source's key, and the note's id.
        """
        tries = self._tries()
        behind = next(tries, None)
        for name in self.objects.list(self._notes):
            note = _NOTE.fullmatch(name.removeprefix(self._notes))
            if note is None:
                continue
            place, found = (note["source"], note["id"]), Tries()
            while behind is not None and behind[0] <= place:
                if behind[0] == place:
                    found = max(found, behind[1], key=lambda each: each.made)
                elif orphaned:
                    orphaned(*behind[0])
                behind = next(tries, None)
            yield Waiting(*place, found)
        while orphaned and behind is not None:
            orphaned(*behind[0])
            behind = next(tries, None)

    def _freshly(self, notice: Notice) -> None:
        if len(self.fresh) < _MOST_FRESH:
            self.fresh.append(notice)

    def _tries(self) -> Iterator[tuple[tuple[str, str], Tries]]:
        prefix = f"{self._prefix}tries/"
        for name in self.objects.list(prefix):
            found = _TRY.fullmatch(name.removeprefix(prefix))
            if found is not None:
                tries = Tries(int(found["made"]), found["kind"] == "dead", float(found["at"]))
                yield (found["source"], found["id"]), tries

    @property
    def _prefix(self) -> str:
        return f"{self.settings.state_prefix}webhooks/"

    @property
    def _notes(self) -> str:
        return f"{self._prefix}notes/"

    def _tried(self, source: str, id: str) -> str:
        return f"{self._prefix}tries/{source}/{id}/"

    def _put(self, notice: Notice) -> None:
        content = orjson.dumps({each.name: getattr(notice, each.name) for each in fields(notice)})
        name = f"{self._notes}{notice.source}/{notice.id}.json"
        self.objects.put(name, content, media_type="application/json", meta={"kind": "webhook"})

    def _read(self, name: str) -> Notice | None:
        try:
            _, data = self.objects.get(name, max_bytes=_MAX_BYTES)
            content = orjson.loads(data or b"")
            values = {each.name: content[each.name] for each in fields(Notice)}
            return Notice(**{**values, "findings": tuple(values["findings"])})
        except (Reject, orjson.JSONDecodeError, KeyError, TypeError):
            return None  # told meanwhile, or no note of ours


def notes_prefix(settings: Settings, key: str) -> str:
    """Return where all notes about a source stand."""
    return f"{settings.state_prefix}webhooks/notes/{source_digest(key)}/"
