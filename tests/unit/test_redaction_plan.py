"""What is covered of a card: text, portrait, parts of numbers; and when there is no copy at all."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from cardveil.card.geometry import Matrix, homography, project
from cardveil.card.layout import Box, CardLayout, layout_of
from cardveil.card.model import FIELDS, Card, CardType, Field, Polygon, Side
from cardveil.core.errors import Review
from cardveil.redaction import Picture, Policy, Region, forbidden_texts, kept_texts, load_policy, plan
from cardveil.redaction.card_pose import place
from cardveil.redaction.polygons import cut

ID_FRONT, LICENCE = (CardType.ID_CARD, Side.FRONT), (CardType.DRIVER_LICENSE, Side.FRONT)
ID_BACK = (CardType.ID_CARD, Side.BACK)
NUMBER = "990101199003070010"
#: Where a card lies in a picture of 1600 × 1200: its corners, clockwise from its own top left.
POSES = {
    "flat": [(100, 100), (1400, 100), (1400, 920), (100, 920)],
    "turned by 20 degrees": [(380, 60), (1540, 480), (1270, 1130), (110, 710)],
    "upside down": [(1400, 920), (100, 920), (100, 100), (1400, 100)],
    "on its side": [(1200, 60), (1200, 1150), (500, 1150), (500, 60)],
    "seen aslant": [(250, 200), (1350, 120), (1500, 1000), (120, 900)],
}
STANDARD = load_policy("standard")


def planned(card: Card, policy: Policy, picture: Picture) -> tuple[Region, ...]:
    return plan(card, policy, picture, place(card))


def _picture(width: int = 1600, height: int = 1200) -> Picture:
    return Picture(b"", "jpeg", width, height, 1, False, width, height, "srgb")


def _matrix(layout: CardLayout, pose: str) -> Matrix:
    return homography(layout.outline.corners(), POSES[pose])


def _ink(layout: CardLayout, name: str) -> Box:
    """Return where a value's ink stands: in the left part of its zone, as print does."""
    zone = layout.fields[name]
    if name == "id_number":
        return Box(zone.x + 1.6, zone.centre[1] - 1.7, 49.4, 3.4)
    if name == "birth_date" and layout.type is CardType.ID_CARD:
        return Box(zone.x + 2.0, zone.centre[1] - 1.6, 26.2, 3.2)
    if name == "address":
        return Box(zone.x + 0.7, zone.y + 0.9, zone.width - 4, zone.height - 3)
    return Box(zone.x + 0.7, zone.centre[1] - 1.6, min(zone.width - 1.5, 9.0), 3.2)


def _card(kind: tuple[CardType, Side], pose: str, *, without: tuple[str, ...] = (), off: float = 0.0) -> Card:
    """Return a card whose text lies as the layout has it, each box `off` millimetres away its own way."""
    layout = layout_of(*kind)
    matrix = _matrix(layout, pose)
    fields = []
    for index, name in enumerate(FIELDS[kind]):
        if name == "portrait" or name in without:
            continue
        ink = _ink(layout, name)
        moved = Box(
            ink.x + off * math.sin(index * 2.4), ink.y + off * math.cos(index * 1.7), ink.width, ink.height
        )
        polygon = Polygon.of(project(matrix, corner) for corner in moved.corners())
        text = NUMBER if name in ("id_number", "licence_number") else name
        fields.append(Field(name, text=text, polygon=polygon))
    return Card(*kind, tuple(fields))


def _holds(region: Region, point: tuple[float, float]) -> bool:
    points = region.polygon.points
    return all(
        (x1 - x0) * (point[1] - y0) - (y1 - y0) * (point[0] - x0) >= -1e-6
        for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True)
    )


def _covered(regions: tuple[Region, ...], box: Box, matrix: Matrix) -> bool:
    """Say whether every point of a fine mesh over a box of the card lies in one of the regions."""
    mesh = [(box.x + box.width * i / 24, box.y + box.height * j / 24) for i in range(25) for j in range(25)]
    return all(any(_holds(r, project(matrix, point)) for r in regions) for point in mesh)


