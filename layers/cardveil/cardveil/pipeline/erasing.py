"""The eraser of a bucket, built from what processes its pictures."""

from __future__ import annotations

from collections.abc import Callable

from cardveil.pipeline.entering import Entering
from cardveil.pipeline.jobs import CardProcessor
from cardveil.storage.eraser import Eraser
from cardveil.storage.erasure import Task
from cardveil.storage.keys import source_digest
from cardveil.storage.versions import versioned


def eraser_of(
    processor: CardProcessor, step: Callable[[str], None] = lambda _: None, entering: Entering | None = None
) -> Eraser:
    """Return what erases sources of the bucket that a processor works on; see `Eraser.step`."""

    def enter(task: Task) -> None:
        if entering is not None:
            entering.enter("erasure", [source_digest(task.key)], task.reason)

    pipeline = processor.pipeline
    return Eraser(
        sources=versioned(pipeline.sources),
        results=versioned(pipeline.results.objects),
        leases=pipeline.leases,
        settings=pipeline.settings,
        notices=pipeline.results.notices,
        cancel=processor.cancel,
        now=processor.now,
        enter=enter,
        step=step,
    )
