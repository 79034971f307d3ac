"""A source that somebody has deleted: what is left of it is written down, for the schedule to erase."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError
from cardveil.core.importing import uncollected
from cardveil.settings import Settings

if TYPE_CHECKING:
    from cardveil.handlers.upload import EventRecord


def note_deletions(
    deleted: list[EventRecord],
    counts: Counter[str],
    settings: Settings,
    invocation: Invocation,
    environment: Mapping[str, str],
) -> list[CardveilError]:
    """Write down each deletion that leaves something; return what failed, for another delivery."""
    with uncollected():
        from cardveil.pipeline.factory import build_processor
        from cardveil.storage.erasure import want_as_deleted

    failures: list[CardveilError] = []
    for happened in deleted:
        source = happened.source
        try:
            pipeline = build_processor(
                settings, environment, invocation, bucket=source.bucket, region=source.region
            ).pipeline
            results = pipeline.results.objects
            wanted = want_as_deleted(
                pipeline.sources, results, settings, source.key, time.time(), happened.at
            )
        except CardveilError as error:
            failures.append(error)
        else:
            counts["deletion_noted" if wanted else "nothing_left"] += 1
    return failures
