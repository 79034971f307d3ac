"""The retention of a bucket, built from what processes its pictures: a run a day, over several ticks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import orjson

from cardveil.core.errors import SourceGone
from cardveil.pipeline.entering import Entering
from cardveil.pipeline.jobs import CardProcessor
from cardveil.storage.ledger import Ledger
from cardveil.storage.ledger_trim import trim
from cardveil.storage.objects import Objects
from cardveil.storage.retention import DAY_S, PHASES, Progress, Retention
from cardveil.storage.versions import versioned

_FORM: Final = 1
_MAX_BYTES: Final = 16 * 1024
#: Another instance may go on with a run whose lease is this old, in seconds: SCF's longest time limit.
_LEASE_S: Final = 900.0


def retention_of(
    processor: CardProcessor, *, dry: bool = False, entering: Entering | None = None
) -> Retention:
    """Return what removes from the buckets that a processor works on what is due."""
    pipeline = processor.pipeline
    return Retention(
        sources=versioned(pipeline.sources),
        results=versioned(pipeline.results.objects),
        leases=pipeline.leases,
        settings=pipeline.settings,
        dry=dry,
        enter=partial(_enter, entering) if entering else None,
    )


def _enter(entering: Entering, kind: str, cards: Sequence[str], refused: str) -> None:
    entering.enter("retention", cards, kind, refused)


def tick(
    processor: CardProcessor,
    now: float,
    over: Callable[[], bool],
    *,
    every_s: float = DAY_S,
    entering: Entering | None = None,
) -> Counter[str]:
    """Go on with the present run, or begin one when the last began a day ago; return what was done.

    Parameters
    ----------
    entering : Entering, optional
        Where a ledger is kept: nothing is removed before its entry is durable.

    Raises
    ------
    CardveilError
        When the bucket refuses; the next tick goes on from the last checkpoint.
    """
    retention, counts = retention_of(processor, entering=entering), Counter[str]()
    sources, settings = retention.sources, retention.settings
    folder = f"{settings.state_prefix}retention/"
    place, claim = f"{folder}run.json", f"{folder}lease/"
    lease = retention.leases.take(claim, _LEASE_S)
    if lease is None:
        return counts
    try:
        progress = _loaded(sources, place)
        if progress is None or (progress.over and now - progress.started >= every_s):
            progress = Progress(now)
        if progress.over:
            return counts

        def save(reached: Progress) -> None:
            note = {"form": _FORM, "started": reached.started, "phase": reached.phase}
            note |= {"after": reached.after, "over": reached.over}
            sources.put(place, orjson.dumps(note), media_type="application/json", meta={"kind": "state"})

        if retention.work(progress, counts, over, save).over:
            trim(sources, settings, entering.ledger if entering else Ledger(), progress.started, counts)
    finally:
        retention.leases.release(lease, claim)
    return counts


def _loaded(objects: Objects, place: str) -> Progress | None:
    """Return how far the last run came; None where none is known: what is done again does no harm."""
    try:
        _, data = objects.get(place, max_bytes=_MAX_BYTES)
        note = orjson.loads(data or b"")
        if note["form"] != _FORM or note["phase"] not in PHASES:
            return None
        return Progress(float(note["started"]), note["phase"], str(note["after"]), bool(note["over"]))
    except SourceGone:
        return None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
