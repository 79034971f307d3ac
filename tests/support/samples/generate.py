"""Makes samples by condition and seed: the same arguments always give the same picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Final, Literal

import numpy as np
from tests.support.samples import effects
from tests.support.samples.backgrounds import KINDS, background
from tests.support.samples.card_drawing import draw_card
from tests.support.samples.fonts import TYPEFACES
from tests.support.samples.negatives import NEGATIVES, negative
from tests.support.samples.people import Person, invent
from tests.support.samples.poses import Corners, Pose, corners_of
from tests.support.samples.scenes import lay, truth_of

from cardveil.card.layout import layout_of
from cardveil.card.model import CardType, Side
from cardveil_cli.samples.truth import Picture, Sample

Part = Literal["tuning", "test"]
CardKind = tuple[CardType, Side]

ID_FRONT: Final[CardKind] = (CardType.ID_CARD, Side.FRONT)
ID_BACK: Final[CardKind] = (CardType.ID_CARD, Side.BACK)
LICENCE: Final[CardKind] = (CardType.DRIVER_LICENSE, Side.FRONT)
CARD_KINDS: Final = (ID_FRONT, ID_BACK, LICENCE)

#: What a sample can show; `negative` holds no card, `two` holds two.
CONDITIONS: Final = (
    "flat", "scan", "photo", "tilted", "strong", "turn90", "turn180", "turn270", "exif", "blur",
    "shake", "glare", "dark", "lowjpeg", "small", "large", "two", "rare", "cut", "negative",
)  # fmt: skip
_TURNS: Final = {"turn90": 90, "turn180": 180, "turn270": 270}


def make_sample(
    condition: str,
    seed: int,
    *,
    part: Part = "tuning",
    kind: CardKind | None = None,
    negative_kind: str | None = None,
    orientation: int | None = None,
    size: tuple[int, int] | None = None,
    altered: Callable[[Person], Person] | None = None,
) -> Sample:
    """Make one sample.

    Parameters
    ----------
    condition
        A name of `CONDITIONS`.
    part
        ``tuning`` and ``test`` use different fonts and backgrounds.
    kind, negative_kind, orientation, size
        Which card, which picture without a card, which EXIF orientation, width and height in pixels; by the
        seed if not given.
    altered
        Changes what is printed, so that a card contradicts itself.

    Raises
    ------
    ValueError
        If there is no such condition.
    """
    if condition not in CONDITIONS:
        raise ValueError(f"no such condition: {condition}")
    random = Random(f"{condition}/{seed}/{part}")
    card_kind = kind or CARD_KINDS[seed % len(CARD_KINDS)]
    width, height = size or _size(condition, random)
    if condition == "negative":
        what = negative_kind or NEGATIVES[seed % len(NEGATIVES)]
        picture = negative(what, width, height, part, random.choice(TYPEFACES[part]), random)
        return Sample(f"negative-{what}-{part}-{seed:04}", condition, picture, _no_ink(width, height), ())
    kinds = (ID_FRONT, random.choice((ID_BACK, LICENCE))) if condition == "two" else (card_kind,)
    sample = _scene(condition, kinds, width, height, part, random, altered)
    name = f"{condition}-{'-'.join(_short(k) for k in kinds)}-{part}-{seed:04}"
    sample = _afterwards(replace(sample, name=name), random)
    if condition == "exif":
        sample = replace(sample, orientation=orientation or random.randrange(2, 9))
    return sample


def make_samples(
    count: int, seed: int, *, part: Part = "tuning", conditions: tuple[str, ...] = CONDITIONS
) -> Iterator[Sample]:
    """Make `count` samples, the conditions and the three cards in turn."""
    for i in range(count):
        turn, place = divmod(i, len(conditions))
        kind = CARD_KINDS[(turn + place) % len(CARD_KINDS)]
        what = NEGATIVES[(seed + turn) % len(NEGATIVES)]
        yield make_sample(conditions[place], seed * 100_000 + i, part=part, kind=kind, negative_kind=what)


def _short(kind: CardKind) -> str:
    return {ID_FRONT: "id-front", ID_BACK: "id-back", LICENCE: "licence"}[kind]


def _size(condition: str, random: Random) -> tuple[int, int]:
    if condition == "flat":
        return 1000, 630
    if condition == "large":
        return 4000, 3000
    if condition == "small":
        return 2400, 1800
    if condition == "two":
        return 1600, 2000
    return random.choice(((1000, 630), (1280, 960), (1600, 1200)))


def _no_ink(width: int, height: int) -> Picture:
    return np.zeros((height, width), np.uint8)


def _scene(
    condition: str,
    kinds: tuple[CardKind, ...],
    width: int,
    height: int,
    part: Part,
    random: Random,
    altered: Callable[[Person], Person] | None,
) -> Sample:
    flat = condition == "flat"
    if flat or condition == "scan":
        ground = np.full((height, width, 3), random.randrange(244, 256), np.uint8)
    else:
        ground = background(random.choice(KINDS[part]), width, height, random)
    ink = _no_ink(width, height)
    cards = []
    for number, kind in enumerate(kinds):
        layout = layout_of(*kind)
        person = invent(random, rare=condition == "rare")
        person = altered(person) if altered else person
        frame = (0.0, number * height / len(kinds), float(width), height / len(kinds))
        if flat:
            corners = _filling(layout.width, layout.height, width, height)
        else:
            corners = corners_of(_pose(condition, random), (layout.width, layout.height), frame, random)
        if condition == "cut":
            # Two to six per cent of the card's width, on its left, lie outside the frame.
            beyond = random.uniform(0.02, 0.06) * np.ptp(corners[:, 0])
            corners = corners - np.array([corners[:, 0].min() + beyond, 0.0])
        # Drawn at about the size in which it will be seen, so that it is neither soft nor jagged.
        longest = max(np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1))
        scale = float(np.clip(1.15 * longest / layout.width, 8, 36))
        card = draw_card(person, *kind, random.choice(TYPEFACES[part]), random, scale=scale)
        lay(ground, ink, card, corners, number, shadow=not flat and condition != "scan", random=random)
        cards.append(truth_of(person, card, corners, number))
    return Sample("", condition, ground, ink, tuple(cards))


def _filling(card_width: float, card_height: float, width: int, height: int) -> Corners:
    scale = min(width / card_width, height / card_height)
    left, top = (width - card_width * scale) / 2, (height - card_height * scale) / 2
    right, bottom = width - left, height - top
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _pose(condition: str, random: Random) -> Pose:
    share, tilt, turn = random.uniform(0.3, 0.6), random.uniform(5, 25), random.uniform(-8, 8)
    if condition in _TURNS:
        turn += _TURNS[condition]
    elif condition == "scan":
        share, tilt, turn = random.uniform(0.15, 0.4), 0.0, random.uniform(-3, 3)
    elif condition == "tilted":
        turn = random.choice((-1, 1)) * random.uniform(15, 42)
    elif condition == "strong":
        tilt = random.uniform(38, 52)
    elif condition == "small":
        share = random.uniform(0.05, 0.1)
    elif condition == "two":
        share, turn = random.uniform(0.35, 0.6), random.uniform(-10, 10)
    elif condition == "cut":
        share = 0.9
    return Pose(turn, tilt, random.uniform(0, 360), share)


def _afterwards(sample: Sample, random: Random) -> Sample:
    condition, picture = sample.condition, sample.picture
    card = sample.cards[0]
    left, top, right, bottom = card.corners.bounds()
    # Millimetres to pixels, so that the harm done does not depend on the picture's size.
    mm = (right - left) / layout_of(card.type, card.side).width
    quality = random.randrange(85, 96)
    if condition not in ("flat", "scan"):
        picture = effects.unevenly_lit(picture, random)
    if condition == "blur":
        picture = effects.blurred(picture, mm * random.uniform(0.16, 0.26))
    elif condition == "shake":
        picture = effects.shaken(
            picture, max(3, round(mm * random.uniform(0.5, 0.9))), random.uniform(0, 180)
        )
    elif condition == "glare":
        spot = (random.uniform(left, right), random.uniform(top, bottom))
        picture = effects.glaring(picture, spot, mm * random.uniform(10, 18), random.uniform(0.6, 0.85))
    elif condition == "dark":
        picture = effects.darkened(picture, random.uniform(0.18, 0.35), random.uniform(3, 7), random)
    elif condition == "lowjpeg":
        quality = random.randrange(14, 28)
    return replace(sample, picture=picture, quality=quality)
