"""Cards across which somebody wrote who they are for: any way, anywhere, palely, once or all over."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from tests.support.samples.card_drawing import write_over
from tests.support.samples.fonts import SANS, SERIF, UKAI
from tests.support.samples.mixed import ID_BACK, ID_FRONT, LICENCE, SIZES, MixedPicture, Table, size_of
from tests.support.samples.other_papers import NOTE
from tests.support.samples.people import invent

#: Where writing begins (mm) and how far it is turned (degrees).
Places = list[tuple[tuple[float, float], float]]
_INKS: Final = ((190, 60, 60), (120, 120, 130), (70, 90, 180), (60, 60, 60))


def _all_over(random: Random) -> Places:
    turn = random.uniform(15, 35)
    return [((x, y), turn) for y in (20.0, 38.0, 56.0) for x in (4.0, 50.0)]


#: Every way of writing over a card.
WAYS: Final[dict[str, Callable[[Random], Places]]] = {
    "all_over": _all_over,
    "two_lines": lambda random: [((x, y), random.uniform(8, 20)) for x, y in ((6.0, 30.0), (8.0, 50.0))],
    "anywhere": lambda random: [
        ((random.uniform(5, 50), random.uniform(15, 50)), random.uniform(-40, 40)),
    ],
    "steep": lambda random: [((random.uniform(5, 40), 50.0), random.uniform(40, 80))],
    "level": lambda random: [((random.uniform(4, 20), random.uniform(12, 48)), random.uniform(-5, 5))],
}


def make_written_over(kind: str, seed: int, *, part: str = "test") -> MixedPicture:
    """Make one picture of one card; the same arguments always give the same.

    Parameters
    ----------
    kind : str
        A name of `WAYS`.
    """
    random = Random(f"written_over/{kind}/{seed}/{part}")
    table = Table(random, *random.choice(SIZES), part)
    person, card_kind = invent(random), random.choice((ID_FRONT, ID_BACK, LICENCE))
    corners = table.place((0.05, 0.05, 0.9, 0.9), size_of(card_kind), share=random.uniform(0.5, 0.8))
    card = table.drawn(card_kind, corners, person)
    said = random.choice((f"仅供{person.name}办理开户使用", person.name, f"{person.name} {person.number}"))
    face, height = random.choice((SANS, SERIF, UKAI)), random.uniform(2.6, 6.0)
    colour, strength = random.choice(_INKS), random.uniform(0.25, 0.6)
    for at, turn in WAYS[kind](random):
        card = write_over(
            card, at, said, face, height, colour=colour, strength=strength, turn=turn, number=NOTE,
            personal=person.name,
        )  # fmt: skip
    table.lay(card, corners, person)
    return table.photographed(kind, seed, range(80, 96, 3))
