"""The first look: every line of text in the picture, whichever way it stands, on a small copy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from cardveil_ocr.box_merging import joined
from cardveil_ocr.engine import LINE_HEIGHT, Engine
from cardveil_ocr.lines import Line, line_of
from cardveil_ocr.rectify import Quad, Source

#: Lines read in one look at most: a page of small print must not take minutes. The largest come first.
_MOST_LINES: Final = 90
#: Lines that are read a second time, the other way up, at most.
_MOST_TURNED: Final = 20
#: A box so many times as long as it is thick is no line of a card.
_TOO_LONG: Final = 24.0
#: A box so many times as long as it is thick shows which way its text runs.
_LONG: Final = 1.6
#: Above it a line need not be read again on a larger copy.
_SURE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of a line is read.

    Attributes
    ----------
    longest
        No more of a line is read than so many pixels, at the height that the model takes.
    pressed
        The share of its length that a line is pressed together to.
    doubtful
        Below this mean probability a line may have been read on its head.
    """

    longest: int
    pressed: float
    doubtful: float


#: Half the pixels show nine tenths of the labels; what was pressed together is never as sure.
QUICK: Final = Effort(256, 0.7, 0.7)
#: Labels stand at the beginning of their lines: no more pixels than 7 characters have (and a little, so that
#: a date is read whole).
CAREFUL: Final = Effort(352, 1.0, 0.85)
#: To the end.
WHOLE: Final = Effort(1280, 1.0, 0.85)


def find_lines(
    engine: Engine, source: Source, *, longest: int, effort: Effort = CAREFUL, known: Sequence[Line] = ()
) -> list[Line]:
    """Find and read the lines of a picture.

    Parameters
    ----------
    longest
        Longer side in pixels of the copy that is searched.
    known
        Lines that were read before: those read well are returned again and not read anew.
    """
    factor = min(longest / max(source.width, source.height), 3.0)
    width, height = round(source.width * factor), round(source.height * factor)
    near = source.at_least(width, height)
    scale = np.array([source.width / near.shape[1], source.height / near.shape[0]], np.float32)
    boxes = [box * scale for box in engine.detect(near, width, height)]
    sure = [line for line in known if line.p > _SURE]
    boxes = [box for box in boxes if not any(_holds(line, box) for line in sure)]
    boxes.sort(key=lambda box: -_thickness(box))
    quads = joined(_aligned(boxes))
    if effort is not WHOLE:
        quads = [quad for quad in quads if _length(quad) < _TOO_LONG * _thickness(quad)]
    righted, contested = _righted(engine, source, quads[:_MOST_LINES])
    return [*sure, *_read(engine, source, righted, effort, contested)]


def read_better(engine: Engine, source: Source, lines: Sequence[Line]) -> list[Line]:
    """Read the lines of a quick look again with care, all but those that were read well and to their end."""
    sure = [line for line in lines if line.whole and line.p > _SURE]
    quads = [line.quad for line in lines if not (line.whole and line.p > _SURE)]
    return [*sure, *_read(engine, source, quads, CAREFUL)]


def _read(
    engine: Engine,
    source: Source,
    quads: Sequence[Quad],
    effort: Effort,
    contested: Collection[int] = (),
) -> list[Line]:
    """Read lines, and those that are doubtful or contested the other way up as well."""
    lines = _lines(engine, source, quads, effort)
    doubtful = [i for i, line in enumerate(lines) if line.p < effort.doubtful or i in contested]
    doubtful = sorted(doubtful, key=lambda i: -_length(lines[i].quad))[:_MOST_TURNED]
    turned = _lines(engine, source, [np.roll(lines[i].quad, 2, axis=0) for i in doubtful], effort)
    for i, other in zip(doubtful, turned, strict=True):
        if other.p > lines[i].p:
            lines[i] = other
    return lines


def _holds(line: Line, box: Quad) -> bool:
    centre = box.mean(axis=0)
    inside = (
        cv2.pointPolygonTest(line.quad.astype(np.float32), (float(centre[0]), float(centre[1])), False) >= 0
    )
    return inside and _thickness(box) > 0.6 * _thickness(line.quad)


