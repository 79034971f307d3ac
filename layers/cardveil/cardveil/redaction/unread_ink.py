"""Covers ink that nobody read, and all that it may run through: watermarks, pale stamps, handwriting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from cardveil.card.geometry import project
from cardveil.card.layout import Box
from cardveil.card.model import PORTRAIT, Point, Polygon, SeenText
from cardveil.redaction.card_pose import Placement
from cardveil.redaction.flat_card import FlatCard
from cardveil.redaction.ink import (
    WRITTEN,
    Cells,
    beside_print,
    boxes_of_patch,
    close_around,
    inked_cells,
    is_whole,
    reaches,
    touches,
    unexplained_ink,
    writing_across,
)
from cardveil.redaction.polygons import centre_of, meet, straight
from cardveil.redaction.regions import around, boxes_of
from cardveil.redaction.results import Region

Kept = list[tuple[str, Polygon]]
#: Millimetres around what is known to be printed in which ink is its own.
_INK_ROOM: Final = 0.3
#: A text is the card's own if its ends differ in height by so much of its length, and so many millimetres.
_SLANT, _ROW = 0.08, 0.8
#: The same for a text that is none of the card's, and its largest height (mm) if it is not so many times as
#: long: such print was seen within 1.5 degrees and 4.2 mm, ends of watermarks from 4 degrees and 4.4 mm on.
_OTHER_SLANT, _OTHER_ROW, _OTHER_HEIGHT, _OTHER_SLENDER = 0.04, 0.15, 4.3, 2.5
#: Millimetres from the card's edge within which a text may be one beside it.
_BESIDE: Final = 2.5
#: Millimetres by which the card's edge may lie within the layout's, and some more: ink that is seen nowhere
#: farther in may be a paper's under the card.
_EDGE_ASTRAY: Final = 5.0
#: Cells of ink that are more than a card's fine lines come to where they are darkest.
_WRITING: Final = 20
#: Millimetres by which an emblem may be larger, or stand elsewhere.
_EMBLEM_ASTRAY: Final = 2.0
#: Millimetres around a label that nobody saw, around the seal's zone, and around what was read in the seal.
_UNSEEN_LABEL, _SEAL_ZONE, _SEAL_READ = 1.0, 0.5, 1.0


def cover_unread_ink(
    kept: Kept,
    regions: Sequence[Region],
    texts: Sequence[SeenText],
    placement: Placement,
    flat: FlatCard,
) -> tuple[Kept, list[Region]]:
    """Cover ink that nobody read, and whatever is to be kept where such ink runs through it.

    Recognisers read neither all of a watermark nor always, and what it crosses holds part of it. Where such
    writing can be placed, what lies in its band is covered; where it is known to be there and not where,
    the whole card.

    Parameters
    ----------
    kept : list of (str, Polygon)
        Ink that is to stay readable, by field or label; pixels of the upright picture.
    regions : sequence of Region
        What is covered already.
    texts : sequence of SeenText
        All text that a witness saw.

    Returns
    -------
    list of (str, Polygon), list of Region
        What may still be kept, and what is to be covered besides.
    """
    return _UnreadInk(kept, regions, texts, placement, flat).run()


class _UnreadInk:
    def __init__(
        self,
        kept: Kept,
        regions: Sequence[Region],
        texts: Sequence[SeenText],
        placement: Placement,
        flat: FlatCard,
    ) -> None:
        self._kept, self._regions, self._texts = kept, regions, texts
        self._placement, self._flat, self._layout = placement, flat, placement.layout

    def run(self) -> tuple[Kept, list[Region]]:
        placement = self._placement
        inked = inked_cells(self._flat, self._layout)
        patches, written = self._unexplained(inked)
        if _cells(patches) >= _WRITING or _cells(written) >= WRITTEN:
            # Somebody wrote there: of what is left, nobody can tell fine lines from pale strokes.
            patches, written = self._unexplained(inked_cells(self._flat, self._layout, fine_lines=True))
        boxes = [box for patch in patches for box in boxes_of_patch(patch)]
        more = [self._cover(box) for box in boxes]
        crossed = {name for name, polygon in self._kept if touches(boxes_of([polygon], placement)[0], boxes)}
        band = writing_across(written)
        if band is not None:
            slanted = Polygon.of(project(placement.to_picture, point) for point in band)
            more.append(Region("unexplained", slanted, "mask"))
            crossed |= {name for name, polygon in self._kept if meet(straight(slanted), straight(polygon))}
        elif self._goes_on(written) or self._reads_aslant() or self._runs_through_print(inked):
            crossed = {name for name, _ in self._kept}
            more.append(self._cover(self._layout.outline))
        more += [Region("unexplained", polygon, "mask") for name, polygon in self._kept if name in crossed]
        if self._layout.seal is not None and "authority" in crossed:
            more.append(self._cover(self._layout.seal.grown(_SEAL_READ)))
        return [(name, polygon) for name, polygon in self._kept if name not in crossed], more

    def _unexplained(self, inked: Cells) -> tuple[list[Cells], list[Cells]]:
        """Return ink that nobody read where something may be shown, and on the whole card.

        Within what is covered, too, ink tells of a text that runs across the card; seen at its
        edge alone, it does not.
        """
        placement, printed = self._placement, self._printed()
        covered = boxes_of((region.polygon for region in self._regions), placement)
        written = unexplained_ink(inked, [*printed, *self._read()])
        far_in = self._inner(_EDGE_ASTRAY)
        return unexplained_ink(inked, [*printed, *covered]), [p for p in written if reaches(p, far_in)]

    def _goes_on(self, written: Sequence[Cells]) -> bool:
        """Say whether writing may go on where ink was taken for print."""
        explained = [*self._printed(), *self._read()]
        return _cells([patch for patch in written if not is_whole(patch, explained)]) >= WRITTEN

    def _runs_through_print(self, inked: Cells) -> bool:
        """Say whether strokes end beside what is printed: what they belong to is taken for print itself."""
        kept = close_around(self._flat, boxes_of((polygon for _, polygon in self._kept), self._placement))
        known = [*(box.grown(_INK_ROOM) for box in kept), *self._pictorial(), *self._unseen_labels()]
        known += boxes_of((region.polygon for region in self._regions), self._placement)
        far_in = self._inner(_EDGE_ASTRAY)
        found = beside_print(inked, known)
        return any(reaches(patch, far_in) and not is_whole(patch, known) for patch in found)

    def _cover(self, box: Box) -> Region:
        return Region("unexplained", self._placement.polygon(box), "mask")

    def _printed(self) -> list[Box]:
        """Return the places in which the card's own ink stands and may be seen."""
        found = [
            box.grown(_INK_ROOM) for box in boxes_of((polygon for _, polygon in self._kept), self._placement)
        ]
        return found + self._pictorial() + self._unseen_labels()

    def _unseen_labels(self) -> list[Box]:
        """Return where the layout has labels that nobody saw."""
        seen = {text.name for text in self._texts if text.role == "label"}
        return [box.grown(_UNSEEN_LABEL) for name, box in self._layout.labels.items() if name not in seen]

    def _pictorial(self) -> list[Box]:
        """Return where emblem and seal stand: as the card has them, and around what was read in the seal."""
        layout = self._layout
        found = [] if layout.emblem is None else [layout.emblem.grown(_EMBLEM_ASTRAY)]
        if layout.seal is not None:
            authority = [t.polygon for t in self._texts if (t.role, t.name) == ("field", "authority")]
            read = [box.grown(_SEAL_READ) for box in boxes_of(authority, self._placement)]
            found.append(around([layout.seal.grown(_SEAL_ZONE), *read]))
        return found

    def _read(self) -> list[Box]:
        """Return the places of what was read along the card's own lines, and the portrait's."""
        level = [text.polygon for text in self._texts if self._level(text) and not self._may_run_aslant(text)]
        portrait = [region.polygon for region in self._regions if region.field == PORTRAIT]
        return [box.grown(_INK_ROOM) for box in boxes_of(level, self._placement)] + boxes_of(
            portrait, self._placement
        )

    def _reads_aslant(self) -> bool:
        """Say whether a text was read on the card that runs along none of its lines; an emblem's does not."""
        return any(
            text.role == "other"
            and not self._level(text)
            and not self._one_character(text)
            and self._inner().contains(*project(self._placement.to_card, centre_of(text.polygon)))
            and not self._in_emblem(text)
            for text in self._texts
        )

    def _one_character(self, text: SeenText) -> bool:
        """Say whether a text is so short that its box does not tell which way it runs: its ink may."""
        corners = self._corners(text)
        return all(math.dist(corner, after) <= _OTHER_HEIGHT for corner, after in pairwise(corners))

    def _in_emblem(self, text: SeenText) -> bool:
        if self._layout.emblem is None:
            return False
        emblem = self._layout.emblem.grown(_EMBLEM_ASTRAY)
        corners = self._corners(text)
        return all(emblem.contains(*corner) for corner in corners)

    def _level(self, text: SeenText) -> bool:
        """Say whether a text runs along the card's lines; one that is none of its own must do so surely."""
        corners = self._corners(text)
        (x0, y0), (x1, y1) = corners[:2]
        if text.role != "other" or not all(self._inner().contains(*corner) for corner in corners):
            return abs(y1 - y0) <= _SLANT * abs(x1 - x0) + _ROW
        return abs(y1 - y0) <= _OTHER_SLANT * math.dist(*corners[:2]) + _OTHER_ROW

    def _may_run_aslant(self, text: SeenText) -> bool:
        """Say whether a text may be a few characters aslant: their box is hardly turned, and taller."""
        corners = self._corners(text)
        long, tall = math.dist(*corners[:2]), math.dist(*corners[1:3])
        return (
            text.role == "other"
            and tall > _OTHER_HEIGHT
            and long < _OTHER_SLENDER * tall
            and all(self._inner().contains(*corner) for corner in corners)
        )

    def _corners(self, text: SeenText) -> list[Point]:
        """Return a text's corners on the card, in millimetres."""
        return [project(self._placement.to_card, point) for point in text.polygon.points]

    def _inner(self, margin: float = _BESIDE) -> Box:
        """Return the part of the card (mm) in which no text can be one beside it."""
        return Box(0.0, 0.0, self._layout.width, self._layout.height).grown(-margin)


def _cells(patches: Sequence[Cells]) -> int:
    return sum(map(len, patches))
