"""Which samples are kept with the code, and the verdict that each should come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from tests.support.samples.effects import glaring
from tests.support.samples.generate import ID_BACK, ID_FRONT, LICENCE, CardKind, make_sample
from tests.support.samples.people import Person

from cardveil.card.id_number import repair
from cardveil_cli.samples.truth import Picture, Sample

#: Name, condition, seed, card; PNG where the quality is 0.
_KEPT: Final[tuple[tuple[str, str, int, CardKind | None, int], ...]] = (
    ("id-front-flat", "flat", 11, ID_FRONT, 88),
    ("id-front-photo", "photo", 12, ID_FRONT, 85),
    ("id-front-exif6", "exif", 13, ID_FRONT, 85),
    ("id-back-flat", "flat", 14, ID_BACK, 0),
    ("id-back-photo", "photo", 15, ID_BACK, 85),
    ("licence-flat", "flat", 16, LICENCE, 88),
    ("licence-photo", "photo", 17, LICENCE, 72),
    ("business-card", "negative", 18, None, 74),
    ("id-front-contradicting", "flat", 19, ID_FRONT, 85),
    ("licence-glare", "flat", 21, LICENCE, 85),
)


def _another_birthday(person: Person) -> Person:
    """Print a birth date that the number contradicts."""
    return replace(person, born=person.born.replace(month=person.born.month % 12 + 1, day=8))


def _another_check_digit(person: Person) -> Person:
    """Print a number whose check digit is wrong, and which no single likely misreading explains."""
    wrong = (person.number[:17] + last for last in "0123456789X")
    return replace(person, number=next(number for number in wrong if repair(number) is None))


#: Cards that a person must look at, and what is wrong with them.
_ALTERED: Final[dict[str, Callable[[Person], Person]]] = {
    "id-front-contradicting": _another_birthday,
    "licence-glare": _another_check_digit,
}


def demo_samples() -> Iterator[Sample]:
    """Make the kept pictures anew."""
    for name, condition, seed, kind, quality in _KEPT:
        sample = make_sample(
            condition,
            seed,
            kind=kind,
            negative_kind="name_card",
            orientation=6 if condition == "exif" else None,
            # A PNG of full size would be too large to keep.
            size=None if quality else (800, 504),
            altered=_ALTERED.get(name),
        )
        if name == "licence-glare":
            sample = replace(sample, picture=_with_glare(sample))
        verdict = "needs_review" if name in _ALTERED else "redacted" if kind else "rejected"
        yield replace(sample, name=name, quality=quality, verdict=verdict)


def _with_glare(sample: Sample) -> Picture:
    """Let a reflection lie over the end of the number: it can be read, but a person would look twice."""
    left, top, right, bottom = sample.cards[0].field("licence_number").polygon.bounds()
    spot = (right - 0.15 * (right - left), (top + bottom) / 2)
    return glaring(sample.picture, spot, 2.0 * (bottom - top), 0.8)
