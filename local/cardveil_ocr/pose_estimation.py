"""Where a card lies in a picture: the projective mapping on which most labels agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardveil.card.layout import CardLayout
from cardveil_ocr.anchors import NUMBER, Anchor, Points

Matrix = NDArray[np.floating[Any]]

#: Millimetres by which a label may miss an affine guess, and the projective fit's first and last round: makes
#: of a card differ by 3.
_AFFINE_REACH: Final = 8.0
_REACHES: Final = (7.0, 6.0, 5.0)
#: Millimetres by which the ends of a number may stand elsewhere along its row: its pitch is its typeface's.
_NUMBER_REACH: Final = 18.0
#: How much the ends of a label and of a number tell of where they are along it.
_ALONG_LABEL, _ALONG_NUMBER = 0.15, 0.01
#: A tilt of 65 degrees shortens one direction to this share.
_MOST_FLATTENED: Final = 0.4
#: Anchors considered at most; a page of text may hold many words that look like labels.
_MOST_ANCHORS: Final = 44
#: How strongly the fit is held to be affine (in units of the squared error of one label in millimetres): few
#: labels close together fix the vanishing points badly.
STIFFNESS: Final = 0.1
#: The same where labels stand as the layout has them, and so tell more.
USUAL_STIFFNESS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Placing:
    """A card's place: `matrix` takes millimetres to pixels; `error` is the labels' mean miss in mm."""

    layout: CardLayout
    matrix: Matrix
    anchors: tuple[Anchor, ...]
    error: float

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(anchor.label for anchor in self.anchors)

    @property
    def weight(self) -> float:
        """How much evidence there is, about the number of label characters that agree."""
        best: dict[str, float] = {}
        for anchor in self.anchors:
            best[anchor.label] = max(best.get(anchor.label, 0.0), anchor.weight)
        return sum(best.values())

    def corners(self) -> Points:
        """Return the card's corners, ``(4, 2)`` pixels, clockwise from its own top left."""
        return project(self.matrix, np.array(self.layout.outline.corners()))


def project(matrix: Matrix, points: Points) -> Points:
    """Map ``(n, 2)`` points."""
    images = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(images[:, :2] / images[:, 2:])


def place(layout: CardLayout, anchors: Sequence[Anchor]) -> Placing | None:
    """Find the mapping on which most anchors agree; None if no two labels do."""
    usable = sorted(anchors, key=lambda anchor: -anchor.weight)[:_MOST_ANCHORS]
    guesses = []
    for one, other in combinations([anchor for anchor in usable if anchor.label != NUMBER], 2):
        if one.label != other.label and one.line != other.line:
            affine = _affine(one, other)
            if affine is not None:
                guesses.append((_support(affine, usable), affine))
    guesses.sort(key=lambda guess: -guess[0])
    found = [fitted for _, affine in guesses[:6] if (fitted := _fitted(layout, affine, usable)) is not None]
    return max(found, key=lambda placing: placing.weight - placing.error, default=None)


def _affine(one: Anchor, other: Anchor) -> Matrix | None:
    """Return the affine mapping from pixels to millimetres that two labels give, if it is a sound one."""
    image = np.vstack([one.image, other.image])
    card = np.vstack([one.card, other.card])
    centred = image - image.mean(axis=0)
    solution, _, rank, singular = np.linalg.lstsq(centred, card - card.mean(axis=0), rcond=None)
    linear = solution.T
    if rank < 2 or singular[1] < 0.04 * singular[0]:
        return None
    stretch = np.linalg.svd(linear, compute_uv=False)
    if np.linalg.det(linear) <= 0 or stretch[1] < _MOST_FLATTENED * stretch[0]:
        return None
    moved = card.mean(axis=0) - linear @ image.mean(axis=0)
    return np.asarray(np.vstack([np.column_stack([linear, moved]), [0.0, 0.0, 1.0]]))


def misses(apart: Points, anchors: Sequence[Anchor]) -> NDArray[np.float64]:
    """Return by how much each anchor misses its place, from ``(2 n, 2)`` differences of its two ends (mm)."""
    apart = apart.reshape(-1, 2, 2).copy()
    number = np.array([anchor.label == NUMBER for anchor in anchors], bool)
    apart[number, :, 0] = np.maximum(np.abs(apart[number, :, 0]) - _NUMBER_REACH, 0.0)
    return np.asarray(np.linalg.norm(apart, axis=2).max(axis=1), np.float64)


def evidence(anchors: Sequence[Anchor], *, usual: bool = False) -> tuple[Points, Points, Points]:
    """Return what labels say of a mapping, for `fit`: points of the picture and of the card, and weights.

    A label's middle tells its place and its two ends its direction; how wide it is set is its make's, unless
    it is of the make that the layout has (`usual`).
    """
    image, card, weight = [], [], []
    for anchor in anchors:
        wide, along = (_ALONG_NUMBER, 0.0) if anchor.label == NUMBER else (_ALONG_LABEL, 1.0)
        if usual and anchor.label != NUMBER:
            wide, along = 1.0, 0.0
        image += [anchor.image.mean(axis=0), *anchor.image]
        card += [anchor.card.mean(axis=0), *anchor.card]
        weight += [(along, 0.5), (wide, 0.75), (wide, 0.75)]
    return np.array(image), np.array(card), np.array(weight, np.float64)


