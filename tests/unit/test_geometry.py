"""Plane projective geometry."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cardveil.card.geometry import Matrix, homography, inverse, is_convex, multiply, project, signed_area

SQUARE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]


@settings(deadline=None)
@given(st.lists(st.floats(-0.3, 0.3), min_size=8, max_size=8), st.floats(1, 5000), st.floats(-3000, 3000))
def test_a_homography_takes_the_points_where_they_belong(
    shifts: list[float], scale: float, offset: float
) -> None:
    target = [
        ((x + dx) * scale + offset, (y + dy) * scale - offset)
        for (x, y), dx, dy in zip(SQUARE, shifts[::2], shifts[1::2], strict=True)
    ]
    assume(is_convex(target))
    matrix = homography(SQUARE, target)
    for point, expected in zip(SQUARE, target, strict=True):
        assert math.dist(project(matrix, point), expected) < 1e-6 * scale


def test_more_points_than_needed_are_averaged() -> None:
    source = [(float(x), float(y)) for x in range(4) for y in range(3)]
    target = [(2 * x + 1 + 0.01 * (-1) ** i, 3 * y) for i, (x, y) in enumerate(source)]
    matrix = homography(source, target)
    assert math.dist(project(matrix, (1.5, 1.0)), (4.0, 3.0)) < 0.02


@pytest.mark.parametrize(
    "points",
    [SQUARE[:3], [(0.0, 0.0)] * 4, [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]],
    ids=["three", "one place", "a line"],
)
def test_degenerate_points_are_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="homography"):
        homography(points, points)


def test_inverse_undoes() -> None:
    matrix: Matrix = (2.0, 0.1, 5.0, -0.2, 1.5, 7.0, 0.001, 0.002, 1.0)
    product = multiply(matrix, inverse(matrix))
    assert [round(value / product[8], 9) for value in product] == [1, 0, 0, 0, 1, 0, 0, 0, 1]


def test_a_singular_matrix_has_no_inverse() -> None:
    with pytest.raises(ValueError, match="singular"):
        inverse((1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 0.0, 0.0, 1.0))


def test_clockwise_on_a_screen_is_positive() -> None:
    assert signed_area(SQUARE) == 1.0
    assert signed_area(SQUARE[::-1]) == -1.0


def test_convexity() -> None:
    assert is_convex(SQUARE)
    assert not is_convex([SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]])  # crosses itself
    assert not is_convex([(0.0, 0.0), (4.0, 0.0), (1.0, 1.0), (0.0, 4.0)])  # a dent
    star = [(math.cos(a), math.sin(a)) for a in (i * 4 * math.pi / 5 for i in range(5))]
    assert not is_convex(star)  # turns one way only, but twice round
