"""What became of the sources of a bucket, counted; and of one of them, in detail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from cardveil.card.findings import Status
from cardveil.core.errors import Reject
from cardveil.settings import Settings
from cardveil.storage.circuit_breaker import CircuitBreaker, Open
from cardveil.storage.job_store import JobNotes
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.leases import Leases
from cardveil.storage.notices import Notices
from cardveil.storage.objects import CosObjects, Entry, Stored
from cardveil.storage.source import not_ours
from cardveil_cli.operate.deployed import Deployed

#: A source that has no result, and one that was replaced since it got its result.
PENDING: Final = "pending"
OUTDATED: Final = "outdated"
STATES: Final = (*(status.value for status in Status), PENDING, OUTDATED)
#: Requests for sidecars' heads that are under way, and sources of one turn.
_SIDE_BY_SIDE: Final = 16
_TURN: Final = 1000
#: Largest sidecar and checkpoint that are read, in bytes.
_MAX_BYTES: Final = 16 * 1024 * 1024
_ETAG: Final = "x-cos-meta-source-etag"
_STATUS: Final = "x-cos-meta-status"


@dataclass
class Overview:
    """The sources of one bucket.

    Attributes
    ----------
    counts : Counter
        Sources by state, see `STATES`.
    oldest : Entry or None
        The source that has waited longest for a result.
    """

    counts: Counter[str] = field(default_factory=Counter)
    oldest: Entry | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """One source; `sidecar` is the document, `under_way` says who has it now."""

    state: str
    entry: Stored
    sidecar: dict[str, Any] | None
    copy: Stored | None
    under_way: tuple[str, ...]


def overview(found: Deployed) -> Overview:
    """Count the sources by their state: a listing, and one HEAD for each source."""
    settings, sources, results = found.settings, found.sources, found.results
    seen = Overview()
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        for turn in _turns(_own(sources.entries(settings.inbox_prefix), settings)):
            heads = pool.map(lambda entry: results.head(keys_of(entry.key, settings).sidecar), turn)
            for entry, head in zip(turn, heads, strict=True):
                state = state_of(entry.etag, head)
                seen.counts[state] += 1
                waits = state in {PENDING, OUTDATED}
                if waits and (seen.oldest is None or entry.modified < seen.oldest.modified):
                    seen.oldest = entry
    return seen


def state_of(etag: str, sidecar: Stored | None) -> str:
    """Return the state of a source from its ETag and its sidecar's head."""
    if sidecar is None:
        return PENDING
    if sidecar.meta.get(_ETAG) != etag:
        return OUTDATED
    return sidecar.meta.get(_STATUS, PENDING)


def detail(found: Deployed, key: str) -> Detail | None:
    """Look at one source; None when there is no such object."""
    settings, sources, results = found.settings, found.sources, found.results
    entry = sources.head(key)
    if entry is None:
        return None
    keys = keys_of(key, settings)
    head = results.head(keys.sidecar)
    under_way = []
    if Leases(sources, "").held(keys.lease_prefix):
        under_way.append("a function is at work on it")
    if note := JobNotes(sources, f"{settings.state_prefix}jobs/").get(source_digest(key)):
        under_way.append(f"job {note.job_id or 'without an id yet'}: {note.state}")
    document = read_document(results, keys.sidecar) if head is not None else None
    return Detail(state_of(entry.etag, head), entry, document, results.head(keys.redacted), tuple(under_way))


def read_document(objects: CosObjects, key: str) -> dict[str, Any] | None:
    """Return a JSON object of a bucket, None when there is none."""
    try:
        _, data = objects.get(key, max_bytes=_MAX_BYTES)
    except Reject:
        return None
    document: dict[str, Any] = orjson.loads(data or b"{}")
    return document


def breaker_of(found: Deployed) -> Open | None:
    """Return why and since when paid calls are stopped, None where they are not."""
    sources = found.sources
    return CircuitBreaker(sources, Leases(sources, ""), found.settings.state_prefix, 0.0).look()


def notices_of(found: Deployed) -> Notices:
    """Return what the receiver of webhooks is still to be told."""
    sources = found.sources
    return Notices(sources, found.results, Leases(sources, ""), found.settings)


def last_sweep(found: Deployed) -> dict[str, Any] | None:
    """Return the newest checkpoint of a sweep, None when there never was one."""
    sources = found.sources
    entries = list(sources.entries(f"{found.settings.state_prefix}sweeps/runs/"))
    if not entries:
        return None
    newest = max(entries, key=lambda entry: entry.modified)
    return read_document(sources, newest.key)


def _own(entries: Iterator[Entry], settings: Settings) -> Iterator[Entry]:
    return (entry for entry in entries if not_ours(entry.key, settings) is None)


def _turns(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    turn: list[Entry] = []
    for entry in entries:
        turn.append(entry)
        if len(turn) == _TURN:
            yield turn
            turn = []
    if turn:
        yield turn
