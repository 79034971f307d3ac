"""A COS event, record by record: what is not ours costs nothing, what fails does not stop the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError, Reject
from cardveil.core.frozen import dataclass
from cardveil.core.importing import uncollected
from cardveil.core.rate_limit import Pause, RateLimiter
from cardveil.settings import Settings, from_environment, kinds
from cardveil.settings.regions import SHORT
from cardveil.storage.source import Source, not_ours

if TYPE_CHECKING:
    from cardveil.pipeline.jobs import CardProcessor

#: Longest that an instance may be kept from the next card by the receiver of webhooks, in seconds.
_TELLING_S: Final = 2.0
#: Deletions for good, and by a delete marker where versions are kept.
_REMOVED: Final = "cos:ObjectRemove:"


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One record of a COS event: what happened (`name`), to which object, and when (epoch seconds)."""

    name: str
    source: Source
    at: float | None = None


def process_event(
    event: Any,
    invocation: Invocation,
    environment: Mapping[str, str],
    rate_limiter: RateLimiter | None = None,
    pause: Pause | None = None,
) -> dict[str, int]:
    """Process every record of a COS event.

    Parameters
    ----------
    rate_limiter : RateLimiter, optional
        The process's own, which outlives the invocation.
    pause : Pause, optional
        The process's own, too: while a receiver of webhooks that did not answer is left alone.

    Returns
    -------
    dict
        How many records ended in which way; nothing of the records themselves.

    Raises
    ------
    CardveilError
        The first failure, after all records were tried, so that the platform delivers the event again: those
        that are done by then are passed over.
    """
    settings = from_environment(environment)
    counts: Counter[str] = Counter()
    failures: list[CardveilError] = []
    ours: list[Source] = []
    deleted: list[EventRecord] = []
    for record in records_of(event):
        try:
            happened = read_record(record, region=invocation.region)
        except Reject as unreadable:
            failures.append(unreadable)
            continue
        if reason := passed_over(happened, settings):
            counts[reason] += 1
        elif happened.name.startswith(_REMOVED):
            deleted.append(happened)
        else:
            ours.append(happened.source)
    if deleted:
        from cardveil.handlers.deletion import note_deletions

        failures += note_deletions(deleted, counts, settings, invocation, environment)
    if ours or failures:
        _process(ours, failures, counts, settings, invocation, environment, rate_limiter, pause or Pause())
    if failures:
        raise failures[0]
    return dict(counts)


def _process(
    sources: list[Source],
    failures: list[CardveilError],
    counts: Counter[str],
    settings: Settings,
    invocation: Invocation,
    environment: Mapping[str, str],
    rate_limiter: RateLimiter | None,
    pause: Pause,
) -> None:
    """Process what is ours. The SDKs are imported here, so that passing a record over costs nothing."""
    with uncollected():
        from cardveil.core.telemetry import Telemetry
        from cardveil.core.timing import Timings
        from cardveil.pipeline.factory import build_processor
        from cardveil.redaction import coefficient_path_available
        from cardveil.storage.circuit_breaker import stops_everybody

    telemetry = Telemetry(invocation, settings.log_level)
    if not (fast := coefficient_path_available()):
        telemetry.notice("pixel_path_only", fast.reason)
    for unreadable in failures:
        telemetry.failure(None, unreadable)
    processor: dict[tuple[str, str], CardProcessor] = {}
    for source in sources:
        timings = Timings()
        try:
            place = (source.bucket, source.region)
            if place not in processor:
                processor[place] = build_processor(
                    settings,
                    environment,
                    invocation,
                    bucket=source.bucket,
                    region=source.region,
                    rate_limiter=rate_limiter,
                    on_metric=telemetry.count,
                )
            outcome = processor[place].process(source, timings)
        except CardveilError as error:
            telemetry.failure(source.key, error)
            failures.append(error)
            counts["failed"] += 1
            if stops_everybody(error):
                break  # nothing else would work either, and some of it would be paid for
        else:
            telemetry.outcome(source.key, outcome, timings.elapsed_ms)
            counts[outcome.status.value if outcome.status else outcome.kind] += 1
    if settings.webhook:
        from cardveil.pipeline.telling import tell_committed

        for each in processor.values():
            tell_committed(each.pipeline, pause, _TELLING_S, telemetry.count)


def records_of(event: Any) -> list[Any]:
    """Return the records of a COS event, unread.

    Raises
    ------
    Reject
        ``event_unreadable`` when there are none; the text holds nothing of the event.
    """
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not records:
        raise _unreadable()
    return records


def read_record(record: Any, *, region: str) -> EventRecord:
    """Read one record.

    Parameters
    ----------
    record : dict
        One of `records_of`.
    region : str
        Region of the invocation, for records that do not name one.

    Raises
    ------
    Reject
        ``event_unreadable`` when the record is not of COS's form.
    """
    try:
        return _read(record, region)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise _unreadable() from None


def passed_over(happened: EventRecord, settings: Settings) -> str | None:
    """Say why a record is passed over, as a text code; None when its object is to be processed."""
    if happened.name.startswith(_REMOVED):
        if settings.source_deleted != "erase":
            return "not_created"
    elif not happened.name.startswith("cos:ObjectCreated:"):
        return "not_created"
    return not_ours(happened.source.key, settings)


def _unreadable() -> Reject:
    return Reject("event_unreadable", "invoke this function with a COS object event")


def _read(record: Mapping[str, Any], region: str) -> EventRecord:
    cos, what = record["cos"], record["event"]
    bucket, stored = cos["cosBucket"], cos["cosObject"]
    given = stored.get("meta")
    meta = {str(name).lower(): str(value) for name, value in given.items()} if _is_map(given) else {}
    source = Source(
        bucket=kinds.bucket().parse(_full_name(str(bucket["name"]), str(bucket.get("appid") or ""))),
        region=_region(bucket, region),
        key=_key(stored),
        etag=_etag(meta.get("etag", "")),
        meta=meta,
    )
    source.key.encode()  # half of a surrogate pair is part of no key
    if not source.bucket or not isinstance(what["eventName"], str):
        raise ValueError
    at = what.get("eventTime")
    return EventRecord(what["eventName"], source, float(at) if isinstance(at, int) and at > 0 else None)


def _is_map(value: Any) -> bool:
    return isinstance(value, Mapping)


def _region(bucket: Mapping[str, Any], own: str) -> str:
    """Return the record's region; of one that is none the function's own, where alone a trigger works."""
    named = bucket.get("cosRegion")
    try:
        return str(kinds.region().parse(named if isinstance(named, str) else ""))
    except ValueError:
        return own or SHORT.get(str(bucket.get("region")), "")


def _etag(text: str) -> str:
    """Return an ETag without quotes; empty where it is of no form that one may have."""
    bare = text.strip('"')
    return bare if re.fullmatch(r"[0-9A-Za-z-]{1,128}", bare) else ""


def _full_name(name: str, app_id: str) -> str:
    return name if not app_id or name.endswith(f"-{app_id}") else f"{name}-{app_id}"


def _key(stored: Mapping[str, Any]) -> str:
    """Return the raw key: the path of `url` is the truth, since samples disagree on how `key` is encoded."""
    url = stored.get("url")
    if isinstance(url, str) and url:
        # Not urlsplit().path of a raw "?" or "#": in the event these are percent-encoded.
        key = unquote(urlsplit(url).path, errors="strict")[1:]
    else:
        # /appid/bucket/raw key
        key = stored["key"].split("/", 3)[3]
    if not key:
        raise ValueError
    return key
