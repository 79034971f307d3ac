"""Where lines of text and their characters stand against other places, in plain arithmetic."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

from cardveil.card.model import Point, Polygon
from cardveil.recognition.interfaces import TextLine


def centre(polygon: Polygon) -> Point:
    """Return the mean of the corners."""
    return sum(x for x, _ in polygon.points) / 4, sum(y for _, y in polygon.points) / 4


def contains(polygon: Polygon, point: Point, margin: float = 0.0) -> bool:
    """Say whether a point lies in a convex polygon, or within `margin` pixels of one of its sides."""
    x, y = point
    signs = []
    for (ax, ay), (bx, by) in _sides(polygon):
        length = math.hypot(bx - ax, by - ay)
        if length:
            signs.append(((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / length)
    return bool(signs) and (min(signs) >= -margin or max(signs) <= margin)


def height(polygon: Polygon) -> float:
    """Return the size across the reading direction, in pixels."""
    a, b, c, d = polygon.points
    return (math.dist(a, d) + math.dist(b, c)) / 2


def length(polygon: Polygon) -> float:
    """Return the size along the reading direction, in pixels."""
    a, b, c, d = polygon.points
    return (math.dist(a, b) + math.dist(d, c)) / 2


def direction(polygon: Polygon) -> float:
    """Return the reading direction in radians, 0 for a line that runs to the right."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = polygon.points
    return math.atan2(by - ay + cy - dy, bx - ax + cx - dx)


def character_centres(line: TextLine) -> list[Point]:
    """Return the middle of each character; where they are not located, spread along the line by width."""
    if line.characters:
        return [centre(place) for place in line.characters]
    shares = _shares(line.text)
    return [_along(line.polygon, (start + end) / 2) for start, end in shares]


def part_of(line: TextLine, first: int, last: int) -> TextLine:
    """Return the part of a line from character `first` to before `last`."""
    a, b, c, d = line.polygon.points
    if line.characters:
        start, end = line.characters[first].points, line.characters[last - 1].points
        begins, ends = (start[0], start[3]), (end[1], end[2])
    else:
        shares = _shares(line.text)
        begins, ends = (
            (_between(a, b, share), _between(d, c, share))
            for share in (shares[first][0], shares[last - 1][1])
        )
    begins = begins if first else (a, d)
    ends = ends if last < len(line.text) else (b, c)
    polygon = Polygon((begins[0], ends[0], ends[1], begins[1]))
    return TextLine(line.text[first:last], line.score, polygon, line.characters[first:last])


def distance(polygon: Polygon, point: Point) -> float:
    """Return how far a point lies from the nearest side of a polygon, in pixels."""
    return min(_from_side(point, a, b) for a, b in _sides(polygon))


def _from_side(point: Point, a: Point, b: Point) -> float:
    long = (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2
    along = ((point[0] - a[0]) * (b[0] - a[0]) + (point[1] - a[1]) * (b[1] - a[1])) / long if long else 0.0
    return math.dist(point, _between(a, b, min(max(along, 0.0), 1.0)))


def _shares(text: str) -> list[tuple[float, float]]:
    widths = [2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text]
    total, start, shares = sum(widths), 0, []
    for width in widths:
        shares.append((start / total, (start + width) / total))
        start += width
    return shares


def _along(polygon: Polygon, share: float) -> Point:
    a, b, c, d = polygon.points
    return _between(_middle(a, d), _middle(b, c), share)


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _middle(one: Point, other: Point) -> Point:
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


def _sides(polygon: Polygon) -> Sequence[tuple[Point, Point]]:
    points = polygon.points
    return [(points[i], points[(i + 1) % 4]) for i in range(4)]
