"""What is covered of a card: text, portrait, parts of numbers; and when there is no copy at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.laid_cards import (
    ID_BACK,
    ID_FRONT,
    LICENCE,
    NUMBER,
    POSES,
    TEXTS,
    blank_picture,
    covers,
    holds,
    ink_of,
    laid_card,
    lines_of,
    matrix_of,
)

from cardveil.card.geometry import project
from cardveil.card.layout import Box, layout_of
from cardveil.card.model import Card, CardType, Field, Polygon, SeenText, Side
from cardveil.core.errors import Review
from cardveil.recognition.interfaces import TextLine
from cardveil.redaction import (
    Hidden,
    Picture,
    Plan,
    Policy,
    Region,
    forbidden_texts,
    kept_texts,
    load_policy,
    plan,
    text_roles,
)
from cardveil.redaction.card_pose import place
from cardveil.redaction.regions import grown_text

STANDARD = load_policy("standard")


def planned(card: Card, policy: Policy, picture: Picture) -> tuple[Region, ...]:
    return plan(card, policy, picture, place(card)).regions


@pytest.mark.parametrize("off", [0.0, 0.6], ids=["exact", "0.6 mm off"])
@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["id", "licence"])
def test_the_portrait_is_covered_from_the_places_of_the_text(
    kind: tuple[CardType, Side], pose: str, off: float
) -> None:
    layout, card = layout_of(*kind), laid_card(kind, pose, off=off)
    regions = tuple(r for r in planned(card, STANDARD, blank_picture()) if r.field == "portrait")
    assert layout.portrait is not None
    assert covers(regions, layout.portrait, matrix_of(layout, pose))
    # And not half the card with it: it must not reach the fields that are kept.
    for name in ("sex", "ethnicity", "first_issue_date"):
        if name in layout.fields:
            assert not covers(regions, ink_of(layout, name), matrix_of(layout, pose))


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["id", "licence"])
def test_every_masked_text_is_covered_and_every_kept_one_is_not(
    kind: tuple[CardType, Side], pose: str
) -> None:
    layout, card = layout_of(*kind), laid_card(kind, pose)
    matrix = matrix_of(layout, pose)
    regions = planned(card, STANDARD, blank_picture())
    for name in layout.fields:
        ink = ink_of(layout, name)
        if STANDARD.action_for(*kind, name) == "mask":
            own = tuple(r for r in regions if r.field == name)
            assert covers(own, ink.grown(0.5), matrix)
        elif name != "authority":
            middle = Box(ink.x + 0.3 * ink.width, ink.y + 0.3 * ink.height, 0.4 * ink.width, 0.4 * ink.height)
            assert not any(holds(r, project(matrix, c)) for r in regions for c in middle.corners())


def test_a_text_that_was_found_only_in_part_is_covered_in_its_whole_zone() -> None:
    layout, card = layout_of(*ID_FRONT), laid_card(ID_FRONT, "flat")
    matrix = matrix_of(layout, "flat")
    short = ink_of(layout, "address")
    first_line = Polygon.of(project(matrix, c) for c in Box(short.x, short.y, short.width / 3, 3.2).corners())
    fields = tuple(replace(f, polygon=first_line) if f.name == "address" else f for f in card.fields)
    regions = tuple(
        r for r in planned(replace(card, fields=fields), STANDARD, blank_picture()) if r.field == "address"
    )
    assert covers(regions, layout.fields["address"].grown(-0.2), matrix)


@pytest.mark.parametrize("missing", ["name", "address", "id_number", "birth_date"])
def test_a_card_that_lacks_a_masked_field_gets_no_copy(missing: str) -> None:
    with pytest.raises(Review) as caught:
        planned(laid_card(ID_FRONT, "flat", without=(missing,)), STANDARD, blank_picture())
    assert caught.value.code == "fields_missing"
    assert missing in caught.value.what_to_do


def test_a_card_that_lacks_a_kept_field_gets_one() -> None:
    assert planned(laid_card(ID_FRONT, "flat", without=("ethnicity",)), STANDARD, blank_picture())


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
    card = laid_card(ID_FRONT, "flat")
    fields = tuple(replace(f, polygon=polygon) if f.name == "name" else f for f in card.fields)
    with pytest.raises(Review, match="fields_missing"):
        planned(replace(card, fields=fields), STANDARD, blank_picture())


def test_a_portrait_that_cannot_be_placed_is_missing() -> None:
    """Boxes that do not fit the layout (here in the order of another card) tell nothing of the portrait."""
    card = laid_card(ID_FRONT, "flat")
    places = [f.polygon for f in card.fields]
    shuffled = tuple(replace(f, polygon=places[-1 - i]) for i, f in enumerate(card.fields))
    assert place(replace(card, fields=shuffled)) is None
    with pytest.raises(Review, match="portrait"):
        planned(replace(card, fields=shuffled), STANDARD, blank_picture())


def test_a_portrait_that_a_recogniser_saw_is_covered_as_well() -> None:
    seen = Polygon.box(980, 200, 1380, 720)
    card = laid_card(ID_FRONT, "flat")
    card = replace(card, fields=(*card.fields, Field("portrait", polygon=seen)))
    regions = [r for r in planned(card, STANDARD, blank_picture()) if r.field == "portrait"]
    assert any(all(holds(r, p) for p in seen.points) for r in regions)
    alone = Card(*ID_FRONT, tuple(f for f in card.fields if f.name in ("portrait", "name")))
    with pytest.raises(Review) as caught:
        planned(alone, STANDARD, blank_picture())
    assert "portrait" not in caught.value.what_to_do


def _policy(**changes: object) -> Policy:
    return replace(STANDARD, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("pose", POSES)
def test_an_incomplete_card_is_covered_whole_if_the_policy_says_so(pose: str) -> None:
    layout = layout_of(*ID_FRONT)
    card = laid_card(ID_FRONT, pose, without=("name",))
    regions = planned(card, _policy(incomplete="mask_card"), blank_picture())
    assert [r.field for r in regions] == ["card"]
    assert covers(regions, layout.outline, matrix_of(layout, pose))


def test_where_the_card_is_not_known_the_whole_picture_is_covered() -> None:
    card = Card(*ID_FRONT, (Field("sex", polygon=Polygon.box(10, 10, 40, 40)),))
    for incomplete in ("mask_card", "mask_picture"):
        regions = planned(card, _policy(incomplete=incomplete), blank_picture())
        assert regions == (Region("picture", Polygon.box(0, 0, 1600, 1200), "mask"),)


def test_the_back_of_a_card_is_left_readable_only_when_all_of_it_was_found() -> None:
    assert planned(laid_card(ID_BACK, "flat"), STANDARD, blank_picture()) == ()
    for missing in ("authority", "valid_period"):
        with pytest.raises(Review, match="fields_missing"):
            planned(laid_card(ID_BACK, "flat", without=(missing,)), STANDARD, blank_picture())
    strict = planned(laid_card(ID_BACK, "flat"), load_policy("strict"), blank_picture())
    assert {r.field for r in strict} == {"authority", "valid_period"}


def test_a_card_without_any_field_never_passes() -> None:
    for kind in (ID_FRONT, ID_BACK, LICENCE, (CardType.DRIVER_LICENSE, Side.BACK)):
        with pytest.raises(Review, match="fields_missing"):
            planned(Card(*kind, ()), STANDARD, blank_picture())


def test_an_unknown_field_is_covered() -> None:
    card = laid_card(ID_FRONT, "flat")
    card = replace(
        card, fields=(*card.fields, Field("blood_group", polygon=Polygon.box(200, 1000, 300, 1040)))
    )
    assert any(r.field == "blood_group" for r in planned(card, STANDARD, blank_picture()))


def test_a_field_that_was_found_twice_is_covered_twice() -> None:
    card = laid_card(ID_FRONT, "flat")
    second = Field("id_number", text=NUMBER, polygon=Polygon.box(200, 1000, 700, 1040))
    twice = replace(card, fields=(*card.fields, second))
    # With two numbers the card's place is in doubt, and the portrait's with it.
    with pytest.raises(Review, match="portrait"):
        planned(twice, STANDARD, blank_picture())
    regions = planned(twice, load_policy("cards: {IDCard: {portrait: keep}}\n"), blank_picture())
    for field in twice.fields:
        if field.name == "id_number" and field.polygon:
            assert all(any(holds(r, p) for r in regions) for p in field.polygon.points)


# Parts of numbers
# --------------------------------------------------------------------------------------------


def witnessed(card: Card, pose: str, policy: Policy, lines: tuple[TextLine, ...] | None = None) -> Plan:
    seen = lines_of(card, pose) if lines is None else lines
    placement = place(card)
    return plan(card, policy, blank_picture(), placement, text_roles(card, seen, placement))


def _partial(first: int, last: int, field: str = "id_number") -> Policy:
    part = f"{{partial: {{keep_first: {first}, keep_last: {last}}}}}"
    return load_policy(f"cards: {{IDCard: {{portrait: keep, {field}: {part}}}}}\n")


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize(("first", "last"), [(6, 0), (6, 4), (0, 4), (1, 1)])
@pytest.mark.parametrize("field", ["id_number", "address", "name"])
def test_part_of_a_text_is_covered_to_the_character(pose: str, first: int, last: int, field: str) -> None:
    layout, card = layout_of(*ID_FRONT), laid_card(ID_FRONT, pose)
    count = len(TEXTS[field])
    first, last = min(first, count - 2), min(last, 1 if field == "name" else last)
    planned = witnessed(card, pose, _partial(first, last, field))
    regions = tuple(r for r in planned.regions if r.field == field)
    assert {r.action for r in regions} == {"partial"}
    ink, matrix = ink_of(layout, field), matrix_of(layout, pose)
    pitch = ink.width / count
    for index in range(count):
        character = Box(ink.x + index * pitch, ink.y, pitch, ink.height)
        if first <= index < count - last:
            assert covers(regions, character, matrix)
        else:
            assert not any(holds(r, project(matrix, character.centre)) for r in regions)
            kept = [Region("", polygon, "") for polygon in planned.kept]
            assert any(holds(r, project(matrix, character.centre)) for r in kept)


def test_a_box_wider_than_its_text_does_not_move_the_cut() -> None:
    """Boxes of four times the ink's width showed two characters where one is allowed."""
    layout, card = layout_of(*ID_FRONT), laid_card(ID_FRONT, "flat")
    matrix = matrix_of(layout, "flat")
    wide = Polygon.of(project(matrix, corner) for corner in layout.fields["name"].corners())
    fields = tuple(replace(f, polygon=wide) if f.name == "name" else f for f in card.fields)
    seen = lines_of(card, "flat")
    planned = witnessed(replace(card, fields=fields), "flat", _partial(1, 0, "name"), seen)
    ink = ink_of(layout, "name")
    rest = Box(
        ink.x + ink.width / 3, ink.y, layout.fields["name"].right - 0.1 - ink.x - ink.width / 3, ink.height
    )
    assert covers(tuple(r for r in planned.regions if r.field == "name"), rest, matrix)


