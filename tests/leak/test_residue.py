"""Digits are recovered from the pixels around a tight box, and not from the pixels around ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from cardveil.card.model import Polygon
from cardveil.redaction import inspect, redact

#: The box of the digits that `Kit.digits` draws, two pixels wider than their ink, as a good detector gives
#: it.
BOX = Polygon.box(39, 33, 58, 57)
TRIALS = 40
NOISE = 1.0
#: The blocks that the box lies in, where its ringing is.
_RING = (slice(16, 64), slice(32, 64))


def _recovered(kit: Any, redactor: Any, quality: int) -> float:
    """Return the share of digits that an attacker names who knows the font, the place and the redactor."""

    def around(digit: int, seed: int, noise: float) -> Any:
        shown = kit.decoded(redactor(kit.jpeg(kit.digits(str(digit), seed, noise=noise), quality=quality)))
        return shown[_RING].astype(float).mean(axis=2)

    models = [around(digit, 999, 0) for digit in range(10)]
    random = np.random.default_rng(5)
    hits = 0
    for trial in range(TRIALS):
        truth = int(random.integers(10))
        seen = around(truth, trial, NOISE)
        off = [float(np.square(seen - model).sum()) for model in models]
        best = [d for d in range(10) if off[d] <= min(off) * (1 + 1e-12)]
        hits += int(random.choice(best)) == truth
    return hits / TRIALS


@pytest.mark.parametrize(("quality", "saved_as"), [(75, "JPEG"), (92, "PNG")])
def test_digits_cannot_be_told_from_what_is_around_the_cover(kit: Any, quality: int, saved_as: str) -> None:
    def ours(data: bytes) -> bytes:
        return redact(inspect(data), kit.region(BOX)).data

    def naive(data: bytes) -> bytes:
        return bytes(kit.naive(data, BOX, name=saved_as))

    assert _recovered(kit, naive, quality) >= 0.6
    # Forty guesses at one in ten: more than eleven right happen three times in ten thousand.
    assert _recovered(kit, ours, quality) <= 11 / TRIALS


def test_every_touched_pixel_is_covered_where_a_rasteriser_leaves_some(kit: Any) -> None:
    """A pixel that the polygon so much as grazes may hold ink."""
    source = np.full((64, 96, 3), 255, np.uint8)
    data = kit.pillow(Image.fromarray(source), "PNG")
    polygon = Polygon.of([(10.6, 12.2), (80.3, 20.7), (79.1, 44.4), (9.2, 35.9)])
    # Touched: any of 5 × 5 points of the pixel lies inside.
    touched = kit.inside(Polygon.of((x * 5, y * 5) for x, y in polygon.points), 96 * 5, 64 * 5)
    touched = touched.reshape(64, 5, 96, 5).any(axis=(1, 3))
    ours = kit.decoded(redact(inspect(data), kit.region(polygon)).data)
    assert (ours[touched] == 0).all()
    assert (kit.decoded(kit.naive(data, polygon))[touched] != 0).any()


def test_chroma_does_not_bleed_past_the_cover(kit: Any) -> None:
    """A red word on grey: at 4:2:0 its colour reaches pixels that a tight box leaves."""
    picture = np.full((96, 128, 3), 128, np.uint8)
    picture[40:50, 33:71] = (220, 20, 20)
    data = kit.jpeg(picture, "4:2:0", quality=90)
    box = Polygon.box(33, 40, 71, 50)

    def reddest(copy: bytes) -> int:
        shown = kit.decoded(copy).astype(int)
        return int((shown[..., 0] - shown[..., 1]).max())

    assert reddest(kit.naive(data, box)) > 25
    assert reddest(redact(inspect(data), kit.region(box)).data) <= 4
