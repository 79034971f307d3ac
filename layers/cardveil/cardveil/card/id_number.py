"""Citizen identification numbers (GB 11643-1999), because one number checks four fields of a card."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from cardveil.card.model import Check
from cardveil.core.frozen import dataclass

#: GB 11643-1999, section 5: weight of position i is 2**(18-i) mod 11.
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
#: GB 11643-1999, table 1: check character for the weighted sum modulo 11.
_CHECK_CHARACTERS: Final = "10X98765432"
_SHAPE: Final = r"\d{17}[\dX]"
#: The first two digits that GB/T 2260 gives to provinces and their equals.
PROVINCES: Final = frozenset(
    f"{first}{second}"
    for first, seconds in {
        "1": "12345",
        "2": "123",
        "3": "1234567",
        "4": "123456",
        "5": "01234",
        "6": "12345",
        "7": "1",
        "8": "123",
    }.items()
    for second in seconds
)
#: Nobody alive was born before this; an earlier date in a number is a misreading.
_EARLIEST_BIRTH: Final = date(1880, 1, 1)

#: What recognisers take digits for. Only looked at where a check digit then decides.
_CONFUSIONS: Final = {
    "O": "0", "o": "0", "D": "0", "Q": "0", "I": "1", "l": "1", "|": "1", "i": "1", "Z": "2", "z": "2",
    "S": "5", "s": "5", "b": "6", "G": "6", "B": "8", "g": "9", "q": "9",
    "x": "X", "×": "X", "Χ": "X", "Х": "X",
}  # fmt: skip
_LOOKALIKES: Final = {
    "0": "68", "1": "74", "2": "7", "3": "8", "4": "1", "5": "68", "6": "508", "7": "12",
    "8": "3605", "9": "08",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class IdNumber:
    """What an identification number says, and which of its checks hold.

    Attributes
    ----------
    region : str
        Six digits, the administrative division of first registration.
    birth_date : str or None
        ISO 8601, or None when the eight digits are no date.
    sex : str
        ``male`` or ``female``, from the parity of the sequence number.
    checks : tuple of Check
        ``id_number_region`` (the province exists), ``id_number_date``, ``id_number_check_digit``.
    """

    number: str
    region: str
    birth_date: str | None
    sex: str
    checks: tuple[Check, ...]

    @property
    def valid(self) -> bool:
        """Whether date and check digit hold; the region is told apart, since divisions come and go."""
        return all(check.passed for check in self.checks if check.name != "id_number_region")


def check_digit(first17: str) -> str:
    """Return the check character (``0``-``9`` or ``X``) of the first seventeen digits.

    Raises
    ------
    ValueError
        If `first17` is not seventeen ASCII digits.
    """
    if len(first17) != 17 or not (first17.isascii() and first17.isdigit()):
        raise ValueError("seventeen digits are needed")
    total = sum(int(digit) * weight for digit, weight in zip(first17, _WEIGHTS, strict=True))
    return _CHECK_CHARACTERS[total % 11]


def inspect(number: str) -> IdNumber:
    """Read an 18-character number.

    Raises
    ------
    ValueError
        If the shape is not 17 digits and a check character (the text does not repeat the number).
    """
    number = number.strip().upper()
    if not (number.isascii() and re.fullmatch(_SHAPE, number)):
        raise ValueError("an identification number is 17 digits and a check character")
    born = _date_of(number[6:14])
    return IdNumber(
        number=number,
        region=number[:6],
        birth_date=born.isoformat() if born else None,
        sex="male" if int(number[16]) % 2 else "female",
        checks=(
            Check("id_number_region", number[:2] in PROVINCES),
            Check("id_number_date", born is not None),
            Check("id_number_check_digit", number[17] == check_digit(number[:17])),
        ),
    )


def is_valid(number: str) -> bool:
    """Say whether `number` has the shape, a real date and the right check digit."""
    try:
        return inspect(number).valid
    except ValueError:
        return False


def repair(text: str) -> str | None:
    """Return the one valid number that `text` can be read as, or None when there is none or more than one.

    Letters that stand for digits are put right first; then, if the check fails, a single digit may be
    replaced by one that it is commonly mistaken for.
    """
    folded = "".join(
        _CONFUSIONS.get(character, character) for character in re.sub(r"[\s.·:-]", "", text)
    ).upper()
    if not (folded.isascii() and re.fullmatch(_SHAPE, folded)):
        return None
    if is_valid(folded):
        return folded
    found = {
        candidate
        for position, digit in enumerate(folded)
        for other in _LOOKALIKES.get(digit, "")
        if is_valid(candidate := folded[:position] + other + folded[position + 1 :])
    }
    return found.pop() if len(found) == 1 else None


def _date_of(digits: str) -> date | None:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return born if _EARLIEST_BIRTH <= born <= date.today() else None
