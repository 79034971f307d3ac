"""Pictures that show more than one clean card, and every pixel of whose personal ink is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

import cv2
import numpy as np
from tests.support.samples import effects
from tests.support.samples.backgrounds import KINDS, background
from tests.support.samples.card_drawing import DrawnCard, draw_card, write_over
from tests.support.samples.fonts import DEJAVU, SANS, SERIF, TYPEFACES, UKAI, ZENHEI, Typeface, free_typeface
from tests.support.samples.makes import another_make, free_make
from tests.support.samples.other_papers import (
    NOTE,
    contract,
    household_register,
    note,
    residence_permit,
    second_page,
)
from tests.support.samples.people import Person, invent
from tests.support.samples.poses import Corners, Pose, corners_of
from tests.support.samples.scenes import lay, truth_of

from cardveil.card.layout import layout_of
from cardveil.card.model import CardType, Side
from cardveil_cli.samples.truth import INK_NUMBERS, CardTruth, Picture

CardKind = tuple[CardType, Side]
ID_FRONT: Final[CardKind] = (CardType.ID_CARD, Side.FRONT)
ID_BACK: Final[CardKind] = (CardType.ID_CARD, Side.BACK)
LICENCE: Final[CardKind] = (CardType.DRIVER_LICENSE, Side.FRONT)
_KINDS: Final = (ID_FRONT, ID_BACK, LICENCE)

#: Pixels of pictures in which one card is seen.
SIZES: Final = ((1280, 960), (1600, 1200), (1000, 700))
#: The field numbers of the ID card's front on which something is written over.
_NAME, _ADDRESS = 1, 5


@dataclass(frozen=True, slots=True)
class MixedPicture:
    """A picture with its truth.

    Attributes
    ----------
    picture : (H, W, 3) RGB
    ink : (H, W)
        0 where there is none; else `INK_NUMBERS` times the number of the card or paper (in order of laying)
        plus the number of the field, or `NOTE` for ink of no field.
    letters : (H, W)
        For a card's own print, which of its field's characters a pixel belongs to, from 1.
    cards : mapping of that number to what the card truly says
        Papers are not among them; all of their numbered ink is personal.
    """

    name: str
    kind: str
    picture: Picture
    ink: Picture
    letters: Picture
    cards: dict[int, CardTruth]
    quality: int

    def encode(self) -> bytes:
        """Return it as JPEG, or PNG where `quality` is 0."""
        bgr = cv2.cvtColor(self.picture, cv2.COLOR_RGB2BGR)
        ending, options = (".jpg", [cv2.IMWRITE_JPEG_QUALITY, self.quality]) if self.quality else (".png", [])
        _, data = cv2.imencode(ending, bgr, options)
        return bytes(data)


class Table:
    """A table on which cards and papers are laid, one after the other."""

    def __init__(self, random: Random, width: int, height: int, part: str) -> None:
        self.random, self.part = random, part
        self.picture = background(random.choice(KINDS[part]), width, height, random)
        self.ink = np.zeros((height, width), np.uint8)
        self.letters = np.zeros((height, width), np.uint8)
        self.cards: dict[int, CardTruth] = {}
        self._laid = 0

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.shape[1], self.picture.shape[0]

    def photographed(self, kind: str, seed: int, qualities: Sequence[int]) -> MixedPicture:
        """Return the picture of it in uneven light, stored in one of some qualities; see `MixedPicture`."""
        picture = effects.unevenly_lit(self.picture, self.random)
        quality = self.random.choice(qualities)
        return MixedPicture(f"{kind}-{seed:04}", kind, picture, self.ink, self.letters, self.cards, quality)

    def typeface(self) -> Typeface:
        return self.random.choice(TYPEFACES[self.part])

    def card(self, kind: CardKind, corners: Corners, person: Person | None = None) -> None:
        """Draw a clean card and lay it with its corners there."""
        person = person or invent(self.random)
        self.lay(self.drawn(kind, corners, person), corners, person)

    def drawn(self, kind: CardKind, corners: Corners, person: Person) -> DrawnCard:
        longest = max(np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1))
        scale = float(np.clip(1.15 * longest / layout_of(*kind).width, 8, 30))
        return draw_card(person, *kind, self.typeface(), self.random, scale=scale)

    def lay(self, card: DrawnCard, corners: Corners, person: Person | None = None) -> None:
        """Lay a card, or a paper if there is no holder."""
        lay(self.picture, self.ink, card, corners, self._laid, shadow=True, random=self.random)
        self._lay_letters(card, corners)
        if person is not None:
            self.cards[self._laid] = truth_of(person, card, corners, self._laid)
        self._laid += 1

    def _lay_letters(self, card: DrawnCard, corners: Corners) -> None:
        h, w = card.picture.shape[:2]
        flat = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
        matrix = cv2.getPerspectiveTransform(flat, corners.astype(np.float32))
        own = card.letters if card.letters is not None else np.zeros((h, w), np.uint8)
        there = cv2.warpPerspective(np.full((h, w), 255, np.uint8), matrix, self.size) > 0
        letters = cv2.warpPerspective(own, matrix, self.size, flags=cv2.INTER_NEAREST)
        self.letters[there] = letters[there]

    def place(
        self,
        frame: tuple[float, float, float, float],
        size: tuple[float, float],
        *,
        turn: float = 6,
        tilt: float = 15,
        share: float = 0.6,
    ) -> Corners:
        """Return corners of a card of a size (any unit) within a part of the picture (shares of it)."""
        width, height = self.size
        left, top, w, h = frame
        random = self.random
        pose = Pose(random.uniform(-turn, turn), random.uniform(0, tilt), random.uniform(0, 360), share)
        return corners_of(pose, size, (left * width, top * height, w * width, h * height), random)


def size_of(kind: CardKind) -> tuple[float, float]:
    layout = layout_of(*kind)
    return layout.width, layout.height


def _single(table: Table) -> None:
    kind = table.random.choice(_KINDS)
    table.card(
        kind, table.place((0.05, 0.05, 0.9, 0.9), size_of(kind), turn=table.random.choice((4, 12, 30)))
    )


def _neighbours(table: Table) -> None:
    first, second = table.random.sample(_KINDS, 2)
    frames = ((0.02, 0.02, 0.96, 0.48), (0.02, 0.5, 0.96, 0.48))
    table.card(first, table.place(frames[0], size_of(first)))
    table.card(second, table.place(frames[1], size_of(second)))


def _touching(table: Table) -> None:
    """Two cards with one edge in common, as a scanner's glass has them."""
    first, second = table.random.sample(_KINDS, 2)
    corners = table.place((0.1, 0.02, 0.8, 0.48), size_of(first), turn=2, share=0.9)
    down = (corners[3] - corners[0]) + (corners[2] - corners[1])
    gap = table.random.uniform(0.0, 0.03)
    table.card(first, corners)
    table.card(second, corners + down / 2 * (1 + gap))


