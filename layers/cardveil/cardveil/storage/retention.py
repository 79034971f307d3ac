"""Removes what was kept for its term: listed in constant memory, resumable, nothing young or on hold.

Each object's term runs from when it was written last. What is due is looked at once more under the card's
lease, so that nothing that is being worked on, was written anew or is on hold goes. A source that goes leaves
a note (`retired`), since its results have terms of their own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from cardveil.core.errors import CardveilError, Halt, Reject, Review, SourceGone
from cardveil.core.frozen import dataclass, replace
from cardveil.core.threads import background_tasks
from cardveil.settings import Settings
from cardveil.storage.holds import hold_of
from cardveil.storage.keys import copies_called, source_called, source_digest
from cardveil.storage.leases import Leases
from cardveil.storage.objects import CosObjects, Entry, Stored
from cardveil.storage.refusals import Refusals
from cardveil.storage.retired import retire, retired_key
from cardveil.storage.sidecar import MAX_BYTES, read_source_key
from cardveil.storage.source import is_source
from cardveil.storage.versions import delete_version, list_versions, versions_of, versions_under

#: What is gone through, in this order.
PHASES: Final = ("source", "copy", "sidecar")
DAY_S: Final = 86400.0
#: A card that waits for a person is told of so long before its source goes.
TOLD_BEFORE_S: Final = 7 * DAY_S
_BESIDE: Final = 8
_BATCH: Final = 32
#: Objects after which it is written down how far a run has come.
_STRIDE: Final = 2000
#: The claim of whoever removes, in seconds.
_LEASE_S: Final = 60.0
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes
    ----------
    started : float
        Seconds since the epoch; what is due then is what the run removes.
    after : str
        The last key of the phase that was dealt with.
    """

    started: float
    phase: str = PHASES[0]
    after: str = ""
    over: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    """An object that is due, or, for a source, will be soon; whose card it is by the digest of its key."""

    kind: str
    entry: Entry
    digest: str
    name: str
    due: bool


