"""Plane projective geometry in plain Python, so that the functions need no numerical library."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cardveil.card.model import Point

#: A 3×3 homogeneous matrix, row by row.
Matrix = tuple[float, float, float, float, float, float, float, float, float]

#: A pivot smaller than this (after normalisation to unit scale) means that the points do not fix a mapping.
_SINGULAR = 1e-10


def homography(source: Sequence[Point], target: Sequence[Point]) -> Matrix:
    """Find the projective mapping that takes `source` to `target`, by normalised least squares.

    Parameters
    ----------
    source, target : sequence of (x, y)
        At least four pairs in the same order.

    Returns
    -------
    Matrix
        Row-major 3×3 matrix with ``project(matrix, source[i]) ≈ target[i]``.

    Raises
    ------
    ValueError
        If there are fewer than four pairs, or they are degenerate (three on a line, repeated points).
    """
    if len(source) != len(target) or len(source) < 4:
        raise ValueError("a homography needs at least four pairs of points")
    from_unit, source_n = _normalise(source)
    to_unit, target_n = _normalise(target)
    normal = [[0.0] * 8 for _ in range(8)]
    right = [0.0] * 8
    for (x, y), (u, v) in zip(source_n, target_n, strict=True):
        for row, value in (
            ((x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y), u),
            ((0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y), v),
        ):
            for i in range(8):
                right[i] += row[i] * value
                for j in range(8):
                    normal[i][j] += row[i] * row[j]
    h = _solve(normal, right)
    unit: Matrix = (h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], 1.0)
    result = multiply(inverse(to_unit), multiply(unit, from_unit))
    if abs(result[8]) < _SINGULAR * max(abs(value) for value in result):
        raise ValueError("the points do not fix a homography")
    return _scaled(result, 1.0 / result[8])


def project(matrix: Matrix, point: Point) -> Point:
    """Map one point; raises ValueError if it goes to infinity."""
    x, y = point
    w = matrix[6] * x + matrix[7] * y + matrix[8]
    if abs(w) < 1e-15:
        raise ValueError("the point has no image")
    return (
        (matrix[0] * x + matrix[1] * y + matrix[2]) / w,
        (matrix[3] * x + matrix[4] * y + matrix[5]) / w,
    )


def multiply(a: Matrix, b: Matrix) -> Matrix:
    """Return the matrix product ``a · b`` (first `b`, then `a`)."""
    p = [sum(a[3 * i + k] * b[3 * k + j] for k in range(3)) for i in range(3) for j in range(3)]
    return (p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8])


def inverse(matrix: Matrix) -> Matrix:
    """Return the inverse; raises ValueError if the matrix is singular."""
    a, b, c, d, e, f, g, h, i = matrix
    cofactors: Matrix = (
        e * i - f * h,
        c * h - b * i,
        b * f - c * e,
        f * g - d * i,
        a * i - c * g,
        c * d - a * f,
        d * h - e * g,
        b * g - a * h,
        a * e - b * d,
    )
    determinant = a * cofactors[0] + b * cofactors[3] + c * cofactors[6]
    scale = max(abs(value) for value in matrix) or 1.0
    if abs(determinant) < 1e-15 * scale**3:
        raise ValueError("the matrix is singular")
    return _scaled(cofactors, 1.0 / determinant)


def signed_area(points: Sequence[Point]) -> float:
    """Return the shoelace area; positive when the points run clockwise on a screen (y downwards)."""
    total = 0.0
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        total += x0 * y1 - x1 * y0
    return total / 2


def is_convex(points: Sequence[Point]) -> bool:
    """Say whether the closed polygon is strictly convex (so not crossing, no three points on a line)."""
    count = len(points)
    signs = set()
    turn = 0.0
    for i in range(count):
        (ax, ay), (bx, by), (cx, cy) = points[i], points[(i + 1) % count], points[(i + 2) % count]
        cross = (bx - ax) * (cy - by) - (by - ay) * (cx - bx)
        dot = (bx - ax) * (cx - bx) + (by - ay) * (cy - by)
        if cross == 0:
            return False
        signs.add(cross > 0)
        turn += math.atan2(cross, dot)
    # A pentagram turns the same way at every corner, but twice round.
    return len(signs) == 1 and abs(abs(turn) - 2 * math.pi) < 1e-6


def _normalise(points: Sequence[Point]) -> tuple[Matrix, list[Point]]:
    """Move the centroid to the origin and the mean distance to √2 (Hartley), for a well-posed system."""
    count = len(points)
    cx = sum(x for x, _ in points) / count
    cy = sum(y for _, y in points) / count
    spread = sum(math.hypot(x - cx, y - cy) for x, y in points) / count
    if not math.isfinite(spread) or spread <= 0:
        raise ValueError("the points do not fix a homography")
    s = math.sqrt(2) / spread
    matrix: Matrix = (s, 0.0, -s * cx, 0.0, s, -s * cy, 0.0, 0.0, 1.0)
    return matrix, [(s * (x - cx), s * (y - cy)) for x, y in points]


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve a square system by elimination with partial pivoting."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda r: abs(rows[r][column]))
        if abs(rows[pivot][column]) < _SINGULAR:
            raise ValueError("the points do not fix a homography")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for r in range(column + 1, size):
            factor = rows[r][column] / rows[column][column]
            for c in range(column, size + 1):
                rows[r][c] -= factor * rows[column][c]
    solution = [0.0] * size
    for r in range(size - 1, -1, -1):
        rest = sum(rows[r][c] * solution[c] for c in range(r + 1, size))
        solution[r] = (rows[r][size] - rest) / rows[r][r]
    return solution


def _scaled(matrix: Matrix, factor: float) -> Matrix:
    a, b, c, d, e, f, g, h, i = matrix
    return (
        a * factor,
        b * factor,
        c * factor,
        d * factor,
        e * factor,
        f * factor,
        g * factor,
        h * factor,
        i * factor,
    )
