"""The mapping from a picture to a card by weighted least squares, one coordinate a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from cardveil.core.frozen import dataclass

#: Millimetres by which printing and boxes of text differ from the layout at the least; fewer are luck.
LEAST_ERROR: Final = 0.5
#: What is assumed of perspective before anything is seen, in units of the normalised picture: tilts of up to
#: 25° give 0.02, of 38 to 52° 0.08. Without it, errors of a millimetre would be read as perspective, and the
#: far side of the card be sought in the wrong place. A card that shows more than this is believed.
_USUAL_TILT: Final = 0.05
_USUAL_ERROR: Final = 0.7
_ROUNDS: Final = 6


@dataclass(frozen=True, slots=True)
class Constraint:
    """A picture point (normalised) whose x (axis 0) or y (1) on the card is known, in mm from its centre.

    `weight` says how much it counts beside the others.
    """

    u: float
    v: float
    axis: int
    value: float
    weight: float = 1.0

    def row(self) -> list[float]:
        at = 3 * self.axis
        row = [0.0] * 8
        row[at : at + 3] = [self.u, self.v, 1.0]
        row[6:] = [-self.value * self.u, -self.value * self.v]
        return row


def solve(
    constraints: Sequence[Constraint],
    printed: int,
) -> tuple[list[float], float, tuple[tuple[float, ...], ...]] | None:
    """Solve for the eight free numbers of the mapping: ``(numbers, error in mm, covariance)``.

    Parameters
    ----------
    printed : int
        How many of the constraints, the first ones, are of print: their misses alone are the error. What
        else is known is known better, and weighs more.
    """
    rows = [c.row() for c in constraints]
    weights = [c.weight for c in constraints]
    solution: list[float] = []
    error = 0.0
    normal: list[list[float]] = []
    flatness = (_USUAL_ERROR / _USUAL_TILT) ** 2
    for _ in range(_ROUNDS):
        normal = [[0.0] * 9 for _ in range(8)]
        for row, constraint, weight in zip(rows, constraints, weights, strict=True):
            full = [*row, constraint.value]
            first = 3 * constraint.axis
            used = (first, first + 1, first + 2, 6, 7)  # a row's other numbers are 0
            for i in used:
                line, factor = normal[i], weight * full[i]
                for j in (*used, 8):
                    line[j] += factor * full[j]
        normal[6][6] += flatness
        normal[7][7] += flatness
        inverted = _inverted([line[:8] for line in normal])
        if inverted is None:
            return None
        solution = [sum(a * line[8] for a, line in zip(inv, normal, strict=True)) for inv in inverted]
        residuals = [
            sum(a * b for a, b in zip(row, solution, strict=True)) - c.value
            for row, c in zip(rows, constraints, strict=True)
        ]
        # Cauchy weights: a box that is off by several millimetres ends up counting little.
        spread = max(LEAST_ERROR, _median([abs(r) for r in residuals]) * 1.5)
        weights = [
            c.weight / (1 + (r / (2 * spread)) ** 2) for r, c in zip(residuals, constraints, strict=True)
        ]
        flatness = (_USUAL_ERROR / max(_USUAL_TILT, math.hypot(*solution[6:]))) ** 2
        total = sum(weights[:printed])
        missed = zip(weights[:printed], residuals[:printed], strict=True)
        error = math.sqrt(sum(weight * r * r for weight, r in missed) / total)
    inverted = _inverted([line[:8] for line in normal])
    if inverted is None:
        return None
    variance = max(error, LEAST_ERROR) ** 2
    return solution, error, tuple(tuple(variance * value for value in line) for line in inverted)


def _inverted(matrix: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """Invert a symmetric positive matrix by Gauss and Jordan, or return None if it is singular."""
    size = len(matrix)
    work = [[*row, *(float(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda r: abs(work[r][column]))
        if abs(work[pivot][column]) < 1e-9:
            return None
        work[column], work[pivot] = work[pivot], work[column]
        divisor = work[column][column]
        work[column] = [value / divisor for value in work[column]]
        for row in range(size):
            if row != column and (factor := work[row][column]):
                work[row] = [a - factor * b for a, b in zip(work[row], work[column], strict=True)]
    return [row[size:] for row in work]


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
