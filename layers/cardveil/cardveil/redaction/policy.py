"""Policies as data: what is done to each field; the packaged ones cost a cold start no reading of YAML."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from cardveil.card.model import FIELDS, PORTRAIT, CardType, Side
from cardveil.core.frozen import dataclass

BUILT_IN: Final = ("strict", "standard", "minimal")
INCOMPLETE: Final = ("review", "mask_card", "mask_picture")
#: Beside the layout's zone, which is covered as well: so all ink was covered on every invented card.
USUAL_MARGIN: Final = 0.6
#: What tells whether a card is valid, and nothing of who its holder is.
_OF_THE_CARD: Final = frozenset(
    {"sex", "ethnicity", "authority", "valid_period", "nationality", "first_issue_date", "vehicle_class"}
)


@dataclass(frozen=True, slots=True)
class Partial:
    """Cover a text but for its first and last characters."""

    keep_first: int
    keep_last: int


Action = Literal["keep", "mask"] | Partial


@dataclass(frozen=True, slots=True)
class Policy:
    """What is covered, how widely, in what colour, and what happens when a card is incomplete.

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
    """

    name: str
    digest: str
    rules: Mapping[CardType, Mapping[str, Action]]
    margin_mm: float
    fill: tuple[int, int, int]
    incomplete: str

    def action_for(self, card_type: CardType, side: Side, field: str) -> Action:  # noqa: ARG002
        """Return what is done to a field; one that the policy does not know is masked.

        Names are the same on both sides of a card, so `side` decides nothing today.
        """
        return self.rules.get(card_type, {}).get(field, "mask")


def load_policy(source: str | Path) -> Policy:
    """Read a policy.

    Parameters
    ----------
    source : str or Path
        ``strict``, ``standard`` or ``minimal``; the path of a YAML file; or the YAML itself (a text of
        several lines).

    Raises
    ------
    Halt
        ``policy_missing`` or ``policy_invalid``, which names the line and what is wrong with it.
    """
    if isinstance(source, str) and source in BUILT_IN:
        return _packaged(source)
    # Reading YAML costs as much as a tenth of a cold start.
    from cardveil.redaction.policy_file import read_policy

    return read_policy(source)


def policy_of(
    name: str,
    rules: Mapping[CardType, dict[str, Action]],
    margin_mm: float,
    fill: tuple[int, int, int],
    incomplete: str,
) -> Policy:
    """Make a policy with its digest."""
    digest = _digest(rules, margin_mm, fill, incomplete)
    kept = MappingProxyType({card_type: MappingProxyType(each) for card_type, each in rules.items()})
    return Policy(name, digest, kept, margin_mm, fill, incomplete)


@cache
def _packaged(name: str) -> Policy:
    """Make a packaged policy; the files in ``policies/`` say the same, for whoever writes one (tested)."""
    rules: dict[CardType, dict[str, Action]] = {}
    for (card_type, _), fields in FIELDS.items():
        rules.setdefault(card_type, {}).update({field: _action(name, field) for field in fields})
    return policy_of(name, rules, USUAL_MARGIN, (0, 0, 0), "review")


def _action(policy: str, field: str) -> Action:
    if policy == "strict":
        return "mask"
    if policy == "standard":
        return "keep" if field in _OF_THE_CARD else "mask"
    if field in ("id_number", "licence_number"):
        return Partial(6, 0)
    return "mask" if field == PORTRAIT else "keep"


def _digest(
    rules: Mapping[CardType, dict[str, Action]], margin: float, fill: tuple[int, ...], chosen: str
) -> str:
    def plain(action: Action) -> Any:
        return [action.keep_first, action.keep_last] if isinstance(action, Partial) else action

    canonical = {
        "cards": {
            kind.value: {field: plain(action) for field, action in r.items()} for kind, r in rules.items()
        },
        "fill": list(fill),
        "incomplete": chosen,
        "margin_mm": margin,
        "schema": "cardveil.policy/1",
    }
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode("ascii")).hexdigest()