def _licence_pages(table: Table) -> None:
    person = invent(table.random)
    corners = table.place((0.02, 0.02, 0.96, 0.48), size_of(LICENCE), share=0.7)
    table.card(LICENCE, corners, person)
    page = second_page(person, 14.0, table.typeface(), table.random)
    table.lay(page, table.place((0.02, 0.5, 0.96, 0.48), size_of(LICENCE), share=0.7))


def _overlap(table: Table) -> None:
    under, over = table.random.sample(_KINDS, 2)
    if table.random.random() < 0.3:
        over = under
    corners = table.place((0.1, 0.1, 0.8, 0.8), size_of(under), share=0.3)
    right, down = corners[1] - corners[0], corners[3] - corners[0]
    shift = right * table.random.uniform(-0.7, 0.7) + down * table.random.choice(
        (-1, 1)
    ) * table.random.uniform(0.2, 0.9)
    table.card(under, corners)
    table.card(over, corners + shift)


def _odd_second(table: Table) -> None:
    """A second card that recognisers miss: small, pale, blurred, mirrored, or on its head."""
    main, second = table.random.sample(_KINDS, 2)
    table.card(main, table.place((0.05, 0.02, 0.9, 0.58), size_of(main), share=0.7))
    small = table.random.random() < 0.4
    corners = table.place((0.05, 0.62, 0.9, 0.36), size_of(second), share=0.25 if small else 0.6)
    person = invent(table.random)
    card = table.drawn(second, corners, person)
    picture, ink = card.picture, card.ink
    how = table.random.choice(("pale", "blurred", "mirrored", "on its head"))
    if how == "pale":
        strength = table.random.uniform(0.2, 0.5)
        picture = (255 - (255 - picture.astype(np.float32)) * strength).astype(np.uint8)
    elif how == "blurred":
        picture = effects.blurred(picture, card.scale * table.random.uniform(0.2, 0.5))
    elif how == "mirrored":
        picture, ink = np.ascontiguousarray(picture[:, ::-1]), np.ascontiguousarray(ink[:, ::-1])
    else:
        corners = np.roll(corners, 2, axis=0)
    table.lay(DrawnCard(card.layout, picture, ink, card.scale), corners, person)


