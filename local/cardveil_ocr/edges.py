"""Finds the card's own edges near where its labels put them: labels alone fix the far corners badly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cardveil_ocr.anchors import Points
from cardveil_ocr.pose_estimation import Placing, project
from cardveil_ocr.rectify import Source

#: Pixels per millimetre of the copy that is searched, and millimetres searched to either side.
_SCALE, _REACH = 6.0, 4.5
#: Profiles taken on each side; corners are left out, as they are rounded.
_PROFILES: Final = 48
#: A side counts when so large a share of its profiles has its step within this many millimetres of one line.
_SHARE, _STRAIGHT = 0.6, 0.35
#: Least mean step, in grey levels a pixel (after smoothing), that is taken for an edge.
_LEAST_STEP: Final = 2.5
#: How much one side counts in a fit, in units of one end of a label; a border of the picture counts for less,
#: since a card may have been cut off by it.
_SIDE_WEIGHT: Final = 20.0
_BORDER_WEIGHT: Final = 3.0
#: Millimetres by which the labels alone may misplace a side that stands along the picture's border.
_BORDER_REACH: Final = 3.0


@dataclass(frozen=True, slots=True)
class Edges:
    """Points of the card's edges: `image` in pixels, `card` in mm, `weight` for x and for y apart.

    `sides` of them were seen, borders of the picture not counted.
    """

    image: Points
    card: Points
    weight: Points
    sides: int = 0


def find_edges(source: Source, placing: Placing) -> Edges | None:
    """Look for the four sides of the card; None if not one is seen clearly.

    A scan that was cropped to the card shows no edges: a side that is not seen, and should stand along a
    border of the picture, is taken to stand there.
    """
    width, height = placing.layout.width, placing.layout.height
    size = (round((width + 2 * _REACH) * _SCALE), round((height + 2 * _REACH) * _SCALE))
    to_card = np.array([[1 / _SCALE, 0, -_REACH], [0, 1 / _SCALE, -_REACH], [0, 0, 1]])
    image = source.cut(placing.matrix @ to_card, *size)
    smooth = cv2.GaussianBlur(image, (0, 0), 1.6)
    steps = (
        _strongest(cv2.absdiff(smooth[:, 1:], smooth[:, :-1])),
        _strongest(cv2.absdiff(smooth[1:], smooth[:-1])).T,
    )
    sides = []
    for axis, (across, along) in enumerate(((width, height), (height, width))):
        for at in (0.0, across):
            found = _side(steps[axis], at, along)
            seen = _points(source, placing, axis, at, *found) if found is not None else None
            sides.append(seen or _border(source, placing, axis, at, along))
    kept = [side for side in sides if side is not None]
    if not kept:
        return None
    points, card, weight = (
        np.asarray(np.vstack([getattr(side, name) for side in kept]), np.float64)
        for name in ("image", "card", "weight")
    )
    return Edges(points, card, weight, sum(side.sides for side in kept))


def _strongest(steps: NDArray[Any]) -> NDArray[Any]:
    """Return the largest of the three channels (NumPy's own `max` is slow along so short an axis)."""
    return np.asarray(np.maximum(np.maximum(steps[..., 0], steps[..., 1]), steps[..., 2]))


def _side(steps: NDArray[Any], at: float, along: float) -> tuple[Points, Points] | None:
    """Fit a line to the strongest steps near a side; returns places along it and where the edge is there."""
    first = round(at * _SCALE)
    places = np.linspace(0.08, 0.92, _PROFILES) * along
    rows = np.clip(np.round((places + _REACH) * _SCALE).astype(int), 0, steps.shape[0] - 1)
    profiles = steps[rows, first : first + round(2 * _REACH * _SCALE)]
    peaks = profiles.argmax(axis=1)
    found = at - _REACH + (peaks + 1) / _SCALE
    strong = profiles.max(axis=1) > _LEAST_STEP
    best: NDArray[np.bool_] = np.zeros(len(places), bool)
    for i in range(0, _PROFILES // 2, 2):
        for j in range(_PROFILES // 2, _PROFILES, 2):
            slope = (found[j] - found[i]) / (places[j] - places[i])
            near = strong & (np.abs(found - found[i] - slope * (places - places[i])) < _STRAIGHT)
            if abs(slope) < 0.12 and near.sum() > best.sum():
                best = near
    if best.sum() < _SHARE * _PROFILES:
        return None
    return places[best], found[best]


def _points(
    source: Source, placing: Placing, axis: int, at: float, places: Points, found: Points
) -> Edges | None:
    across, along = found[:, None], places[:, None]
    seen = np.hstack([across, along] if axis == 0 else [along, across])
    image = project(placing.matrix, seen)
    inside = np.all((image > 2) & (image < np.array([source.width, source.height]) - 3), axis=1)
    if inside.sum() < _SHARE * _PROFILES:
        return None
    true = seen[inside].copy()
    true[:, axis] = at
    weight = np.zeros_like(true)
    # An edge says where the card is across it and nothing along it.
    weight[:, axis] = _SIDE_WEIGHT / len(true)
    return Edges(image[inside], true, weight, 1)


def _border(source: Source, placing: Placing, axis: int, at: float, along: float) -> Edges | None:
    """Return the border of the picture that a side stands along all the way."""
    places = np.linspace(0.08, 0.92, _PROFILES) * along
    side = np.full_like(places, at)
    card = np.column_stack([side, places] if axis == 0 else [places, side])
    image = project(placing.matrix, card)
    size = np.array([source.width, source.height], float)
    corners = placing.corners()
    pixels_a_mm = float(np.linalg.norm(corners[1] - corners[0])) / placing.layout.width
    for across, border in ((0, 0.0), (0, size[0]), (1, 0.0), (1, size[1])):
        if np.all(np.abs(image[:, across] - border) < _BORDER_REACH * pixels_a_mm):
            on_border = np.clip(image, 0.0, size)
            on_border[:, across] = border
            weight = np.zeros_like(card)
            weight[:, axis] = _BORDER_WEIGHT / len(card)
            return Edges(on_border, card, weight)
    return None
