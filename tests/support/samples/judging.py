"""Holds a published copy's pixels against the truth of its source: what personal ink can still be seen."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tests.support.samples.mixed import INK_NUMBERS, MixedPicture
from tests.support.samples.other_papers import NOTE

from cardveil.card.model import Card, Polygon
from cardveil.redaction import Policy

#: Nothing that is drawn has this colour, so that what is covered can be told from what is dark.
COVER = (255, 0, 255)
#: Grey levels by which a covered pixel differs from it at most: JPEG rounds.
_ROUNDING = 12
#: Of any personal ink less than this share covered is a leak.
ENOUGH_COVERED = 0.98
#: A card is the one that was found if its fields lie within this share of its width of those that were.
_NEAR = 0.25
#: A kept field is damaged when more of its ink than this is covered.
_SPARED = 0.05


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a copy shows.

    Attributes
    ----------
    leaks : mapping of what to the share of its ink that is covered
    damaged : mapping of kept field to the share of its ink that is covered
    kept : int
        Kept fields with ink.
    """

    leaks: Mapping[str, float] = field(default_factory=dict)
    damaged: Mapping[str, float] = field(default_factory=dict)
    kept: int = 0


def judge(sample: MixedPicture, policy: Policy, cards: Sequence[Card], copy: bytes) -> Judgement:
    """Judge a copy that was made with the fill `COVER`.

    Parameters
    ----------
    cards : sequence of Card
        What the copy was made for: their fields may be seen as far as `policy` keeps them, nothing else may.
    """
    covered = _covered(copy)
    mine = {number: card for card in cards if (number := _number_of(sample, card)) is not None}
    leaks, damaged, kept = dict[str, float](), dict[str, float](), 0
    for number, what in _inks(sample):
        ink = sample.ink == number
        card = mine.get(number // INK_NUMBERS)
        action = policy.action_for(card.type, card.side, what) if card else "mask"
        name = what if len(mine) == 1 and card else f"{number // INK_NUMBERS}:{what}"
        if action == "keep" and number % INK_NUMBERS != NOTE:
            kept += 1
            if (share := float(covered[ink].mean())) > _SPARED:
                damaged[name] = share
        elif action != "mask" and number % INK_NUMBERS != NOTE:
            for index in _hidden(sample, ink, action.keep_first, action.keep_last):  # type: ignore[union-attr]
                share = float(covered[ink & (sample.letters == index)].mean())
                if share < ENOUGH_COVERED:
                    leaks[f"{name}[{index - 1}]"] = share
        elif (share := float(covered[ink].mean())) < ENOUGH_COVERED:
            leaks[name] = share
    return Judgement(leaks, damaged, kept)


def _inks(sample: MixedPicture) -> Iterator[tuple[int, str]]:
    """Yield the number of each ink that is seen at all, and what it is."""
    for number in np.unique(sample.ink).tolist():
        if not number:
            continue
        laid, own = divmod(number, INK_NUMBERS)
        truth = sample.cards.get(laid)
        names = {f.ink_number: f.name for f in truth.fields} if truth else {}
        yield number, "note" if own == NOTE or number not in names else names[number]


def _hidden(sample: MixedPicture, ink: NDArray[np.bool_], first: int, last: int) -> list[int]:
    """Return the numbers of the letters of a field that a partial mask hides."""
    letters = [index for index in np.unique(sample.letters[ink]).tolist() if index]
    count = max(letters, default=0)
    return [index for index in letters if first < index <= count - last]


def _covered(copy: bytes) -> NDArray[np.bool_]:
    with Image.open(io.BytesIO(copy)) as opened:
        pixels = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"), np.int16)
    return np.asarray(np.abs(pixels - np.array(COVER, np.int16)).max(axis=2) <= _ROUNDING)


def found_of(sample: MixedPicture, cards: Sequence[Card]) -> set[int]:
    """Return the numbers of the cards of a picture that were found."""
    return {number for card in cards if (number := _number_of(sample, card)) is not None}


def _number_of(sample: MixedPicture, card: Card) -> int | None:
    """Return the number of the card that was found, the nearest of its kind; None if there is none there."""
    places = [f.polygon for f in card.fields if f.polygon]
    middle = np.mean([_centre(place) for place in places], axis=0)
    distances = {}
    for number, truth in sample.cards.items():
        mine = [f.polygon for f in truth.fields if any(g.name == f.name and g.polygon for g in card.fields)]
        if (truth.type, truth.side) == (card.type, card.side) and mine:
            distances[number] = float(
                np.linalg.norm(np.mean([_centre(place) for place in mine], axis=0) - middle)
            )
    nearest = min(distances, key=lambda number: distances[number], default=None)
    if nearest is None:
        return None
    left, _, right, _ = sample.cards[nearest].corners.bounds()
    return nearest if distances[nearest] < _NEAR * (right - left) else None


def _centre(polygon: Polygon) -> tuple[float, float]:
    x, y = np.mean(np.array(polygon.points), axis=0)
    return float(x), float(y)
