"""Snapping: every cell that a polygon touches is covered, and hardly one that it does not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardveil.core.errors import Review
from cardveil.redaction.grid import Cover, Grid, cover, hull, snap
from cardveil.redaction.verify import check_hidden

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
    found = snap(GRID, [corners], slack=0.0)
    outline = hull(corners)
    for row, runs in enumerate(found.rows):
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
    found = snap(GRID, [[(0, 0), (203, 0), (203, 117), (0, 117)], [(5, 5), (20, 5), (20, 9), (5, 9)]])
    assert found.cells == GRID.columns * GRID.rows == 13 * 15
    assert next(iter(found.boxes(1))) == (0, 0, 203, 9)
    assert list(found.boxes())[-1] == (0, 112, 203, 117)


@pytest.mark.parametrize("point", [(0.0, 0.0), (202.9, 116.9), (16.0, 8.0)])
def test_a_single_point_covers_its_cell_and_what_lies_within_the_slack(point: tuple[float, float]) -> None:
    found = snap(GRID, [[point] * 4])
    assert _covers(found.rows, GRID, *point)
    assert found.cells == (4 if point == (16.0, 8.0) else 1)


# The margin, what yields to it, and what is shown
# -----------------------------------------------------------------------------------------------------

WHOLE = [(0, 0), (203, 0), (203, 117), (0, 117)]
CELLS = Grid(203, 117)


def _box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _visible(found: Cover) -> set[tuple[int, int]]:
    return {
        (column, row)
        for row, runs in enumerate(found.rows)
        for column in range(found.grid.columns)
        if not any(first <= column < last for first, last in runs)
    }


def test_the_cover_reaches_sixteen_pixels_beyond_what_is_masked() -> None:
    found = cover(CELLS, [_box(70, 50, 90, 60)])
    left, top, right, bottom = 203.0, 117.0, 0.0, 0.0
    for a, b, c, d in found.boxes():
        left, top, right, bottom = min(left, a), min(top, b), max(right, c), max(bottom, d)
    assert (left, top, right, bottom) == (48, 32, 112, 80)


def test_the_margin_yields_to_kept_ink_and_what_is_masked_does_not() -> None:
    masked, kept = _box(64, 48, 96, 64), _box(60, 64, 130, 78)
    found = _visible(cover(CELLS, [masked], kept=[kept]))
    # The cells right below hold masked ink as well (a pixel of rounding), those further out only kept ink.
    assert (6, 4) not in found
    assert (7, 4) in found
    assert (7, 4) not in _visible(cover(CELLS, [masked]))
    # A box that only grazes a cell has no ink in it.
    assert (7, 4) not in _visible(cover(CELLS, [masked], kept=[_box(60, 64, 112.9, 78)]))
    # What crosses itself keeps nothing.
    crossing = [(60, 64), (130, 78), (130, 64), (60, 78)]
    assert (7, 4) not in _visible(cover(CELLS, [masked], kept=[crossing]))


def test_only_cells_wholly_within_what_is_shown_stay_visible() -> None:
    shown = _box(20, 20, 100, 70)
    assert _visible(cover(CELLS, [], shown=[shown])) == {(c, r) for c in range(2, 6) for r in range(2, 4)}
    assert _visible(cover(CELLS, [], shown=[])) == set()
    assert len(_visible(cover(CELLS, [], shown=[WHOLE]))) == CELLS.columns * CELLS.rows
    # Two windows that meet show what lies across them, and hardly parted ones do not.
    halves = [_box(16, 16, 40, 64), _box(40, 16, 80, 64)]
    assert (2, 1) in _visible(cover(CELLS, [], shown=halves))
    assert (2, 1) not in _visible(cover(CELLS, [], shown=[halves[0], _box(40.01, 16, 80, 64)]))
    # Masked places and their margin are covered within what is shown; kept ink outside of it as well.
    assert (3, 3) not in _visible(cover(CELLS, [_box(70, 40, 80, 50)], shown=[WHOLE]))
    assert (0, 0) not in _visible(cover(CELLS, [], shown=[shown], kept=[_box(0, 0, 40, 16)]))
    crossing = [(20, 20), (100, 70), (100, 20), (20, 70)]
    assert _visible(cover(CELLS, [], shown=[crossing])) == set()


def test_a_gap_within_a_row_of_cells_is_seen() -> None:
    """Windows around it on all sides meet at the top and at the bottom of the cell."""
    sides = [_box(0, 0, 100, 117), _box(108, 0, 203, 117)]
    tips = [[(80, 0), (128, 0), (104, 54)], [(80, 117), (104, 56), (128, 117)]]
    found = _visible(cover(CELLS, [], shown=[*sides, *tips]))
    assert (5, 3) in found
    assert (6, 3) not in found
    assert (6, 1) in found
    assert (6, 3) in _visible(cover(CELLS, [], shown=[*sides, _box(80, 0, 128, 55), _box(80, 55, 128, 117)]))
    # Between two corners' heights, and between two sides that cross and a third.
    parted = [_box(80, 0, 128, 50), _box(80, 60, 128, 117)]
    assert (6, 3) not in _visible(cover(CELLS, [], shown=[*sides, *parted]))
    crossed = [[(0, 0), (109.8, 0), (98.1, 117), (0, 117)], [(98.2, 0), (203, 0), (203, 117), (109.9, 117)]]
    assert (6, 3) not in _visible(cover(CELLS, [], shown=[*crossed, _box(80, 60, 128, 117)]))
    assert (6, 3) in _visible(cover(CELLS, [], shown=[*crossed, _box(80, 58, 128, 117)]))


def test_windows_that_part_after_their_sides_crossed_are_seen() -> None:
    """At the crossing both meet, half-way one of them reaches far enough again."""
    one = [(137.4, 63.1), (178.9, 78.1), (183.7, 45.2), (165.1, 1.5)]
    other = [(170.9, 105.2), (82.3, 174.1), (-6.4, 105.2), (127.5, 45.9)]
    assert (8, 4) not in _visible(cover(CELLS, [], shown=[one, other]))


@st.composite
def _windows(draw: st.DrawFn) -> list[tuple[float, float]]:
    cx, cy, rx, ry = (draw(st.floats(*each)) for each in ((0, 203), (0, 117), (10, 120), (10, 90)))
    turn = draw(st.floats(0, 7))
    angles = [turn + quarter * math.pi / 2 + draw(st.floats(0, 1.2)) for quarter in range(4)]
    corners = [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]
    return corners[::-1] if draw(st.booleans()) else corners


@settings(deadline=None)
@given(windows=st.lists(_windows(), min_size=1, max_size=4), x=st.floats(0, 202.999), y=st.floats(0, 116.999))
def test_no_visible_point_lies_outside_what_is_shown(
    windows: list[list[tuple[float, float]]], x: float, y: float
) -> None:
    found = cover(CELLS, [], shown=windows)
    check_hidden(found, windows)
    shown = any(hull([*w, (x, y)]) == hull(w) or _inside(hull(w), x, y) for w in windows)
    if not shown:
        assert _covers(found.rows, CELLS, x, y)
    # And what lies wholly within one window is not covered.
    column, row = math.floor(x / 16), math.floor(y / 16)
    corners = _box(column * 16, row * 16, min(column * 16 + 16, 203), min(row * 16 + 16, 117))
    if any(all(_inside(hull(w), *corner, by=1e-6) for corner in corners) for w in windows):
        assert not _covers(found.rows, CELLS, x, y)


def _inside(outline: tuple[tuple[float, float], ...], x: float, y: float, by: float = -1e-6) -> bool:
    sides = zip(outline, (*outline[1:], outline[0]), strict=True)
    return all(
        ((bx - ax) * (y - ay) - (by_ - ay) * (x - ax)) / math.hypot(bx - ax, by_ - ay) >= by
        for (ax, ay), (bx, by_) in sides
    )


def test_the_proof_sees_a_cell_that_reaches_beyond_what_is_shown() -> None:
    window = [(20, 20), (100, 24), (100, 70), (20, 70)]
    honest = cover(CELLS, [], shown=[window])
    check_hidden(honest, [window])
    for row, first in ((2, 1), (1, 3), (4, 3)):
        rows = list(honest.rows)
        rows[row] = tuple(
            part
            for a, b in rows[row]
            for part in ((a, min(b, first)), (max(a, first + 1), b))
            if part[0] < part[1]
        )
        with pytest.raises(Review, match="proof_failed"):
            check_hidden(Cover(CELLS, tuple(rows)), [window])
