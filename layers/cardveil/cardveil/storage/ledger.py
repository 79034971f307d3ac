"""The access ledger: who looked at what, as chained segments in the bucket that are durable before an answer.

Each process writes a chain of its own, so that instances beside each other neither wait for, nor write over,
one another: COS has no conditional overwrite, and on buckets that ever were versioned none for creating
either. A segment names the SHA-256 of the one before it. A *head*, an object whose name alone says it, names
a chain's last segment; the first segment of a new chain names all heads that it finds, and takes them away:
from then on their chains' ends stand in that chain. See `ledger_check` for what is found by it.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from itertools import islice
from secrets import token_hex
from typing import Any, Final

import orjson

from cardveil.core.errors import Retry
from cardveil.core.frozen import dataclass
from cardveil.core.threads import background_tasks
from cardveil.core.timing import iso
from cardveil.storage.objects import Objects

#: Version of a segment's form.
FORM: Final = 1
#: Entries of one segment at most: some 400 KB.
_MOST: Final = 1000
#: Heads that one segment takes away at most; those of more are left to the next chain.
_MOST_LINKS: Final = 500
#: Heads that are no longer needed may stand about in this number: a request to delete each would be a third.
_STALE: Final = 16
_JSON_LINES: Final = "application/x-ndjson"
_META: Final = {"kind": "ledger"}

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """One segment: its chain, its number in it (from 1) and the SHA-256 of its bytes."""

    chain: str
    number: int
    sha256: str

    @property
    def text(self) -> str:
        """The form in which heads are named and segments name others."""
        return f"{self.chain}/{self.number:08d}-{self.sha256}"

    @classmethod
    def of(cls, text: str) -> Mark:
        """Read that form; raises ValueError for any other."""
        chain, slash, rest = text.partition("/")
        number, hyphen, sha256 = rest.partition("-")
        if not (slash and hyphen and chain and len(number) == 8 and number.isdigit() and len(sha256) == 64):
            raise ValueError("a mark is CHAIN/NUMBER-SHA256")
        return cls(chain, int(number), sha256)


def ledger_prefix(state_prefix: str) -> str:
    """Return where the ledger stands."""
    return f"{state_prefix}ledger/"


def segment_key(state_prefix: str, chain: str, number: int) -> str:
    """Return where a segment stands."""
    return f"{ledger_prefix(state_prefix)}chains/{chain}/{number:08d}.jsonl"


def heads_prefix(state_prefix: str) -> str:
    """Return where the heads stand."""
    return f"{ledger_prefix(state_prefix)}heads/"


def entry_of(
    at: float,
    by: str,
    roles: Iterable[str],
    look: str,
    cards: Iterable[str],
    *,
    why: str = "",
    address: str = "",
    request: str = "",
    detail: str = "",
    refused: str = "",
) -> dict[str, Any]:
    """Return an entry: who, what, which cards (digests of their sources' keys), when, why, from where."""
    entry: dict[str, Any] = {
        "at": iso(at, "milliseconds"),
        "by": by,
        "roles": sorted(roles),
        "look": look,
        "cards": list(cards),
        "why": why,
        "from": address,
        "request": request,
    }
    return entry | {name: text for name, text in (("detail", detail), ("refused", refused)) if text}


class Ledger:
    """The chains of one process, one for each bucket; safe to use from threads.

    Parameters
    ----------
    now : callable
        Wall-clock seconds.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._chains: dict[str, _Chain] = {}

    def enter(self, objects: Objects, state_prefix: str, entries: Sequence[Entry]) -> Mark:
        """Write entries down; those of calls that come together share a segment.

        Returns
        -------
        Mark
            Of the segment, which is durable.

        Raises
        ------
        CardveilError
            When it cannot be said that they are durable. The next call begins another chain, which says so.
        """
        place = f"{objects.bucket}/{state_prefix}"
        with self._lock:
            chain = self._chains.setdefault(place, _Chain(state_prefix, self._now))
        return chain.enter(objects, entries)


class _Call:
    """The entries of one call, until they are durable."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.mark: Mark | None = None
        self.error: BaseException | None = None


class _Chain:
    """The chain that a process writes in one bucket."""

    def __init__(self, state_prefix: str, now: Callable[[], float]) -> None:
        self._state_prefix = state_prefix
        self._now = now
        self._waiting: list[_Call] = []
        self._queue, self._writing = threading.Lock(), threading.Lock()
        self._last: Mark | None = None
        self._doubted: tuple[str, ...] = ()
        #: Heads of segments that a durable one names.
        self._stale: list[str] = []

    def enter(self, objects: Objects, entries: Sequence[Entry]) -> Mark:
        call = _Call(entries)
        with self._queue:
            self._waiting.append(call)
        with self._writing:
            # Whoever wrote meanwhile has taken along what waited.
            while call.mark is None and call.error is None:
                self._write_those_that_wait(objects)
        if call.mark is None:
            raise call.error or RuntimeError
        return call.mark

    def _write_those_that_wait(self, objects: Objects) -> None:
        calls: list[_Call] = []
        with self._queue:
            count = 0
            while self._waiting and (not calls or count + len(self._waiting[0].entries) <= _MOST):
                calls.append(self._waiting.pop(0))
                count += len(calls[-1].entries)
        mark, error = None, None
        try:
            mark = self._write(objects, [entry for call in calls for entry in call.entries])
        except BaseException as failed:  # noqa: BLE001 - each of the calls raises it
            error = failed
        for call in calls:
            call.mark, call.error = mark, error

    def _write(self, objects: Objects, entries: Iterable[Entry]) -> Mark:
        before, heads = self._last, []
        header: dict[str, Any] = {"form": FORM}
        if before is None:
            begun = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
            heads = self._heads(objects)
            header |= {"chain": f"{begun}-{token_hex(8)}", "number": 1, "before": ""}
            header |= {"links": heads, "doubted": self._doubted}
        else:
            header |= {"chain": before.chain, "number": before.number + 1, "before": before.sha256}
        data = b"\n".join(orjson.dumps(line) for line in (header, *entries)) + b"\n"
        mark = Mark(header["chain"], header["number"], hashlib.sha256(data).hexdigest())
        self._put(objects, mark, data)
        self._last, self._doubted = mark, ()
        if before is None:
            # At once: many processes write a single segment.
            self._stale += heads
            with background_tasks() as beside:
                self._taken_away(self._take_away(objects, beside))
        else:
            self._stale.append(before.text)
        return mark

    def _heads(self, objects: Objects) -> list[str]:
        prefix = heads_prefix(self._state_prefix)
        return [key.removeprefix(prefix) for key in islice(objects.list(prefix), _MOST_LINKS)]

    def _put(self, objects: Objects, mark: Mark, data: bytes) -> None:
        """Write a segment and its head at once, and take earlier heads away meanwhile."""
        key = segment_key(self._state_prefix, mark.chain, mark.number)
        head = f"{heads_prefix(self._state_prefix)}{mark.text}"
        try:
            with background_tasks() as beside:
                of_head = beside.submit(objects.put, head, b"", media_type=_JSON_LINES, meta=_META)
                taken = self._take_away(objects, beside)
                objects.put(key, data, media_type=_JSON_LINES, meta=_META)
                of_head.result()
                self._taken_away(taken)
        except BaseException:
            # Perhaps it stands there, perhaps its head alone: nothing is written over, another chain begins.
            self._doubted = (*self._doubted, mark.text)[-_MOST_LINKS:]
            self._last = None
            raise

    def _take_away(self, objects: Objects, beside: Executor) -> dict[str, Future[None]]:
        """Begin to delete the heads that are stale, once they are some."""
        if len(self._stale) < _STALE and self._last is not None and self._last.number > 1:
            return {}
        stale, self._stale = self._stale, []
        prefix = heads_prefix(self._state_prefix)
        return {head: beside.submit(objects.delete, prefix + head) for head in stale}

    def _taken_away(self, deleted: Mapping[str, Future[None]]) -> None:
        """Wait for it; a head of which it fails is tried again, and does no harm meanwhile."""
        for head, done in deleted.items():
            try:
                done.result()
            except Retry:
                self._stale.append(head)
