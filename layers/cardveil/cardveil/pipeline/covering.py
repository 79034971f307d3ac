"""Covers a located card by the policy: ahead of its text's coming where that saves time, and proven."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from cardveil.card.model import PORTRAIT, Card, Field, Polygon
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass, replace
from cardveil.core.timing import Timings
from cardveil.pipeline.texts_at_rest import HIDDEN
from cardveil.recognition.interfaces import CardRecogniser, Image, TextLine
from cardveil.redaction import (
    Limits,
    Mark,
    Outline,
    Partial,
    Picture,
    Placement,
    Plan,
    Policy,
    RedactedCopy,
    Region,
    card_place,
    forbidden_texts,
    inspect,
    kept_texts,
    label_places,
    plan,
    prove_unreadable,
    redact,
    text_roles,
    upright_copy,
)

if TYPE_CHECKING:
    from cardveil.redaction.documents import Converter

T = TypeVar("T")
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
    converter : callable, optional
        Makes JPEGs of HEIC and AVIF; without it they are refused.
    mark : Mark, optional
        What is written over copies: the settings' policy says it, whichever policy covers a card.
    """

    policy: Policy
    limits: Limits
    proof: str = "geometry"
    harmless_warnings: frozenset[str] = frozenset()
    mark: Mark | None = None
    converter: Converter | None = None

    def opened(self, data: bytes) -> Picture:
        """Inspect a source; HEIC and AVIF are converted first, see `imaging.conversion.opened`.

        Raises
        ------
        Reject
            As `inspect`, and what the converter raises.
        """
        if data[4:8] != b"ftyp":
            return inspect(data, self.limits)
        from cardveil.redaction.documents import opened  # of no use to any other picture

        return opened(data, self.limits, self.converter)


@dataclass(frozen=True, slots=True)
class Covered:
    """A proven copy, what it covers, what that has shown, and the cards with their outlines and portraits."""

    cards: tuple[Card, ...]
    regions: tuple[Region, ...]
    copy: RedactedCopy
    findings: tuple[str, ...] = ()


class _Remembered(Generic[T]):
    """Remembers what was found of one picture: the same is asked ahead, and again when all is known."""

    def __init__(self, find: Callable[..., T]) -> None:
        self._find = find
        self._known: list[tuple[tuple[Any, ...], T]] = []

    def __call__(self, *args: Any) -> T:
        for known, found in self._known:
            if known == args:
                return found
        found = self._find(*args)
        self._known.append((args, found))
        return found


