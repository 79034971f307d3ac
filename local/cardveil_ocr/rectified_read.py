"""The second look: the card straightened and read, and its place refined by all that was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from cardveil.card.layout import Box, CardLayout
from cardveil_ocr.anchors import Anchor, Points, anchors_of, lone_characters
from cardveil_ocr.box_merging import joined, parted, split_rows
from cardveil_ocr.edges import Edges, find_edges
from cardveil_ocr.engine import Engine
from cardveil_ocr.lines import Line, line_of, moved
from cardveil_ocr.pose_estimation import Matrix, Placing, fit, project
from cardveil_ocr.rectify import Source
from cardveil_ocr.segments import Segment, segment_of, sort_into_fields

#: Pixels per millimetre of the straightened card, and of the copy that is searched for text.
_SCALE, _SEARCHED = 14.0, 8.6
#: Pixels per millimetre of the copy that is searched for what light has burnt out.
_LIGHT: Final = 3.0
#: Millimetres around the card that are looked at as well.
_MARGIN: Final = 4.0
#: A region lower than this, in mm, is small print (the detector's boxes are half as high again as letters).
_SMALL_PRINT: Final = 2.9
#: A label of so many characters costs more to read than it tells (the licence's English title).
_LONG_LABEL: Final = 20
#: A region that is in no field's zone is read only so near to a label, in mm: the first look may have
#: misplaced the card by as much.
_NEAR_LABEL: Final = 5.0
#: A label counts as seen when it stands this near to its place, in millimetres.
_AT_PLACE: Final = 1.8


@dataclass(frozen=True, slots=True)
class StraightCard:
    """A card that was looked at closely: its refined place, and for each field what was read there."""

    placing: Placing
    segments: dict[str, list[Segment]]
    seen_labels: frozenset[str]
    lines: tuple[Line, ...]
    rest: Rest


@dataclass(frozen=True, slots=True)
class Rest:
    """Regions of text that tell nothing of the card's fields: on the portrait, beside the card, small print.

    Attributes
    ----------
    source, quads
        The straightened card, and the regions in its pixels.
    to_card
        ``(3, 3)``; takes those pixels to millimetres.
    """

    source: Source
    quads: tuple[Points, ...]
    to_card: Matrix


def read_rest(engine: Engine, straight: StraightCard) -> list[Line]:
    """Read what a close look left out; what cannot be read is a line without text. In millimetres."""
    rest = straight.rest
    strips = engine.read([rest.source.line(quad) for quad in rest.quads])
    return [
        moved(line_of(engine, quad, strip), rest.to_card)
        for quad, strip in zip(rest.quads, strips, strict=True)
    ]


def look_closely(engine: Engine, source: Source, placing: Placing) -> StraightCard:
    """Straighten the card, read it, and put its place right by all that was read."""
    layout = placing.layout
    lines, rest = _read(engine, source, placing)
    correction = _correction(layout, lines)
    edges = find_edges(source, replace(placing, matrix=placing.matrix @ np.linalg.inv(correction)))
    if edges is not None:
        correction = _with_edges(layout, lines, correction, edges, placing)
    placing = replace(placing, matrix=placing.matrix @ np.linalg.inv(correction))
    lines = [moved(line, correction) for line in lines]
    labels = [a for a in anchors_of(layout, lines) if np.abs(a.image - a.card).max() < 2 * _AT_PLACE]
    close = [a for a in labels if np.linalg.norm(a.image - a.card, axis=1).max() < _AT_PLACE]
    error = (
        float(np.mean([np.linalg.norm(a.image - a.card, axis=1).max() for a in close])) if close else np.inf
    )
    placing = replace(placing, anchors=tuple(close), error=error)
    segments = sort_into_fields(layout, lines, labels)
    _look_again(engine, source, placing, segments)
    if layout.seal is not None and not _clear(segments.get("authority", [])):
        segments["authority"] = _seal(engine, source, placing, layout.seal) or segments["authority"]
    rest = replace(rest, to_card=correction @ rest.to_card)
    return StraightCard(placing, segments, placing.labels, tuple(lines), rest)


def _read(engine: Engine, source: Source, placing: Placing) -> tuple[list[Line], Rest]:
    """Read the lines on the straightened card that may tell something; their places are in millimetres.

    What the first look read is read again: it was pressed together, and tells places less exactly.
    """
    layout = placing.layout
    width = round((layout.width + 2 * _MARGIN) * _SCALE)
    height = round((layout.height + 2 * _MARGIN) * _SCALE)
    to_card = np.array([[1 / _SCALE, 0, -_MARGIN], [0, 1 / _SCALE, -_MARGIN], [0, 0, 1]])
    straight = Source(source.cut((placing.matrix @ to_card).astype(np.float64), width, height))
    share = _SEARCHED / _SCALE
    boxes = engine.detect(straight.picture, round(width * share), round(height * share))
    upright = [_upright(box) for box in boxes]
    telling = [_level(quad) and _may_tell(layout, quad) for quad in upright]
    quads = parted(joined([q for q, tells in zip(upright, telling, strict=True) if tells], touching=True))
    rest = [quad for quad, tells in zip(upright, telling, strict=True) if not tells]
    strips = engine.read([straight.line(quad) for quad in quads])
    lines = [moved(line_of(engine, quad, strip), to_card) for quad, strip in zip(quads, strips, strict=True)]
    rest += [quad for quad, line in zip(quads, lines, strict=True) if not line.glyphs]
    return [line for line in lines if line.glyphs], Rest(straight, tuple(rest), to_card)


def _upright(box: Points) -> Points:
    """Turn a rectangle so that it begins at its top left."""
    order = min(range(4), key=lambda k: float(_slope(np.roll(box, -k, axis=0))))
    return np.roll(box, -order, axis=0)


def _slope(quad: Points) -> float:
    edge = quad[1] - quad[0]
    return abs(float(np.arctan2(edge[1], edge[0])))


def _level(quad: Points) -> bool:
    return _slope(quad) < 0.5


def _may_tell(layout: CardLayout, quad: Points) -> bool:
    """Whether a region can hold a value or a label: not the portrait, the desk, or the small print."""
    x, y = (float(v) for v in quad.mean(axis=0) / _SCALE - _MARGIN)
    if layout.portrait is not None and layout.portrait.grown(-3.0).contains(x, y):
        return False
    small = float(np.linalg.norm(quad[3] - quad[0])) / _SCALE < _SMALL_PRINT
    in_zone = any(zone.contains(x, y) for zone in layout.fields.values())
    near = [label for label, box in layout.labels.items() if box.grown(_NEAR_LABEL).contains(x, y)]
    # The nearest label in height decides: the licence's English title stands close below the Chinese one.
    nearest = min(near, key=lambda label: abs(layout.labels[label].centre[1] - y), default="")
    near_label = 0 < len(nearest) < _LONG_LABEL
    return layout.outline.grown(1.0).contains(x, y) and (in_zone or (near_label and not small))


def _correction(layout: CardLayout, lines: Sequence[Line]) -> Matrix:
    """Return the mapping that brings what was read to where the layout has it (mm to mm)."""
    matrix: Matrix = np.eye(3)
    for reach in (6.0, 3.5, 2.0):
        here = [moved(line, matrix) for line in lines]
        anchors = _nearest(anchors_of(layout, here), reach) + lone_characters(layout, here, min(reach, 2.5))
        if len({anchor.label for anchor in anchors}) < 2:
            return matrix
        card = np.vstack([anchor.card for anchor in anchors])
        now = np.vstack([anchor.image for anchor in anchors])
        was = project(np.linalg.inv(matrix), now)
        matrix = fit(was, card, matrix)
    return matrix


def _with_edges(
    layout: CardLayout, lines: Sequence[Line], correction: Matrix, edges: Edges, placing: Placing
) -> Matrix:
    """Return the correction with the card's edges taken in, unless they contradict the labels."""
    here = [moved(line, correction) for line in lines]
    anchors = _nearest(anchors_of(layout, here), 2.0) + lone_characters(layout, here, 2.0)
    if not anchors:
        return correction
    now, card = np.vstack([a.image for a in anchors]), np.vstack([a.card for a in anchors])
    was = np.vstack(
        [project(np.linalg.inv(correction), now), project(np.linalg.inv(placing.matrix), edges.image)]
    )
    weight = np.vstack([np.ones((len(card), 2)), edges.weight])
    refined = fit(was, np.vstack([card, edges.card]), correction, weight)
    miss = np.linalg.norm(project(refined, was)[: len(card)] - card, axis=1)
    before = np.linalg.norm(now - card, axis=1)
    return refined if miss.mean() < before.mean() + 0.5 else correction


