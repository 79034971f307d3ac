"""Puts detected boxes right: single characters joined into lines, overlapping rows parted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardveil_ocr.rectify import Quad

#: In units of the thinner box's thickness: a box up to this long is taken for one or two characters;
#: neighbours lie this near along the line, this near across it; and one is this much thicker at most.
_SHORT, _ALONG, _ACROSS, _THICKER = 2.2, 2.5, 0.4, 1.5
#: Boxes of one row that overlap, or come as near as this, are one line.
_TOUCHING: Final = 0.1
#: A joined line has no more than this many thicknesses of length.
_LONGEST: Final = 26.0


def joined(quads: Sequence[Quad], *, touching: bool = False) -> list[Quad]:
    """Return the quadrilaterals with chains of short ones replaced by one that holds them all.

    Parameters
    ----------
    quads
        ``(4, 2)`` each, aligned: the first edge runs along the text.
    touching
        Whether boxes of any length that touch in one row are joined too.
    """
    shapes = [_Shape.of(quad) for quad in quads]
    chains: list[list[int]] = []
    for i, shape in enumerate(shapes):
        near = [chain for chain in chains if any(_belong(shape, shapes[k], touching) for k in chain)]
        chains = [chain for chain in chains if not any(chain is other for other in near)]
        chains.append([i, *(k for chain in near for k in chain)])
    return [line for chain in chains for line in _hull([quads[i] for i in chain])]


def parted(quads: Sequence[Quad]) -> list[Quad]:
    """Return level boxes cut where one row reaches into the next, so that no line shows parts of another."""
    tops = [float(quad[:2, 1].mean()) for quad in quads]
    bottoms = [float(quad[2:, 1].mean()) for quad in quads]
    lefts, rights = [float(quad[:, 0].min()) for quad in quads], [float(quad[:, 0].max()) for quad in quads]
    up, down = list(tops), list(bottoms)
    for i in range(len(quads)):
        for j in range(len(quads)):
            shared = min(rights[i], rights[j]) - max(lefts[i], lefts[j])
            over = bottoms[i] - tops[j]
            thin = min(bottoms[i] - tops[i], bottoms[j] - tops[j])
            if (
                tops[i] < tops[j]
                and bottoms[i] < bottoms[j]
                and shared > 0.3 * thin
                and 0 < over < 0.6 * thin
            ):
                down[i] = min(down[i], bottoms[i] - over / 2)
                up[j] = max(up[j], tops[j] + over / 2)
    cut = []
    for quad, top, bottom, new_top, new_bottom in zip(quads, tops, bottoms, up, down, strict=True):
        moved = np.array(quad, np.float32)
        moved[:2, 1] += new_top - top
        moved[2:, 1] += new_bottom - bottom
        cut.append(moved)
    return cut


def split_rows(quads: Sequence[Quad]) -> list[Quad]:
    """Return level boxes with those that hold several rows split, by the height of the lowest box."""
    if not quads:
        return []
    row = min(_size(quad)[1] for quad in quads)
    split = []
    for quad in quads:
        count = max(1, round(0.8 * _size(quad)[1] / row)) if _size(quad)[1] > 1.6 * row else 1
        for i in range(count):
            top, bottom = i / count, (i + 1) / count
            left, right = quad[3] - quad[0], quad[2] - quad[1]
            rows = [
                quad[0] + left * top,
                quad[1] + right * top,
                quad[1] + right * bottom,
                quad[0] + left * bottom,
            ]
            split.append(np.array(rows, np.float32))
    return split


def _size(quad: Quad) -> tuple[float, float]:
    # Python's own floats: called for every pair of boxes, and NumPy is slow on two numbers.
    (ax, ay), (bx, by), _, (dx, dy) = quad.tolist()
    return math.hypot(bx - ax, by - ay), math.hypot(dx - ax, dy - ay)


def _direction(quad: Quad) -> Quad:
    edge = quad[1] - quad[0]
    return np.asarray(edge / max(float(np.linalg.norm(edge)), 1e-6))


@dataclass(frozen=True, slots=True)
class _Shape:
    """A quadrilateral as `_belong` needs it; Python's own floats, since NumPy is slow on two numbers."""

    length: float
    height: float
    x: float
    y: float
    along: tuple[float, float]

    @staticmethod
    def of(quad: Quad) -> _Shape:
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad.tolist()
        length = math.hypot(bx - ax, by - ay)
        along = ((bx - ax) / max(length, 1e-6), (by - ay) / max(length, 1e-6))
        height = math.hypot(dx - ax, dy - ay)
        return _Shape(length, height, (ax + bx + cx + dx) / 4, (ay + by + cy + dy) / 4, along)


def _belong(one: _Shape, other: _Shape, touching: bool) -> bool:
    thick, thin = max(one.height, other.height), min(one.height, other.height)
    x, y = other.x - one.x, other.y - one.y
    if thick > _THICKER * thin or math.hypot(x, y) > (one.length + other.length) / 2 + _ALONG * thick:
        # The latter is farther apart than any rule below allows.
        return False
    (ax, ay), (bx, by) = one.along, other.along
    sign = math.copysign(1.0, ax * bx + ay * by)
    ax, ay = ax + sign * bx, ay + sign * by
    both = math.hypot(ax, ay)
    if both < 1.9:
        return False
    ax, ay = ax / both, ay / both
    if abs(x * ay - y * ax) >= _ACROSS * thin:
        return False
    distance = abs(x * ax + y * ay)
    both_short = one.length <= _SHORT * one.height and other.length <= _SHORT * other.height
    if both_short and distance < _ALONG * thin:
        return True
    return touching and distance - (one.length + other.length) / 2 < _TOUCHING * thin


def _hull(chain: list[Quad]) -> list[Quad]:
    """Return the rectangle about a chain, along the line through its outermost members."""
    if len(chain) == 1:
        return chain
    middles = np.array([quad.mean(axis=0) for quad in chain])
    rough = _direction(chain[0])
    order = np.argsort(middles @ rough)
    along = middles[order[-1]] - middles[order[0]]
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    across = np.array([-along[1], along[0]])
    points = np.vstack(chain)
    x, y = points @ along, points @ across
    corners = [(x.min(), y.min()), (x.max(), y.min()), (x.max(), y.max()), (x.min(), y.max())]
    if x.max() - x.min() > _LONGEST * (y.max() - y.min()):
        return chain
    return [np.array([a * along + b * across for a, b in corners], np.float32)]
