"""Finds a policy by name or reads a written one, so strictly that no slip of the pen uncovers a field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from cardveil.card.model import FIELDS, CardType
from cardveil.core.errors import Halt
from cardveil.redaction.mark import Watermark, watermark_from
from cardveil.redaction.policy import (
    BUILT_IN,
    INCOMPLETE,
    OUTSIDE,
    PAGES,
    REST,
    Action,
    Partial,
    Policy,
    colour_of,
    packaged_policy,
    policy_of,
)

_LONGEST: Final = 65536
_WIDEST_MARGIN: Final = 20.0
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_ANY: Final = re.compile(r"[^\x00-\x1f]{1,60}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


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
        return packaged_policy(source)
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
    root = _compose(text)
    known = {
        "name", "margin_mm", "fill", "incomplete", "outside", "rest", "pages_without_card", "cards",
        "watermark",
    }  # fmt: skip
    items = _mapping(root, known, "setting")
    if "cards" not in items:
        raise _invalid(root.start_mark.line + 1, "`cards` is missing")
    cards = _mapping(items["cards"], {t.value for t in CardType}, "card type")
    rules = {CardType(name): _rules(CardType(name), node) for name, node in cards.items()}
    name, given = "custom", dict[str, Any]()
    if "name" in items:
        name = _text(items["name"], _NAME, "a name of letters, digits, `.`, `_`, `-`")
    if "margin_mm" in items:
        given["margin_mm"] = _number(items["margin_mm"])
    if "fill" in items:
        given["fill"] = colour_of(_text(items["fill"], _COLOUR, 'a quoted colour such as "#000000"'))
    choices = (
        ("incomplete", INCOMPLETE),
        ("outside", OUTSIDE),
        ("rest", REST),
        ("pages_without_card", PAGES),
    )
    for key, values in choices:
        if key in items:
            given[key] = _one_of(items[key], values)
    if "watermark" in items:
        given["watermark"] = _watermark(items["watermark"])
    return policy_of(name, rules, **given)


def _watermark(node: Any) -> Watermark:
    said = _mapping(node, {"text", "purpose", "colour", "opacity"}, "setting of watermark")
    given = {name: _text(value, _ANY, "a text") for name, value in said.items()}
    line = node.start_mark.line + 1
    if "colour" in given:
        _text(said["colour"], _COLOUR, 'a quoted colour such as "#c02020"')
    document: dict[str, Any] = dict(given)
    if "opacity" in given:
        document["opacity"] = _count(said["opacity"])
    try:
        watermark = watermark_from(document)
    except ValueError:
        expected = "a text of letters with {purpose} and {date}, a purpose, an opacity from 5 to 60"
        raise _invalid(line, f"expected {expected}") from None
    if "{purpose}" in watermark.text and not watermark.purpose:
        raise _invalid(line, "name the purpose that stands for {purpose}")
    return watermark


def _compose(text: str) -> Any:
    """Return the YAML's nodes, which know their lines."""
    # Only a policy of one's own pays for it: a tenth of a cold start.
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
    return root


def _rules(card_type: CardType, node: Any) -> dict[str, Action]:
    known = {field for (kind, _), fields in FIELDS.items() if kind is card_type for field in fields}
    return {name: _action(value) for name, value in _mapping(node, known, "field").items()}


def _action(node: Any) -> Action:
    if node.id == "scalar" and node.value in ("keep", "mask"):
        return "keep" if node.value == "keep" else "mask"
    if node.id != "mapping":
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
    if node.id != "mapping":
        raise _invalid(node.start_mark.line + 1, f"expected a mapping of {what}s")
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = key.value if key.id == "scalar" else ""
        if name not in known:
            raise _invalid(line, f"unknown {what} {name[:40]!r}: expected one of {', '.join(sorted(known))}")
        if name in found:
            raise _invalid(line, f"{what} {name!r} is given twice")
        found[name] = value
    return found


def _text(node: Any, pattern: re.Pattern[str], expected: str) -> str:
    if node.id != "scalar" or not pattern.fullmatch(node.value):
        raise _invalid(node.start_mark.line + 1, f"expected {expected}")
    return str(node.value)


def _one_of(node: Any, values: tuple[str, ...]) -> str:
    return _text(node, re.compile("|".join(values)), f"one of {', '.join(values)}")


def _number(node: Any) -> float:
    value = float(_text(node, re.compile(r"\d{1,2}(\.\d{1,6})?"), "a number of millimetres, 0 to 20"))
    if value > _WIDEST_MARGIN:
        raise _invalid(node.start_mark.line + 1, "expected a number of millimetres, 0 to 20")
    return value


def _count(node: Any) -> int:
    return int(_text(node, re.compile(r"\d{1,2}"), "a number of characters, 0 to 99"))


def _invalid(line: int, what: str) -> Halt:
    return Halt("policy_invalid", f"correct line {line} of the policy: {what}")
