"""One line of text: where it stands, and each of its characters with place and probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cardveil_ocr.engine import Engine, Strip
from cardveil_ocr.models import Floats
from cardveil_ocr.rectify import Quad


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