def _nearest(anchors: Sequence[Anchor], reach: float) -> list[Anchor]:
    nearest: dict[str, tuple[float, Anchor]] = {}
    for anchor in anchors:
        miss = float(np.linalg.norm(anchor.image - anchor.card, axis=1).max())
        if miss < reach and miss < nearest.get(anchor.label, (np.inf, anchor))[0]:
            nearest[anchor.label] = (miss, anchor)
    return [anchor for _, anchor in nearest.values()]


def _look_again(engine: Engine, source: Source, placing: Placing, segments: dict[str, list[Segment]]) -> None:
    """Read the zones in which no text was found; single characters are often missed."""
    layout = placing.layout
    empty = [name for name, found in segments.items() if not found and layout.fields[name].height < 7]
    quads = [np.array(layout.fields[name].corners()) for name in empty]
    crops = [source.line(project(placing.matrix, quad)) for quad in quads]
    for name, quad, strip in zip(empty, quads, engine.read(crops) if crops else [], strict=True):
        line = line_of(engine, quad, strip)
        if line.glyphs and line.p > 0.5:
            segments[name].append(segment_of(line, 0, len(line.glyphs) - 1))


def _clear(segments: Sequence[Segment]) -> bool:
    return (
        bool(segments) and min(s.line.p for s in segments) > 0.9 and max(s.box.height for s in segments) < 7
    )


