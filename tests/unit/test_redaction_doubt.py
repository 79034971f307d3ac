"""From a card and a policy to what is covered: places in doubt, margins, and what tells no place at all."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.support.laid_cards import (
    ID_FRONT,
    LICENCE,
    POSES,
    blank_picture,
    covers,
    holds,
    ink_of,
    laid_card,
    matrix_of,
)

from cardveil.card.geometry import project
from cardveil.card.layout import Box, layout_of
from cardveil.card.model import Card, CardType, Field, Polygon, Side
from cardveil.core.errors import Review
from cardveil.redaction import Picture, Policy, Region, load_policy, plan
from cardveil.redaction.card_pose import place
from cardveil.redaction.regions import boxes_of, portrait_regions

STANDARD = load_policy("standard")


def planned(card: Card, policy: Policy, picture: Picture) -> tuple[Region, ...]:
    return plan(card, policy, picture, place(card)).regions


def _policy(**changes: object) -> Policy:
    return replace(STANDARD, **changes)  # type: ignore[arg-type]


# What is not known exactly
# ------------------------------------------------------------------------------------------


def _blurred(kind: tuple[CardType, Side], pose: str, seed: int) -> Card:
    """Return a card whose boxes are each off along and across, and turned, by 0.3 mm (standard deviation)."""
    layout, chance = layout_of(*kind), random.Random(seed)
    matrix, fields = matrix_of(layout, pose), []
    for field in laid_card(kind, pose).fields:
        ink = ink_of(layout, field.name)
        dx, left, right = (chance.gauss(0, 0.3) for _ in range(3))
        corners = (
            (ink.x + dx, ink.y + left),
            (ink.right + dx, ink.y + right),
            (ink.right + dx, ink.bottom + right),
            (ink.x + dx, ink.bottom + left),
        )
        fields.append(replace(field, polygon=Polygon.of(project(matrix, corner) for corner in corners)))
    return Card(*kind, tuple(fields))


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["id", "licence"])
def test_what_is_in_doubt_of_a_portrait_s_place_is_covered_as_well(
    kind: tuple[CardType, Side], pose: str
) -> None:
    layout = layout_of(*kind)
    assert layout.portrait is not None
    for seed in range(12):
        regions = planned(_blurred(kind, pose, seed), STANDARD, blank_picture())
        portrait = tuple(r for r in regions if r.field == "portrait")
        assert covers(portrait, layout.portrait, matrix_of(layout, pose)), seed


@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["id", "licence"])
def test_the_less_is_known_of_a_portrait_s_place_the_more_is_covered(kind: tuple[CardType, Side]) -> None:
    """By one and a half standard deviations, beyond the 3 mm by which makes of a card differ."""
    layout = layout_of(*kind)
    portrait = layout.portrait
    assert portrait is not None
    for seed in range(4):
        placement = place(_blurred(kind, "flat", seed))
        assert placement is not None
        (region,) = portrait_regions(None, placement, ())
        (covered,) = boxes_of([region.polygon], placement)
        assert placement.doubt(portrait) > 0.05
        assert covered.x == pytest.approx(portrait.x - 3.0 - 1.5 * placement.doubt(portrait), abs=0.01)


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["id", "licence"])
def test_a_portrait_that_is_printed_a_millimetre_away_is_covered(
    kind: tuple[CardType, Side], pose: str
) -> None:
    layout = layout_of(*kind)
    assert layout.portrait is not None
    regions = tuple(
        r for r in planned(laid_card(kind, pose), STANDARD, blank_picture()) if r.field == "portrait"
    )
    assert covers(regions, layout.portrait.grown(1.0), matrix_of(layout, pose))


def test_a_portrait_that_a_recogniser_saw_is_covered_a_little_farther() -> None:
    seen = Polygon.box(980, 200, 1380, 720)
    card = Card(*ID_FRONT, (Field("portrait", polygon=seen),))
    policy = load_policy(
        "cards: {IDCard: {name: keep, sex: keep, ethnicity: keep, birth_date: keep, address: keep,"
        " id_number: keep}}\n"
    )
    (region,) = planned(card, policy, blank_picture())
    # 26 mm high at least: 1.5 mm are 30 of these pixels.
    assert all(holds(region, point) for point in Polygon.box(950, 170, 1410, 750).points)


@pytest.mark.parametrize("pose", POSES)
def test_a_policy_s_margin_is_kept_around_what_was_found(pose: str) -> None:
    layout, matrix = layout_of(*ID_FRONT), matrix_of(layout_of(*ID_FRONT), pose)
    regions = planned(laid_card(ID_FRONT, pose), _policy(margin_mm=3.0), blank_picture())
    for name in ("name", "address", "id_number", "birth_date"):
        own = tuple(r for r in regions if r.field == name)
        assert covers(own, ink_of(layout, name).grown(2.5), matrix)


def test_where_a_text_has_no_zone_half_its_height_is_covered_around_it() -> None:
    card = laid_card(ID_FRONT, "flat")
    alone = Field("blood_group", polygon=Polygon.box(200, 1000, 300, 1040))
    card = replace(card, fields=(*card.fields, alone))
    (region,) = (r for r in planned(card, STANDARD, blank_picture()) if r.field == "blood_group")
    assert all(holds(region, point) for point in Polygon.box(180, 980, 320, 1060).points)


def test_a_text_without_an_area_is_the_one_that_is_missing() -> None:
    card = laid_card(ID_FRONT, "flat")
    kept = load_policy("cards: {IDCard: {portrait: keep}}\n")
    fields = tuple(
        replace(f, polygon=Polygon.box(300, 200, 300, 260)) if f.name == "name" else f for f in card.fields
    )
    with pytest.raises(Review) as caught:
        planned(replace(card, fields=fields), kept, blank_picture())
    assert caught.value.what_to_do.endswith("were name")


# Where the card's place is not to be relied on
# ----------------------------------------------------------------------


def _few(*names: str) -> Card:
    card = laid_card(ID_FRONT, "flat")
    return replace(card, fields=tuple(f for f in card.fields if f.name in names))


def test_lines_side_by_side_do_not_tell_how_far_the_card_reaches() -> None:
    card = _few("name", "sex", "ethnicity")
    assert place(card) is not None
    with pytest.raises(Review) as caught:
        planned(card, STANDARD, blank_picture())
    assert "portrait" in caught.value.what_to_do
    regions = planned(card, _policy(incomplete="mask_card"), blank_picture())
    assert [r.field for r in regions] == ["picture"], "the card's outline is not known well enough"


def test_a_place_is_as_doubtful_as_its_worst_corner() -> None:
    placement = place(_few("name", "sex", "ethnicity"))
    assert placement is not None
    outline = placement.layout.outline
    doubts = [max(placement.doubts(corner)) for corner in outline.corners()]
    assert min(doubts) < 3 < max(doubts)
    assert placement.doubt(outline) == max(doubts)
    assert not placement.trusted(outline)


@pytest.mark.parametrize("names", [("name", "id_number"), ("id_number",)])
def test_fewer_than_three_different_fields_tell_no_place(names: tuple[str, ...]) -> None:
    card = _few(*names)
    assert place(card) is None
    assert place(replace(card, fields=card.fields * 3)) is None, "however often each was found"


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["id", "licence"])
def test_boxes_that_are_millimetres_off_tell_no_place(kind: tuple[CardType, Side], pose: str) -> None:
    assert place(laid_card(kind, pose, off=1.0)) is not None
    assert place(laid_card(kind, pose, off=6.0)) is None


@pytest.mark.parametrize("pose", POSES)
def test_a_mirrored_card_has_no_place(pose: str) -> None:
    """Its text cannot have been read as it stands there: the boxes are another card's, or mixed up."""
    card = laid_card(ID_FRONT, pose)
    mirrored = tuple(
        replace(f, polygon=Polygon.of((1600 - x, y) for x, y in f.polygon.points)) if f.polygon else f
        for f in card.fields
    )
    assert place(replace(card, fields=mirrored)) is None


def test_what_is_found_of_a_seal_moves_no_place() -> None:
    card = laid_card(LICENCE, "flat")
    seal = layout_of(*LICENCE).fields["authority"]
    matrix = matrix_of(layout_of(*LICENCE), "flat")
    corner = Box(seal.right - 4, seal.bottom - 3, 4, 3)
    part = Polygon.of(project(matrix, point) for point in corner.corners())
    with_part = tuple(replace(f, polygon=part) if f.name == "authority" else f for f in card.fields)
    without = tuple(f for f in card.fields if f.name != "authority")
    outlines = []
    for fields in (with_part, without):
        placement = place(replace(card, fields=fields))
        assert placement is not None
        outlines.append([c for point in placement.polygon(placement.layout.outline).points for c in point])
    assert outlines[0] == pytest.approx(outlines[1], abs=1.0)
