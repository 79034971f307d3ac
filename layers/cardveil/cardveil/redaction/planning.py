"""From a card, a policy and what a witness saw to what a copy shows and covers, or why there is no copy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from cardveil.card.layout import find_layout
from cardveil.card.model import FIELDS, PORTRAIT, Card, Field, Polygon, SeenText
from cardveil.core.errors import FieldsMissing
from cardveil.core.frozen import dataclass
from cardveil.imaging.image import Picture
from cardveil.redaction.card_outline import Outline
from cardveil.redaction.card_pose import Placement
from cardveil.redaction.flat_card import FlatCard
from cardveil.redaction.partial import cut
from cardveil.redaction.policy import Partial, Policy
from cardveil.redaction.polygons import (
    centre_of,
    grown,
    half_planes,
    holds,
    meets_picture,
    straight,
    text_height,
    usable,
)
from cardveil.redaction.regions import grown_text, portrait_regions, text_regions
from cardveil.redaction.results import Region
from cardveil.redaction.unread_ink import cover_unread_ink

#: Side of the cells that are covered or shown whole: a window is grown so far, lest its own edges be covered.
_CELL: Final = 16.0
#: Share of a text's height by which its window and its ink's place are grown: boxes hug the ink.
_ROOM: Final = 0.15
#: Shares of the card's fields and printed labels that a witness must have seen to be one.
_FIELDS_SEEN, _LABELS_SEEN = 0.5, 0.6
#: Millimetres by which a label may lie off its place: makes of one card differ by 3 each way, and the place
#: of the card is worked out from such labels.
_LARGEST_MISFIT: Final = 6.0


#: Millimetres beyond the layout's outline, and standard deviations, that a whole card's cover reaches.
_CARD_MM, _DOUBTS = 3.0, 1.5
#: Millimetres of doubt up to which a label that nobody saw is shown where the layout has it.
_LABEL_DOUBT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a copy shows and covers.

    Attributes
    ----------
    regions : tuple of Region
        What is covered because something stands there that must not be seen.
    shown : tuple of Polygon, or None
        The only places that may be seen; None: the whole picture.
    kept : tuple of Polygon
        Ink that is to stay readable.
    findings : tuple of str
    crop : (left, top, right, bottom) or None
        Pixels of the upright picture at which the copy ends.
    """

    regions: tuple[Region, ...]
    shown: tuple[Polygon, ...] | None
    kept: tuple[Polygon, ...] = ()
    findings: tuple[str, ...] = ()
    crop: tuple[int, int, int, int] | None = None


def plan(
    card: Card,
    policy: Policy,
    picture: Picture,
    placement: Placement | None,
    texts: Sequence[SeenText] | None = None,
    outline: Outline | None = None,
    flat: FlatCard | None = None,
) -> Plan:
    """Decide what is shown and what is covered.

    Parameters
    ----------
    placement : Placement or None
        Where the card lies, if that is known.
    texts : sequence of SeenText or None
        All text that a witness saw in the picture; None when none looked.
    outline : Outline or None
        Where the card ends; known only where `placement` is.
    flat : FlatCard or None
        The card's own pixels, in which ink is sought that nobody read.

    Returns
    -------
    Plan
        Among its findings: ``place_uncertain`` when the labels do not lie as on this card, ``text_outside``
        when the surroundings are to be kept and text was seen in them: then a person is to look first.

    Raises
    ------
    FieldsMissing
        When something that must be covered was not located and the policy asks for review.
    """
    return _Planning(card, policy, picture, placement, texts, outline, flat).run()


