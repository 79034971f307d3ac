"""Policies as data: what is done to each field, read so strictly that no slip of the pen uncovers one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from cardveil.card import FIELDS, CardType, Side
from cardveil.errors import Halt
from cardveil.records import dataclass

BUILT_IN: Final = ("strict", "standard", "minimal")
INCOMPLETE: Final = ("review", "mask_card", "mask_picture")
_LONGEST: Final = 65536
_WIDEST_MARGIN: Final = 20.0
#: Beside the layout's zone, which is covered as well: so all ink was covered on every invented card.
_USUAL_MARGIN: Final = 0.6
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


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
        folder = resources.files("cardveil.redaction") / "policies"
        return _parse((folder / f"{source}.yml").read_text(encoding="utf-8"))
    if isinstance(source, str) and "\n" in source:
        return _parse(source)
    try:
        path = Path(source)
        if path.stat().st_size > _LONGEST:
            raise _invalid(1, "a policy has at most 64 KB")
        return _parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        what = f"name a policy that is there: {', '.join(BUILT_IN)}, or a readable YAML file in UTF-8"
        raise Halt("policy_missing", what) from None


def _parse(text: str) -> Policy:
    import yaml

    if len(text) > _LONGEST:
        raise _invalid(1, "a policy has at most 64 KB")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _invalid(mark.line + 1 if mark else 1, "this is not YAML") from None
    except RecursionError:
        raise _invalid(1, "this is nested too deeply") from None
    if root is None:
        raise _invalid(1, "a policy says at least what it does with cards")
    items = _mapping(root, {"name", "margin_mm", "fill", "incomplete", "cards"}, "setting")
    if "cards" not in items:
        raise _invalid(root.start_mark.line + 1, "`cards` is missing")
    cards = _mapping(items["cards"], {t.value for t in CardType}, "card type")
    rules = {CardType(name): _rules(CardType(name), node) for name, node in cards.items()}
    name = (
        _text(items["name"], _NAME, "a name of letters, digits, `.`, `_`, `-`")
        if "name" in items
        else "custom"
    )
    margin = _number(items["margin_mm"]) if "margin_mm" in items else _USUAL_MARGIN
    fill = (
        _text(items["fill"], _COLOUR, 'a quoted colour such as "#000000"') if "fill" in items else "#000000"
    )
    incomplete = items.get("incomplete")
    if incomplete is not None and incomplete.value not in INCOMPLETE:
        raise _invalid(incomplete.start_mark.line + 1, f"expected one of {', '.join(INCOMPLETE)}")
    chosen = incomplete.value if incomplete is not None else "review"
    rgb = (int(fill[1:3], 16), int(fill[3:5], 16), int(fill[5:7], 16))
    return Policy(name, _digest(rules, margin, rgb, chosen), MappingProxyType(rules), margin, rgb, chosen)


def _rules(card_type: CardType, node: Any) -> Mapping[str, Action]:
    known = {field for (kind, _), fields in FIELDS.items() if kind is card_type for field in fields}
    return MappingProxyType({name: _action(value) for name, value in _mapping(node, known, "field").items()})


def _action(node: Any) -> Action:
    import yaml

    if isinstance(node, yaml.ScalarNode) and node.value in ("keep", "mask"):
        return "keep" if node.value == "keep" else "mask"
    if not isinstance(node, yaml.MappingNode):
        raise _invalid(node.start_mark.line + 1, "unknown action: expected keep, mask or partial")
    parts = _mapping(node, {"partial"}, "action")
    if "partial" not in parts:
        raise _invalid(node.start_mark.line + 1, "unknown action: expected keep, mask or partial")
    counts = _mapping(parts["partial"], {"keep_first", "keep_last"}, "setting of partial")
    first, last = (_count(counts[n]) if n in counts else 0 for n in ("keep_first", "keep_last"))
    if not first and not last:
        raise _invalid(node.start_mark.line + 1, "partial keeps at least one character; otherwise say mask")
    return Partial(first, last)


def _mapping(node: Any, known: set[str], what: str) -> dict[str, Any]:
    import yaml

    if not isinstance(node, yaml.MappingNode):
        raise _invalid(node.start_mark.line + 1, f"expected a mapping of {what}s")
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if name not in known:
            raise _invalid(line, f"unknown {what} {name[:40]!r}: expected one of {', '.join(sorted(known))}")
        if name in found:
            raise _invalid(line, f"{what} {name!r} is given twice")
        found[name] = value
    return found


def _text(node: Any, pattern: re.Pattern[str], expected: str) -> str:
    import yaml

    if not isinstance(node, yaml.ScalarNode) or not pattern.fullmatch(node.value):
        raise _invalid(node.start_mark.line + 1, f"expected {expected}")
    return str(node.value)


def _number(node: Any) -> float:
    value = float(_text(node, re.compile(r"\d{1,2}(\.\d{1,6})?"), "a number of millimetres, 0 to 20"))
    if value > _WIDEST_MARGIN:
        raise _invalid(node.start_mark.line + 1, "expected a number of millimetres, 0 to 20")
    return value


def _count(node: Any) -> int:
    return int(_text(node, re.compile(r"\d{1,2}"), "a number of characters, 0 to 99"))


def _digest(
    rules: Mapping[CardType, Mapping[str, Action]], margin: float, fill: tuple[int, ...], chosen: str
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


def _invalid(line: int, what: str) -> Halt:
    return Halt("policy_invalid", f"correct line {line} of the policy: {what}")
