"""SCF's seven-field cron: second, minute, hour, day of month, month, day of week, year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_RANGES: Final = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6), (1970, 2099))
#: SCF reads cron expressions in Beijing time.
ZONE: Final = timezone(timedelta(hours=8))
#: An expression that matches nothing within so many days is taken to match nothing at all.
_HORIZON_DAYS: Final = 366 * 8


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression; each field is the set of values that it matches."""

    fields: tuple[frozenset[int], ...]
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """Read an expression of seven fields.

        Raises
        ------
        ValueError
            If it does not have seven fields, or one of them is not understood.
        """
        texts = expression.split()
        if len(texts) != len(_RANGES):
            raise ValueError("a timer's cron expression has seven fields")
        fields = tuple(_field(text, low, high) for text, (low, high) in zip(texts, _RANGES, strict=True))
        return cls(fields, any_day=texts[3] in {"*", "?"}, any_weekday=texts[5] in {"*", "?"})

    def next_after(self, at: float) -> float | None:
        """Return the first match after `at`, both in seconds since the epoch, or None if there is none."""
        moment = datetime.fromtimestamp(int(at) + 1, ZONE)
        last = moment + timedelta(days=_HORIZON_DAYS)
        seconds, minutes, hours, _, _, _, _ = self.fields
        while moment < last:
            if not self._day(moment):
                moment = _midnight(moment) + timedelta(days=1)
            elif moment.hour not in hours:
                moment = moment.replace(minute=0, second=0) + timedelta(hours=1)
            elif moment.minute not in minutes:
                moment = moment.replace(second=0) + timedelta(minutes=1)
            elif moment.second not in seconds:
                moment += timedelta(seconds=1)
            else:
                return moment.timestamp()
        return None

    def _day(self, moment: datetime) -> bool:
        _, _, _, days, months, weekdays, years = self.fields
        if moment.month not in months or moment.year not in years:
            return False
        day, weekday = moment.day in days, (moment.weekday() + 1) % 7 in weekdays
        # Where both are given, SCF runs on days that match either.
        return day and weekday if self.any_day or self.any_weekday else day or weekday


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0)


def _field(text: str, low: int, high: int) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span in {"*", "?"}:
            first, final = low, high
        else:
            start, dash, end = span.partition("-")
            first = _value(start, low, high)
            final = _value(end, low, high) if dash else (high if step else first)
        values.update(range(first, final + 1, int(step) if step else 1))
    if not values:
        raise ValueError("a cron field matches nothing")
    return frozenset(values)


def _value(text: str, low: int, high: int) -> int:
    for names, base in ((_MONTHS, 1), (_DAYS, 0)):
        if text.upper() in names and (low, high) == _RANGES[4 if base else 5]:
            return names.index(text.upper()) + base
    number = int(text)
    if not low <= number <= high:
        raise ValueError("a cron field is out of its range")
    return number