@dataclass(frozen=True, slots=True)
class Retention:
    """Removes from one pair of buckets what is due.

    Attributes
    ----------
    dry : bool
        Whether it only counts.
    enter : callable, optional
        Where a ledger is kept: told the kind and the cards (digests) of what is about to be removed, and a
        code where it was not. What it raises keeps everything from being removed.
    """

    sources: CosObjects
    results: CosObjects
    leases: Leases
    settings: Settings
    dry: bool = False
    enter: Callable[[str, Sequence[str], str], None] | None = None

    def work(
        self,
        progress: Progress,
        counts: Counter[str],
        over: Callable[[], bool] = lambda: False,
        save: Callable[[Progress], None] = lambda _: None,
    ) -> Progress:
        """Go on with a run until it ends or `over` says so; `counts` takes what was done, by kind."""
        counts["listed"] += 0  # that it ran
        for phase in PHASES[PHASES.index(progress.phase) :]:
            if phase != progress.phase:
                progress = replace(progress, phase=phase, after="")
            waiting: list[_Found] = []
            for number, entry in enumerate(self._listed(phase, progress.after), start=1):
                counts["listed"] += 1
                with self._of_one(counts):
                    found = self._found(phase, entry, progress.started)
                    if found:
                        waiting.append(found)
                ends = over()
                if ends or len(waiting) == _BATCH or number % _STRIDE == 0:
                    self._deal_with(waiting, counts)
                    waiting = []
                    progress = replace(progress, after=entry.key)
                    if ends or number % _STRIDE == 0:
                        save(progress)
                if ends:
                    return progress
            self._deal_with(waiting, counts)
        progress = replace(progress, after="", over=True)
        save(progress)
        return progress

    def _listed(self, phase: str, after: str) -> Iterator[Entry]:
        if not any(term.kind == phase for term in self.settings.retention):
            return iter(())
        return (self.sources if phase == "source" else self.results).entries(self._prefix(phase), after)

    def _prefix(self, phase: str) -> str:
        settings = self.settings
        prefixes = (settings.inbox_prefix, settings.redacted_prefix, settings.sidecar_prefix)
        return dict(zip(PHASES, prefixes, strict=True))[phase]

    def _name(self, phase: str, entry: Entry) -> str:
        """Return what the names of a card's objects have in common."""
        name = entry.key.removeprefix(self._prefix(phase))
        return source_called(name) if phase == "copy" else name.removesuffix(".json" * (phase == "sidecar"))

    def _found(self, phase: str, entry: Entry, now: float) -> _Found | None:
        """Say whether an object is due, or, of a source, will be soon."""
        days = [term.days for term in self.settings.retention if term.kind == phase]
        age = now - entry.modified
        if age < min(days) * DAY_S - (TOLD_BEFORE_S if phase == "source" else 0.0):
            return None
        if phase == "source":
            key = entry.key if is_source(entry.key, self.settings) else None
            if key is None:
                return None
            digest = source_digest(key)
        else:
            digest, key = self._card_of(phase, entry)
        if key is not None:
            term = self.settings.term(key, phase)
        elif any(term.kind == phase and not term.prefix for term in self.settings.retention):
            term = max(days)  # whose it is cannot be said: by none of the terms may it be young
        else:
            term = None
        if term is None:
            return None
        due = age >= term * DAY_S
        if due or (phase == "source" and age >= term * DAY_S - TOLD_BEFORE_S):
            return _Found(phase, entry, digest, self._name(phase, entry), due)
        return None

    def _card_of(self, phase: str, entry: Entry) -> tuple[str, str | None]:
        """Return the digest of the source's key of a result, and the key where it is known."""
        relative = self._name(phase, entry)
        if not _DIGEST.fullmatch(relative):
            key = f"{self.settings.inbox_prefix}{relative}"
            return source_digest(key), key
        if all(not term.prefix for term in self.settings.retention):
            return relative, self.settings.inbox_prefix  # one term for all
        try:
            place = f"{self.settings.sidecar_prefix}{relative}.json"
            _, data = self.results.get(place, max_bytes=MAX_BYTES)
        except SourceGone:
            return relative, None
        return relative, read_source_key(data)

    def _deal_with(self, found: list[_Found], counts: Counter[str]) -> None:
        for start in range(0, len(found), _BESIDE):
            claimed: list[_Found] = []
            try:
                self._beside(partial(self._looked_at, claimed), found[start : start + _BESIDE], counts)
                if claimed and self.enter:
                    self.enter(claimed[0].kind, [each.digest for each in claimed], "")
                self._beside(self._removed, claimed, counts)
            finally:
                for each in claimed:
                    self.leases.clear(self._lease_prefix(each))

    def _beside(
        self, work: Callable[[_Found], Mapping[str, int]], found: Iterable[_Found], counts: Counter[str]
    ) -> None:
        """Do some work on each, beside each other, and count what it says; raises the first failure."""
        with background_tasks() as beside:
            done = [beside.submit(work, each) for each in found]
        for each in done:
            with self._of_one(counts):
                counts.update(each.result())

    @contextmanager
    def _of_one(self, counts: Counter[str]) -> Iterator[None]:
        """Count what is refused or damaged of one card, which keeps no other; raise what is the account's."""
        try:
            yield
        except (Reject, Review):
            counts["refused"] += 1
        except Halt as refusal:
            Refusals(self.sources, self.results, self.settings, list_versions).of_one(refusal)
            counts["refused"] += 1

    def _lease_prefix(self, found: _Found) -> str:
        return f"{self.settings.state_prefix}leases/{found.digest}/"

    def _looked_at(self, claimed: list[_Found], found: _Found) -> Mapping[str, int]:
        """Claim what is to be removed; of all else, return what is to be counted."""
        if not found.due:
            return {"review_due": 1} if self._waits_for_a_person(found) else {}
        if self.dry:
            held = hold_of(self.sources, self.settings, found.digest)
            return {"held": 1} if held else {found.kind: 1}
        prefix = self._lease_prefix(found)
        if self.leases.held(prefix) or not self.leases.take(prefix, _LEASE_S):
            return {"busy": 1}  # looked at first, since on versioned buckets every claim succeeds
        goes = False
        try:
            stays = self._stays(found)
            goes = not stays
        finally:
            if not goes:
                self.leases.clear(prefix)
        if goes:
            claimed.append(found)
        return {stays: 1} if stays else {}

    def _stays(self, found: _Found) -> str:
        """Say why something due stays; empty where it goes."""
        if hold_of(self.sources, self.settings, found.digest):
            return "held"
        if not self._is_as_listed(found):
            return "changed"
        if found.kind == "sidecar" and self._source_is_there(found):
            return "source_there"  # without it the source would be recognised again
        return ""

    def _objects(self, found: _Found) -> CosObjects:
        return self.sources if found.kind == "source" else self.results

    def _is_as_listed(self, found: _Found) -> bool:
        now = self._objects(found).head(found.entry.key)
        return now is not None and now.etag == found.entry.etag

    def _removed(self, found: _Found) -> Mapping[str, int]:
        """Remove what is claimed; what is not removed after its entry gets another one, which says so."""
        if self.enter is None:
            self._remove(found)
            return {found.kind: 1}
        try:
            # Entering took its time, and who uploads takes no lease.
            if not self._is_as_listed(found):
                self.enter(found.kind, [found.digest], "changed")
                return {"changed": 1}
            self._remove(found)
        except CardveilError as error:
            self.enter(found.kind, [found.digest], error.code)
            raise
        return {found.kind: 1}

    def _remove(self, found: _Found) -> None:
        objects = self._objects(found)
        if found.kind == "source" and (self._sidecar(found) or self._copy(found)):
            retire(self.sources, self.settings, found.digest, found.entry.etag, self.leases.now())
        for version in versions_of(objects, found.entry.key):
            delete_version(objects, version)
        notes = []
        if found.kind == "sidecar":
            notes.append(f"{self.settings.state_prefix}history/{found.digest}/")
        if found.kind != "source" and not self._sidecar(found) and not self._copy(found):
            notes.append(retired_key(self.settings, found.digest))
        for place in notes:
            for version in list(versions_under(self.sources, place)):
                delete_version(self.sources, version)

    def _source_is_there(self, found: _Found) -> bool:
        try:
            _, data = self.results.get(found.entry.key, max_bytes=MAX_BYTES)
            key = read_source_key(data)
            return key is not None and self.sources.head(key) is not None
        except Reject:
            return False

    def _waits_for_a_person(self, found: _Found) -> bool:
        sidecar = self._sidecar(found)
        if sidecar is None:
            return False
        said = {name: sidecar.meta.get(f"x-cos-meta-{name}") for name in ("status", "decided")}
        return said == {"status": "needs_review", "decided": None}

    def _sidecar(self, found: _Found) -> Stored | None:
        prefix = self.settings.sidecar_prefix
        return self._first(f"{prefix}{name}.json" for name in (found.name, found.digest))

    def _copy(self, found: _Found) -> Stored | None:
        prefix = self.settings.redacted_prefix
        return self._first(f"{prefix}{name}" for name in (*copies_called(found.name), found.digest))

    def _first(self, keys: Iterable[str]) -> Stored | None:
        """Return the head of a card's result, by whichever name it has."""
        for key in keys:
            try:
                head = self.results.head(key)
            except Reject:
                continue  # a key that cannot be asked for has its results named by its digest
            if head:
                return head
        return None
