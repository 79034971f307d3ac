"""The second look: the card straightened and read, and its place refined by all that was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from cardveil.card.fitting import fitted
from cardveil.card.layout import Box, CardLayout
from cardveil_ocr.anchors import Anchor, Points, anchors_of, label_box, lone_characters
from cardveil_ocr.box_merging import joined, parted, split_rows
from cardveil_ocr.edges import Edges, find_edges
from cardveil_ocr.engine import Engine
from cardveil_ocr.lines import Line, line_of, moved
from cardveil_ocr.pose_estimation import (
    STIFFNESS,
    USUAL_STIFFNESS,
    Matrix,
    Placing,
    evidence,
    fit,
    misses,
    project,
)
from cardveil_ocr.rectify import Source
from cardveil_ocr.segments import NUMBERS, Segment, digits_of, segment_of, sort_into_fields
from cardveil_ocr.values import value_of

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
#: A label counts as seen when it stands this near to its place, in millimetres: makes of a card differ by 3.
_AT_PLACE: Final = 5.0
#: A character of a label is taken for it when it stands so near to where its neighbours put it, in mm.
_LONE_REACH: Final = 2.0
#: Reaches in millimetres of the rounds in which the card's place is put right.
_ROUNDS: Final = (7.0, 6.0, 5.0)
#: The same where so large a share of the labels stands as the layout has them.
_USUAL_ROUNDS, _USUAL = (2.0, 1.6), 0.9
#: Millimetres to the left and right by which a number's place is widened when what was read there is none:
#: boxes end before a thin digit, or begin behind one.
_WIDENED: Final = ((0.3, 3.5), (2.5, 0.6), (2.5, 3.5))
#: Sides that must be seen for the edges to be believed against the labels, and by how much, in mm.
_SIDES, _AGAINST = 3, 2.0


@dataclass(frozen=True, slots=True)
class StraightCard:
    """A card that was looked at closely: its refined place, and for each field what was read there.

    Attributes
    ----------
    sides
        How many of its edges were seen and agree with its labels.
    """

    placing: Placing
    segments: dict[str, list[Segment]]
    seen_labels: frozenset[str]
    lines: tuple[Line, ...]
    rest: Rest
    sides: int = 0


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
    correction, usual = _correction(layout, lines)
    sides = 0
    for _ in range(2):
        # A side that labels misplaced may come into sight once the others are known.
        edges = find_edges(source, replace(placing, matrix=placing.matrix @ np.linalg.inv(correction)))
        if edges is not None:
            refined = _with_edges(layout, lines, correction, edges, placing, usual)
            sides, correction = edges.sides if refined is not correction else 0, refined
        if edges is None or edges.sides == 4:
            break
    placing = replace(placing, matrix=placing.matrix @ np.linalg.inv(correction))
    lines = [moved(line, correction) for line in lines]
    close = _nearest(anchors_of(layout, lines), _AT_PLACE)
    miss = misses(np.vstack([a.image - a.card for a in close]), close) if close else np.array([np.inf])
    own = own_layout(layout, close, lines)
    placing = replace(placing, layout=own, anchors=tuple(close), error=float(miss.mean()))
    segments = sort_into_fields(own, lines, close)
    _look_again(engine, source, placing, segments)
    _widen_number(engine, source, placing, segments)
    if own.seal is not None and not _clear(segments.get("authority", [])):
        segments["authority"] = (
            _seal(engine, source, placing, own.fields["authority"]) or segments["authority"]
        )
    rest = replace(rest, to_card=correction @ rest.to_card)
    return StraightCard(placing, segments, placing.labels, tuple(lines), rest, sides)


def own_layout(layout: CardLayout, anchors: Sequence[Anchor], lines: Sequence[Line] = ()) -> CardLayout:
    """Return the card's own layout, from labels and from single characters of those that came apart."""
    seen = {a.label: label_box(a, layout.labels[a.label]) for a in anchors if a.label in layout.labels}
    own = fitted(layout, seen)
    apart: dict[str, list[Anchor]] = {}
    for anchor in lone_characters(own, lines, _LONE_REACH):
        if anchor.label not in seen:
            apart.setdefault(anchor.label, []).append(anchor)
    for label, found in apart.items():
        dx, dy = np.median([a.image[0] - a.card[0] for a in found], axis=0).tolist()
        box = own.labels[label]
        seen[label] = Box(box.x + dx, box.y + dy, box.width, box.height)
    return fitted(layout, seen) if apart else own