@pytest.mark.parametrize("off", [0.0, 0.6], ids=["exact", "0.6 mm off"])
@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["id", "licence"])
def test_the_portrait_is_covered_from_the_places_of_the_text(
    kind: tuple[CardType, Side], pose: str, off: float
) -> None:
    layout, card = layout_of(*kind), _card(kind, pose, off=off)
    regions = tuple(r for r in planned(card, STANDARD, _picture()) if r.field == "portrait")
    assert layout.portrait is not None
    assert _covered(regions, layout.portrait, _matrix(layout, pose))
    # And not half the card with it: it must not reach the fields that are kept.
    for name in ("sex", "ethnicity", "first_issue_date"):
        if name in layout.fields:
            assert not _covered(regions, _ink(layout, name), _matrix(layout, pose))


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["id", "licence"])
def test_every_masked_text_is_covered_and_every_kept_one_is_not(
    kind: tuple[CardType, Side], pose: str
) -> None:
    layout, card = layout_of(*kind), _card(kind, pose)
    matrix = _matrix(layout, pose)
    regions = planned(card, STANDARD, _picture())
    for name in layout.fields:
        ink = _ink(layout, name)
        if STANDARD.action_for(*kind, name) == "mask":
            own = tuple(r for r in regions if r.field == name)
            assert _covered(own, ink.grown(0.5), matrix)
        elif name != "authority":
            middle = Box(ink.x + 0.3 * ink.width, ink.y + 0.3 * ink.height, 0.4 * ink.width, 0.4 * ink.height)
            assert not any(_holds(r, project(matrix, c)) for r in regions for c in middle.corners())


def test_a_text_that_was_found_only_in_part_is_covered_in_its_whole_zone() -> None:
    layout, card = layout_of(*ID_FRONT), _card(ID_FRONT, "flat")
    matrix = _matrix(layout, "flat")
    short = _ink(layout, "address")
    first_line = Polygon.of(project(matrix, c) for c in Box(short.x, short.y, short.width / 3, 3.2).corners())
    fields = tuple(replace(f, polygon=first_line) if f.name == "address" else f for f in card.fields)
    regions = tuple(
        r for r in planned(replace(card, fields=fields), STANDARD, _picture()) if r.field == "address"
    )
    assert _covered(regions, layout.fields["address"].grown(-0.2), matrix)


@pytest.mark.parametrize("missing", ["name", "address", "id_number", "birth_date"])
def test_a_card_that_lacks_a_masked_field_gets_no_copy(missing: str) -> None:
    with pytest.raises(Review) as caught:
        planned(_card(ID_FRONT, "flat", without=(missing,)), STANDARD, _picture())
    assert caught.value.code == "fields_missing"
    assert missing in caught.value.what_to_do


def test_a_card_that_lacks_a_kept_field_gets_one() -> None:
    assert planned(_card(ID_FRONT, "flat", without=("ethnicity",)), STANDARD, _picture())


@pytest.mark.parametrize(
    "polygon",
    [
        Polygon.box(0, 0, 0, 0),
        Polygon.box(50, 50, 50, 90),
        Polygon.box(-300, -300, -200, -200),
        Polygon.box(-1e6, -1e6, 1e6, 1e6),
        None,
    ],
    ids=["zeros", "no width", "outside", "absurd", "none"],
)
def test_a_place_that_says_nothing_counts_as_missing(polygon: Polygon | None) -> None:
    card = _card(ID_FRONT, "flat")
    fields = tuple(replace(f, polygon=polygon) if f.name == "name" else f for f in card.fields)
    with pytest.raises(Review, match="fields_missing"):
        planned(replace(card, fields=fields), STANDARD, _picture())


def test_a_portrait_that_cannot_be_placed_is_missing() -> None:
    """Boxes that do not fit the layout (here in the order of another card) tell nothing of the portrait."""
    card = _card(ID_FRONT, "flat")
    places = [f.polygon for f in card.fields]
    shuffled = tuple(replace(f, polygon=places[-1 - i]) for i, f in enumerate(card.fields))
    assert place(replace(card, fields=shuffled)) is None
    with pytest.raises(Review, match="portrait"):
        planned(replace(card, fields=shuffled), STANDARD, _picture())


def test_a_portrait_that_a_recogniser_saw_is_covered_as_well() -> None:
    seen = Polygon.box(980, 200, 1380, 720)
    card = _card(ID_FRONT, "flat")
    card = replace(card, fields=(*card.fields, Field("portrait", polygon=seen)))
    regions = [r for r in planned(card, STANDARD, _picture()) if r.field == "portrait"]
    assert len(regions) == 2
    assert any(all(_holds(r, p) for p in seen.points) for r in regions)
    alone = Card(*ID_FRONT, tuple(f for f in card.fields if f.name in ("portrait", "name")))
    with pytest.raises(Review) as caught:
        planned(alone, STANDARD, _picture())
    assert "portrait" not in caught.value.what_to_do


