"""A COS event, record by record: what is not ours costs nothing, what fails does not stop the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError, Halt, Reject
from cardveil.core.importing import uncollected
from cardveil.core.rate_limit import RateLimiter
from cardveil.handlers.cos_event import Upload, not_ours, read_upload, records_of
from cardveil.settings import Settings, from_environment

if TYPE_CHECKING:
    from cardveil.pipeline.jobs import CardProcessor


def process_event(
    event: Any,
    invocation: Invocation,
    environment: Mapping[str, str],
    rate_limiter: RateLimiter | None = None,
) -> dict[str, int]:
    """Process every record of a COS event.

    Parameters
    ----------
    rate_limiter : RateLimiter, optional
        The process's own, which outlives the invocation.

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
    ours: list[Upload] = []
    for record in records_of(event):
        try:
            upload = read_upload(record, region=invocation.region)
        except Reject as unreadable:
            failures.append(unreadable)
            continue
        if reason := not_ours(upload, settings):
            counts[reason] += 1
        else:
            ours.append(upload)
    if ours or failures:
        _process(ours, failures, counts, settings, invocation, environment, rate_limiter)
    if failures:
        raise failures[0]
    return dict(counts)


def _process(
    uploads: list[Upload],
    failures: list[CardveilError],
    counts: Counter[str],
    settings: Settings,
    invocation: Invocation,
    environment: Mapping[str, str],
    rate_limiter: RateLimiter | None,
) -> None:
    """Process what is ours. The SDKs are imported here, so that passing a record over costs nothing."""
    with uncollected():
        from cardveil.core.telemetry import Telemetry
        from cardveil.core.timing import Timings
        from cardveil.pipeline.factory import assemble
        from cardveil.redaction import coefficient_path_available

    telemetry = Telemetry(invocation, settings.log_level)
    if not (fast := coefficient_path_available()):
        telemetry.notice("pixel_path_only", fast.reason)
    for unreadable in failures:
        telemetry.failure(None, unreadable)
    processor: dict[tuple[str, str], CardProcessor] = {}
    for upload in uploads:
        timings = Timings()
        try:
            place = (upload.bucket, upload.region)
            if place not in processor:
                processor[place] = assemble(
                    settings,
                    environment,
                    invocation,
                    bucket=upload.bucket,
                    region=upload.region,
                    rate_limiter=rate_limiter,
                    tell=telemetry.count,
                )
            outcome = processor[place].process(upload, timings)
        except CardveilError as error:
            telemetry.failure(upload.key, error)
            failures.append(error)
            counts["failed"] += 1
            if isinstance(error, Halt):
                break  # nothing else would work either, and some of it would be paid for
        else:
            telemetry.outcome(upload.key, outcome, timings.elapsed_ms)
            counts[outcome.status.value if outcome.status else outcome.kind] += 1