def _seal(engine: Engine, source: Source, placing: Placing, place: Box) -> list[Segment]:
    """Look at a seal alone and enlarged: its rows stand so close that they are found as one otherwise."""
    scale, around = 22.0, place.grown(0.6)
    side = (round(around.width * scale), round(around.height * scale))
    to_card = np.array([[1 / scale, 0, around.x], [0, 1 / scale, around.y], [0, 0, 1]])
    image = source.cut((placing.matrix @ to_card).astype(np.float64), *side)
    # Red ink on pale paper is darkest in green and blue.
    grey = np.repeat(image[:, :, 1:].min(axis=2)[:, :, None], 3, axis=2)
    seal = Source(np.ascontiguousarray(grey))
    level = [quad for box in engine.detect(grey, *side) if _level(quad := _upright(box))]
    quads = split_rows(parted(joined(level, touching=True)))
    strips = engine.read([seal.line(quad) for quad in quads]) if quads else []
    lines = [moved(line_of(engine, quad, strip), to_card) for quad, strip in zip(quads, strips, strict=True)]
    return [segment_of(line, 0, len(line.glyphs) - 1) for line in lines if line.glyphs and line.p > 0.3]


def burnt_out(source: Source, placing: Placing) -> dict[str, float]:
    """Return how much more of each field's zone than of the card is burnt out (white in all channels)."""
    layout, scale = placing.layout, _LIGHT
    to_card = np.diag([1 / scale, 1 / scale, 1.0])
    size = (round(layout.width * scale), round(layout.height * scale))
    image = source.cut((placing.matrix @ to_card).astype(np.float64), *size)
    burnt = cv2.inRange(image, (252, 252, 252), (255, 255, 255))
    whole = float(cv2.countNonZero(burnt) / burnt.size)
    shares = {}
    for name, zone in layout.fields.items():
        left, top, right, bottom = (round(v * scale) for v in (zone.x, zone.y, zone.right, zone.bottom))
        part = burnt[max(0, top) : bottom, max(0, left) : right]
        shares[name] = float(np.count_nonzero(part) / max(1, part.size)) - whole
    return shares