def _misses(to_card: Matrix, anchors: Sequence[Anchor]) -> NDArray[np.float64]:
    image = np.vstack([anchor.image for anchor in anchors])
    card = np.vstack([anchor.card for anchor in anchors])
    return misses(project(to_card, image) - card, anchors)


def _support(to_card: Matrix, anchors: Sequence[Anchor]) -> float:
    best: dict[str, float] = {}
    for anchor, miss in zip(anchors, _misses(to_card, anchors), strict=True):
        if miss < _AFFINE_REACH:
            gain = anchor.weight * (1 - miss / _AFFINE_REACH)
            best[anchor.label] = max(best.get(anchor.label, 0.0), gain)
    return sum(best.values())


def _fitted(layout: CardLayout, affine: Matrix, anchors: Sequence[Anchor]) -> Placing | None:
    """Refine a guess to a projective mapping, with fewer anchors the stricter the reach becomes."""
    to_card = affine
    agreed: list[Anchor] = []
    for reach in _REACHES:
        agreed = _agreeing(to_card, anchors, reach)
        if len({anchor.label for anchor in agreed}) < 2:
            return None
        image, card, weight = evidence(agreed)
        to_card = fit(image, card, to_card, weight)
    agreed = _agreeing(to_card, anchors, _REACHES[-1])
    if len({anchor.label for anchor in agreed}) < 2 or abs(np.linalg.det(to_card)) < 1e-12:
        return None
    matrix = np.linalg.inv(to_card)
    matrix /= matrix[2, 2]
    error = float(np.mean(_misses(to_card, agreed)))
    placing = Placing(layout, matrix, tuple(agreed), error)
    return placing if _sound(placing) else None


def _agreeing(to_card: Matrix, anchors: Sequence[Anchor], reach: float) -> list[Anchor]:
    """Return the anchors within reach, the nearest one of each label only."""
    nearest: dict[str, tuple[float, Anchor]] = {}
    for anchor, miss in zip(anchors, _misses(to_card, anchors), strict=True):
        if miss < reach and miss < nearest.get(anchor.label, (np.inf, anchor))[0]:
            nearest[anchor.label] = (float(miss), anchor)
    return [anchor for _, anchor in nearest.values()]


def fit(
    image: Points,
    card: Points,
    start: Matrix,
    weight: Points | None = None,
    *,
    stiffness: float = STIFFNESS,
) -> Matrix:
    """Fit a projective mapping from `image` to `card` points, held near an affine one (Gauss-Newton).

    The sum of squared misses in millimetres is made least; `stiffness` keeps the perspective small unless
    the points speak for it. `weight`, ``(n, 2)``, says how much each point's x and y count (1 if not given).
    """
    root = np.sqrt(np.ones((len(image), 2)) if weight is None else weight)
    middle = image.mean(axis=0)
    spread = max(float(np.abs(image - middle).max()), 1e-6)
    unit = np.array([[1 / spread, 0, -middle[0] / spread], [0, 1 / spread, -middle[1] / spread], [0, 0, 1]])
    points = project(unit, image)
    h = start @ np.linalg.inv(unit)
    h = (h / h[2, 2]).reshape(-1)[:8]
    for _ in range(6):
        x, y = points[:, 0], points[:, 1]
        w = h[6] * x + h[7] * y + 1
        if np.any(w < 0.15):
            break
        u, v = (h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w
        zero, one = np.zeros_like(x), np.ones_like(x)
        rows_u = np.column_stack([x, y, one, zero, zero, zero, -u * x, -u * y]) / w[:, None]
        rows_v = np.column_stack([zero, zero, zero, x, y, one, -v * x, -v * y]) / w[:, None]
        # The perspective terms move a label at the edge of the spread by about half a card: hence the factor.
        hold = np.zeros((2, 8))
        hold[0, 6] = hold[1, 7] = np.sqrt(stiffness) * 40
        rows_u, rows_v = rows_u * root[:, :1], rows_v * root[:, 1:]
        jacobian = np.vstack([rows_u, rows_v, hold])
        miss = (card - np.column_stack([u, v])) * root
        rest = np.concatenate([miss[:, 0], miss[:, 1], -hold[:, 6:] @ h[6:]])
        step, *_ = np.linalg.lstsq(jacobian, rest, rcond=None)
        h = h + step
    return np.asarray(np.append(h, 1.0).reshape(3, 3) @ unit)


def _sound(placing: Placing) -> bool:
    """Whether the image of the card is convex, not mirrored and not absurdly flat."""
    outline = np.array(placing.layout.outline.corners())
    depth = np.column_stack([outline, np.ones(4)]) @ placing.matrix[2]
    if np.any(depth <= 0.1 * depth.max()):
        return False
    corners = placing.corners()
    edges = np.roll(corners, -1, axis=0) - corners
    turns = edges[:, 0] * np.roll(edges, -1, axis=0)[:, 1] - edges[:, 1] * np.roll(edges, -1, axis=0)[:, 0]
    lengths = np.linalg.norm(edges, axis=1)
    return bool(np.all(turns > 0) and lengths.min() > 0.2 * lengths.max())
