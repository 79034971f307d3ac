"""Sorts the characters of a straightened card into its fields, by place and by label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardveil.card.layout import Box, CardLayout
from cardveil_ocr.anchors import Anchor
from cardveil_ocr.lines import Line

#: The fields that are an identification number.
NUMBERS: Final = ("id_number", "licence_number")
#: Digits and what they are misread as, so many of them in a row at the least, are a number's part; it begins
#: with no "o" or point: those end the small print before it.
_DIGITS: Final = re.compile(r"[0-9IlSBZ|][0-9XxOoIlSBZ|.,\s]*")
_RUN: Final = 6
#: Millimetres between parts of one value at the most.
_APART: Final = 10.0
#: Millimetres that a character may stand outside its zone.
_SLACK: Final = 1.3


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a line that belongs to one field.

    Attributes
    ----------
    first, last
        Indices of its glyphs in the line.
    box
        Its place on the card, in millimetres.
    """

    line: Line
    first: int
    last: int
    box: Box

    @property
    def text(self) -> str:
        return "".join(glyph.text for glyph in self.line.glyphs[self.first : self.last + 1])

    @property
    def steps(self) -> tuple[int, int]:
        """The steps of the strip that are this segment's, up to the neighbouring glyphs."""
        glyphs = self.line.glyphs
        start = glyphs[self.first - 1].step + 2 if self.first else 0
        end = glyphs[self.last + 1].step - 2 if self.last + 1 < len(glyphs) else len(self.line.strip.best) - 1
        return min(start, glyphs[self.first].step), max(end, glyphs[self.last].step)


def sort_into_fields(
    layout: CardLayout, lines: Sequence[Line], labels: Sequence[Anchor]
) -> dict[str, list[Segment]]:
    """Sort characters into zones; those of labels that stand at their place are left out."""
    taken: dict[int, set[int]] = {}
    for anchor in labels:
        if anchor.label in layout.labels:
            taken.setdefault(anchor.line, set()).update(anchor.glyphs)
    found: dict[str, list[Segment]] = {name: [] for name in layout.fields}
    for index, line in enumerate(lines):
        names = [
            None if i in taken.get(index, ()) else _zone(layout, glyph.x, glyph.y)
            for i, glyph in enumerate(line.glyphs)
        ]
        start = 0
        for i in range(1, len(names) + 1):
            if i == len(names) or names[i] != names[start]:
                name = names[start]
                if name is not None:
                    # A number's box holds its digits and nothing else.
                    ends = digits_of(line, start, i - 1) if name in NUMBERS else (start, i - 1)
                    found[name].append(segment_of(line, *ends))
                start = i
    return {name: _together(segments) for name, segments in found.items()}


def _together(segments: Sequence[Segment]) -> list[Segment]:
    """Leave out what stands far from the rest: print beside the card, on what lies under it."""
    rows = in_rows(segments)
    if not rows:
        return []
    # The value's own row is the one that begins first; every row of it begins near there.
    start = min(row[0].box.x for row in rows)
    kept = []
    for row in rows:
        end = start
        for segment in row:
            if segment.box.x - end > _APART:
                break
            kept.append(segment)
            end = segment.box.right
    return kept


def in_rows(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Put segments into rows from the top, each from the left."""
    rows: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda s: s.box.centre[1]):
        row = rows[-1] if rows else None
        if row and segment.box.centre[1] - row[-1].box.centre[1] < 0.45 * min(
            segment.box.height, row[-1].box.height
        ):
            row.append(segment)
        else:
            rows.append([segment])
    return [sorted(row, key=lambda s: s.box.x) for row in rows]


def digits_of(line: Line, first: int, last: int) -> tuple[int, int]:
    """Return the first and last glyph of a number's digits among some, without what stands around them."""
    text = "".join(glyph.text[:1] for glyph in line.glyphs[first : last + 1])
    runs = sorted(_DIGITS.finditer(text), key=lambda run: run.end() - run.start())
    if runs and runs[-1].end() - runs[-1].start() >= _RUN:
        return first + runs[-1].start(), first + runs[-1].end() - 1
    digits = [i for i in range(first, last + 1) if line.glyphs[i].text.isalnum()]
    return (digits[0], digits[-1]) if digits else (first, last)


def _zone(layout: CardLayout, x: float, y: float) -> str | None:
    inside = [name for name, box in layout.fields.items() if box.grown(_SLACK).contains(x, y)]
    return min(inside, key=lambda name: _outside(layout.fields[name], x, y), default=None)


def _outside(box: Box, x: float, y: float) -> float:
    dx = max(box.x - x, 0.0, x - box.right)
    dy = max(box.y - y, 0.0, y - box.bottom)
    return float(np.hypot(dx, dy))


def segment_of(line: Line, first: int, last: int) -> Segment:
    """Return glyphs `first` to `last` (both included) of a line in millimetres as a segment."""
    glyphs = line.glyphs
    left, top = line.quad.min(axis=0)
    right, bottom = line.quad.max(axis=0)
    if first:
        left = (glyphs[first - 1].x + glyphs[first].x) / 2
    if last + 1 < len(glyphs):
        right = (glyphs[last].x + glyphs[last + 1].x) / 2
    return Segment(line, first, last, Box(float(left), float(top), float(right - left), float(bottom - top)))
