"""Where a card lies in a picture, from nothing but the places of its fields; the portrait's place follows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from cardveil.card.fitting import fitted
from cardveil.card.geometry import Matrix, inverse, multiply, project, signed_area
from cardveil.card.layout import Box, CardLayout, find_layout
from cardveil.card.model import Card, CardType, Point, Polygon, Side
from cardveil.core.frozen import dataclass
from cardveil.redaction.least_squares import Constraint, solve

#: Millimetres: a larger spread of the fields around the layout means another card or boxes in a wrong order.
_LARGEST_ERROR: Final = 2.0
#: Millimetres: where a place is known no better than this (one standard deviation), it is not known.
_LARGEST_DOUBT: Final = 3.0
_FEWEST_FIELDS: Final = 3
#: How much the end of a label tells of its place, beside where it begins: makes set them wider or narrower.
_ENDS: Final = 0.25
#: The same of a number's two ends: its pitch is its typeface's.
_NUMBER_ENDS: Final = 0.3

#: A point of the picture, the axis on the card along which it is known, millimetres, and how much it tells.
Known = tuple[Point, int, float, float]


@dataclass(frozen=True, slots=True)
class Placement:
    """A card's place: mappings between its millimetres and the upright picture's pixels, and their error.

    Attributes
    ----------
    layout : CardLayout
        This card's own (see `cardveil.card.fitting`).
    to_picture, to_card : Matrix
        From millimetres to pixels and back.
    error : float
        Root mean square distance in millimetres between the fields and the layout.
    misfit : float
        The largest distance of a printed label from its place, in millimetres; 0 where none was seen.
    """

    layout: CardLayout
    to_picture: Matrix
    to_card: Matrix
    error: float
    misfit: float
    _normal: tuple[float, float, float]
    _covariance: tuple[tuple[float, ...], ...]

    def polygon(self, box: Box) -> Polygon:
        """Return where a box of the card lies in the picture."""
        return Polygon.of(project(self.to_picture, corner) for corner in box.corners())

    def doubts(self, corner: Point) -> tuple[float, float]:
        """Return the standard deviations (mm), along x and y, with which a point of the card is known."""
        x, y = corner
        px, py = project(self.to_picture, corner)
        x0, y0, scale = self._normal
        # A residual is in millimetres where the mapping's denominator is 1, at the fields' centre.
        weight = abs(self.to_card[6] * px + self.to_card[7] * py + self.to_card[8])
        found = []
        for axis, value in ((0, x - self.layout.width / 2), (1, y - self.layout.height / 2)):
            row = Constraint((px - x0) / scale, (py - y0) / scale, axis, value).row()
            spread = sum(
                a * sum(c * b for c, b in zip(line, row, strict=True))
                for a, line in zip(row, self._covariance, strict=True)
            )
            found.append(math.sqrt(max(spread, 0.0)) / weight)
        return found[0], found[1]

    def doubt(self, box: Box) -> float:
        """Return the standard deviation in millimetres with which the worst corner of `box` is known."""
        return max(max(self.doubts(corner)) for corner in box.corners())

    def widened(self, box: Box, margin: float, doubts: float) -> Polygon:
        """Return where a box lies, each corner moved outwards by `margin` mm and `doubts` times its doubt."""
        moved = []
        for x, y in box.corners():
            along, across = self.doubts((x, y))
            right, down = (x > box.centre[0]) * 2 - 1, (y > box.centre[1]) * 2 - 1
            moved.append((x + right * (margin + doubts * along), y + down * (margin + doubts * across)))
        return Polygon.of(project(self.to_picture, corner) for corner in moved)

    def trusted(self, box: Box) -> bool:
        """Say whether `box` is known well enough to rely on it."""
        return self.doubt(box) <= _LARGEST_DOUBT

    def scale_at(self, point: Point) -> float:
        """Return pixels per millimetre around a point of the picture, where they are most."""
        x, y = project(self.to_card, point)
        here = project(self.to_picture, (x, y))
        return max(math.dist(here, project(self.to_picture, near)) for near in ((x + 1, y), (x, y + 1)))


def place(
    card: Card, labels: Sequence[tuple[str, Polygon]] = (), edges: Sequence[Known] = ()
) -> Placement | None:
    """Find where a card lies from its fields' polygons, and from the printed labels that were seen.

    Each line of text tells its height on the card at both ends, and most tell where they begin; these are
    linear conditions on the mapping, solved by least squares, with fields that do not fit losing their
    weight.

    Parameters
    ----------
    edges : sequence of Known
        Points of the picture that were seen to lie on the card's edges.

    Returns
    -------
    Placement or None
        None if there are too few fields, or they do not fit the layout.
    """
    layout = find_layout(card.type, card.side)
    if layout is None:
        return None
    labels = [(name, polygon) for name, polygon in labels if name in layout.labels]
    anchored = [(f.name, f.polygon) for f in card.fields if f.polygon is not None and f.name in layout.fields]
    if len({name for name, _ in (*anchored, *labels)}) < _FEWEST_FIELDS:
        return None
    points = [point for _, polygon in (*anchored, *labels) for point in polygon.points]
    x0, y0 = (sum(p[axis] for p in points) / len(points) for axis in (0, 1))
    scale = math.sqrt(sum((x - x0) ** 2 + (y - y0) ** 2 for x, y in points) / len(points))
    if not 1.0 < scale < 1e6:
        return None
    known = [each for name, polygon in anchored for each in _anchors(layout, name, polygon)]
    known += [each for name, polygon in labels for each in _label_anchors(layout.labels[name], name, polygon)]
    told = len(known)
    constraints = [
        Constraint(
            (x - x0) / scale,
            (y - y0) / scale,
            axis,
            value - (layout.height if axis else layout.width) / 2,
            weight,
        )
        for (x, y), axis, value, weight in (*known, *edges)
    ]
    solved = solve(constraints, told)
    if solved is None:
        return None
    g, error, covariance = solved
    w, h = layout.width / 2, layout.height / 2
    from_unit: Matrix = (
        g[0] + w * g[6], g[1] + w * g[7], g[2] + w,
        g[3] + h * g[6], g[4] + h * g[7], g[5] + h,
        g[6], g[7], 1.0,
    )  # fmt: skip
    to_card = multiply(from_unit, (1 / scale, 0.0, -x0 / scale, 0.0, 1 / scale, -y0 / scale, 0.0, 0.0, 1.0))
    try:
        misfit = _misfit(to_card, layout, labels)
        own = fitted(layout, {name: _label_box(to_card, layout.labels[name], p) for name, p in labels})
        found = Placement(own, inverse(to_card), to_card, error, misfit, (x0, y0, scale), covariance)
        if error > _LARGEST_ERROR or not _is_seen_from_the_front(found):
            return None
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return found


def _anchors(layout: CardLayout, name: str, polygon: Polygon) -> Iterator[Known]:
    """Yield what is known of a value's outline."""
    zone = layout.fields[name]
    top_left, top_right, bottom_right, bottom_left = polygon.points
    licence = layout.type is CardType.DRIVER_LICENSE
    if licence and name == "authority":
        return  # a seal: what is found of it may be any part
    if name == "address":
        # One to three lines: only the first one's upper edge and the left edge are known.
        top = zone.y + (0.7 if licence else 1.0)
        yield top_left, 1, top, 1.0
        yield top_right, 1, top, 1.0
    else:
        yield _middle(top_left, bottom_left), 1, zone.centre[1], 1.0
        yield _middle(top_right, bottom_right), 1, zone.centre[1], 1.0
    left, right = _sides(layout, name, zone)
    weight = _NUMBER_ENDS if name == "id_number" else 1.0
    for value, corners in ((left, (top_left, bottom_left)), (right, (top_right, bottom_right))):
        if value is not None:
            for corner in corners:
                yield corner, 0, value, weight


