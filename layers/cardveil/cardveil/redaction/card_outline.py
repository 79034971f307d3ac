"""Where the card ends: at edges that can be seen in the picture, else where the text says, less the doubt."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from cardveil.card.geometry import project
from cardveil.card.model import Point, Polygon
from cardveil.core.frozen import dataclass
from cardveil.redaction.card_pose import Known, Placement
from cardveil.redaction.flat_card import REACH, SCALE, FlatCard, rows_of

#: Parts of a side in which its edge is sought apart, and how many of them must agree.
_PARTS, _AGREEING = 8, 6
#: Millimetres within which they must agree on one straight line.
_STRAIGHT: Final = 0.6
#: Millimetres by which an edge's two ends may differ from the first guess's direction.
_ASKEW: Final = 2.5
#: A line is as strong as the strongest with this share of its contrast.
_AS_STRONG: Final = 0.6
#: Grey levels (of 255) that an edge rises or falls by, within a millimetre, at the least.
_CONTRAST: Final = 8.0
#: Millimetres by which what is shown ends before an edge that was seen, and before one that was not.
_INSIDE_SEEN, _INSIDE_UNSEEN = 1.0, 3.0
#: Millimetres within which an edge is sought that told the card's place.
_PLACED: Final = 1.5
#: How much a point of an edge tells of the card's place, beside a label.
_EDGE_WEIGHT: Final = 2.0
#: Standard deviations of the fit by which the latter is drawn in as well.
_DOUBTS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Outline:
    """A card's outline in pixels of the upright picture.

    Attributes
    ----------
    card : Polygon
        The best guess.
    inner : Polygon
        What lies on this card for certain: drawn in at each side by its doubt.
    seen : tuple of bool
        For the top, right, bottom and left side, whether its edge was seen.
    """

    card: Polygon
    inner: Polygon
    seen: tuple[bool, bool, bool, bool]


def card_outline(
    flat: FlatCard | None, placement: Placement, placed: Sequence[bool] = (False,) * 4
) -> Outline:
    """Find a card's outline, of which its place gives the first guess.

    Without a flattened copy no edge is seen.

    Parameters
    ----------
    placed : sequence of bool
        For each side, whether its clearest edge is where `placement` puts it: then none is sought elsewhere.
    """
    layout = placement.layout
    sides, inner, seen = [], [], []
    for side in range(4):
        reach = _PLACED if placed[side] else REACH
        edge = _edge(flat, side, layout.width, layout.height, reach) if flat is not None else None
        doubt = max(
            placement.doubts(corner)[side % 2 == 0]
            for corner in (layout.outline.corners()[side], layout.outline.corners()[(side + 1) % 4])
        )
        guess = edge if edge is not None else (0.0, 0.0)
        within = _INSIDE_SEEN if edge is not None else _INSIDE_UNSEEN + _DOUBTS * doubt
        sides.append(guess)
        inner.append((guess[0] - within, guess[1] - within))
        seen.append(edge is not None)
    return Outline(
        _polygon(placement, sides), _polygon(placement, inner), (seen[0], seen[1], seen[2], seen[3])
    )


def edge_points(flat: FlatCard, placement: Placement) -> list[list[Known]]:
    """Return points of each side's edge that is seen (see `place`); an empty list for a side that is not.

    What is shown ends at the innermost of several lines; where the card lies, the clearest of them says.

    Parameters
    ----------
    flat : FlatCard
        Flattened by `placement`, which need not be exact.
    """
    w, h = placement.layout.width, placement.layout.height
    found: list[list[Known]] = []
    for side in range(4):
        rises, peaks = _steps(flat, side, w, h)
        lines = list(_straight_lines(rises, peaks))
        points: list[Known] = []
        if lines:
            _, start, end = max(lines, key=lambda line: line[0])
            for part, out in _along(rises, start, end):
                share = (part + 0.5) / _PARTS
                at = (
                    (share * w, -out),
                    (w + out, share * h),
                    ((1 - share) * w, h + out),
                    (-out, (1 - share) * h),
                )[side]
                value = (0.0, w, h, 0.0)[side]
                points.append((project(placement.to_picture, at), (side + 1) % 2, value, _EDGE_WEIGHT))
        found.append(points)
    return found


def _along(rises: Sequence[Sequence[float]], start: float, end: float) -> Iterator[tuple[int, float]]:
    """Yield how far outside (mm) the step is that each part of a side has near a line."""
    reach = SCALE // 2 + 1
    for part, row in enumerate(rises):
        middle = start + (end - start) * (part + 0.5) / _PARTS
        near = range(max(round(middle) - reach, 0), min(round(middle) + reach + 1, len(row)))
        total = sum(row[at] for at in near)
        if total >= _CONTRAST * len(near) / 2:
            out = sum(at * row[at] for at in near) / total
            yield part, (out + SCALE // 2 + 0.5) / SCALE - REACH


def _polygon(placement: Placement, sides: Sequence[tuple[float, float]]) -> Polygon:
    """Return the quadrilateral of four sides, each given by how far its two ends lie outside the layout's."""
    w, h = placement.layout.width, placement.layout.height
    lines = (
        ((0.0, -sides[0][0]), (w, -sides[0][1])),
        ((w + sides[1][0], 0.0), (w + sides[1][1], h)),
        ((w, h + sides[2][0]), (0.0, h + sides[2][1])),
        ((-sides[3][0], h), (-sides[3][1], 0.0)),
    )
    corners = [_crossing(lines[i - 1], lines[i]) for i in range(4)]
    return Polygon.of(project(placement.to_picture, corner) for corner in corners)


