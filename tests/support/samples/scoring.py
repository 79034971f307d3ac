"""Holds what a recogniser found against what a sample truly shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cardveil.card.model import Card, Polygon
from cardveil_cli.samples.truth import CardTruth, FieldTruth, Picture, Sample

#: A found card is taken for a true one when its centre lies within this share of the true card's width of it.
_NEAR = 0.25


@dataclass(frozen=True, slots=True)
class FieldScore:
    """How one field came out; `covered` is the share of its ink that lies in the found polygon."""

    name: str
    exact: bool
    covered: float
    score: float | None
    read: str | None
    true: str | None


@dataclass(frozen=True, slots=True)
class PictureScore:
    """How one picture came out; missed cards have no fields here, `false` counts cards that are not there."""

    found: int
    missed: int
    false: int
    fields: tuple[FieldScore, ...]


def score(sample: Sample, cards: Sequence[tuple[Card, Polygon]]) -> PictureScore:
    """Compare the cards that were found, each with its outline, with a sample's truth."""
    fields: list[FieldScore] = []
    left = list(cards)
    missed = 0
    for truth in sample.cards:
        match = next((pair for pair in left if _same(truth, *pair)), None)
        if match is None:
            missed += 1
            continue
        left.remove(match)
        fields += [_field(sample.ink, true, match[0]) for true in truth.fields]
    return PictureScore(len(sample.cards) - missed, missed, len(left), tuple(fields))


def _same(truth: CardTruth, card: Card, outline: Polygon) -> bool:
    if (truth.type, truth.side) != (card.type, card.side):
        return False
    true, found = np.array(truth.corners.points), np.array(outline.points)
    width = float(np.linalg.norm(true[1] - true[0]))
    return float(np.linalg.norm(true.mean(axis=0) - found.mean(axis=0))) < _NEAR * width


def _field(ink: Picture, true: FieldTruth, card: Card) -> FieldScore:
    field = card.field(true.name)
    covered = 0.0 if field is None or field.polygon is None else coverage(ink, true.ink_number, field.polygon)
    read = field.normalized if field else None
    return FieldScore(
        true.name, read == true.normalized, covered, field.score if field else None, read, true.normalized
    )


def coverage(ink: Picture, number: int, polygon: Polygon) -> float:
    """Return the share of a field's ink that a polygon covers; 1 if none of it is in the picture."""
    rows, columns = np.nonzero(ink == number)
    if not len(rows):
        return 1.0
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    mask = np.zeros((bottom - top, right - left), np.uint8)
    points = np.array(polygon.points) - (left, top)
    # Sixteenths of a pixel; pixels have their centres at whole numbers for OpenCV.
    fixed = np.round((points - 0.5) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, 1, shift=4)
    return float(mask[rows - top, columns - left].mean())