def _policy(**changes: object) -> Policy:
    return replace(STANDARD, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("pose", POSES)
def test_an_incomplete_card_is_covered_whole_if_the_policy_says_so(pose: str) -> None:
    layout = layout_of(*ID_FRONT)
    card = _card(ID_FRONT, pose, without=("name",))
    regions = planned(card, _policy(incomplete="mask_card"), _picture())
    assert [r.field for r in regions] == ["card"]
    assert _covered(regions, layout.outline, _matrix(layout, pose))


def test_where_the_card_is_not_known_the_whole_picture_is_covered() -> None:
    card = Card(*ID_FRONT, (Field("sex", polygon=Polygon.box(10, 10, 40, 40)),))
    for incomplete in ("mask_card", "mask_picture"):
        regions = planned(card, _policy(incomplete=incomplete), _picture())
        assert regions == (Region("picture", Polygon.box(0, 0, 1600, 1200), "mask"),)


def test_the_back_of_a_card_is_left_readable_only_when_all_of_it_was_found() -> None:
    assert planned(_card(ID_BACK, "flat"), STANDARD, _picture()) == ()
    for missing in ("authority", "valid_period"):
        with pytest.raises(Review, match="fields_missing"):
            planned(_card(ID_BACK, "flat", without=(missing,)), STANDARD, _picture())
    assert {r.field for r in planned(_card(ID_BACK, "flat"), load_policy("strict"), _picture())} == {
        "authority",
        "valid_period",
    }


def test_a_card_without_any_field_never_passes() -> None:
    for kind in (ID_FRONT, ID_BACK, LICENCE, (CardType.DRIVER_LICENSE, Side.BACK)):
        with pytest.raises(Review, match="fields_missing"):
            planned(Card(*kind, ()), STANDARD, _picture())


def test_an_unknown_field_is_covered() -> None:
    card = _card(ID_FRONT, "flat")
    card = replace(
        card, fields=(*card.fields, Field("blood_group", polygon=Polygon.box(200, 1000, 300, 1040)))
    )
    assert any(r.field == "blood_group" for r in planned(card, STANDARD, _picture()))


def test_a_field_that_was_found_twice_is_covered_twice() -> None:
    card = _card(ID_FRONT, "flat")
    second = Field("id_number", text=NUMBER, polygon=Polygon.box(200, 1000, 700, 1040))
    twice = replace(card, fields=(*card.fields, second))
    # With two numbers the card's place is in doubt, and the portrait's with it.
    with pytest.raises(Review, match="portrait"):
        planned(twice, STANDARD, _picture())
    regions = planned(twice, load_policy("cards: {IDCard: {portrait: keep}}\n"), _picture())
    for field in twice.fields:
        if field.name == "id_number" and field.polygon:
            assert all(any(_holds(r, p) for r in regions) for p in field.polygon.points)


# Parts of numbers
# --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize(("first", "last"), [(6, 0), (6, 4), (0, 4), (1, 1)])
def test_part_of_a_number_is_covered_to_the_character(pose: str, first: int, last: int) -> None:
    layout, card = layout_of(*ID_FRONT), _card(ID_FRONT, pose)
    policy = load_policy(
        f"cards: {{IDCard: {{id_number: {{partial: {{keep_first: {first}, keep_last: {last}}}}}}}}}\n"
    )
    regions = tuple(r for r in planned(card, policy, _picture()) if r.field == "id_number")
    assert [r.action for r in regions] == ["partial"]
    ink, matrix = _ink(layout, "id_number"), _matrix(layout, pose)
    pitch = ink.width / 18
    for index in range(18):
        character = Box(ink.x + index * pitch, ink.y, pitch, ink.height)
        hidden = first <= index < 18 - last
        if hidden:
            assert _covered(regions, character, matrix)
        elif index not in (first - 1, 18 - last):  # its neighbour may lose its edge
            assert not any(_holds(r, project(matrix, character.centre)) for r in regions)


def test_what_cannot_be_cut_is_covered_whole() -> None:
    card = _card(ID_FRONT, "flat")
    policy = load_policy(
        "cards: {IDCard: {portrait: keep, id_number: {partial: {keep_first: 6, keep_last: 4}}}}\n"
    )
    number = card.field("id_number")
    assert number is not None
    assert number.polygon is not None
    points = number.polygon.points
    tall = Polygon.box(points[0][0], points[0][1], points[0][0] + 90, points[0][1] + 90)
    crossing = Polygon((points[0], points[2], points[1], points[3]))
    for changed in (
        replace(number, text=None),
        replace(number, text="12345"),
        replace(number, polygon=tall),
        replace(number, polygon=crossing),
    ):
        fields = tuple(changed if f.name == "id_number" else f for f in card.fields)
        actions = {
            r.action
            for r in planned(replace(card, fields=fields), policy, _picture())
            if r.field == "id_number"
        }
        assert actions == {"mask"}


def test_the_text_to_look_for_is_the_covered_part() -> None:
    card = _card(ID_FRONT, "flat")
    minimal = load_policy("minimal")
    assert forbidden_texts(card, minimal) == {"id_number": NUMBER[6:]}
    assert set(kept_texts(card, minimal)) == {"name", "sex", "ethnicity", "birth_date", "address"}
    assert set(forbidden_texts(card, STANDARD)) == {"name", "address", "id_number", "birth_date"}


# What is not known exactly
# ------------------------------------------------------------------------------------------


def _blurred(kind: tuple[CardType, Side], pose: str, seed: int) -> Card:
    """Return a card whose boxes are each off along and across, and turned, by 0.3 mm (standard deviation)."""
    layout, chance = layout_of(*kind), random.Random(seed)
    matrix, fields = _matrix(layout, pose), []
    for field in _card(kind, pose).fields:
        ink = _ink(layout, field.name)
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
        regions = planned(_blurred(kind, pose, seed), STANDARD, _picture())
        portrait = tuple(r for r in regions if r.field == "portrait")
        assert _covered(portrait, layout.portrait, _matrix(layout, pose)), seed


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["id", "licence"])
def test_a_portrait_that_is_printed_a_millimetre_away_is_covered(
    kind: tuple[CardType, Side], pose: str
) -> None:
    layout = layout_of(*kind)
    assert layout.portrait is not None
    regions = tuple(r for r in planned(_card(kind, pose), STANDARD, _picture()) if r.field == "portrait")
    assert _covered(regions, layout.portrait.grown(1.0), _matrix(layout, pose))