def _label_anchors(box: Box, label: str, polygon: Polygon) -> Iterator[Known]:
    """Yield the same for a label, whose width differs with the make of the card as its place does."""
    top_left, top_right, bottom_right, bottom_left = polygon.points
    left, right = _middle(top_left, bottom_left), _middle(top_right, bottom_right)
    yield left, 1, box.centre[1], 1.0
    yield right, 1, box.centre[1], 1.0
    yield left, 0, box.x, 1.0
    if not label.isascii():
        yield right, 0, box.right, _ENDS


def _label_box(to_card: Matrix, box: Box, polygon: Polygon) -> Box:
    """Return where a label stands on this card, in millimetres."""
    top_left, top_right, bottom_right, bottom_left = polygon.points
    x, y = project(to_card, _middle(top_left, bottom_left))
    right, end = project(to_card, _middle(top_right, bottom_right))
    return Box(x, (y + end - box.height) / 2, max(right - x, box.height), box.height)


def _misfit(to_card: Matrix, layout: CardLayout, labels: Sequence[tuple[str, Polygon]]) -> float:
    """Return how far the worst label's left end lies from its place, in millimetres.

    Small print stands beside or below the label that it translates: where that was seen, it tells no more.
    """
    translated = {layout.label_fields.get(name) for name, _ in labels if not name.isascii()} - {None}
    worst = 0.0
    for name, polygon in labels:
        if name.isascii() and layout.label_fields.get(name) in translated:
            continue
        box = layout.labels[name]
        seen = project(to_card, _middle(polygon.points[0], polygon.points[3]))
        worst = max(worst, math.dist(seen, (box.x, box.centre[1])))
    return worst


def _sides(layout: CardLayout, name: str, zone: Box) -> tuple[float | None, float | None]:
    """Return where a value begins and ends (mm), as far as that does not depend on what it says."""
    if (layout.type, layout.side) == (CardType.ID_CARD, Side.FRONT):
        if name == "id_number":  # eighteen digits at a fixed pitch
            return zone.x + 1.6, zone.right - 3.5
        if name == "birth_date":  # set around the printed signs of year, month and day
            return None, layout.labels["日"].right
    return zone.x + 0.7, None


def _is_seen_from_the_front(found: Placement) -> bool:
    """Say whether the card's corners run clockwise in the picture and none lies behind the camera."""
    m = found.to_picture
    corners = found.layout.outline.corners()
    depths = [m[6] * x + m[7] * y + m[8] for x, y in corners]
    if not (all(d > 0 for d in depths) or all(d < 0 for d in depths)):
        return False
    seen = found.polygon(found.layout.outline).points
    return signed_area(seen) > 0


def _middle(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
