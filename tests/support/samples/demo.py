"""Which samples are kept with the code, and the verdict that each should come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tests.support.samples.generate import ID_BACK, ID_FRONT, LICENCE, CardKind, make_sample

from cardveil_cli.samples.truth import Sample

#: Name, condition, seed, card; PNG where the quality is 0.
_KEPT: Final[tuple[tuple[str, str, int, CardKind | None, int], ...]] = (
    ("id-front-flat", "flat", 11, ID_FRONT, 88),
    ("id-front-photo", "photo", 12, ID_FRONT, 85),
    ("id-front-exif6", "exif", 13, ID_FRONT, 85),
    ("id-back-flat", "flat", 14, ID_BACK, 0),
    ("id-back-photo", "photo", 15, ID_BACK, 85),
    ("licence-flat", "flat", 16, LICENCE, 88),
    ("licence-photo", "photo", 17, LICENCE, 72),
    ("business-card", "negative", 18, None, 74),
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
        verdict = "redacted" if kind else "rejected"
        yield replace(sample, name=name, quality=quality, verdict=verdict)
