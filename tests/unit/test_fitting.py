"""A card's own layout: zones follow the labels that were seen, whatever make the card is of."""

from __future__ import annotations

from random import Random

import pytest
from tests.support.samples.makes import FARTHEST, free_make

from cardveil.card.fitting import fitted
from cardveil.card.layout import Box, CardLayout, all_layouts, layout_of
from cardveil.card.model import CardType, Side

FRONT = layout_of(CardType.ID_CARD, Side.FRONT)
LICENCE = layout_of(CardType.DRIVER_LICENSE, Side.FRONT)


def _at(box: Box, dx: float, dy: float) -> Box:
    return Box(box.x + dx, box.y + dy, box.width, box.height)


def test_without_labels_nothing_is_known_better() -> None:
    assert fitted(FRONT, {}) is FRONT
    assert fitted(FRONT, {"护照": Box(1, 1, 5, 3)}) is FRONT


def test_a_zone_follows_its_label_down_and_begins_behind_it() -> None:
    own = fitted(FRONT, {**FRONT.labels, "出生": _at(FRONT.labels["出生"], 1.5, 1.2)})
    was, now = FRONT.fields["birth_date"], own.fields["birth_date"]
    assert now.centre[1] == pytest.approx(was.centre[1] + 1.2, abs=0.7)
    assert own.labels["出生"].right <= now.x <= own.labels["出生"].right + 0.5


def test_a_zone_ends_where_the_next_thing_stands() -> None:
    own = fitted(FRONT, {**FRONT.labels, "民族": _at(FRONT.labels["民族"], 2.5, 0.0)})
    assert own.fields["sex"].right == pytest.approx(own.labels["民族"].x, abs=0.5)
    assert own.fields["name"].right == pytest.approx(FRONT.portrait.x if FRONT.portrait else 0, abs=0.5)
    assert own.fields["id_number"].right > 84.0


def test_an_address_has_as_many_lines_as_fit_above_the_next_row() -> None:
    lower = fitted(FRONT, {**FRONT.labels, "公民身份号码": _at(FRONT.labels["公民身份号码"], 0.0, 2.0)})
    assert lower.fields["address"].bottom == pytest.approx(FRONT.labels["公民身份号码"].y + 1.0, abs=0.1)


def test_a_label_that_nobody_saw_is_where_its_row_puts_it() -> None:
    seen = {"性别": _at(FRONT.labels["性别"], 0.5, 2.5), "姓名": FRONT.labels["姓名"]}
    own = fitted(FRONT, seen)
    assert own.labels["民族"].y == pytest.approx(FRONT.labels["民族"].y + 2.5, abs=0.8)


def test_small_print_that_nobody_saw_is_not_in_a_numbers_way() -> None:
    seen = {text: box for text, box in LICENCE.labels.items() if text != "License No."}
    assert fitted(LICENCE, seen).fields["licence_number"].x < LICENCE.labels["License No."].x + 0.5
    assert fitted(LICENCE, LICENCE.labels).fields["licence_number"].x >= LICENCE.labels["License No."].right


@pytest.mark.parametrize(
    "layout", all_layouts(), ids=lambda layout: f"{layout.type.value}-{layout.side.value}"
)
@pytest.mark.parametrize("seed", range(20))
def test_on_any_make_a_values_place_lies_in_its_zone(layout: CardLayout, seed: int) -> None:
    make = free_make(layout, Random(seed)).layout
    own = fitted(layout, {text: box for text, box in make.labels.items() if len(text) > 1})
    for name, zone in make.fields.items():
        # What is printed begins at the zone's left, in the middle of its first line.
        y = zone.centre[1] if zone.height < 7 else zone.y + 2.6
        assert own.fields[name].grown(1.3).contains(zone.x + 1.5, y), name


@pytest.mark.parametrize(
    "layout", all_layouts(), ids=lambda layout: f"{layout.type.value}-{layout.side.value}"
)
def test_makes_differ_by_as_much_as_is_said_and_by_the_seed_alone(layout: CardLayout) -> None:
    assert free_make(layout, Random(3)) == free_make(layout, Random(3))
    moves = set()
    for seed in range(40):
        make = free_make(layout, Random(seed)).layout
        for text, box in layout.labels.items():
            moves.add(round(make.labels[text].y - box.y, 3))
            assert abs(make.labels[text].y - box.y) <= FARTHEST + 1.0, text
    assert max(moves) > 1.5
    assert min(moves) < -1.5