def _handwriting(table: Table) -> None:
    """A number or a name written beside the card, or on it."""
    kind = table.random.choice((ID_FRONT, ID_BACK, LICENCE))
    person = invent(table.random)
    corners = table.place((0.05, 0.05, 0.9, 0.7), size_of(kind), share=0.7)
    card = table.drawn(kind, corners, person)
    said = table.random.choice(
        (
            f"1{table.random.randrange(10**10):010}",
            person.number,
            f"{person.name} {person.number}",
            person.name,
        )
    )
    pen = table.random.choice(((30, 40, 120), (24, 24, 24), (170, 30, 40)))
    if table.random.random() < 0.5:
        places = {ID_FRONT: (16.0, 42.2), ID_BACK: (12.0, 30.0), LICENCE: (26.0, 50.2)}
        card = write_over(
            card, places[kind], said, UKAI, table.random.uniform(2.6, 4.0), colour=pen,
            turn=table.random.uniform(-4, 4), number=NOTE,
        )  # fmt: skip
        table.lay(card, corners, person)
        return
    table.lay(card, corners, person)
    table.lay(note(said, pen, 12.0), table.place((0.05, 0.8, 0.9, 0.18), (80.0, 8.0), share=0.5))


def _contract(table: Table) -> None:
    person = invent(table.random)
    width, height = table.size
    page = contract(person, 8.0, table.typeface(), table.random)
    table.lay(page, np.array([(8, 8), (width - 8, 8), (width - 8, height - 8), (8, height - 8)], np.float64))
    kind = table.random.choice((ID_FRONT, LICENCE))
    table.card(kind, table.place((0.08, 0.3, 0.84, 0.4), size_of(kind), share=0.8), person)


def _long_values(table: Table) -> None:
    """An address of four lines; a long Latin name; a Uyghur one above it."""
    random = table.random
    person = invent(random)
    how = random.choice(("address", "address", "latin", "uyghur"))
    if how == "address":
        tail = f"{random.randrange(1, 99)}号{random.randrange(1, 30)}栋2单元{random.randrange(100, 3000)}室"
        person = replace(person, address=f"{person.address[:14]}和平镇幸福里小区杏林大街{tail}"[:44])
    elif how == "latin":
        person = replace(
            person, name=random.choice(("MUHAMMAD ABDURAHMAN", "ALEXANDRA WILHELMINA", "FATIMA AL-ZAHRA"))
        )
    else:
        person = replace(person, name=random.choice(("阿依古丽·买买提", "迪丽努尔·艾合买提")))
    corners = table.place((0.05, 0.05, 0.9, 0.9), size_of(ID_FRONT), share=0.7)
    card = table.drawn(ID_FRONT, corners, person)
    if how == "latin":
        card = write_over(card, (15.7, 10.9), "BINTI YUSUF", SANS, 2.4, number=_NAME)
    elif how == "uyghur":
        card = write_over(card, (15.7, 3.4), "ئايگۈل مەمەت", DEJAVU, 2.6, number=_NAME)
    table.lay(card, corners, person)


def _watermark(table: Table) -> None:
    person = invent(table.random)
    kind = table.random.choice((ID_FRONT, LICENCE, ID_BACK))
    corners = table.place((0.05, 0.05, 0.9, 0.9), size_of(kind), share=0.7)
    card = table.drawn(kind, corners, person)
    said = table.random.choice(("仅供办理租房使用 他用无效", f"仅供{person.name}办理开户使用"))
    card = write_over(
        card, (10.0, 44.0), said, SANS, 4.5, colour=table.random.choice(((190, 60, 60), (120, 120, 130))),
        strength=table.random.uniform(0.25, 0.6), turn=table.random.uniform(15, 30),
        number=NOTE if person.name in said else 0, personal=person.name if person.name in said else "",
    )  # fmt: skip
    table.lay(card, corners, person)


