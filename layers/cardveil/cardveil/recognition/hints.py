"""What card is to be expected of a source: by its metadata, else by rules for its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cardveil.card.model import CardType, Side
from cardveil.core.errors import Reject
from cardveil.recognition.interfaces import Hint
from cardveil.settings.kinds import CardRule


def hint_of(key: str, meta: Mapping[str, str], card_rules: Sequence[CardRule]) -> Hint:
    """Say what card is to be expected: by the object's metadata, else by the first rule that fits.

    Raises
    ------
    Reject
        ``hint_invalid`` when the metadata names a card type or side that does not exist.
    """
    card_type, side = meta.get("x-cos-meta-card-type"), meta.get("x-cos-meta-card-side")
    try:
        if card_type or side:
            return Hint(CardType(card_type) if card_type else None, Side(side.lower()) if side else None)
    except ValueError:
        raise Reject(
            "hint_invalid", "set x-cos-meta-card-type to IDCard or DriverLicense, card-side to front or back"
        ) from None
    for rule in card_rules:
        if key.startswith(rule.prefix):
            return Hint(rule.card_type, rule.side)
    return Hint()
