"""One form for each value, whoever read it: vendors answer in two languages, cards print several styles."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

from cardveil.card.ethnicity import ETHNICITIES, ethnicity

__all__ = ["ETHNICITIES", "LONG_TERM", "ethnicity", "normalize"]

#: Second half of a valid period without an end.
LONG_TERM: Final = "long-term"

_SEXES: Final = MappingProxyType(
    {"男": "male", "男性": "male", "male": "male", "m": "male", "man": "male",
     "女": "female", "女性": "female", "female": "female", "f": "female", "woman": "female"}
)  # fmt: skip
_CHINA: Final = frozenset(
    {
        "中国",
        "中國",
        "中华人民共和国",
        "china",
        "chn",
        "cn",
        "chinese",
        "prc",
        "prchina",
        "peoplesrepublicofchina",
    }
)
#: Ministry of Public Security order 162, annex 1: the classes a licence may name.
_CLASSES: Final = r"(?:A[123]|B[12]|C[1-6]|[DEFMNP])+"
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = (
    r"(?P<word>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
#: Compiled (by `re`, which keeps them) when they are first tried: few cards need more than the first.
_DATE_FORMS: Final = (
    r"(?P<year>\d{4})(?:年|[-./,·])(?P<month>\d{1,2})(?:月|[-./,·])(?P<day>\d{1,2})日?",
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
    _MONTH + r"(?P<day>\d{1,2})(?:st|nd|rd|th)?,?(?P<year>\d{4})",
    r"(?P<day>\d{1,2})(?:st|nd|rd|th)?" + _MONTH + r",?(?P<year>\d{4})",
)
_FOREVER: Final = frozenset(
    {
        "长期",
        "長期",
        "长期有效",
        "long-term",
        "longterm",
        "permanent",
        "indefinite",
        "indefinitely",
        "forever",
    }
)
_BETWEEN: Final = r"至|到|to|until|through|[-~—–_一]+|/"


def normalize(field_name: str, text: str) -> str | None:
    """Return the normal form of a value, or None where `text` cannot be brought to one.

    Parameters
    ----------
    field_name
        Canonical field name, as in `cardveil.card.model.FIELDS`.
    text
        The value as printed, as a recogniser read it, or as a vendor translated it.

    Returns
    -------
    str or None
        Dates ISO 8601; sex ``male`` or ``female``; ethnicity as in `ETHNICITIES`; numbers upper-case without
        spaces; nationality ISO 3166-1 alpha-3 (``CHN``; others are not known and give None); valid period
        ``2010-07-21/2030-07-21`` or ``2010-07-21/long-term``; vehicle class such as ``C1D``; names, addresses
        and authorities with their spaces put right. An unknown field name gives None.
    """
    rule = _RULES.get(field_name)
    if rule is None:
        return None
    form = rule(_folded(text))
    # Where a space falls away, a letter and an accent that stood apart become one: once more until all rests.
    while form is not None and (again := rule(_folded(form))) != form:
        form = again
    return form


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _date(text: str) -> str | None:
    compact = re.sub(r"\s+", "", text).lower()
    for form in _DATE_FORMS:
        match = re.fullmatch(form, compact)
        if match is None:
            continue
        parts = match.groupdict()
        month = parts.get("month") or str(_MONTHS.index(parts["word"][:3]) + 1)
        try:
            return date(int(parts["year"]), int(month), int(parts["day"])).isoformat()
        except ValueError:
            return None
    return None


def _valid_period(text: str) -> str | None:
    compact = re.sub(r"\s+", "", text).lower().removeprefix("from")
    # The sign between the dates may also stand inside them, so every place to part them is tried.
    found = set()
    for match in re.finditer(_BETWEEN, compact):
        start, end = _date(compact[: match.start()]), compact[match.end() :]
        finish = LONG_TERM if end in _FOREVER else _date(end)
        if start and finish and (finish == LONG_TERM or start <= finish):
            found.add(f"{start}/{finish}")
    if not found:
        # Two dates read without the sign between them.
        for ending in _FOREVER:
            start = _date(compact.removesuffix(ending)) if compact.endswith(ending) else None
            if start:
                found.add(f"{start}/{LONG_TERM}")
        start, finish = _date(compact[:10]), _date(compact[10:])
        if start and finish and start <= finish:
            found.add(f"{start}/{finish}")
    return found.pop() if len(found) == 1 else None


def _sex(text: str) -> str | None:
    return _SEXES.get(re.sub(r"[\s.]", "", text).lower())


def _number(text: str) -> str | None:
    compact = re.sub(r"[\s-]", "", text).upper()
    return compact if compact.isascii() and re.fullmatch(r"\d{17}[\dX]|\d{15}", compact) else None


def _nationality(text: str) -> str | None:
    return "CHN" if re.sub(r"[\W\d_]", "", text).lower() in _CHINA else None


def _vehicle_class(text: str) -> str | None:
    compact = re.sub(r"[\s,、/+.;]", "", text).upper()
    return compact if re.fullmatch(_CLASSES, compact) else None


def _words(text: str) -> str | None:
    # Chinese is written without spaces; those between Latin words are kept, one each.
    spaced = re.sub(r"\s+", " ", text)
    joined = re.sub(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])", "", spaced)
    return joined.strip() or None


def _name(text: str) -> str | None:
    # The point between the parts of a name is printed, and read, in several forms.
    words = _words(re.sub(r"\s*[·•・‧∙⋅.](?=\s*(\S?))", _point, text))
    return words.strip("·") or None if words else None


def _point(match: re.Match[str]) -> str:
    # A range of Chinese characters in the pattern itself would take a millisecond to compile.
    return "·" if "\u3400" <= match[1] <= "\u9fff" else match[0]


_RULES: Final[Mapping[str, Callable[[str], str | None]]] = MappingProxyType(
    {
        "name": _name,
        "sex": _sex,
        "ethnicity": ethnicity,
        "birth_date": _date,
        "first_issue_date": _date,
        "address": _words,
        "authority": _words,
        "id_number": _number,
        "licence_number": _number,
        "nationality": _nationality,
        "vehicle_class": _vehicle_class,
        "valid_period": _valid_period,
    }
)