def _other_make(table: Table) -> None:
    """A card that another hand laid out: labels and portrait up to 3 mm elsewhere, other fonts."""
    random = table.random
    kind = random.choice(_KINDS)
    person = invent(random)
    corners = table.place((0.05, 0.05, 0.9, 0.9), size_of(kind), share=0.7, turn=10)
    typeface = random.choice(
        (Typeface(SERIF, SANS, ZENHEI), Typeface(ZENHEI, SERIF, SANS), Typeface(SANS, UKAI, SERIF))
    )
    layout = another_make(layout_of(*kind), random)
    longest = max(np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1))
    scale = float(np.clip(1.15 * longest / layout.width, 8, 30))
    table.lay(
        draw_card(person, *kind, typeface, random, scale=scale, jitter=0.2, layout=layout), corners, person
    )


def _free(table: Table) -> None:
    """A card of which every group may stand and be printed as another hand had it."""
    random = table.random
    kind = random.choice(_KINDS)
    person = invent(random)
    corners = table.place((0.03, 0.03, 0.94, 0.94), size_of(kind), share=random.uniform(0.4, 0.8), turn=10)
    make = free_make(layout_of(*kind), random)
    longest = max(np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1))
    scale = float(np.clip(1.15 * longest / make.layout.width, 8, 30))
    typeface = free_typeface(table.part, random)
    card = draw_card(
        person, *kind, typeface, random, scale=scale, jitter=0.2, layout=make.layout, style=make.style
    )
    table.lay(card, corners, person)


def _cousins(table: Table) -> None:
    """A document that resembles an ID card, alone."""
    person = invent(table.random)
    maker = table.random.choice((residence_permit, household_register))
    table.lay(
        maker(person, 14.0, table.typeface(), table.random),
        table.place((0.05, 0.05, 0.9, 0.9), (85.6, 54.0), share=0.7),
    )


def _blurred_front(table: Table) -> None:
    """A front out of focus above a back that is sharp, and a clean front beside it or not."""
    person = invent(table.random)
    corners = table.place((0.02, 0.02, 0.96, 0.48), size_of(ID_FRONT))
    card = table.drawn(ID_FRONT, corners, person)
    soft = effects.blurred(card.picture, card.scale * table.random.uniform(0.25, 0.45))
    table.lay(DrawnCard(card.layout, soft, card.ink, card.scale), corners, person)
    table.card(ID_BACK, table.place((0.02, 0.5, 0.96, 0.48), size_of(ID_BACK)), person)


#: Every kind of picture; `single` is the one that is to be published without a person.
MIXED_KINDS: Final[dict[str, Callable[[Table], None]]] = {
    "single": _single,
    "neighbours": _neighbours,
    "touching": _touching,
    "licence_pages": _licence_pages,
    "overlap": _overlap,
    "odd_second": _odd_second,
    "handwriting": _handwriting,
    "contract": _contract,
    "long_values": _long_values,
    "watermark": _watermark,
    "other_make": _other_make,
    "cousins": _cousins,
    "blurred_front": _blurred_front,
    "free": _free,
}
_TALL: Final = frozenset(
    {"neighbours", "touching", "licence_pages", "odd_second", "contract", "blurred_front"}
)


def make_mixed(kind: str, seed: int, *, part: str = "test") -> MixedPicture:
    """Make one picture; the same arguments always give the same.

    Parameters
    ----------
    kind : str
        A name of `MIXED_KINDS`.
    """
    random = Random(f"{kind}/{seed}/{part}")
    width, height = random.choice(((1000, 1250), (1200, 1600)) if kind in _TALL else SIZES)
    table = Table(random, width, height, part)
    MIXED_KINDS[kind](table)
    return table.photographed(kind, seed, (0, *range(80, 96, 3)))


__all__ = ["INK_NUMBERS", "MIXED_KINDS", "SIZES", "MixedPicture", "Table", "make_mixed", "size_of"]
