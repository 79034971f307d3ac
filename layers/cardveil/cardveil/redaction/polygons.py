"""Polygons of text made fit for covering: checked, grown, and cut by characters in reading direction."""

from __future__ import annotations

import math
import unicodedata
from typing import Final

from cardveil.card.geometry import is_convex, signed_area
from cardveil.card.model import Point, Polygon

#: Pixels of area below which a polygon says nothing of where a text stands (vendors send zeros).
_LEAST_AREA: Final = 4.0
#: Text higher than this many of its own characters' widths stands on several lines.
_SEVERAL_LINES: Final = 1.8
#: Characters by which a cut is moved outwards: boxes are padded, and pitches differ.
_CUT_SLACK: Final = 0.6


def usable(polygon: Polygon, width: int, height: int) -> bool:
    """Say whether a polygon has an area and lies partly or wholly inside a picture of this size."""
    left, top, right, bottom = polygon.bounds()
    inside = right > 0 and bottom > 0 and left < width and top < height
    sane = (right - left) < 4 * width and (bottom - top) < 4 * height
    return inside and sane and (right - left) * (bottom - top) >= _LEAST_AREA


def straight(polygon: Polygon) -> Polygon:
    """Return the polygon itself when it is convex and clockwise, else the upright box around all of it."""
    if is_convex(polygon.points) and signed_area(polygon.points) > 0:
        return polygon
    return Polygon.box(*polygon.bounds())


def text_height(polygon: Polygon) -> float:
    """Return the text's height in pixels: the mean length of the two sides across reading direction."""
    top_left, top_right, bottom_right, bottom_left = polygon.points
    return (math.dist(top_left, bottom_left) + math.dist(top_right, bottom_right)) / 2


def grown(polygon: Polygon, along: float, across: float) -> Polygon:
    """Return a convex polygon with each corner moved outwards.

    Parameters
    ----------
    along, across : float
        Pixels, in the reading direction and across it, on both sides.
    """
    a, b, c, d = polygon.points
    return Polygon.of(
        (
            _moved(a, (b, along), (d, across)),
            _moved(b, (a, along), (c, across)),
            _moved(c, (d, along), (b, across)),
            _moved(d, (c, along), (a, across)),
        )
    )


def cut(polygon: Polygon, text: str, keep_first: int, keep_last: int) -> Polygon | None:
    """Return the part of a line of text that holds all but its first and last characters.

    Parameters
    ----------
    polygon : Polygon
        Convex, in reading order.
    text : str
        What stands there; full-width characters count twice.

    Returns
    -------
    Polygon or None
        None if nothing would be left to cover, or if the text is not one line: then all of it has to be
        covered.
    """
    characters = "".join(text.split())
    if keep_first + keep_last >= len(characters):
        return None
    widths = [2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in characters]
    total = sum(widths)
    top_left, top_right, bottom_right, bottom_left = polygon.points
    length = (math.dist(top_left, top_right) + math.dist(bottom_left, bottom_right)) / 2
    if text_height(polygon) > _SEVERAL_LINES * 2 * length / total:
        return None
    start = max(sum(widths[:keep_first]) - _CUT_SLACK, 0) / total if keep_first else 0.0
    end = (
        min(total - sum(widths[len(widths) - keep_last :]) + _CUT_SLACK, total) / total if keep_last else 1.0
    )
    return Polygon.of(
        (
            _between(top_left, top_right, start),
            _between(top_left, top_right, end),
            _between(bottom_left, bottom_right, end),
            _between(bottom_left, bottom_right, start),
        )
    )


def _moved(corner: Point, *pushes: tuple[Point, float]) -> Point:
    """Move a corner away from each of its neighbours by so many pixels."""
    x, y = corner
    for (nx, ny), by in pushes:
        length = math.dist(corner, (nx, ny)) or 1.0
        x += by * (corner[0] - nx) / length
        y += by * (corner[1] - ny) / length
    return x, y


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share