def test_a_text_whose_characters_were_not_all_located_is_covered_whole() -> None:
    card = laid_card(ID_FRONT, "flat")
    seen = lines_of(card, "flat")
    number = card.field("id_number")
    assert number is not None

    def without_places(line: TextLine) -> TextLine:
        return replace(line, characters=()) if line.text == NUMBER else line

    def misread(line: TextLine) -> TextLine:
        return replace(line, text="7" + NUMBER[1:]) if line.text == NUMBER else line

    cases = (
        (number, None),
        (replace(number, text=None), seen),
        (replace(number, text="12345"), seen),
        (number, tuple(map(without_places, seen))),
        (number, tuple(map(misread, seen))),
        (number, (*seen, *(line for line in seen if line.text == NUMBER))),
    )
    for changed, lines in cases:
        fields = tuple(changed if f.name == "id_number" else f for f in card.fields)
        other = replace(card, fields=fields)
        placement = place(other)
        texts = None if lines is None else text_roles(other, lines, placement)
        planned = plan(other, _partial(6, 4), blank_picture(), placement, texts)
        regions = tuple(r for r in planned.regions if r.field == "id_number")
        assert {r.action for r in regions} == {"mask"}
        assert "partial_not_located" in planned.findings
        layout = layout_of(*ID_FRONT)
        assert covers(regions, ink_of(layout, "id_number"), matrix_of(layout, "flat"))


def test_the_text_to_look_for_is_the_covered_part() -> None:
    card = laid_card(ID_FRONT, "flat")
    minimal = load_policy("minimal")
    assert forbidden_texts(card, minimal) == {"id_number": Hidden(NUMBER, 6, 18)}
    kept = {TEXTS[name] for name in ("name", "sex", "ethnicity", "birth_date", "address")}
    assert set(kept_texts(card, minimal)) == {*kept, NUMBER[:6], *layout_of(*ID_FRONT).labels}
    assert set(forbidden_texts(card, STANDARD)) == {"name", "address", "id_number", "birth_date"}


def test_a_text_that_runs_down_is_covered_along_it_and_not_far_aside() -> None:
    """What stands beside the card is often found as one tall box; a character's size is its shorter side."""
    down = SeenText("other", "", Polygon.of([(300, 100), (350, 100), (350, 600), (300, 600)]))
    left, top, right, bottom = grown_text(down, 0.6, None).bounds()
    assert (left, right) == pytest.approx((300, 350), abs=80)
    assert -5 <= top <= 75
    assert 625 <= bottom <= 705
