"""What a sidecar keeps of a card's texts: all, tokens in place of what the policy covers, or none.

A token is keyed (HMAC-SHA-256): it tells nothing of the text to whoever has no key, and two cards that say
the same have the same one, so that the cards of one person still join. Sidecars say how their texts are kept,
and by which key: what was written otherwise is out of date.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from cardveil.card.model import Card, Field
from cardveil.core.frozen import dataclass, replace
from cardveil.redaction import Partial, Policy
from cardveil.settings import Settings
from cardveil.storage.sidecar import Decision

ALL: Final = "all"
TOKENS: Final = "masked-as-tokens"
NONE: Final = "none"
#: Stands for a character that the policy covers, where the others of a text are shown.
HIDDEN: Final = "*"
#: Fields that say the same of a person, by one name.
_SAME: Final[Mapping[str, str]] = {"licence_number": "id_number"}
#: Hexadecimal characters of a token, 128 bits, and of what tells one key's tokens from another's.
_TOKEN_CHARACTERS: Final = 32
_KEY_CHARACTERS: Final = 8


@dataclass(frozen=True, slots=True)
class TextKeeping:
    """How texts are kept: the setting, and the key for tokens."""

    mode: str
    key: bytes = b""

    @property
    def tag(self) -> str:
        """By what sidecars say how their texts are kept; empty for texts as they are."""
        if self.mode == ALL:
            return ""
        return f"{self.mode}/{self._key_id()}" if self.mode == TOKENS else self.mode

    def cards(self, cards: Sequence[Card], policy: Policy) -> tuple[Card, ...]:
        """Return cards as they are kept beside a copy that was made by `policy`."""
        if self.mode == ALL:
            return tuple(cards)
        return tuple(
            replace(card, fields=tuple(self._field(card, field, policy) for field in card.fields))
            for card in cards
        )

    def history(self, history: Sequence[Decision]) -> tuple[Decision, ...]:
        """Return decisions as they are kept: a reason is free text, and may say what a card says."""
        if self.mode == ALL:
            return tuple(history)
        return tuple(replace(decision, reason="") for decision in history)

    def lacks_texts(self, document: Mapping[str, Any], policy: Policy) -> bool:
        """Say whether a sidecar lacks texts that one by `policy` is to hold: then it is recognised anew."""
        tag = document["pipeline"].get("texts", "")
        if not tag:
            return False
        if tag != self.tag or self.mode == NONE:
            return True
        before = document["pipeline"].get("policy", {}).get("cards", {})
        return any(
            field.get("token") and not self._shows_no_more(policy, card, field["name"], before)
            for card in document["cards"]
            for field in card["fields"]
        )

    def token(self, name: str, value: str) -> str:
        """Return the token of what a field says."""
        said = f"{_SAME.get(name, name)}\0{_canonical(value)}".encode()
        made = hmac.new(self.key, b"text\0" + said, sha256).hexdigest()[:_TOKEN_CHARACTERS]
        return f"{self._key_id()}.{made}"

    def _key_id(self) -> str:
        return hmac.new(self.key, b"key", sha256).hexdigest()[:_KEY_CHARACTERS]

    def _field(self, card: Card, field: Field, policy: Policy) -> Field:
        if self.mode == NONE:
            return replace(field, text=None, normalized=None, token=None, shown=None)
        action = policy.action_for(card.type, card.side, field.name)
        if action == "keep" or field.text is None:
            # One that is a token already stays one: its text is not known here.
            return field
        token = self.token(field.name, field.normalized or field.text)
        shown = _shown(field.text, action) if isinstance(action, Partial) else None
        return replace(field, text=None, normalized=None, token=token, shown=shown)

    @staticmethod
    def _shows_no_more(policy: Policy, card: Mapping[str, Any], name: str, before: Mapping[str, Any]) -> bool:
        action = policy.rules_of(card["type"]).get(name, "mask")
        if isinstance(action, Partial):
            kept = {"keep_first": action.keep_first, "keep_last": action.keep_last}
            return bool(before.get(card["type"], {}).get(name) == {"partial": kept})
        return action == "mask"


def keeping_of(settings: Settings) -> TextKeeping:
    """Return how the settings have texts kept."""
    key = settings.text_key[0].encode() if settings.text_key else b""
    return TextKeeping(settings.sidecar_texts, key)


def _shown(text: str, action: Partial) -> str:
    """Return a text with the characters covered that a partial action covers, one for one."""
    written = "".join(text.split())
    hidden = len(written) - action.keep_first - action.keep_last
    if hidden <= 0:
        return HIDDEN * len(written)
    end = len(written) - action.keep_last
    return written[: action.keep_first] + HIDDEN * hidden + written[end:]


def _canonical(value: str) -> str:
    """Return a value as it is compared: width, case and spaces apart."""
    return "".join(unicodedata.normalize("NFKC", value).split()).upper()