class Redactor:
    """One picture's way from places to a proven copy.

    The services that find a card's places answer before those that read its text, and the text rarely changes
    what is covered. So the copy is made when the places are known; it counts only if the same is to be
    covered when all is known.
    """

    def __init__(self, picture: Picture, rules: RedactionRules) -> None:
        self._picture = picture
        self._rules = rules
        self._made: tuple[Plan, RedactedCopy] | None = None
        self._place = _Remembered(card_place)
        self._plan = _Remembered(self._plan_of)

    def witnessed(self, cards: Sequence[Card], lines: Sequence[TextLine] | None) -> tuple[Card, ...]:
        """Return the cards with their outlines, and with what each text is, as a witness saw it.

        No policy decides over it: it is kept in the sidecar, so that the same can be covered by other rules.

        Parameters
        ----------
        lines : sequence of TextLine or None
            All text of the picture; None when no witness looked.
        """
        if len(cards) == 1 or lines is None:
            return tuple(self._witnessed(card, lines) for card in cards)
        from cardveil.recognition.sharing import shared  # few pictures have several cards

        placed = [self._witnessed(card, lines) if card.outline is None else card for card in cards]
        parts = shared(placed, lines)
        return tuple(self._witnessed(card, own) for card, own in zip(cards, parts, strict=True))

    def _witnessed(self, card: Card, lines: Sequence[TextLine] | None) -> Card:
        places = replace(card, fields=tuple(Field(f.name, polygon=f.polygon) for f in card.fields))
        found = self._place(self._picture, places, label_places(card, lines) if lines is not None else ())
        texts = None if lines is None else text_roles(card, lines, found.placement if found else None)
        return replace(card, outline=found.outline.card if found else card.outline, texts=texts)

    def ahead(self, cards: Sequence[Card], lines: Sequence[TextLine] | None) -> None:
        """Make the copy that `cover` will need, if the cards' text changes nothing."""
        try:
            planned, _ = self._planned(self.witnessed(cards, lines))
            self._made = planned, self._copy(planned)
        except (Reject, Review):
            return  # `cover` says so, when it is known what the card says

    def cover(
        self,
        cards: Sequence[Card],
        recogniser: CardRecogniser,
        timings: Timings,
    ) -> Covered:
        """Cover located cards by the policy, and prove the copy as the rules want it proven.

        Parameters
        ----------
        cards : sequence of Card
            With what a witness saw of them (see `witnessed`).

        Raises
        ------
        Reject, Review
            When there is no copy.
        """
        rules = self._rules
        with timings("plan"):
            planned, done = self._planned(cards)
        with timings("redact"):
            made = self._made
            copy = made[1] if made and made[0] == planned else self._copy(planned)
        if rules.proof == "recognise":
            with timings("prove"):

                def read_text(data: bytes) -> Sequence[str]:
                    shown = upright_copy(inspect(data, rules.limits), max_bytes=MAX_SENT_BYTES)
                    return recogniser.texts(Image(shown.data, shown.width, shown.height))

                hidden = {
                    f"{name} of card {number}": text
                    for number, card in enumerate(cards)
                    for name, text in forbidden_texts(card, rules.policy).items()
                }
                kept = [text for card in cards for text in kept_texts(card, rules.policy)]
                copy = prove_unreadable(copy, hidden, read_text, kept=kept)
        if rules.mark is not None:
            from cardveil.redaction.watermark import marked  # few policies have one

            with timings("mark"):
                copy = marked(copy, rules.mark, rules.policy.fill)
        findings = planned.findings
        if copy.proof.cells_planned == 0:
            findings = (*findings, "nothing_covered")
        return Covered(done, planned.regions, copy, findings)

    def _planned(self, cards: Sequence[Card]) -> tuple[Plan, tuple[Card, ...]]:
        outside = self._rules.policy.outside
        found = self._planned_cards(cards, outside)
        known = tuple(
            _with_places(card, placement, outline)
            for card, (_, placement, outline) in zip(cards, found, strict=True)
        )
        if len(cards) == 1:
            return found[0][0], known
        from cardveil.redaction.several import joined  # few pictures have several cards

        told = tuple(code for planned, _, _ in found for code in planned.findings)
        if outside == "keep" and any(planned.shown is not None for planned, _, _ in found):
            # What is beside one card is shown only if no other card, of which little is, may stand there.
            found = self._planned_cards(cards, "mask")
        planned = joined([planned for planned, _, _ in found], [outline for _, _, outline in found])
        return replace(planned, findings=tuple(dict.fromkeys((*told, *planned.findings)))), known

    def _planned_cards(
        self, cards: Sequence[Card], outside: str
    ) -> list[tuple[Plan, Placement | None, Outline | None]]:
        return [self._plan(_decisive(card, self._rules.policy), outside) for card in cards]

    def _plan_of(self, card: Card, outside: str) -> tuple[Plan, Placement | None, Outline | None]:
        labels = tuple((text.name, text.polygon) for text in card.texts or () if text.role == "label")
        found = card_place(self._picture, card, labels)
        policy = replace(self._rules.policy, outside=outside)
        placement, outline = (found.placement, found.outline) if found else (None, None)
        flat = found.flat if found else None
        planned = plan(card, policy, self._picture, placement, card.texts, outline, flat)
        return planned, placement, outline

    def _copy(self, planned: Plan) -> RedactedCopy:
        # Nothing to cover: the policy keeps the surroundings and every field of this side, all located.
        return redact(
            self._picture,
            planned.regions,
            shown=planned.shown,
            kept=planned.kept,
            crop=planned.crop,
            fill=self._rules.policy.fill,
            allow_empty=True,
        )


def _decisive(card: Card, policy: Policy) -> Card:
    """Return the card with what a plan is made from: places, and what a text says only where it is to be cut.

    Nothing else reaches the plan, so that it stands when more of the text has come in; and places reach it as
    a sidecar keeps them, so that another policy is planned from the very same.
    """
    actions = {field.name: policy.action_for(card.type, card.side, field.name) for field in card.fields}
    cut = {name for name, action in actions.items() if isinstance(action, Partial)}
    fields = [Field(f.name, _decisive_text(f, f.name in cut), polygon=_kept(f.polygon)) for f in card.fields]
    texts = card.texts and tuple(
        replace(
            text,
            polygon=text.polygon.as_kept(),
            slack=round(text.slack, 2),
            start=text.start if text.name in cut else -1,
            characters=tuple(each.as_kept() for each in text.characters) if text.name in cut else (),
        )
        for text in card.texts
    )
    return replace(card, fields=tuple(fields), texts=texts, outline=_kept(card.outline))


def _kept(polygon: Polygon | None) -> Polygon | None:
    return polygon.as_kept() if polygon else None


def _decisive_text(field: Field, is_cut: bool) -> str | None:
    if is_cut:
        # Where it is cut its characters count, not what they are.
        return field.text or (field.shown or "").replace(HIDDEN, "0") or None
    return "-" if field.text or field.token else None


def _with_places(card: Card, placement: Placement | None, outline: Outline | None) -> Card:
    """Return the card with its outline, and its portrait among the fields, as far as they are known.

    An outline that it has already stays: from it, under any policy, its place is found again.
    """
    if outline is not None and card.outline is None:
        card = replace(card, outline=outline.card)
    box = placement.layout.portrait if placement else None
    if card.field(PORTRAIT) or placement is None or box is None or not placement.trusted(box):
        return card
    portrait = Field(PORTRAIT, polygon=placement.polygon(box), sources=("layout",))
    return replace(card, fields=(*card.fields, portrait))