def test_a_portrait_that_a_recogniser_saw_is_covered_a_little_farther() -> None:
    seen = Polygon.box(980, 200, 1380, 720)
    card = Card(*ID_FRONT, (Field("portrait", polygon=seen),))
    policy = load_policy(
        "cards: {IDCard: {name: keep, sex: keep, ethnicity: keep, birth_date: keep, address: keep,"
        " id_number: keep}}\n"
    )
    (region,) = planned(card, policy, _picture())
    # 26 mm high at least: 1.5 mm are 30 of these pixels.
    assert all(_holds(region, point) for point in Polygon.box(950, 170, 1410, 750).points)


@pytest.mark.parametrize("pose", POSES)
def test_a_policy_s_margin_is_kept_around_what_was_found(pose: str) -> None:
    layout, matrix = layout_of(*ID_FRONT), _matrix(layout_of(*ID_FRONT), pose)
    regions = planned(_card(ID_FRONT, pose), _policy(margin_mm=3.0), _picture())
    for name in ("name", "address", "id_number", "birth_date"):
        own = tuple(r for r in regions if r.field == name)
        assert _covered(own, _ink(layout, name).grown(2.5), matrix)


def test_where_a_text_has_no_zone_half_its_height_is_covered_around_it() -> None:
    card = _card(ID_FRONT, "flat")
    alone = Field("blood_group", polygon=Polygon.box(200, 1000, 300, 1040))
    card = replace(card, fields=(*card.fields, alone))
    (region,) = (r for r in planned(card, STANDARD, _picture()) if r.field == "blood_group")
    assert all(_holds(region, point) for point in Polygon.box(180, 980, 320, 1060).points)


def test_a_text_without_an_area_is_the_one_that_is_missing() -> None:
    card = _card(ID_FRONT, "flat")
    kept = load_policy("cards: {IDCard: {portrait: keep}}\n")
    fields = tuple(
        replace(f, polygon=Polygon.box(300, 200, 300, 260)) if f.name == "name" else f for f in card.fields
    )
    with pytest.raises(Review) as caught:
        planned(replace(card, fields=fields), kept, _picture())
    assert caught.value.what_to_do.endswith("were name")


# Where the card's place is not to be relied on
# ----------------------------------------------------------------------


def _few(*names: str) -> Card:
    card = _card(ID_FRONT, "flat")
    return replace(card, fields=tuple(f for f in card.fields if f.name in names))


