"""Vendor and engine look at the same picture, and must agree on every card and every field's text."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Final

from cardveil.card.findings import disagreement
from cardveil.card.model import Card, CardType, Check, Field, Side
from cardveil.card.normalize import normalize
from cardveil.core.errors import Review
from cardveil.core.frozen import dataclass, replace
from cardveil.recognition.engine import EngineWitness
from cardveil.recognition.interfaces import Hint, Image, Located, Recognition
from cardveil.recognition.recognizer import CloudRecogniser

#: The check of a field that both have read.
CHECK: Final = "engine_agrees"


@dataclass(frozen=True, slots=True)
class AgreeingRecogniser:
    """Recognises through the vendor's APIs with the engine as their witness, and compares the two.

    Attributes
    ----------
    vendor : CloudRecogniser
        With the engine as its witness.
    witness : EngineWitness
        What the engine saw.
    """

    vendor: CloudRecogniser
    witness: EngineWitness

    def recognise(self, image: Image, hint: Hint, located: Located | None = None) -> Recognition:
        """Recognise the cards by the vendor; what the engine reads otherwise, or not at all, is a finding."""
        recognition = self.vendor.recognise(image, hint, located)
        if not recognition.cards:
            return recognition
        try:
            seen = self.witness.look(image)
        except Review as refusal:
            return replace(recognition, findings=(*recognition.findings, refusal.code))
        cards, found = compared(recognition.cards, seen.cards)
        return replace(recognition, cards=cards, findings=(*recognition.findings, *found))

    def texts(self, image: Image) -> tuple[str, ...]:
        """Read all text of a picture with the engine."""
        return self.witness.engine.texts(image)


def compared(cards: tuple[Card, ...], seen: tuple[Card, ...]) -> tuple[tuple[Card, ...], tuple[str, ...]]:
    """Compare what two recognisers read on the same picture.

    Parameters
    ----------
    cards : tuple of Card
        What the result is made of.
    seen : tuple of Card
        What the other saw.

    Returns
    -------
    tuple of Card, tuple of str
        The cards with the outcome in each field's checks, and a finding for each field, by its name, on which
        the two do not agree: what either reads and the other does not is such a field. Where they see other
        cards, or two of a kind, nothing is compared: that is a finding of its own.
    """
    kinds, others = Counter(map(_kind, cards)), Counter(map(_kind, seen))
    if kinds != others or max(kinds.values(), default=1) > 1:
        return cards, (disagreement("card"),)
    other = {_kind(card): card for card in seen}
    found: list[str] = []
    checked = []
    for card in cards:
        outcome = dict(_outcome(card, other[_kind(card)]))
        found += [disagreement(name) for name, agrees in outcome.items() if not agrees]
        fields = tuple(
            replace(field, checks=(*field.checks, Check(CHECK, outcome[field.name])))
            if field.name in outcome
            else field
            for field in card.fields
        )
        checked.append(replace(card, fields=fields))
    return tuple(checked), tuple(dict.fromkeys(found))


def _kind(card: Card) -> tuple[CardType, Side]:
    return card.type, card.side


def _outcome(card: Card, other: Card) -> Iterator[tuple[str, bool]]:
    """Yield for each field that either has read whether both have, and read the same."""
    for name in dict.fromkeys(field.name for field in (*card.fields, *other.fields)):
        one, two = card.field(name), other.field(name)
        if not ((one and one.text) or (two and two.text)):
            continue
        yield name, one is not None and two is not None and _value(one) == _value(two)


def _value(field: Field) -> str:
    """Return what a field says as it is compared: its normal form, or else its characters."""
    text = field.text or ""
    return normalize(field.name, text) or _folded(text)


def _folded(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).lower()
