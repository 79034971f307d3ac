"""The eraser of a bucket, built from what processes its pictures."""

from __future__ import annotations

from collections.abc import Callable

from cardveil.pipeline.jobs import CardProcessor
from cardveil.storage.eraser import Eraser
from cardveil.storage.objects import CosObjects, Objects


def eraser_of(processor: CardProcessor, step: Callable[[str], None] = lambda _: None) -> Eraser:
    """Return what erases sources of the bucket that a processor works on; see `Eraser.step`."""
    pipeline = processor.pipeline
    return Eraser(
        sources=_cos(pipeline.sources),
        results=_cos(pipeline.results.objects),
        leases=pipeline.leases,
        settings=pipeline.settings,
        notices=pipeline.results.notices,
        cancel=processor.cancel,
        now=processor.now,
        step=step,
    )


def _cos(objects: Objects) -> CosObjects:
    if not isinstance(objects, CosObjects):
        raise TypeError("only objects of COS have versions")
    return objects