def test_lines_side_by_side_do_not_tell_how_far_the_card_reaches() -> None:
    card = _few("name", "sex", "ethnicity")
    assert place(card) is not None
    with pytest.raises(Review) as caught:
        planned(card, STANDARD, _picture())
    assert "portrait" in caught.value.what_to_do
    regions = planned(card, _policy(incomplete="mask_card"), _picture())
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
    assert place(_card(kind, pose, off=1.0)) is not None
    assert place(_card(kind, pose, off=6.0)) is None


@pytest.mark.parametrize("pose", POSES)
def test_a_mirrored_card_has_no_place(pose: str) -> None:
    """Its text cannot have been read as it stands there: the boxes are another card's, or mixed up."""
    card = _card(ID_FRONT, pose)
    mirrored = tuple(
        replace(f, polygon=Polygon.of((1600 - x, y) for x, y in f.polygon.points)) if f.polygon else f
        for f in card.fields
    )
    assert place(replace(card, fields=mirrored)) is None


def test_what_is_found_of_a_seal_moves_no_place() -> None:
    card = _card(LICENCE, "flat")
    seal = layout_of(*LICENCE).fields["authority"]
    matrix = _matrix(layout_of(*LICENCE), "flat")
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


# Parts of texts, in other scripts and at their ends
# -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("1234某路", 4, 0), ("某路1234", 2, 0), ("某路1234", 0, 4), ("1234某路", 0, 2), ("A某1路B", 2, 1)],
)
def test_full_width_characters_take_the_place_of_two(text: str, first: int, last: int) -> None:
    widths = [100 if character in "某路" else 50 for character in text]
    starts = [sum(widths[:index]) for index in range(len(text) + 1)]
    part = cut(Polygon.box(0, 0, starts[-1], 100), text, first, last)
    assert part is not None
    left, _, right, _ = part.bounds()
    assert left <= starts[first]
    assert right >= starts[len(text) - last]
    if first:
        assert left > starts[first - 1], "a kept character loses its edge at most"
    if last:
        assert right < starts[len(text) - last + 1]


@pytest.mark.parametrize(("first", "last"), [(6, 0), (0, 4), (6, 4)])
def test_a_partial_cover_has_the_policy_s_margin_but_towards_what_is_kept(first: int, last: int) -> None:
    card, matrix = _card(ID_FRONT, "flat"), _matrix(layout_of(*ID_FRONT), "flat")
    policy = load_policy(
        "margin_mm: 4\ncards: {IDCard: {id_number:"
        f" {{partial: {{keep_first: {first}, keep_last: {last}}}}}}}}}\n"
    )
    (region,) = (r for r in planned(card, policy, _picture()) if r.field == "id_number")
    ink = _ink(layout_of(*ID_FRONT), "id_number")
    pitch = ink.width / 18
    begin, end = ink.x + first * pitch, ink.right - last * pitch
    begin, end = (begin if first else begin - 3.5), (end if last else end + 3.5)
    assert _covered((region,), Box(begin, ink.y - 3.5, end - begin, ink.height + 7), matrix)
    for index in [*range(first - 1), *range(18 - last + 1, 18)]:
        assert not _holds(
            region, project(matrix, Box(ink.x + index * pitch, ink.y, pitch, ink.height).centre)
        )


def test_a_box_that_runs_against_its_text_is_not_cut() -> None:
    card = _card(ID_FRONT, "flat")
    policy = load_policy(
        "cards: {IDCard: {portrait: keep, id_number: {partial: {keep_first: 6, keep_last: 4}}}}\n"
    )
    fields = tuple(
        replace(f, polygon=Polygon.of(reversed(f.polygon.points)))
        if f.name == "id_number" and f.polygon
        else f
        for f in card.fields
    )
    regions = planned(replace(card, fields=fields), policy, _picture())
    assert {r.action for r in regions if r.field == "id_number"} == {"mask"}


def test_of_a_text_that_is_covered_in_part_that_part_is_forbidden_and_of_a_short_one_all() -> None:
    card = _card(ID_FRONT, "flat")
    policy = load_policy("cards: {IDCard: {id_number: {partial: {keep_first: 6, keep_last: 4}}}}\n")
    assert forbidden_texts(card, policy)["id_number"] == NUMBER[6:14]
    short = tuple(replace(f, text=NUMBER[:9]) if f.name == "id_number" else f for f in card.fields)
    assert forbidden_texts(replace(card, fields=short), policy)["id_number"] == NUMBER[:9]