class _Planning:
    def __init__(
        self,
        card: Card,
        policy: Policy,
        picture: Picture,
        placement: Placement | None,
        texts: Sequence[SeenText] | None,
        outline: Outline | None,
        flat: FlatCard | None,
    ) -> None:
        self._card, self._policy, self._picture = card, policy, picture
        self._placement, self._outline, self._flat = placement, outline, flat
        self._texts = [text for text in texts or () if usable(text.polygon, picture.width, picture.height)]
        self._witnessed = texts is not None
        self._findings: list[str] = []
        self._located = [
            f for f in card.fields if f.polygon and usable(f.polygon, picture.width, picture.height)
        ]

    def run(self) -> Plan:
        if self._placement is not None and self._placement.misfit > _LARGEST_MISFIT:
            self._findings.append("place_uncertain")
        kept = [(field.name, polygon) for field in self._kept_fields() for polygon in self._ink(field)]
        kept += self._labels()
        regions, missing = self._masked(kept)
        if missing and self._policy.incomplete == "review":
            names = sorted(missing)
            raise FieldsMissing(
                "fields_missing", f"look at the card: not located were {', '.join(names)[:200]}", names
            )
        if missing:
            return self._everything()
        regions += [
            Region("unexplained", grown_text(text, self._policy.margin_mm, self._placement), "mask")
            for text in self._texts
            if text.role == "other"
        ]
        more: list[Region] = []
        if self._placement is not None and self._flat is not None and self._witnessed:
            kept, more = cover_unread_ink(kept, regions, self._texts, self._placement, self._flat)
        ink = tuple(polygon for _, polygon in kept)
        shown = self._shown(ink)
        return Plan(
            tuple(
                region
                for region in (*regions, *more)
                if meets_picture(region.polygon, self._picture.width, self._picture.height)
            ),
            shown,
            ink,
            tuple(dict.fromkeys(self._findings)),
            self._crop(),
        )

    # What is covered

    def _masked(self, kept: list[tuple[str, Polygon]]) -> tuple[list[Region], list[str]]:
        """Return what is covered of the fields, and those of which nothing is known; add to `kept`."""
        card, margin = self._card, self._policy.margin_mm
        known = FIELDS.get((card.type, card.side), ())
        names = list(dict.fromkeys((*known, *(f.name for f in card.fields))))
        parts: dict[str, list[Region]] = {}
        for name in names:
            action = self._policy.action_for(card.type, card.side, name)
            if isinstance(action, Partial) and name != PORTRAIT:
                done = self._cut(name, action)
                if done is not None:
                    parts[name], ink = done
                    kept += [(name, polygon) for polygon in ink]
        spared = [polygon for _, polygon in kept]
        regions: list[Region] = []
        missing = []
        for name in names:
            if self._policy.action_for(card.type, card.side, name) == "keep":
                continue
            fields = [f for f in self._located if f.name == name]
            found = parts.get(name)
            if found is None and name == PORTRAIT:
                found = portrait_regions(fields[0] if fields else None, self._placement, spared)
            elif found is None and fields:
                found = text_regions(name, fields, self._of_field(name), self._placement, margin, spared)
            regions += found or ()
            if not found:
                missing.append(name)
        if not regions and not missing:
            located = {f.name for f in self._located}
            missing = [name for name in known if name not in located] if known else ["all"]
        return regions, missing

    def _cut(self, name: str, action: Partial) -> tuple[list[Region], list[Polygon]] | None:
        fields = [f for f in self._card.fields if f.name == name]
        if len(fields) == 1 and self._witnessed:
            done = cut(fields[0], action, self._of_field(name), self._placement, self._policy.margin_mm)
            if done is not None:
                return list(done.regions), list(done.kept)
        if any(f.polygon for f in fields):
            self._findings.append("partial_not_located")
        return None

    def _everything(self) -> Plan:
        whole = Polygon.box(0, 0, self._picture.width, self._picture.height)
        placement = self._placement
        if self._policy.incomplete == "mask_card" and placement is not None:
            outline = placement.layout.outline
            if placement.trusted(outline):
                card = placement.widened(outline, self._policy.margin_mm + _CARD_MM, _DOUBTS)
                shown = None if self._policy.outside == "keep" else ()
                return Plan((Region("card", card, "mask"),), shown, crop=self._crop())
        return Plan((Region("picture", whole, "mask"),), None)

    # What is shown

    def _shown(self, kept: Sequence[Polygon]) -> tuple[Polygon, ...] | None:
        policy, outline = self._policy, self._outline
        ground = policy.rest == "keep" and outline is not None and self._sees_the_card()
        around = policy.outside == "keep" and outline is not None and self._witnessed
        if policy.rest == "keep" and not ground:
            self._findings.append("witness_missing")
        if around and any(self._outside(text) for text in self._texts):
            self._findings.append("text_outside")
        if ground and around:
            return None
        windows = [self._window(polygon) for polygon in kept]
        if self._policy.action_for(self._card.type, self._card.side, PORTRAIT) == "keep":
            windows += [straight(f.polygon) for f in self._located if f.name == PORTRAIT and f.polygon]
        if ground and outline is not None:
            windows.append(outline.inner)
        if around and outline is not None:
            windows += half_planes(outline.card, 4.0 * max(self._picture.width, self._picture.height))
        return tuple(windows)

    def _window(self, polygon: Polygon) -> Polygon:
        """Return a text's place grown until every cell that it touches lies within."""
        (ax, ay), (bx, by) = polygon.points[:2]
        length = math.dist((ax, ay), (bx, by)) or 1.0
        room = _CELL * (abs(bx - ax) + abs(by - ay)) / length + 1.0
        return grown(polygon, room, room)

    def _labels(self) -> Iterator[tuple[str, Polygon]]:
        """Yield where labels are printed, with a name for each that is no field's."""
        if self._witnessed:
            for text in self._texts:
                if text.role == "label":
                    yield f"label:{text.name}", self._roomy(text.polygon)
        elif self._placement is not None:
            for name, box in self._placement.layout.labels.items():
                if self._placement.doubt(box) <= _LABEL_DOUBT:
                    yield f"label:{name}", self._placement.polygon(box)

    def _kept_fields(self) -> Iterator[Field]:
        for field in self._located:
            action = self._policy.action_for(self._card.type, self._card.side, field.name)
            if action == "keep" and field.name != PORTRAIT:
                yield field

    def _ink(self, field: Field) -> list[Polygon]:
        """Return where a kept field's ink stands: as the witness saw it, else as it was located."""
        seen = [self._roomy(text.polygon) for text in self._of_field(field.name)]
        return seen or ([straight(field.polygon)] if field.polygon else [])

    def _roomy(self, polygon: Polygon) -> Polygon:
        polygon = straight(polygon)
        room = _ROOM * text_height(polygon)
        return grown(polygon, room, room)

    def _of_field(self, name: str) -> list[SeenText]:
        return [text for text in self._texts if text.role == "field" and text.name == name]

    def _sees_the_card(self) -> bool:
        """Say whether the witness saw so much of what is known to be there that it can be relied on."""
        written = {f.name for f in self._card.fields if f.text and f.name != PORTRAIT}
        seen = {text.name for text in self._texts if text.role == "field"}
        layout = find_layout(self._card.type, self._card.side)
        if layout is None:
            return False
        labels = {label for label in layout.labels if len(label) > 1 and not label.isascii()}
        read = {text.name for text in self._texts if text.role == "label"}
        return (
            self._witnessed
            and len(seen & written) >= _FIELDS_SEEN * max(len(written), 1)
            and len(read & labels) >= _LABELS_SEEN * len(labels)
        )

    def _outside(self, text: SeenText) -> bool:
        return self._outline is not None and not holds(self._outline.card, centre_of(text.polygon))

    def _crop(self) -> tuple[int, int, int, int] | None:
        if self._policy.outside != "crop" or self._outline is None:
            return None
        left, top, right, bottom = self._outline.card.bounds()
        return (
            max(0, math.floor(left)),
            max(0, math.floor(top)),
            min(self._picture.width, math.ceil(right)),
            min(self._picture.height, math.ceil(bottom)),
        )
