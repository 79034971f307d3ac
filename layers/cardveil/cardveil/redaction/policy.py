"""Policies as data: what may be shown of a card, and the packaged ones, which are JSON beside this file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, Literal

from cardveil.card.model import CardType, Side
from cardveil.core.frozen import dataclass
from cardveil.redaction.mark import Watermark, watermark_from

BUILT_IN: Final = ("strict", "standard", "minimal")
INCOMPLETE: Final = ("review", "mask_card", "mask_picture")
OUTSIDE: Final = ("mask", "crop", "keep")
REST: Final = ("mask", "keep")
PAGES: Final = ("mask", "keep", "review")
#: Beside the layout's zone, which is covered as well: so all ink was covered on every invented card.
USUAL_MARGIN: Final = 0.6


@dataclass(frozen=True, slots=True)
class Partial:
    """Cover a text but for its first and last characters."""

    keep_first: int
    keep_last: int


Action = Literal["keep", "mask"] | Partial


@dataclass(frozen=True, slots=True)
class Policy:
    """What a copy may show, in what colour the rest is covered, and what happens when a card is incomplete.

    Attributes
    ----------
    digest : str
        SHA-256 (hex) of everything that decides over a picture; the name does not.
    rules : mapping of card type to mapping of field to action
        What is not named here is masked.
    margin_mm : float
        Millimetres of the card by which every covered place grows, on each side.
    fill : (red, green, blue)
    incomplete : str
        ``review``: no copy; ``mask_card``: the whole card is covered; ``mask_picture``: the whole picture is.
    outside : str
        What lies beyond the card: ``mask``, ``crop`` (the copy ends at the card), or ``keep``.
    rest : str
        What lies on the card and is no field: ``mask`` shows kept fields and printed labels alone, ``keep``
        the card's ground as well, as far as a witness read all text on it.
    pages_without_card : str
        Of a document: ``mask`` covers such a page whole, ``keep`` shows it whole, ``review`` leaves the
        document to a person.
    watermark : Watermark, optional
        What is written over copies; it decides over nothing that is covered.
    """

    name: str
    digest: str
    rules: Mapping[CardType, Mapping[str, Action]]
    margin_mm: float
    fill: tuple[int, int, int]
    incomplete: str
    outside: str = "mask"
    rest: str = "mask"
    pages_without_card: str = "mask"
    watermark: Watermark | None = None

    def action_for(self, card_type: CardType, side: Side, field: str) -> Action:  # noqa: ARG002
        """Return what is done to a field; one that the policy does not know is masked.

        Names are the same on both sides of a card, so `side` decides nothing today.
        """
        return self.rules.get(card_type, {}).get(field, "mask")

    def rules_of(self, card_type: str) -> Mapping[str, Action]:
        """Return the actions for a card type by its name, none for one that is not known."""
        return next((each for kind, each in self.rules.items() if kind.value == card_type), {})


def policy_of(
    name: str,
    rules: Mapping[CardType, dict[str, Action]],
    *,
    margin_mm: float = USUAL_MARGIN,
    fill: tuple[int, int, int] = (0, 0, 0),
    incomplete: str = "review",
    outside: str = "mask",
    rest: str = "mask",
    pages_without_card: str = "mask",
    watermark: Watermark | None = None,
) -> Policy:
    """Make a policy with its digest; what is not given is at its safe default."""
    canonical: dict[str, Any] = {
        "cards": {
            kind.value: {field: _plain(action) for field, action in each.items()}
            for kind, each in rules.items()
        },
        "fill": list(fill),
        "incomplete": incomplete,
        "margin_mm": margin_mm,
        "outside": outside,
        "rest": rest,
        "schema": "cardveil.policy/2",
    }
    if pages_without_card != "mask":
        # Results by policies that never spoke of pages stay right.
        canonical["pages_without_card"] = pages_without_card
    if watermark is not None:
        canonical["watermark"] = watermark.as_document()
    digest = hashlib.sha256(json.dumps(canonical, sort_keys=True).encode("ascii")).hexdigest()
    kept = MappingProxyType({card_type: MappingProxyType(each) for card_type, each in rules.items()})
    return Policy(
        name, digest, kept, margin_mm, fill, incomplete, outside, rest, pages_without_card, watermark
    )


@cache
def packaged_policy(name: str) -> Policy:
    """Read one of `BUILT_IN`: JSON, since reading YAML costs as much as a tenth of a cold start."""
    text = (
        resources.files("cardveil.redaction").joinpath("policies").joinpath(f"{name}.json").read_text("utf-8")
    )
    return from_document(json.loads(text))


def from_document(document: Mapping[str, Any]) -> Policy:
    """Read a policy in the form of the packaged ones, as sidecars record it too.

    Raises
    ------
    ValueError
        When it is not of that form.
    """
    try:
        said = dict(document)
        rules = {
            CardType(kind): {str(field): _read(action) for field, action in fields.items()}
            for kind, fields in said.pop("cards").items()
        }
        mark = said.pop("watermark", None)
        watermark = watermark_from(mark) if mark is not None else None
        given = {**said, "fill": colour_of(said["fill"]), "watermark": watermark}
        policy = policy_of(str(given.pop("name")), rules, **given)
        known = (
            policy.outside in OUTSIDE,
            policy.rest in REST,
            policy.incomplete in INCOMPLETE,
            policy.pages_without_card in PAGES,
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("no policy") from error
    if not all(known) or not isinstance(policy.margin_mm, int | float) or policy.margin_mm < 0:
        raise ValueError("no policy")
    return policy


def colour_of(written: str) -> tuple[int, int, int]:
    """Return red, green and blue of a colour written as ``#rrggbb``."""
    return int(written[1:3], 16), int(written[3:5], 16), int(written[5:7], 16)


def _read(action: Any) -> Action:
    if isinstance(action, dict):
        kept = Partial(**action["partial"])
        if all(type(count) is int and count >= 0 for count in (kept.keep_first, kept.keep_last)):
            return kept
    elif action in ("keep", "mask"):
        return "keep" if action == "keep" else "mask"
    raise ValueError("no action")


def _plain(action: Action) -> Any:
    return [action.keep_first, action.keep_last] if isinstance(action, Partial) else action
