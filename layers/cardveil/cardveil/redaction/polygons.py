"""Polygons of text made fit for covering: checked, grown, stretched and cut in reading direction."""

from __future__ import annotations

import math
from typing import Final

from cardveil.card.geometry import is_convex, signed_area
from cardveil.card.model import Point, Polygon

#: Pixels of area below which a polygon says nothing of where a text stands (vendors send zeros).
_LEAST_AREA: Final = 4.0


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


def part_between(polygon: Polygon, start: float, end: float) -> Polygon:
    """Return the part of a line of text between two shares (0 to 1) of its length."""
    a, b, c, d = polygon.points
    return Polygon((_between(a, b, start), _between(a, b, end), _between(d, c, end), _between(d, c, start)))


def stretched(polygon: Polygon, start: float, end: float) -> Polygon:
    """Return a line of text with its beginning and its end moved outwards by so many pixels."""
    a, b, c, d = polygon.points
    return Polygon(
        (_moved(a, (b, start)), _moved(b, (a, end)), _moved(c, (d, end)), _moved(d, (c, start))),
    )


def half_planes(outline: Polygon, reach: float) -> tuple[Polygon, ...]:
    """Return four polygons that together hold all that lies outside a convex outline, `reach` pixels far."""
    found = []
    points = outline.points
    for a, b in zip(points, (*points[1:], points[0]), strict=True):
        length = math.dist(a, b) or 1.0
        ux, uy = (b[0] - a[0]) / length * reach, (b[1] - a[1]) / length * reach
        # Clockwise on a screen: outside lies to the left of the way from corner to corner.
        near = ((a[0] - ux, a[1] - uy), (b[0] + ux, b[1] + uy))
        far = ((near[1][0] + uy, near[1][1] - ux), (near[0][0] + uy, near[0][1] - ux))
        found.append(Polygon((*near, *far)))
    return tuple(found)


def holds(polygon: Polygon, point: Point) -> bool:
    """Say whether a point lies in a convex clockwise polygon or on its edge."""
    points = polygon.points
    return all(
        (x1 - x0) * (point[1] - y0) - (y1 - y0) * (point[0] - x0) >= 0
        for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True)
    )


def meets_picture(polygon: Polygon, width: int, height: int) -> bool:
    """Say whether a convex polygon and a picture of this size have anything in common."""
    return meet(polygon, Polygon.box(0, 0, width, height))


def meet(one: Polygon, other: Polygon) -> bool:
    """Say whether two convex polygons have anything in common: no side of either parts them."""
    outlines = (one.points, other.points)
    for points in outlines:
        for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
            nx, ny = y1 - y0, x0 - x1
            first, second = ([x * nx + y * ny for x, y in outline] for outline in outlines)
            if max(first) <= min(second) or max(second) <= min(first):
                return False
    return True


def centre_of(polygon: Polygon) -> Point:
    """Return the mean of the corners."""
    return sum(x for x, _ in polygon.points) / 4, sum(y for _, y in polygon.points) / 4


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
