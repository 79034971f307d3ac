"""Tells the text of several cards apart: each card's close look sees a little of its neighbours as well."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from cardveil_ocr.anchors import Points
from cardveil_ocr.pose_estimation import Placing
from cardveil_ocr.results import TextLine

#: A card's place, and what the close look at it saw on the card and around it.
Look = tuple[Placing, Sequence[TextLine]]


def seen_on(looks: Sequence[Look]) -> list[TextLine]:
    """Join what close looks have seen, each line once.

    What a look saw of a neighbour, at its own edge, may be part of a line. It is left out where the
    neighbour's own look saw something there; where that saw nothing it stays, so that no text is lost.
    """
    return [
        line
        for number, (placing, lines) in enumerate(looks)
        for line in lines
        if _holds(placing.corners(), line)
        or not _seen_by_another(line, [*looks[:number], *looks[number + 1 :]])
    ]


def _seen_by_another(line: TextLine, others: Sequence[Look]) -> bool:
    return any(
        _holds(placing.corners(), line) and any(_holds(np.array(own.polygon.points), line) for own in lines)
        for placing, lines in others
    )


def _holds(outline: Points, line: TextLine) -> bool:
    """Say whether the middle of a line lies within an outline."""
    x, y = np.mean(np.array(line.polygon.points), axis=0)
    return cv2.pointPolygonTest(outline.astype(np.float32), (float(x), float(y)), False) >= 0