def _read(engine: Engine, source: Source, placing: Placing) -> tuple[list[Line], Rest]:
    """Read the lines on the straightened card that may tell something; their places are in millimetres.

    What the first look read is read again: it was pressed together, and tells places less exactly.
    """
    layout = placing.layout
    to_mm = np.linalg.inv(placing.matrix)
    seen = [replace(anchor, image=project(to_mm, anchor.image)) for anchor in placing.anchors]
    own = own_layout(layout, seen)
    width = round((layout.width + 2 * _MARGIN) * _SCALE)
    height = round((layout.height + 2 * _MARGIN) * _SCALE)
    to_card = np.array([[1 / _SCALE, 0, -_MARGIN], [0, 1 / _SCALE, -_MARGIN], [0, 0, 1]])
    straight = Source(source.cut((placing.matrix @ to_card).astype(np.float64), width, height))
    share = _SEARCHED / _SCALE
    boxes = engine.detect(straight.picture, round(width * share), round(height * share))
    upright = [_upright(box) for box in boxes]
    telling = [_level(quad) and _may_tell(own, quad) for quad in upright]
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


def _correction(layout: CardLayout, lines: Sequence[Line]) -> tuple[Matrix, bool]:
    """Return the mapping that brings what was read to where the layout has it (mm to mm).

    Also whether the card is of the make that the layout has: then its labels tell places more exactly.
    """
    matrix: Matrix = np.eye(3)
    for reach in _ROUNDS:
        here = [moved(line, matrix) for line in lines]
        anchors = _nearest(anchors_of(layout, here), reach)
        if len({anchor.label for anchor in anchors}) < 2:
            return matrix, False
        now, card, weight = evidence(anchors)
        matrix = fit(project(np.linalg.inv(matrix), now), card, matrix, weight)
    loose = matrix
    for reach in _USUAL_ROUNDS:
        here = [moved(line, matrix) for line in lines]
        near = _nearest(anchors_of(layout, here), reach)
        if len(near) < max(2.0, _USUAL * len(anchors)):
            return loose, False
        lone = lone_characters(layout, here, min(reach, 2.5))
        now, card, weight = evidence([*near, *lone], usual=True)
        back = np.linalg.inv(matrix)
        matrix = fit(project(back, now), card, matrix, weight, stiffness=USUAL_STIFFNESS)
    return matrix, True


def _with_edges(
    layout: CardLayout,
    lines: Sequence[Line],
    correction: Matrix,
    edges: Edges,
    placing: Placing,
    usual: bool,
) -> Matrix:
    """Return the correction with the card's edges taken in, unless they contradict the labels."""
    here = [moved(line, correction) for line in lines]
    anchors = _nearest(anchors_of(layout, here), _AT_PLACE)
    if not anchors:
        return correction
    now, card, own = evidence(anchors, usual=usual)
    back = np.linalg.inv(correction)
    was = np.vstack([project(back, now), project(np.linalg.inv(placing.matrix), edges.image)])
    weight = np.vstack([own, edges.weight])
    stiffness = USUAL_STIFFNESS if usual else STIFFNESS
    refined = fit(was, np.vstack([card, edges.card]), correction, weight, stiffness=stiffness)
    ends, places = np.vstack([a.image for a in anchors]), np.vstack([a.card for a in anchors])
    miss = misses(project(refined, project(back, ends)) - places, anchors)
    before = misses(ends - places, anchors)
    against = _AGAINST if edges.sides >= _SIDES else _AGAINST / 4
    return refined if miss.mean() < before.mean() + against else correction


def _nearest(anchors: Sequence[Anchor], reach: float) -> list[Anchor]:
    """Return the nearest anchor of each label within reach; places are in millimetres."""
    if not anchors:
        return []
    nearest: dict[str, tuple[float, Anchor]] = {}
    apart = misses(np.vstack([anchor.image - anchor.card for anchor in anchors]), anchors)
    for anchor, miss in zip(anchors, apart.tolist(), strict=True):
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


def _widen_number(
    engine: Engine, source: Source, placing: Placing, segments: dict[str, list[Segment]]
) -> None:
    """Read a number again a little farther to its sides, if what was read is none; its check proves it."""
    for name in NUMBERS:
        own = segments.get(name, [])
        if len(own) != 1 or value_of(name, own).trusted:
            continue
        box = own[0].box
        wider = [Box(box.x - a, box.y, box.width + a + b, box.height) for a, b in _WIDENED]
        quads = [np.array(each.corners()) for each in wider]
        strips = engine.read([source.line(project(placing.matrix, quad)) for quad in quads])
        for quad, strip in zip(quads, strips, strict=True):
            line = line_of(engine, quad, strip)
            if not line.glyphs:
                continue
            again = [segment_of(line, *digits_of(line, 0, len(line.glyphs) - 1))]
            if value_of(name, again).trusted:
                segments[name] = again
                break


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
