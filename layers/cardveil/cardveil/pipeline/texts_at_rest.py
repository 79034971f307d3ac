"""What a sidecar keeps of a card's texts: all, tokens or ciphertext for what the policy covers, or none.

A token is keyed (HMAC-SHA-256): it tells nothing of the text to whoever has no key, and two cards that say
the same have the same one, so that the cards of one person still join. Sidecars say how their texts are kept,
and by which key: what was written otherwise is out of date. A ciphertext stands beside its token.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from cardveil.card.model import Card, Field
from cardveil.core.frozen import dataclass, replace
from cardveil.redaction import Partial, Policy
from cardveil.settings import Settings
from cardveil.storage.keys import source_digest
from cardveil.storage.sidecar import Decision, Sidecar

if TYPE_CHECKING:
    from cardveil.pipeline.sealing import Seals

ALL: Final = "all"
TOKENS: Final = "masked-as-tokens"
SEALED: Final = "masked-as-ciphertext"
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
    keys: tuple[bytes, ...] = ()

    @property
    def seals(self) -> Seals:
        """What seals and opens texts."""
        from cardveil.pipeline.sealing import Seals  # few settings seal anything

        return Seals(self.keys)

    @property
    def tag(self) -> str:
        """By what sidecars say how their texts are kept; empty for texts as they are."""
        if self.mode == ALL:
            return ""
        return self.mode if self.mode == NONE else f"{self.mode}/{self._key_id()}"

    def cards(self, cards: Sequence[Card], policy: Policy, source: str) -> tuple[Card, ...]:
        """Return the cards of a source (its key) as they are kept beside a copy made by `policy`."""
        if self.mode == ALL:
            return tuple(cards)
        return tuple(
            replace(card, fields=tuple(self._field(card, field, policy, source) for field in card.fields))
            for card in cards
        )

    def sidecar(self, sidecar: Sidecar, policy: Policy) -> Sidecar:
        """Return a sidecar as it is kept: its cards, those of its pages, and what persons have decided."""
        source = sidecar.source.key
        return replace(
            sidecar,
            cards=self.cards(sidecar.cards, policy, source),
            pages=tuple(
                replace(page, cards=self.cards(page.cards, policy, source)) for page in sidecar.pages
            ),
            history=self.history(sidecar.history),
            texts_kept=self.tag,
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
            for part in (document, *document.get("pages", ()))
            for card in part["cards"]
            for field in card["fields"]
        )

    def token(self, name: str, value: str) -> str:
        """Return the token of what a field says."""
        said = f"{_SAME.get(name, name)}\0{_canonical(value)}".encode()
        made = hmac.new(self.keys[0], b"text\0" + said, sha256).hexdigest()[:_TOKEN_CHARACTERS]
        return f"{self._key_id()}.{made}"

    def _key_id(self) -> str:
        return hmac.new(self.keys[0], b"key", sha256).hexdigest()[:_KEY_CHARACTERS]

    def _field(self, card: Card, field: Field, policy: Policy, source: str) -> Field:
        if self.mode == NONE:
            return replace(field, text=None, normalized=None, token=None, shown=None, sealed=None)
        action = policy.action_for(card.type, card.side, field.name)
        if action == "keep" or field.text is None:
            # One that is a token already stays one: its text is not known here.
            return field
        token = self.token(field.name, field.normalized or field.text)
        shown = _shown(field.text, action) if isinstance(action, Partial) else None
        sealed = None
        if self.mode == SEALED:
            said = {"text": field.text, "normalized": field.normalized}
            sealed = self.seals.seal(place_of(source, field.name), said)
        return replace(field, text=None, normalized=None, token=token, shown=shown, sealed=sealed)

    @staticmethod
    def _shows_no_more(policy: Policy, card: Mapping[str, Any], name: str, before: Mapping[str, Any]) -> bool:
        action = policy.rules_of(card["type"]).get(name, "mask")
        if isinstance(action, Partial):
            kept = {"keep_first": action.keep_first, "keep_last": action.keep_last}
            return bool(before.get(card["type"], {}).get(name) == {"partial": kept})
        return action == "mask"


def keeping_of(settings: Settings) -> TextKeeping:
    """Return how the settings have texts kept."""
    return TextKeeping(settings.sidecar_texts, tuple(key.encode() for key in settings.text_key))


def place_of(source: str, field: str) -> str:
    """Return the name of a place that texts are sealed for: they open under no other source or field."""
    return f"{source_digest(source)}/{field}"


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
