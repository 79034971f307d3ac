"""From polygons to whole cells: every cell that a polygon touches is covered, none is missed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from cardveil.card.model import Point
from cardveil.core.frozen import dataclass

#: Pixels added on every side before snapping: half a pixel of rounding and one of chroma interpolation.
SLACK: Final = 1.0

Runs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a stored picture: MCUs of a JPEG, squares of eight pixels elsewhere. All in pixels."""

    width: int
    height: int
    cell_width: int
    cell_height: int

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

    def boxes(self, grow: int = 0) -> Iterable[tuple[int, int, int, int]]:
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


def hull(points: Sequence[Point]) -> tuple[Point, ...]:
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


def snap(grid: Grid, outlines: Iterable[Sequence[Point]], slack: float = SLACK) -> Cover:
    """Cover every cell that an outline touches.

    Parameters
    ----------
    grid : Grid
        The cells.
    outlines : iterable of point sequences
        In stored pixels; each stands for its convex hull, which is exact for the convex quadrilaterals that
        cards have and covers more, never less, otherwise.
    slack : float
        Pixels by which each outline is grown first.

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


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _span(points: Sequence[Point], top: float, bottom: float) -> tuple[float, float] | None:
    """Return the reach in x of a convex polygon within a horizontal band; a convex set has no gap there."""
    xs: list[float] = []
    previous = points[-1]
    for point in points:
        (x0, y0), (x1, y1) = previous, point
        previous = point
        if max(y0, y1) < top or min(y0, y1) > bottom:
            continue
        if y0 == y1:
            xs += (x0, x1)
            continue
        for y in (min(max(y0, top), bottom), min(max(y1, top), bottom)):
            xs.append(x0 + (x1 - x0) * (y - y0) / (y1 - y0))
    return (min(xs), max(xs)) if xs else None


def _merged(runs: list[tuple[int, int]]) -> Runs:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)
