"""Positions of one answer and text of another become one card, with every cross-check that they allow."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

from cardveil.card import id_number
from cardveil.card.model import FIELDS, PORTRAIT, Card, CardType, Check, Field, Side
from cardveil.card.normalize import LONG_TERM, normalize
from cardveil.card.provinces import same_province
from cardveil.core.frozen import replace
from cardveil.recognition.interfaces import Reading

#: Below this score (of 100) a text is not to be relied on unseen.
LOW_SCORE: Final = 80.0
#: Fields of which two providers must say the same.
_COMPARED: Final = frozenset({"name", "sex", "birth_date", "id_number", "licence_number"})


def join(
    card_type: CardType, side: Side, located: Reading | None, read: Reading | None
) -> tuple[Card, tuple[str, ...]]:
    """Merge two answers on the same side of the same card.

    Parameters
    ----------
    located : Reading, optional
        Carries the polygons; its texts are second to those of `read`.
    read : Reading, optional
        Carries texts.

    Returns
    -------
    Card, tuple of str
        The card with its fields in reading order (unknown ones last), and the findings.
    """
    findings: list[str] = []
    places = _by_name(located.fields if located else ())
    texts = _by_name(read.fields if read else ())
    fields: list[Field] = []
    for name in dict.fromkeys([*FIELDS[card_type, side], *places, *texts]):
        here, there = places.get(name, ()), texts.get(name, ())
        if not here and not there:
            continue
        if len(here) > 1:
            # The same field in two places: two cards. Both places stay, so that both are covered.
            findings.append("several_cards")
        merged = _merge(name, here[0] if here else None, there[0] if there else None)
        if any(check == Check("providers_agree", False) for check in merged.checks):
            findings.append("text_disagrees")
        if any(place.score is not None and place.score < LOW_SCORE for place in here):
            findings.append("located_unsurely")
        fields.extend((merged, *(_merge(name, other, None) for other in here[1:])))
    if _missing(FIELDS[card_type, side], fields):
        findings.append("field_missing")
    card, more = check(Card(card_type, side, tuple(fields)))
    return card, tuple(dict.fromkeys([*findings, *more]))


def check(card: Card, *, today: date | None = None) -> tuple[Card, tuple[str, ...]]:
    """Check the fields of a card against each other; a check that cannot be made is left out.

    Returns
    -------
    Card, tuple of str
        The card with the outcomes in its fields' `checks`, and the findings that follow.
    """
    findings: list[str] = []
    checks: dict[str, list[Check]] = {}
    values = {field.name: field.normalized for field in card.fields}
    number_name = "id_number" if card.type is CardType.ID_CARD else "licence_number"
    if number := values.get(number_name):
        _check_number(number_name, number, values, checks, findings)
    elif (written := card.field(number_name)) and written.text:
        checks[number_name] = [Check("id_number_shape", False)]
        findings.append("check_digit_failed")
    if end := (values.get("valid_period") or "").partition("/")[2]:
        valid = end == LONG_TERM or end >= (today or date.today()).isoformat()
        checks.setdefault("valid_period", []).append(Check("not_expired", valid))
        if not valid:
            findings.append("expired")
    for field in card.fields:
        if field.text and field.score is not None and field.score < LOW_SCORE:
            findings.append("low_score")
        if field.text and field.normalized is None and not field.name.startswith("unknown:"):
            findings.append("value_unreadable")
    fields = tuple(
        replace(
            field,
            checks=(*field.checks, *(new for new in checks.get(field.name, ()) if new not in field.checks)),
        )
        for field in card.fields
    )
    return replace(card, fields=fields), tuple(dict.fromkeys(findings))


def _missing(names: Iterable[str], fields: Sequence[Field]) -> bool:
    """Say whether a field that every such card has was neither read nor, where no text is read, located."""
    read = {field.name for field in fields if field.text}
    there = read or {field.name for field in fields}
    return bool(set(names) - there - {PORTRAIT})


def _check_number(
    name: str,
    number: str,
    values: Mapping[str, str | None],
    checks: dict[str, list[Check]],
    findings: list[str],
) -> None:
    try:
        told = id_number.inspect(number)
    except ValueError:
        checks[name] = [Check("id_number_shape", False)]
        findings.append("check_digit_failed")
        return
    checks[name] = list(told.checks)
    if not told.valid:
        findings.append("check_digit_failed")
        return
    if not told.checks[0].passed:
        findings.append("region_unknown")
    if (address := values.get("address")) and (same := same_province(number, address)) is not None:
        checks.setdefault("address", []).append(Check("same_province_as_id_number", same))
        if not same:
            findings.append("region_elsewhere")
    for other, expected, finding in (
        ("birth_date", told.birth_date, "birth_date_disagrees"),
        ("sex", told.sex, "sex_disagrees"),
    ):
        if (value := values.get(other)) is not None:
            agrees = value == expected
            checks.setdefault(other, []).append(Check("agrees_with_id_number", agrees))
            if not agrees:
                findings.append(finding)


def _merge(name: str, place: Field | None, text: Field | None) -> Field:
    """Take the polygon from one and the text from the other, and note whether their texts agree."""
    first, second = text or place, place if text else None
    if first is None:
        raise ValueError("one of the two is needed")
    normalized = normalize(name, first.text) if first.text else None
    checks = first.checks
    if second and second.text and first.text and name in _COMPARED:
        agree = _agree(name, first.text, second.text)
        if agree is not None:
            checks = (*checks, Check("providers_agree", agree))
    return Field(
        name=name,
        text=first.text,
        normalized=first.normalized or normalized,
        score=place.score if place and place.score is not None else first.score,
        polygon=place.polygon if place else None,
        sources=tuple(dict.fromkeys([*(text.sources if text else ()), *(place.sources if place else ())])),
        checks=checks,
    )


def _agree(name: str, one: str, other: str) -> bool | None:
    """Compare two texts of a field; None when one is a translation, so that nothing can be said."""
    a, b = normalize(name, one), normalize(name, other)
    if name != "name":
        return a == b if a is not None and b is not None else None
    if _chinese(one) is not _chinese(other):
        return None
    return _fold(one) == _fold(other)


def _chinese(text: str) -> bool:
    # Not by a pattern: Python needs a millisecond or two to compile a range as wide as this.
    return any("\u3400" <= each <= "\u9fff" or "\U00020000" <= each <= "\U0003ffff" for each in text)


def _fold(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).lower()


def _by_name(fields: Iterable[Field]) -> dict[str, tuple[Field, ...]]:
    grouped: dict[str, tuple[Field, ...]] = {}
    for field in fields:
        grouped[field.name] = (*grouped.get(field.name, ()), field)
    return grouped
