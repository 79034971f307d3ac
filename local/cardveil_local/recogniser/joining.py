"""Puts detected boxes right: single characters joined into lines, overlapping rows parted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from cardveil_local.recogniser.pictures import Quad

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
    chains: list[list[Quad]] = []
    for quad in quads:
        near = [chain for chain in chains if any(_belong(quad, other, touching) for other in chain)]
        chains = [chain for chain in chains if not any(chain is other for other in near)]
        chains.append([quad, *(other for chain in near for other in chain)])
    return [line for chain in chains for line in _hull(chain)]


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


def _belong(one: Quad, other: Quad, touching: bool) -> bool:
    (length, height), (other_length, other_height) = _size(one), _size(other)
    thick, thin = max(height, other_height), min(height, other_height)
    apart = other.mean(axis=0) - one.mean(axis=0)
    if math.hypot(*apart.tolist()) > (length + other_length) / 2 + _ALONG * thick:
        # Farther apart than any rule below allows.
        return False
    along = _direction(one) + np.sign(_direction(one) @ _direction(other)) * _direction(other)
    if thick > _THICKER * thin or np.linalg.norm(along) < 1.9:
        return False
    along = along / np.linalg.norm(along)
    across = abs(float(apart[0] * along[1] - apart[1] * along[0]))
    if across >= _ACROSS * thin:
        return False
    distance = abs(float(apart @ along))
    both_short = length <= _SHORT * height and other_length <= _SHORT * other_height
    if both_short and distance < _ALONG * thin:
        return True
    return touching and distance - (length + other_length) / 2 < _TOUCHING * thin


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
