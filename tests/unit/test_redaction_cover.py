"""Snapping: every cell that a polygon touches is covered, and hardly one that it does not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardveil.redaction.grid import Grid, hull, snap

GRID = Grid(203, 117, 16, 8)
_points = st.tuples(st.floats(-60, 260, width=32), st.floats(-60, 180, width=32))


def _covers(cover_rows: object, grid: Grid, x: float, y: float) -> bool:
    column, row = math.floor(x / grid.cell_width), math.floor(y / grid.cell_height)
    return any(first <= column < last for first, last in cover_rows[row])  # type: ignore[index]


@settings(deadline=None)
@given(
    corners=st.lists(_points, min_size=4, max_size=4),
    shares=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_no_point_of_any_polygon_is_left_out(corners: list[tuple[float, float]], shares: list[float]) -> None:
    """Crossing, folded and flat polygons too: whatever lies between the corners is covered."""
    total = sum(shares) or 1.0
    weights = [s / total for s in shares] if sum(shares) else [1.0, 0, 0, 0]
    x = sum(w * p[0] for w, p in zip(weights, corners, strict=True))
    y = sum(w * p[1] for w, p in zip(weights, corners, strict=True))
    if 0 <= x < GRID.width and 0 <= y < GRID.height:
        assert _covers(snap(GRID, [corners]).rows, GRID, x, y)


@settings(deadline=None)
@given(corners=st.lists(_points, min_size=4, max_size=4))
def test_no_covered_cell_is_far_from_the_polygon(corners: list[tuple[float, float]]) -> None:
    cover = snap(GRID, [corners], slack=0.0)
    outline = hull(corners)
    for row, runs in enumerate(cover.rows):
        for first, last in runs:
            for column in range(first, last):
                assert _distance(outline, GRID, column, row) <= 1e-6


def _distance(outline: tuple[tuple[float, float], ...], grid: Grid, column: int, row: int) -> float:
    """Return by how far a separating axis parts a cell from a convex outline (0 if none does)."""
    left, top = column * grid.cell_width, row * grid.cell_height
    box = [(left + dx * grid.cell_width, top + dy * grid.cell_height) for dx in (0, 1) for dy in (0, 1)]
    axes = [(1.0, 0.0), (0.0, 1.0)]
    for (x0, y0), (x1, y1) in zip(outline, (*outline[1:], outline[0]), strict=True):
        length = math.hypot(x1 - x0, y1 - y0)
        if length > 1e-9:
            axes.append(((y1 - y0) / length, (x0 - x1) / length))
    gap = 0.0
    for ax, ay in axes:
        ours = [ax * x + ay * y for x, y in outline]
        cells = [ax * x + ay * y for x, y in box]
        gap = max(gap, min(ours) - max(cells), min(cells) - max(ours))
    return gap


def test_an_outline_outside_the_picture_is_counted_as_missed() -> None:
    inside, outside = [(5, 5), (20, 5), (20, 9), (5, 9)], [(400, 5), (420, 5), (420, 9), (400, 9)]
    assert snap(GRID, [inside, outside]).missed == 1
    # Its bounds touch the picture's corner, its area does not.
    assert snap(GRID, [[(-50, 30), (30, -50), (28, -52), (-52, 28)]]).missed == 1


def test_boxes_stay_inside_the_picture_and_runs_are_merged() -> None:
    cover = snap(GRID, [[(0, 0), (203, 0), (203, 117), (0, 117)], [(5, 5), (20, 5), (20, 9), (5, 9)]])
    assert cover.cells == GRID.columns * GRID.rows == 13 * 15
    assert next(iter(cover.boxes(1))) == (0, 0, 203, 9)
    assert list(cover.boxes())[-1] == (0, 112, 203, 117)


@pytest.mark.parametrize("point", [(0.0, 0.0), (202.9, 116.9), (16.0, 8.0)])
def test_a_single_point_covers_its_cell_and_what_lies_within_the_slack(point: tuple[float, float]) -> None:
    cover = snap(GRID, [[point] * 4])
    assert _covers(cover.rows, GRID, *point)
    assert cover.cells == (4 if point == (16.0, 8.0) else 1)
