"""From polygons to whole cells: what is masked is covered with its surroundings, so is what is not shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise
from typing import Final

from cardveil.card.geometry import signed_area
from cardveil.card.model import Point
from cardveil.core.frozen import dataclass

#: Side of a cell in pixels: the largest MCU that cameras write (4:2:0). Any picture may be the re-saved child
#: of such a JPEG, and every pixel of an MCU tells something of the others.
CELL: Final = 16
#: Pixels added on every side of what is masked before snapping: half a pixel of rounding and one of chroma
#: interpolation.
SLACK: Final = 1.0
#: Pixels by which the cover reaches beyond what is masked: the grid of an earlier JPEG may lie anywhere (the
#: picture was cropped since), and its MCUs then reach so far. With less, digits were recovered from it.
MARGIN: Final = 16.0
#: Pixels of a kept text's box that need not be ink.
_BOX_AIR: Final = 1.0

Outline = Sequence[Point]
Outlines = Sequence[Outline]
Runs = tuple[tuple[int, int], ...]
_Spans = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a stored picture. All in pixels."""

    width: int
    height: int
    cell_width: int = CELL
    cell_height: int = CELL

    @property
    def columns(self) -> int:
        """Cells in a row, the last of which may reach beyond the picture."""
        return -(-self.width // self.cell_width)

    @property
    def rows(self) -> int:
        """Rows of cells."""
        return -(-self.height // self.cell_height)


@dataclass(frozen=True, slots=True)
class Cover:
    """The covered cells.

    Attributes
    ----------
    rows : tuple of runs
        For each row of cells the runs ``(first, past the last)`` of columns, in order.
    missed : int
        Outlines that touched no cell: they lie outside the picture.
    """

    grid: Grid
    rows: tuple[Runs, ...]
    missed: int = 0

    @property
    def cells(self) -> int:
        """How many cells are covered."""
        return sum(last - first for runs in self.rows for first, last in runs)

    def part(self, box: tuple[int, int, int, int]) -> Cover:
        """Return the cover of a part of the picture, ``(left, top, right, bottom)`` pixels.

        The part begins where cells begin.
        """
        left, top, right, bottom = box
        grid = Grid(right - left, bottom - top, self.grid.cell_width, self.grid.cell_height)
        column, row = left // grid.cell_width, top // grid.cell_height
        rows = tuple(
            tuple(
                (max(first - column, 0), min(last - column, grid.columns))
                for first, last in runs
                if first - column < grid.columns and last > column
            )
            for runs in self.rows[row : row + grid.rows]
        )
        return Cover(grid, rows, self.missed)

    def boxes(self, grow: int = 0) -> Iterator[tuple[int, int, int, int]]:
        """Yield ``(left, top, right, bottom)`` pixels of every run, grown by `grow`, inside the picture."""
        grid = self.grid
        for index, runs in enumerate(self.rows):
            for first, last in runs:
                yield (
                    max(first * grid.cell_width - grow, 0),
                    max(index * grid.cell_height - grow, 0),
                    min(last * grid.cell_width + grow, grid.width),
                    min((index + 1) * grid.cell_height + grow, grid.height),
                )


def grid_for(width: int, height: int, mcu: tuple[int, int] = (8, 8)) -> Grid:
    """Return the cells of a picture: at least `CELL` pixels wide and high, and whole MCUs of a JPEG."""
    return Grid(width, height, math.lcm(CELL, mcu[0]), math.lcm(CELL, mcu[1]))


def cover(grid: Grid, masked: Outlines, *, shown: Outlines | None = None, kept: Outlines = ()) -> Cover:
    """Decide which cells are covered.

    Parameters
    ----------
    grid : Grid
        The cells.
    masked : sequence of outlines
        Stored pixels of what must not be seen; each stands for its convex hull. Every cell that one touches
        is covered, and every cell within `MARGIN` pixels of it, but for what `kept` says.
    shown : sequence of outlines, optional
        The only places that may be seen: a cell stays visible only if it lies wholly within their union. One
        that is not convex shows nothing. None: the whole picture may be seen.
    kept : sequence of outlines
        Places of texts that are to stay readable: the margin yields where one lies, what is masked never
        does. One that is not convex keeps nothing.

    Returns
    -------
    Cover
        `missed` counts masked outlines outside the picture.
    """
    masks = [hull(outline) for outline in masked]
    ink = snap(grid, masks)
    margin = snap(grid, masks, MARGIN + SLACK)
    spared = snap(grid, [outline for outline in kept if is_convex(outline)], -_BOX_AIR)
    rows = [
        _merged([*core, *_without(wide, free)])
        for core, wide, free in zip(ink.rows, margin.rows, spared.rows, strict=True)
    ]
    if shown is not None:
        windows = [
            (min(y for _, y in outline), max(y for _, y in outline), outline)
            for outline in shown
            if is_convex(outline)
        ]
        rows = [
            _merged([*runs, *_without(((0, grid.columns),), _visible(grid, row, windows))])
            for row, runs in enumerate(rows)
        ]
    return Cover(grid, tuple(rows), ink.missed)


def hull(points: Outline) -> tuple[Point, ...]:
    """Return the convex hull, which holds whatever a self-crossing or dented outline may have meant."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return tuple(ordered)

    def chain(sequence: Iterable[Point]) -> list[Point]:
        kept: list[Point] = []
        for point in sequence:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return tuple(chain(ordered) + chain(reversed(ordered)))


def snap(grid: Grid, outlines: Iterable[Outline], slack: float = SLACK) -> Cover:
    """Cover every cell that an outline touches.

    Parameters
    ----------
    grid : Grid
        The cells.
    outlines : iterable of point sequences
        In stored pixels; each stands for its convex hull, which is exact for the convex quadrilaterals that
        cards have and covers more, never less, otherwise.
    slack : float
        Pixels by which each outline is grown first; less than 0 asks for cells that are entered so far.

    Returns
    -------
    Cover
        Cells outside the picture do not exist, so an outline outside it covers none.
    """
    touched: list[list[tuple[int, int]]] = [[] for _ in range(grid.rows)]
    missed = 0
    for outline in outlines:
        points, found = hull(outline), False
        top = min(y for _, y in points) - slack
        bottom = max(y for _, y in points) + slack
        first_row = max(math.floor(top / grid.cell_height), 0)
        last_row = min(math.floor(bottom / grid.cell_height), grid.rows - 1)
        for row in range(first_row, last_row + 1):
            # The last cells reach beyond the picture; what lies only there does not touch it.
            bottom_edge = min((row + 1) * grid.cell_height, grid.height)
            span = _span(points, row * grid.cell_height - slack, bottom_edge + slack)
            if span is None or span[0] - slack > grid.width:
                continue
            first = max(math.floor((span[0] - slack) / grid.cell_width), 0)
            last = min(math.floor((span[1] + slack) / grid.cell_width), grid.columns - 1)
            if first <= last:
                touched[row].append((first, last + 1))
                found = True
        missed += not found
    return Cover(grid, tuple(_merged(runs) for runs in touched), missed)


def width_at(outline: Outline, y: float) -> tuple[float, float] | None:
    """Return from where to where a horizontal line at `y` runs through a convex outline, or None."""
    return _span(outline, y, y)


def union(spans: Iterable[tuple[float, float]]) -> _Spans:
    """Return sorted spans that neither overlap nor touch and cover the same."""
    merged: _Spans = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _visible(grid: Grid, row: int, windows: Sequence[tuple[float, float, Outline]]) -> list[tuple[int, int]]:
    """Return the runs of cells in a row that lie wholly within the union of convex windows.

    Windows come with their top and their bottom. The row is cut into strips at every height at which sides of
    two windows cross: within a strip their sides keep their order, and bend outwards only.
    """
    top, bottom = row * grid.cell_height, min((row + 1) * grid.cell_height, grid.height)
    near = [window for first, last, window in windows if first <= bottom and last >= top]
    if not near:
        return []
    heights = {float(top), float(bottom)}
    for one, other in combinations(near, 2):
        heights.update(y for y in _crossings(one, other) if top < y < bottom)
    runs: list[tuple[int, int]] = [(0, grid.columns)]
    for upper, lower in pairwise(sorted(heights)):
        inside = []
        for left, right in _strip(near, upper, lower):
            first = max(math.ceil(left / grid.cell_width), 0)
            last = grid.columns if right >= grid.width else math.floor(right / grid.cell_width)
            inside.append((first, last))
        runs = [(max(a, c), min(b, d)) for a, b in runs for c, d in inside if max(a, c) < min(b, d)]
    return runs


def _strip(windows: Outlines, upper: float, lower: float) -> Iterator[tuple[float, float]]:
    """Yield from where to where whole columns of a strip lie within chains of windows that meet."""
    middle = (upper + lower) / 2
    spans = [(span, window) for window in windows if (span := width_at(window, middle))]
    for left, right in union(span for span, _ in spans):
        chain = [window for (start, end), window in spans if left <= start and end <= right]
        ends = [[span for w in chain if (span := width_at(w, y))] for y in (upper, lower)]
        if all(ends):
            yield max(min(each)[0] for each in ends), min(max(b for _, b in each) for each in ends)


def _crossings(one: Outline, other: Outline) -> Iterator[float]:
    """Yield the heights at which the sides of two outlines may cross."""
    if min(x for x, _ in one) > max(x for x, _ in other) or min(x for x, _ in other) > max(x for x, _ in one):
        return
    for (ax, ay), (bx, by) in _sides(one):
        for (cx, cy), (dx, dy) in _sides(other):
            across = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
            if across:
                yield ay + (by - ay) * ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / across


def _sides(outline: Outline) -> Iterator[tuple[Point, Point]]:
    return zip(outline, (*outline[1:], outline[0]), strict=True)


def is_convex(points: Outline) -> bool:
    """Say whether an outline is its own convex hull, but for points on its sides."""
    area = abs(signed_area(points))
    return area > 0 and abs(abs(signed_area(hull(points))) - area) <= 1e-9 * area


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _span(points: Outline, top: float, bottom: float) -> tuple[float, float] | None:
    """Return the reach in x of a convex polygon within a horizontal band; a convex set has no gap there."""
    left, right = math.inf, -math.inf
    x0, y0 = points[-1]
    for x1, y1 in points:
        if (y0 >= top or y1 >= top) and (y0 <= bottom or y1 <= bottom):
            start, end = x0, x1
            # What lies beyond the band is cut off; a side along it is within it.
            if not top <= y0 <= bottom:
                start = x0 + (x1 - x0) * ((top if y0 < top else bottom) - y0) / (y1 - y0)
            if not top <= y1 <= bottom:
                end = x0 + (x1 - x0) * ((top if y1 < top else bottom) - y0) / (y1 - y0)
            if start > end:
                start, end = end, start
            left, right = start if start < left else left, end if end > right else right
        x0, y0 = x1, y1
    return (left, right) if left <= right else None


def _merged(runs: Iterable[tuple[int, int]]) -> Runs:
    return tuple((int(first), int(last)) for first, last in union(runs))


def _without(runs: Iterable[tuple[int, int]], gone: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the runs without the cells of other runs."""
    left = list(runs)
    for start, end in gone:
        left = [
            part
            for first, last in left
            for part in ((first, min(last, start)), (max(first, end), last))
            if part[0] < part[1]
        ]
    return left