def _crossing(one: tuple[Point, Point], other: tuple[Point, Point]) -> Point:
    (x1, y1), (x2, y2) = one
    (x3, y3), (x4, y4) = other
    d = (x1 - x2) * (y3 - y4) - (y1 - y2) * (x3 - x4)
    a, b = x1 * y2 - y1 * x2, x3 * y4 - y3 * x4
    return (a * (x3 - x4) - (x1 - x2) * b) / d, (a * (y3 - y4) - (y1 - y2) * b) / d


# Edges
# --------------------------------------------------------------------------------------------


def _edge(flat: FlatCard, side: int, width: float, height: float, reach: float) -> tuple[float, float] | None:
    """Return how far the two ends of a side's edge lie outside the layout's edge (mm), if it is seen.

    Of several lines about as strong within reach the innermost counts: what lies beyond the card may have
    edges of its own.
    """
    step, middle = SCALE // 2, REACH * SCALE
    found = [
        line
        for line in _straight_lines(*_steps(flat, side, width, height))
        if max(abs(end + step - middle) for end in line[1:]) <= reach * SCALE
    ]
    if not found:
        return None
    strongest = max(strength for strength, _, _ in found)
    good = [line for line in found if line[0] >= _AS_STRONG * strongest]
    _, start, end = min(good, key=lambda line: line[1] + line[2])
    return (start + step) / SCALE - REACH, (end + step) / SCALE - REACH


def _steps(
    flat: FlatCard, side: int, width: float, height: float
) -> tuple[list[list[float]], list[list[int]]]:
    """Return by how much the grey rises or falls across a side, part by part, and where that is most.

    The edge is a rise or fall that most parts of the side have on one straight line.
    """
    along = (width if side % 2 == 0 else height) * SCALE
    margin, depth = round(REACH * SCALE), round(2 * REACH * SCALE)
    rows, inside = rows_of(flat.grey), rows_of(flat.inside)
    profiles = [
        _profile(
            rows, inside, side, margin + along * (part + 0.1) / _PARTS, margin + along * (part + 0.9) / _PARTS
        )
        for part in range(_PARTS)
    ]
    step = SCALE // 2
    rises = [
        [
            abs(after - before) if after is not None and before is not None else 0.0
            for before, after in zip(p[: depth - 2 * step], p[2 * step : depth], strict=True)
        ]
        for p in profiles
    ]
    peaks = [
        [
            at
            for at in range(1, len(row) - 1)
            if row[at] >= _CONTRAST and row[at] >= row[at - 1] and row[at] > row[at + 1]
        ]
        for row in rises
    ]
    return rises, peaks


def _straight_lines(
    rises: Sequence[Sequence[float]], peaks: Sequence[Sequence[int]]
) -> Iterator[tuple[float, float, float]]:
    """Yield strength, start and end of the lines on which most parts of a side have a peak."""
    for i, j in itertools.product(range(2), range(_PARTS - 2, _PARTS)):
        for a, b in itertools.product(peaks[i], peaks[j]):
            slope = (b - a) / (j - i)
            if abs(slope) * _PARTS > _ASKEW * SCALE:
                continue
            strengths = [
                max(
                    (
                        rises[part][at]
                        for at in peaks[part]
                        if abs(at - a - slope * (part - i)) <= _STRAIGHT * SCALE
                    ),
                    default=0.0,
                )
                for part in range(_PARTS)
            ]
            if sum(strength > 0 for strength in strengths) >= _AGREEING:
                start = a - slope * (i + 0.5)
                yield sum(strengths), start, start + slope * _PARTS


def _profile(
    rows: Sequence[bytes], inside: Sequence[bytes], side: int, start: float, end: float
) -> list[float | None]:
    """Return the mean grey of a strip across a side, from `REACH` within it to `REACH` beyond."""
    depth = round(2 * REACH * SCALE)
    steps = [round(start + (end - start) * (i + 0.5) / 8) for i in range(8)]
    greys = zip(*(_across(rows, side, step, depth) for step in steps), strict=True)
    seen = zip(*(_across(inside, side, step, depth) for step in steps), strict=True)
    return [sum(values) / 8 if all(known) else None for values, known in zip(greys, seen, strict=True)]


def _across(rows: Sequence[bytes], side: int, step: int, depth: int) -> bytes:
    """Return the line of pixels across a side: clockwise along the sides, outwards across them."""
    if side == 0:
        return bytes(row[step] for row in rows[depth - 1 :: -1])
    if side == 1:
        return rows[step][-depth:]
    if side == 2:
        return bytes(row[-1 - step] for row in rows[-depth:])
    return rows[-1 - step][depth - 1 :: -1]
