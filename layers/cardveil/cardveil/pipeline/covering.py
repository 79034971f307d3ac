"""Covers a located card by the policy: ahead of its text's coming where that saves time, and proven."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cardveil.card.model import PORTRAIT, Card, Field
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass, replace
from cardveil.core.timing import Timings
from cardveil.recognition.interfaces import CardRecogniser, Image
from cardveil.redaction import (
    Limits,
    Partial,
    Picture,
    Placement,
    Policy,
    RedactedCopy,
    Region,
    forbidden_texts,
    inspect,
    kept_texts,
    place,
    plan,
    prove_unreadable,
    redact,
    upright_copy,
)

#: 7 MB after Base64 is the limit of every recognition API used (their pages, "Input Parameters").
MAX_SENT_BYTES: Final = 7 * 1024 * 1024 * 3 // 4 - 1024


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What decides over a picture, apart from the picture.

    Attributes
    ----------
    proof : str
        ``geometry`` or ``recognise`` (see `Settings.proof`).
    harmless_warnings : frozenset of str
        Vendor warnings that do not send a card to review.
    """

    policy: Policy
    limits: Limits
    proof: str = "geometry"
    harmless_warnings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Covered:
    """A proven copy, what it covers, and the card with its portrait among the fields."""

    card: Card
    regions: tuple[Region, ...]
    copy: RedactedCopy


@dataclass(frozen=True, slots=True)
class _Ahead:
    placement: Placement | None
    looked_at: object
    regions: tuple[Region, ...]
    copy: RedactedCopy


class Redactor:
    """One picture's way from places to a proven copy.

    The services that find a card's places answer before those that read its text, and the text rarely changes
    what is covered. So the copy is made when the places are known; it counts only if the same is to be
    covered when all is known.
    """

    def __init__(self, picture: Picture, rules: RedactionRules) -> None:
        self._picture = picture
        self._rules = rules
        self._made: _Ahead | None = None

    def ahead(self, card: Card) -> None:
        """Make the copy that `cover` will need, if the card's text changes nothing."""
        placement = place(card)
        try:
            regions = plan(card, self._rules.policy, self._picture, placement)
            self._made = _Ahead(placement, self._looked_at(card), regions, self._copy(regions))
        except (Reject, Review):
            return  # `cover` says so, when it is known what the card says

    def cover(self, card: Card, recogniser: CardRecogniser, timings: Timings) -> Covered:
        """Cover a located card by the policy, and prove the copy as the rules want it proven.

        Raises
        ------
        Reject, Review
            When there is no copy.
        """
        rules, made = self._rules, self._made
        with timings("plan"):
            if made and made.looked_at == self._looked_at(card):
                placement, regions = made.placement, made.regions
            else:
                placement = place(card)
                regions = plan(card, rules.policy, self._picture, placement)
        with timings("redact"):
            copy = made.copy if made and made.regions == regions else self._copy(regions)
        if rules.proof == "recognise":
            with timings("prove"):

                def read_text(data: bytes) -> Sequence[str]:
                    shown = upright_copy(inspect(data, rules.limits), max_bytes=MAX_SENT_BYTES)
                    return recogniser.texts(Image(shown.data, shown.width, shown.height))

                copy = prove_unreadable(
                    copy, forbidden_texts(card, rules.policy), read_text, kept=kept_texts(card, rules.policy)
                )
        return Covered(_with_portrait(card, placement), regions, copy)

    def _looked_at(self, card: Card) -> object:
        """Return what `place` and `plan` look at: the texts only of fields that are covered in part."""
        action_for = self._rules.policy.action_for
        cut = {
            field.name
            for field in card.fields
            if isinstance(action_for(card.type, card.side, field.name), Partial)
        }
        fields = [(f.name, f.polygon, f.text if f.name in cut else None) for f in card.fields]
        return card.type, card.side, fields

    def _copy(self, regions: tuple[Region, ...]) -> RedactedCopy:
        # No regions: the policy keeps every field of this side, and each of them was located.
        return redact(self._picture, regions, fill=self._rules.policy.fill, allow_empty=True)


def _with_portrait(card: Card, placement: Placement | None) -> Card:
    """Return the card with its portrait among the fields, where the other fields tell its place."""
    box = placement.layout.portrait if placement else None
    if card.field(PORTRAIT) or placement is None or box is None or not placement.trusted(box):
        return card
    portrait = Field(PORTRAIT, polygon=placement.polygon(box), sources=("layout",))
    return replace(card, fields=(*card.fields, portrait))
