"""A COS event, record by record: what is not ours costs nothing, what fails does not stop the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cardveil.errors import CardveilError, Halt, Reject
from cardveil.events.context import Invocation
from cardveil.events.cos import Upload, not_ours, read_upload, records_of
from cardveil.settings import Settings, from_environment

if TYPE_CHECKING:
    from cardveil.pipeline import Pipeline


def process_event(event: Any, invocation: Invocation, environment: Mapping[str, str]) -> dict[str, int]:
    """Process every record of a COS event.

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
        _process(ours, failures, counts, settings, invocation, environment)
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
) -> None:
    """Process what is ours. The SDKs are imported here, so that passing a record over costs nothing."""
    from cardveil.assembly import assemble
    from cardveil.stages import Stages
    from cardveil.telemetry import Telemetry

    telemetry = Telemetry(invocation, settings.log_level)
    for unreadable in failures:
        telemetry.failure(None, unreadable)
    pipelines: dict[tuple[str, str], Pipeline] = {}
    for upload in uploads:
        stages = Stages()
        try:
            place = (upload.bucket, upload.region)
            if place not in pipelines:
                pipelines[place] = assemble(
                    settings, environment, invocation, bucket=upload.bucket, region=upload.region
                )
            outcome = pipelines[place].process(upload, stages)
        except CardveilError as error:
            telemetry.failure(upload.key, error)
            failures.append(error)
            counts["failed"] += 1
            if isinstance(error, Halt):
                break  # nothing else would work either, and some of it would be paid for
        else:
            telemetry.outcome(upload.key, outcome, stages.elapsed_ms)
            counts[outcome.status.value if outcome.status else outcome.kind] += 1