def _lines(engine: Engine, source: Source, quads: Sequence[Quad], effort: Effort) -> list[Line]:
    shown = [min(1.0, effort.longest / _natural_width(quad)) for quad in quads]
    crops = [source.line(quad, longest=effort.longest, pressed=effort.pressed) for quad in quads]
    return [
        line_of(engine, quad, strip, shown=share)
        for quad, strip, share in zip(quads, engine.read(crops), shown, strict=True)
    ]


def _righted(engine: Engine, source: Source, quads: Sequence[Quad]) -> tuple[list[Quad], set[int]]:
    """Turn lines that stand on their heads, each by its own vote and its neighbours'.

    Returns
    -------
    tuple
        The lines, and which of them were outvoted: a card may lie upside down on a page of text.
    """
    if not quads:
        return [], set()
    crops = [source.line(quad, longest=192) for quad in quads]
    votes = np.array([2 * p - 1 for p in engine.upside_down(crops)])
    votes *= np.minimum([_length(q) / max(_thickness(q), 1e-3) for q in quads], 6.0)
    centres = np.array([quad.mean(axis=0) for quad in quads])
    directions = np.array([_direction(quad) for quad in quads])
    reach = 5 * np.array([_thickness(quad) for quad in quads])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    alike = np.abs(directions @ directions.T) > 0.94
    # Two lines may point opposite ways although they belong together: count the neighbour's vote reversed.
    same = np.sign(directions @ directions.T)
    weight = np.exp(-apart / reach[:, None]) * alike
    total = (weight * same) @ votes
    righted = [
        np.roll(quad, 2, axis=0) if vote > 0 else quad for quad, vote in zip(quads, total, strict=True)
    ]
    contested = {i for i, (own, vote) in enumerate(zip(votes, total, strict=True)) if own * vote < 0}
    return righted, contested


def _aligned(boxes: Sequence[Quad]) -> list[Quad]:
    """Make first edges point rightwards or downwards, along the text.

    A box as long as it is thick does not say which way its text runs: its nearest fellow does (characters of
    a word stand closer than lines), or else the nearest long box.
    """
    long = [box for box in boxes if _length(box) >= _LONG * _thickness(box)]
    short = [box for box in boxes if _length(box) < _LONG * _thickness(box)]
    aligned = []
    for box in boxes:
        quad = box
        if _length(box) < _LONG * _thickness(box):
            along = _towards_fellow(box, short)
            if along is None and long:
                along = _direction(min(long, key=lambda other: _distance(other, box)))
            if along is not None and abs(_direction(box) @ along) < 0.7:
                quad = np.roll(box, -1, axis=0)
        direction = _direction(quad)
        if direction[0] + 0.2 * direction[1] < 0:
            quad = np.roll(quad, 2, axis=0)
        aligned.append(quad)
    return aligned


def _towards_fellow(box: Quad, short: Sequence[Quad]) -> Quad | None:
    size = _thickness(box)
    fellows = [
        other
        for other in short
        if other is not box
        and _distance(other, box) < 2.6 * size
        and 0.65 < _thickness(other) / max(size, 1e-3) < 1.55
    ]
    if not fellows:
        return None
    apart = min(fellows, key=lambda other: _distance(other, box)).mean(axis=0) - box.mean(axis=0)
    return np.asarray(apart / max(float(np.linalg.norm(apart)), 1e-6))


def _distance(one: Quad, other: Quad) -> float:
    return float(np.linalg.norm(one.mean(axis=0) - other.mean(axis=0)))


def _length(quad: Quad) -> float:
    return float(np.linalg.norm(quad[1] - quad[0]))


def _thickness(quad: Quad) -> float:
    return float(np.linalg.norm(quad[3] - quad[0]))


def _natural_width(quad: Quad) -> float:
    return _length(quad) / max(_thickness(quad), 1e-3) * LINE_HEIGHT


def _direction(quad: Quad) -> Quad:
    edge = quad[1] - quad[0]
    return np.asarray(edge / max(float(np.linalg.norm(edge)), 1e-6))
