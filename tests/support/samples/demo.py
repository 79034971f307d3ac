"""Which samples are kept with the code, each named by the verdict it should come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tests.support.samples.generate import ID_BACK, ID_FRONT, LICENCE, CardKind, make_sample

from cardveil_cli.samples.truth import Sample

#: Name and verdict, condition, seed, card; PNG where the quality is 0.
_KEPT: Final[tuple[tuple[str, str, int, CardKind | None, int], ...]] = (
    ("id-front-flat.redacted", "flat", 11, ID_FRONT, 88),
    ("id-front-photo.redacted", "photo", 12, ID_FRONT, 85),
    ("id-front-exif6.redacted", "exif", 13, ID_FRONT, 85),
    ("id-back-flat.redacted", "flat", 14, ID_BACK, 0),
    ("id-back-photo.redacted", "photo", 15, ID_BACK, 85),
    ("licence-flat.redacted", "flat", 16, LICENCE, 88),
    ("licence-photo.redacted", "photo", 17, LICENCE, 72),
    ("business-card.rejected", "negative", 18, None, 74),
)


def demo_samples() -> Iterator[Sample]:
    """Make the kept pictures anew."""
    for name, condition, seed, kind, quality in _KEPT:
        sample = make_sample(
            condition,
            seed,
            kind=kind,
            negative_kind="name_card",
            orientation=6 if condition == "exif" else None,
            # A PNG of full size would be too large to keep.
            size=None if quality else (800, 504),
        )
        yield replace(sample, name=name, quality=quality)
