"""Finds and reads cards in a photograph, on this machine alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cardveil.card.layout import CardLayout, all_layouts
from cardveil.card.model import CardType, Side
from cardveil_ocr.anchors import NUMBER, anchors_of
from cardveil_ocr.cards import compose
from cardveil_ocr.constrained_decoding import WATCHED
from cardveil_ocr.engine import Engine
from cardveil_ocr.line_detection import QUICK, WHOLE, find_lines, read_better
from cardveil_ocr.lines import Line, moved, text_line
from cardveil_ocr.pose_estimation import Placing, place
from cardveil_ocr.rectified_read import StraightCard, look_closely, read_rest
from cardveil_ocr.rectify import Source
from cardveil_ocr.results import Found, FoundCard, TextLine
from cardveil_ocr.several import seen_on

#: Longer side in pixels of the copy for the first look, and for the second one if the first found too little.
_FIRST, _SECOND = 960, 1600
#: On a copy as small as this, characters that were found one by one run together into lines.
_COARSEST: Final = 608
#: A label of so many characters is worth enlarging what is around it, so many times its height to each side,
#: to so many pixels.
_TELLS, _SURROUNDINGS, _ENLARGED = 4.0, 16.0, 1120
#: A place where no card was found is not looked at again when its corners moved by less than this, in mm: a
#: close look puts right what misses by more.
_SAME_PLACE: Final = 1.5
#: Cards looked for in one picture at most.
_MOST_CARDS: Final = 6
#: Evidence (about the number of label characters that agree) and labels needed to look closely.
_WORTH_A_LOOK: Final = {
    (CardType.ID_CARD, Side.FRONT): (8.0, 3),
    (CardType.ID_CARD, Side.BACK): (9.0, 3),
    (CardType.DRIVER_LICENSE, Side.FRONT): (13.0, 4),
}
#: A card's own labels, of which some must be seen at their place: other papers share the rest.
_TELLING: Final = {
    (CardType.ID_CARD, Side.FRONT): ("公民身份号码", NUMBER),
    (CardType.ID_CARD, Side.BACK): ("签发机关", "居民身份证"),
    (CardType.DRIVER_LICENSE, Side.FRONT): ("准驾车型", "初次领证日期", "证号"),
}


#: A character lies in a line within so many times the line's height; this share of them may be misplaced.
_PADDING, _MISPLACED = 0.3, 0.2


class Recogniser:
    """The embedded recogniser; models are loaded when first used, and once.

    Parameters
    ----------
    threads
        How many threads all recognitions together may use; more than there are cores makes them slower.
    """

    def __init__(self, *, threads: int = 2) -> None:
        if threads < 1:
            raise ValueError("at least one thread is needed")
        self._engine = Engine(threads=threads, watched=WATCHED)

    def load(self) -> None:
        """Load the models now, and not with the first picture.

        Raises
        ------
        Halt
            ``model_missing``, ``model_unfit``.
        """
        self._engine.load()

    def recognise(
        self, picture: NDArray[np.uint8], *, card_type: CardType | None = None
    ) -> tuple[FoundCard, ...]:
        """Find the cards in a picture and read them.

        Parameters
        ----------
        picture
            ``(H, W, 3)`` RGB, upright as a viewer shows it; the card may lie in it in any direction.
        card_type
            Look for this type only.

        Returns
        -------
        tuple of FoundCard
            From the top of the picture; empty if there is no card. Polygons are in pixels of `picture`.

        Raises
        ------
        ValueError
            If `picture` is not such an array.
        """
        return self.look(picture, card_type=card_type).cards

    def look(self, picture: NDArray[np.uint8], *, card_type: CardType | None = None) -> Found:
        """Find the cards in a picture and read them, and tell all text that was seen on the way.

        What stands on a card is read from the straightened card, all of it; what only the first look at the
        whole picture saw may have been read in part. Arguments and errors are those of `recognise`.
        """
        source = _source(picture)
        layouts = [layout for layout in all_layouts() if card_type in (None, layout.type)]
        if source.is_flat or min(source.width, source.height) < 24:
            return Found()
        looked: list[Placing] = []
        lines = find_lines(self._engine, source, longest=_FIRST, effort=QUICK)
        found = self._cards(source, lines, layouts, looked)
        left = _left(lines, found)
        if not found or _labels_among(left, layouts):
            # Too little was seen of a card, or of a second one.
            lines = read_better(self._engine, source, left)
            found += self._cards(source, lines, layouts, looked)
        if not found and lines and max(source.width, source.height) > 1.2 * _FIRST:
            found, lines = self._larger(source, lines, layouts, looked)
        if not found and _scattered(lines):
            lines = find_lines(self._engine, source, longest=_COARSEST)
            found = self._cards(source, lines, layouts, looked)
        cards = [compose(source, straight) for straight in found]
        cards.sort(key=lambda card: card.outline.bounds()[1])
        return Found(tuple(cards), self._all_text(lines, found))

    def _all_text(self, lines: list[Line], found: list[StraightCard]) -> tuple[TextLine, ...]:
        close = seen_on(
            [
                (straight.placing, [text_line(line, straight.placing.matrix) for line in every])
                for straight in found
                for every in [(*straight.lines, *read_rest(self._engine, straight))]
            ]
        )
        coarse = [text_line(line) for line in lines if not _seen_closely(line, close)]
        return tuple(sorted((*close, *coarse), key=lambda line: line.polygon.bounds()[1]))

    def read_text(self, picture: NDArray[np.uint8]) -> tuple[TextLine, ...]:
        """Read all text of a picture, ``(H, W, 3)`` RGB, line by line from the top.

        What is text but cannot be read is a line without characters.
        """
        source = _source(picture)
        if source.is_flat or min(source.width, source.height) < 8:
            return ()
        lines = find_lines(self._engine, source, longest=1280, effort=WHOLE)
        read = [text_line(line) for line in lines]
        return tuple(sorted(read, key=lambda line: line.polygon.bounds()[1]))

    def _larger(
        self, source: Source, lines: list[Line], layouts: list[CardLayout], looked: list[Placing]
    ) -> tuple[list[StraightCard], list[Line]]:
        """Look at a larger copy: a small card's print is lost on a small one, more so beside larger print."""
        lines = find_lines(self._engine, source, longest=_SECOND, effort=QUICK, known=lines)
        found = self._cards(source, lines, layouts, looked)
        if not found and _labels_among(lines, layouts):
            lines = read_better(self._engine, source, lines)
            found = self._cards(source, lines, layouts, looked)
            found = found or self._cards(source, self._zoomed(source, lines, layouts), layouts, looked)
        return found, lines

    def _zoomed(self, source: Source, lines: list[Line], layouts: list[CardLayout]) -> list[Line]:
        """Read the surroundings of the most telling label enlarged; nothing if there is no such label."""
        anchors = [a for layout in layouts for a in anchors_of(layout, lines) if a.weight >= _TELLS]
        if not anchors:
            return []
        quad = lines[max(anchors, key=lambda anchor: anchor.weight).line].quad
        reach = _SURROUNDINGS * float(np.linalg.norm(quad[3] - quad[0]))
        (x, y), size = quad.mean(axis=0), (source.width, source.height)
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        right, bottom = min(size[0], int(x + reach)), min(size[1], int(y + reach))
        if (right - left) * (bottom - top) > 0.5 * size[0] * size[1]:
            return []
        part = Source(np.ascontiguousarray(source.picture[top:bottom, left:right]))
        back = np.array([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]])
        return [moved(line, back) for line in find_lines(self._engine, part, longest=_ENLARGED)]

    def _cards(
        self, source: Source, lines: list[Line], layouts: list[CardLayout], looked: list[Placing]
    ) -> list[StraightCard]:
        """Find cards among lines; `looked` are the places that held none, to which new ones are added."""
        found: list[StraightCard] = []
        left = list(lines)
        refused: set[tuple[CardType, Side]] = set()
        while len(found) < _MOST_CARDS:
            placings = [
                placing
                for layout in layouts
                if (layout.type, layout.side) not in refused
                and (placing := place(layout, anchors_of(layout, left))) is not None
                and _worth_a_look(placing)
            ]
            if not placings:
                return found
            best = max(placings, key=lambda placing: placing.weight)
            straight = None
            if not any(_same_place(best, other) for other in looked):
                straight = look_closely(self._engine, source, best)
            if straight is not None and _believable(straight):
                found.append(straight)
                left = [line for line in left if not _inside(line, straight.placing)]
            else:
                looked.append(best)
                refused.add((best.layout.type, best.layout.side))
        return found


