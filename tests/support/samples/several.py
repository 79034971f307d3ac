"""Pictures of several clean cards, as landlords, employers and banks are sent them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

import cv2
import numpy as np
from tests.support.samples import effects
from tests.support.samples.mixed import ID_BACK, ID_FRONT, LICENCE, CardKind, MixedPicture, Table, size_of
from tests.support.samples.other_papers import second_page
from tests.support.samples.people import Person, invent
from tests.support.samples.poses import Corners, Pose, corners_of

#: A sheet of A4 in millimetres, and dots per inch at which copying machines and phone apps scan.
_SHEET: Final = (210.0, 297.0)
_DOTS: Final = (150, 200, 200)
#: Sizes of photographs, in pixels.
_PHOTOGRAPHS: Final = ((1200, 1600), (1500, 2000), (1600, 1200), (3024, 4032))
_Frame = tuple[float, float, float, float]


def _frames(table: Table, count: int) -> list[_Frame]:
    """Return parts of the picture, in a column or a row, whichever suits its shape."""
    share = 0.94 / count
    if table.size[1] > table.size[0]:
        return [(0.03, 0.03 + share * k, 0.94, share) for k in range(count)]
    return [(0.03 + share * k, 0.03, share, 0.94) for k in range(count)]


def _photograph(table: Table, kinds: list[tuple[CardKind, Person]]) -> None:
    """Lay cards on a table, by hand: some a little askew, few on their heads."""
    towards, tilt = table.random.uniform(0, 360), table.random.uniform(0, 15)
    width, height = table.size
    for (kind, person), (left, top, w, h) in zip(kinds, _frames(table, len(kinds)), strict=True):
        turn = table.random.uniform(-7, 7) + (180.0 if table.random.random() < 0.08 else 0.0)
        pose = Pose(turn, tilt, towards, table.random.uniform(0.5, 0.85))
        frame = (left * width, top * height, w * width, h * height)
        table.card(kind, corners_of(pose, size_of(kind), frame, table.random), person)


def _sheet(table: Table, kinds: list[tuple[CardKind, Person]], *, columns: int = 1) -> None:
    """Copy cards onto a sheet of A4, one below the other or in columns, the gap as it comes."""
    random = table.random
    table.picture[:] = random.randint(238, 255)
    grain = np.random.default_rng(random.randrange(2**32)).normal(0, 2, table.picture.shape[:2])
    table.picture[:] = np.clip(table.picture + grain[..., None], 0, 255).astype(np.uint8)
    scale = table.size[0] / _SHEET[0]
    rows = -(-len(kinds) // columns)
    gap = random.uniform(1.5, 6.0) if random.random() < 0.4 or rows > 2 else random.uniform(6.0, 40.0)
    row_height = 56.0 + gap
    top = random.uniform(8.0, max(9.0, _SHEET[1] - rows * 60.0 - (rows - 1) * gap - 8.0))
    skew = random.uniform(-1.5, 1.5)
    for index, (kind, person) in enumerate(kinds):
        row, column = divmod(index, columns)
        w, h = size_of(kind)
        left = (_SHEET[0] - columns * w - (columns - 1) * 6.0) / 2 + column * (w + 6.0)
        corners = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float64)
        corners = _turned(corners, skew + random.uniform(-0.7, 0.7))
        corners += np.array([left, top + row * row_height])
        table.card(kind, corners * scale, person)


def _turned(corners: Corners, degrees: float) -> Corners:
    angle, middle = np.radians(degrees), corners.mean(axis=0)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return np.asarray((corners - middle) @ turn.T + middle)


def _both(table: Table) -> list[tuple[CardKind, Person]]:
    person = invent(table.random)
    both = [(ID_FRONT, person), (ID_BACK, person)]
    return both if table.random.random() < 0.7 else both[::-1]


def _front_back_photograph(table: Table) -> None:
    _photograph(table, _both(table))


def _front_back_sheet(table: Table) -> None:
    _sheet(table, _both(table))


def _two_fronts(table: Table) -> None:
    kinds = [(ID_FRONT, invent(table.random)) for _ in range(2)]
    (_sheet if table.random.random() < 0.5 else _photograph)(table, kinds)


def _id_and_licence(table: Table) -> None:
    person = invent(table.random)
    kinds = [(ID_FRONT, person), (LICENCE, person)]
    (_sheet if table.random.random() < 0.5 else _photograph)(table, kinds)


def _licence_pages(table: Table) -> None:
    """The main page and the second page, which is no card that anybody here reads."""
    person, pose = invent(table.random), table.random.uniform(-5, 5)
    main, second = _frames(table, 2)
    width, height = table.size
    corners = []
    for left, top, w, h in (main, second):
        frame = (left * width, top * height, w * width, h * height)
        corners.append(corners_of(Pose(pose, 5, 90, 0.7), size_of(LICENCE), frame, table.random))
    table.card(LICENCE, corners[0], person)
    table.lay(second_page(person, 14.0, table.typeface(), table.random), corners[1])


def _three(table: Table) -> None:
    _sheet(table, [*_both(table), (LICENCE, invent(table.random))])


def _six(table: Table) -> None:
    _sheet(table, [pair for _ in range(3) for pair in _both(table)], columns=2)


#: Every kind of picture, and how many cards it shows that are to be found.
SEVERAL_KINDS: Final[dict[str, tuple[Callable[[Table], None], int]]] = {
    "front_back_photograph": (_front_back_photograph, 2),
    "front_back_sheet": (_front_back_sheet, 2),
    "two_fronts": (_two_fronts, 2),
    "id_and_licence": (_id_and_licence, 2),
    "licence_pages": (_licence_pages, 1),
    "three": (_three, 3),
    "six": (_six, 6),
}
FRONT_AND_BACK: Final = ("front_back_photograph", "front_back_sheet")
_SHEETS: Final = frozenset({"front_back_sheet", "three", "six"})


def make_several(kind: str, seed: int, *, part: str = "test") -> MixedPicture:
    """Make one picture; the same arguments always give the same.

    Parameters
    ----------
    kind : str
        A name of `SEVERAL_KINDS`.
    """
    random = Random(f"several/{kind}/{seed}/{part}")
    width, height = random.choice(_PHOTOGRAPHS)
    if kind in _SHEETS or (kind in {"two_fronts", "id_and_licence"} and random.random() < 0.3):
        dots = random.choice(_DOTS)
        width, height = round(_SHEET[0] / 25.4 * dots), round(_SHEET[1] / 25.4 * dots)
    table = Table(random, width, height, part)
    SEVERAL_KINDS[kind][0](table)
    picture = effects.unevenly_lit(table.picture, random)
    if kind in _SHEETS and random.random() < 0.4:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    quality = random.choice(range(80, 96, 3))
    return MixedPicture(f"{kind}-{seed:04}", kind, picture, table.ink, table.letters, table.cards, quality)


def make_all_several(
    count: int, kinds: tuple[str, ...], seed: int = 0, *, part: str = "test"
) -> Iterator[MixedPicture]:
    """Make `count` pictures, the kinds in turn."""
    for index in range(count):
        yield make_several(kinds[index % len(kinds)], seed * 10_000 + index, part=part)
