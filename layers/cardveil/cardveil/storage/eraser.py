"""Erases everything that the bucket holds of one source, every version of it, resumable at any step.

The order is the argument. The source goes first; then the source's lease is taken, which waits for everybody
who may have read the source before; then all that they can have written. Whoever comes later finds no source.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import orjson

from cardveil.core.frozen import dataclass
from cardveil.settings import Settings
from cardveil.storage.erasure import (
    SOURCE_DELETED,
    Task,
    Tombstone,
    bury,
    task_key,
    task_of,
    tombstones,
    want,
)
from cardveil.storage.holds import Hold, hold_of
from cardveil.storage.job_store import JobNotes
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.leases import Leases
from cardveil.storage.notices import Notices, notes_prefix
from cardveil.storage.objects import CosObjects
from cardveil.storage.refusals import Refusals
from cardveil.storage.retired import retired_key
from cardveil.storage.versions import (
    Version,
    delete_version,
    list_versions,
    read_version,
    versions_of,
    versions_under,
)

#: The steps in their order; a kill between any two is mended by doing all of them again.
STEPS: Final = (
    "source", "lease", "job", "staged", "answers", "history", "unread", "retired", "webhooks", "redacted",
    "sidecar", "checkpoints", "tombstone", "told", "release", "task",
)  # fmt: skip
#: A checkpoint with the most keys that a selection may name.
_MAX_CHECKPOINT_BYTES: Final = 16 * 1024 * 1024
#: The claim of whoever erases, in seconds; each step is short.
_LEASE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases sources of one bucket.

    Attributes
    ----------
    sources, results : CosObjects
        The buckets of the sources and of the results.
    cancel : callable
        Cancels a job at CI by its id; one that has ended is fine.
    notices : Notices, optional
        For the receiver of webhooks, where there is one: it is told of each erasure.
    enter : callable
        Told of an erasure that nobody asked for by name, before anything is removed: a source was deleted.
    step : callable
        Told the name of each of `STEPS` as it begins.
    """

    sources: CosObjects
    results: CosObjects
    leases: Leases
    settings: Settings
    cancel: Callable[[str], None]
    notices: Notices | None = None
    now: Callable[[], float] = time.time
    enter: Callable[[Task], None] = lambda _: None
    step: Callable[[str], None] = lambda _: None

    @property
    def refusals(self) -> Refusals:
        """What judges refusals of an erasure: it lists versions, as only what removes does."""
        return Refusals(self.sources, self.results, self.settings, list_versions)

    def want(self, key: str, by: str, reason: str) -> Task:
        """Write down that a source is to be erased; from here on it will be, whatever is killed."""
        return want(self.sources, self.settings, key, by, reason, self.now())

    def anything(self, key: str) -> bool:
        """Say whether anything is stored of a source."""
        return any(found for _, _, found in self._everything(key))

    def hold(self, key: str) -> Hold | None:
        """Return the hold that keeps a card from being erased, None when there is none."""
        return hold_of(self.sources, self.settings, source_digest(key))

    def task(self, key: str) -> Task | None:
        """Return the erasure of a source that is under way, None when there is none."""
        return task_of(self.sources, self.settings, key)

    def tombstones(self, key: str) -> list[Tombstone]:
        """Return what is known of earlier erasures of a source, the oldest first."""
        return tombstones(self.sources, self.settings, key)

    def carry_out(self, task: Task) -> Tombstone | None:
        """Erase; None while somebody is at work on the source, or the card is on hold: the rest is for later.

        A source that was found deleted and is there again was uploaded anew: it and its results are left.
        """
        key, keys = task.key, keys_of(task.key, self.settings)
        self.step("source")
        if self.hold(key):
            return None
        if self._is_back(task):
            return self._dropped(task)
        found = Counter({kind: len(versions) for kind, _, versions in self._everything(key) if versions})
        before = self._tombstone(task)
        if task.reason == SOURCE_DELETED and not found and before is None:
            return self._dropped(task)
        if task.reason == SOURCE_DELETED and before is None:
            self.enter(task)
        earlier = before.removed if before else {}
        removed = {kind: max(found[kind], earlier.get(kind, 0)) for kind in sorted({*found, *earlier})}
        self._tell(task, "erasing", removed)
        for version in versions_of(self.sources, key):
            delete_version(self.sources, version)
        self.step("lease")
        if self.leases.held(keys.lease_prefix) or not self.leases.take(keys.lease_prefix, _LEASE_S):
            return None  # looked at first, since on versioned buckets every claim succeeds
        try:
            if self._is_back(task):
                return self._dropped(task)
            self._remove(task)
            self.step("tombstone")
            done = self._tell(task, "erased", removed)
            self.step("told")
            if self.notices is not None:
                self.notices.erased(_notice_id(task), source_digest(key), task.reason)
        finally:
            self.step("release")
            self.leases.clear(keys.lease_prefix)
        self.step("task")
        self._drop(task)
        return done

    def _remove(self, task: Task) -> None:
        self.step("job")
        note = JobNotes(self.sources, f"{self.settings.state_prefix}jobs/").get(source_digest(task.key))
        if note and note.job_id:
            self.cancel(note.job_id)
        for kind, objects, versions in self._everything(task.key):
            if kind == "redacted":
                self.step("webhooks")
                self._settle_notices(task.key)
            if kind not in {"source", "job"}:
                self.step(kind)
            for version in versions:
                delete_version(objects, version)
        self.step("checkpoints")
        for version in self._checkpoints(task.key):
            delete_version(self.sources, version)

    def _everything(self, key: str) -> Iterator[tuple[str, CosObjects, list[Version]]]:
        """Yield what is stored of a source by its kind; in the order in which it is removed."""
        keys = keys_of(key, self.settings)
        yield "source", self.sources, versions_of(self.sources, key)
        for kind, prefix in state_of(key, self.settings).items():
            yield kind, self.sources, list(versions_under(self.sources, prefix))
        copies = versions_of(self.results, keys.redacted)
        former = versions_of(self.results, keys.former) if keys.former else []
        yield "redacted", self.results, [*copies, *former]
        yield "sidecar", self.results, versions_of(self.results, keys.sidecar)

    def _settle_notices(self, key: str) -> None:
        """Take the key out of what is still to be told of a source, even if there is no receiver now."""
        notices = self.notices or Notices(self.sources, self.results, self.leases, self.settings)
        sidecar = self.results.head(keys_of(key, self.settings).sidecar)
        if sidecar is not None:
            notices.settle(source_digest(key), sidecar)
        notices.without_key(source_digest(key))
        for version in list(versions_under(self.sources, notes_prefix(self.settings, key))):
            if version.marker or not version.latest:
                delete_version(self.sources, version)

    def _checkpoints(self, key: str) -> list[Version]:
        """Return the checkpoints and reports that name a source: such a run begins anew."""
        named = orjson.dumps(key)[1:-1]
        return [
            version
            for kind in ("sweeps/", "retention/")
            for version in versions_under(self.sources, f"{self.settings.state_prefix}{kind}")
            if named in read_version(self.sources, version, _MAX_CHECKPOINT_BYTES)
        ]

    def _is_back(self, task: Task) -> bool:
        return task.reason == SOURCE_DELETED and self.sources.head(task.key) is not None

    def _dropped(self, task: Task) -> Tombstone:
        self._drop(task)
        return Tombstone(task.id, source_digest(task.key), task.by, task.reason, task.at, "dropped", {})

    def _drop(self, task: Task) -> None:
        for version in versions_of(self.sources, task_key(self.settings, task.key)):
            delete_version(self.sources, version)

    def _tombstone(self, task: Task) -> Tombstone | None:
        return next((each for each in self.tombstones(task.key) if each.id == task.id), None)

    def _tell(self, task: Task, state: str, removed: Mapping[str, int]) -> Tombstone:
        digest = source_digest(task.key)
        stone = Tombstone(task.id, digest, task.by, task.reason, task.at, state, removed)
        bury(self.sources, self.settings, stone)
        return stone


def _notice_id(task: Task) -> str:
    """Return the id by which an erasure is told of, the same whenever it is carried out again."""
    return source_digest(f"{source_digest(task.key)}/{task.id}")[:32]


def state_of(key: str, settings: Settings) -> dict[str, str]:
    """Return the prefixes under which the package keeps notes about a source, by their kind.

    The order is that of the removal: a job's note is what makes the schedule look for its picture.
    """
    keys, digest = keys_of(key, settings), source_digest(key)
    return {
        "job": f"{settings.state_prefix}jobs/{digest}.json",
        "staged": keys.staged_prefix,
        "answers": keys.answers.removesuffix("kept"),
        "history": keys.history,
        "unread": keys.unread.removesuffix("note"),
        "retired": retired_key(settings, digest),
    }