def _source(picture: NDArray[np.uint8]) -> Source:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or picture.size == 0:
        raise ValueError("a picture is an (H, W, 3) array of uint8")
    return Source(np.ascontiguousarray(picture))


def _worth_a_look(placing: Placing) -> bool:
    weight, labels = _WORTH_A_LOOK[placing.layout.type, placing.layout.side]
    return placing.weight >= weight and len(placing.labels) >= labels


def _believable(straight: StraightCard) -> bool:
    layout = straight.placing.layout
    kind = (layout.type, layout.side)
    weight, labels = _WORTH_A_LOOK[kind]
    telling = any(label in straight.seen_labels for label in _TELLING[kind])
    return telling and len(straight.seen_labels) >= labels and straight.placing.weight >= weight - 2


def _same_place(one: Placing, other: Placing) -> bool:
    """Whether a close look at one would see what a close look at the other saw."""
    if one.layout is not other.layout:
        return False
    corners = one.corners()
    apart = np.linalg.norm(corners - other.corners(), axis=1).max()
    return bool(apart < _SAME_PLACE / one.layout.width * np.linalg.norm(corners[1] - corners[0]))


def _left(lines: list[Line], found: list[StraightCard]) -> list[Line]:
    return [line for line in lines if not any(_inside(line, straight.placing) for straight in found)]


def _labels_among(lines: list[Line], layouts: list[CardLayout]) -> bool:
    return any(len(anchor.label) > 1 for layout in layouts for anchor in anchors_of(layout, lines))


def _inside(line: Line, placing: Placing) -> bool:
    corners = placing.corners().astype(np.float32)
    centre = line.quad.mean(axis=0)
    return cv2.pointPolygonTest(corners, (float(centre[0]), float(centre[1])), False) >= 0


def _seen_closely(line: Line, close: Sequence[TextLine]) -> bool:
    """Whether a close look saw what a line of the first look holds, but for a misplaced character or two."""
    places = [np.array(seen.polygon.points, np.float32) for seen in close]
    points = [(glyph.x, glyph.y) for glyph in line.glyphs] or [tuple(line.quad.mean(axis=0))]
    slack = -_PADDING * float(np.linalg.norm(line.quad[3] - line.quad[0]))
    missed = [
        point
        for point in points
        if not any(
            cv2.pointPolygonTest(place, (float(point[0]), float(point[1])), True) >= slack for place in places
        )
    ]
    return len(missed) <= _MISPLACED * len(points)


def _scattered(lines: list[Line]) -> bool:
    """Whether many characters were found one by one, as spaced-out labels in a close photograph are."""
    return sum(len(line.glyphs) == 1 for line in lines) >= 8
