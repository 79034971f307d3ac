"""Covers a located card by the policy: ahead of its text's coming where that saves time, and proven."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from cardveil.card.model import PORTRAIT, Card, Field, SeenText
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass, replace
from cardveil.core.timing import Timings
from cardveil.recognition.interfaces import CardRecogniser, Image, TextLine
from cardveil.redaction import (
    Limits,
    Partial,
    Picture,
    Placement,
    Plan,
    Policy,
    RedactedCopy,
    Region,
    card_outline,
    flat_card,
    forbidden_texts,
    inspect,
    kept_texts,
    label_places,
    place,
    plan,
    prove_unreadable,
    redact,
    text_roles,
    upright_copy,
)

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
    """

    policy: Policy
    limits: Limits
    proof: str = "geometry"
    harmless_warnings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Covered:
    """A proven copy, what it covers, what that has shown, and the card with its portrait among the fields."""

    card: Card
    regions: tuple[Region, ...]
    copy: RedactedCopy
    findings: tuple[str, ...] = ()


class _Latest(Generic[T]):
    """Remembers what was found of the latest arguments: the same is asked ahead, and when all is known."""

    def __init__(self, find: Callable[..., T]) -> None:
        self._find = find
        self._known: tuple[tuple[Any, ...], T] | None = None

    def __call__(self, *args: Any) -> T:
        if self._known is None or self._known[0] != args:
            self._known = args, self._find(*args)
        return self._known[1]


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
        self._place = _Latest(place)
        self._plan = _Latest(self._plan_of)

    def texts(self, card: Card, lines: Sequence[TextLine] | None) -> tuple[SeenText, ...] | None:
        """Return what each text of the picture is, as a witness saw it; None when none looked.

        No policy decides over it: it is kept in the sidecar, so that the same can be covered by other rules.
        """
        if lines is None:
            return None
        return text_roles(card, lines, self._place(_places_of(card), label_places(card, lines)))

    def ahead(self, card: Card, lines: Sequence[TextLine] | None) -> None:
        """Make the copy that `cover` will need, if the card's text changes nothing."""
        try:
            planned, _ = self._planned(card, self.texts(card, lines))
            self._made = planned, self._copy(planned)
        except (Reject, Review):
            return  # `cover` says so, when it is known what the card says

    def cover(
        self,
        card: Card,
        recogniser: CardRecogniser,
        timings: Timings,
        texts: tuple[SeenText, ...] | None,
    ) -> Covered:
        """Cover a located card by the policy, and prove the copy as the rules want it proven.

        Parameters
        ----------
        texts : tuple of SeenText or None
            All text of the picture, as a witness saw it (see `texts`); None when none looked.

        Raises
        ------
        Reject, Review
            When there is no copy.
        """
        rules = self._rules
        with timings("plan"):
            planned, placement = self._planned(card, texts)
        with timings("redact"):
            made = self._made
            copy = made[1] if made and made[0] == planned else self._copy(planned)
        if rules.proof == "recognise":
            with timings("prove"):

                def read_text(data: bytes) -> Sequence[str]:
                    shown = upright_copy(inspect(data, rules.limits), max_bytes=MAX_SENT_BYTES)
                    return recogniser.texts(Image(shown.data, shown.width, shown.height))

                copy = prove_unreadable(
                    copy, forbidden_texts(card, rules.policy), read_text, kept=kept_texts(card, rules.policy)
                )
        findings = planned.findings
        if copy.proof.cells_planned == 0:
            findings = (*findings, "nothing_covered")
        return Covered(_with_portrait(card, placement), planned.regions, copy, findings)

    def _planned(self, card: Card, texts: tuple[SeenText, ...] | None) -> tuple[Plan, Placement | None]:
        """Plan from no more of the card than decides: that the text has come in changes little of it."""
        decisive = _Decisive(card, self._rules.policy)
        return self._plan(decisive.card(), texts and decisive.texts(texts))

    def _plan_of(self, card: Card, texts: tuple[SeenText, ...] | None) -> tuple[Plan, Placement | None]:
        labels = tuple((text.name, text.polygon) for text in texts or () if text.role == "label")
        placement = place(card, labels)
        flat = flat_card(self._picture, placement) if placement is not None else None
        outline = card_outline(flat, placement) if placement is not None else None
        planned = plan(card, self._rules.policy, self._picture, placement, texts, outline, flat)
        return planned, placement

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


def _places_of(card: Card) -> Card:
    """Return the card with the places of its fields alone."""
    return replace(card, fields=tuple(Field(field.name, polygon=field.polygon) for field in card.fields))


class _Decisive:
    """What a plan is made from: places, and what a text says only where it is to be cut."""

    def __init__(self, card: Card, policy: Policy) -> None:
        actions = {f.name: policy.action_for(card.type, card.side, f.name) for f in card.fields}
        self._cut = {name for name, action in actions.items() if isinstance(action, Partial)}
        self._card = card

    def card(self) -> Card:
        fields = tuple(Field(f.name, self._text(f), polygon=f.polygon) for f in self._card.fields)
        return replace(self._card, fields=fields)

    def texts(self, texts: tuple[SeenText, ...]) -> tuple[SeenText, ...]:
        return tuple(
            text if text.name in self._cut else replace(text, start=-1, characters=()) for text in texts
        )

    def _text(self, field: Field) -> str | None:
        return field.text if field.name in self._cut or not field.text else "-"


def _with_portrait(card: Card, placement: Placement | None) -> Card:
    """Return the card with its portrait among the fields, where the other fields tell its place."""
    box = placement.layout.portrait if placement else None
    if card.field(PORTRAIT) or placement is None or box is None or not placement.trusted(box):
        return card
    portrait = Field(PORTRAIT, polygon=placement.polygon(box), sources=("layout",))
    return replace(card, fields=(*card.fields, portrait))
