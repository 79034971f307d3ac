"""One line of text: where it stands, and each of its characters with place and probability."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from cardveil.card.model import Polygon
from cardveil_ocr.engine import Engine, Strip
from cardveil_ocr.models import Floats
from cardveil_ocr.rectify import Quad
from cardveil_ocr.results import TextLine

#: Half a character's width at most, as a share of its line's thickness (the detector's boxes are padded).
_HALF: Final = 0.6


@dataclass(frozen=True, slots=True)
class Glyph:
    """A character read at `step` of the line's strip, with probability `p`; `x`, `y` are its centre."""

    text: str
    p: float
    step: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was read.

    Attributes
    ----------
    quad
        Begins at the text's own top left, in the frame of the glyphs.
    whole
        Whether it was read to its end.
    """

    quad: Quad
    glyphs: tuple[Glyph, ...]
    strip: Strip
    whole: bool = True

    @property
    def text(self) -> str:
        return "".join(glyph.text for glyph in self.glyphs)

    @property
    def p(self) -> float:
        """Mean probability of the characters; 0 if there are none."""
        return float(np.mean([glyph.p for glyph in self.glyphs])) if self.glyphs else 0.0


def line_of(engine: Engine, quad: Quad, strip: Strip, *, shown: float = 1.0) -> Line:
    """Decode a strip greedily (CTC: repeats fall together, "no character" parts them).

    Parameters
    ----------
    shown
        Share of the quadrilateral's length that the strip covers; less than 1 for a line cut short.
    """
    start, end = (quad[0] + quad[3]) / 2, (quad[1] + quad[2]) / 2
    glyphs: list[Glyph] = []
    previous = 0
    for step, number in enumerate(strip.best.tolist()):
        p = float(strip.best_p[step])
        if number and number == previous and glyphs:
            last = glyphs[-1]
            if p > last.p:
                glyphs[-1] = Glyph(last.text, p, step, last.x, last.y)
        elif number:
            glyphs.append(Glyph(engine.character(number), p, step, 0.0, 0.0))
        previous = number
    placed = []
    for glyph in glyphs:
        if glyph.text.strip():
            share = min(1.0, (glyph.step + 0.5) / strip.steps) * shown
            centre = start + (end - start) * share
            placed.append(Glyph(glyph.text, glyph.p, glyph.step, float(centre[0]), float(centre[1])))
    return Line(quad, tuple(placed), strip, shown >= 1.0)


def characters(line: Line) -> list[Quad]:
    """Return the place of each character: half-way to its neighbours, and no wider than the line is thick.

    A decoder tells where a character's middle is, to about a third of its width.
    """
    along = line.quad[1] - line.quad[0]
    length = max(float(np.linalg.norm(along)), 1e-6)
    reach = _HALF * float(np.linalg.norm(line.quad[3] - line.quad[0]))
    start = (line.quad[0] + line.quad[3]) / 2
    middles = [float((np.array([glyph.x, glyph.y]) - start) @ along) / length for glyph in line.glyphs]
    between = [(before + after) / 2 for before, after in pairwise(middles)]
    lefts = [max(left, middle - reach) for left, middle in zip([-np.inf, *between], middles, strict=False)]
    rights = [min(right, middle + reach) for right, middle in zip([*between, np.inf], middles, strict=False)]
    top, bottom = line.quad[1] - line.quad[0], line.quad[2] - line.quad[3]
    return [
        np.array(
            [
                line.quad[0] + top * (left / length),
                line.quad[0] + top * (right / length),
                line.quad[3] + bottom * (right / length),
                line.quad[3] + bottom * (left / length),
            ]
        )
        for left, right in zip(lefts, rights, strict=True)
    ]


def text_line(line: Line, matrix: Floats | None = None) -> TextLine:
    """Return a line as it is given back, its places mapped by a ``(3, 3)`` projective matrix."""
    quads = np.array([line.quad, *characters(line)], np.float64).reshape(-1, 2)
    if matrix is not None:
        images = np.column_stack([quads, np.ones(len(quads))]) @ np.asarray(matrix, np.float64).T
        quads = images[:, :2] / images[:, 2:]
    places = [Polygon.of(quad.tolist()) for quad in quads.reshape(-1, 4, 2)]
    return TextLine(line.text, round(100 * line.p, 1), places[0], tuple(places[1:]))


def moved(line: Line, matrix: Floats) -> Line:
    """Return the line with places mapped by a ``(3, 3)`` projective matrix."""
    points = np.array([*line.quad, *((glyph.x, glyph.y) for glyph in line.glyphs)], np.float64)
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ np.asarray(matrix, np.float64).T
    images = homogeneous[:, :2] / homogeneous[:, 2:]
    glyphs = tuple(
        Glyph(glyph.text, glyph.p, glyph.step, float(x), float(y))
        for glyph, (x, y) in zip(line.glyphs, images[4:], strict=True)
    )
    return Line(images[:4], glyphs, line.strip, line.whole)
