"""What a witness's lines are: labels, values, or text that nobody may see."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.laid_cards import (
    ID_FRONT,
    LICENCE,
    NUMBER,
    POSES,
    TEXTS,
    laid_card,
    line_on,
    lines_of,
    matrix_of,
)

from cardveil.card.layout import Box, layout_of
from cardveil.card.model import Card, SeenText
from cardveil.recognition.interfaces import TextLine
from cardveil.redaction import label_places, place, text_roles

LAYOUT = layout_of(*ID_FRONT)
MATRIX = matrix_of(LAYOUT, "flat")


def roles(card: Card, *lines: TextLine) -> list[tuple[str, str]]:
    return [(text.role, text.name) for text in seen(card, *lines)]


def seen(card: Card, *lines: TextLine) -> tuple[SeenText, ...]:
    return text_roles(card, lines, place(card))


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["id", "licence"])
def test_everything_on_a_clean_card_is_explained(kind: tuple[object, object], pose: str) -> None:
    card = laid_card(kind, pose)  # type: ignore[arg-type]
    layout = layout_of(*kind)  # type: ignore[arg-type]
    found = text_roles(card, lines_of(card, pose), place(card))
    assert {text.name for text in found if text.role == "label"} == {n for n in layout.labels if len(n) > 1}
    assert {text.name for text in found if text.role == "field"} == set(layout.fields)
    assert not [text for text in found if text.role == "other"]


def test_a_line_is_parted_where_its_label_ends() -> None:
    card = laid_card(ID_FRONT, "flat")
    line = line_on(MATRIX, Box(5.2, 12.5, 14.0, 3.0), "性别男")
    label, value = seen(card, line)
    assert (label.role, label.name, value.role, value.name) == ("label", "性别", "field", "sex")
    assert label.polygon.points[1][0] == pytest.approx(value.polygon.points[0][0])
    assert value.start == 0
    assert len(value.characters) == 1


def test_the_seal_s_text_is_not_the_address_that_begins_with_the_same_place() -> None:
    card = laid_card(LICENCE, "flat")
    matrix = matrix_of(layout_of(*LICENCE), "flat")
    text = (card.field("address") or card.fields[0]).text or ""
    assert roles(card, line_on(matrix, Box(5.2, 33.2, 12.0, 2.0), text[3:6])) == [("field", "authority")]
    # A line of it that begins where the others do is the address, whatever stands near.
    assert roles(card, line_on(matrix, Box(11.7, 30.6, 12.0, 3.0), text[3:6])) == [("field", "address")]


def test_what_stands_just_above_the_seal_is_not_its_text() -> None:
    """The last character of an address, alone on its second line: the seal was located too high."""
    card = laid_card(LICENCE, "flat")
    layout = layout_of(*LICENCE)
    matrix = matrix_of(layout, "flat")
    high = line_on(matrix, Box(4.5, 28.0, 19.0, 22.0), "seal").polygon
    located = replace(
        card, fields=tuple(replace(f, polygon=high) if f.name == "authority" else f for f in card.fields)
    )
    assert roles(located, line_on(matrix, Box(11.7, 27.4, 3.0, 3.0), "室")) == [("other", "")]
    assert roles(located, line_on(matrix, Box(11.7, 38.0, 3.0, 3.0), "室")) == [("field", "authority")]


def test_two_values_on_one_line_are_told_apart() -> None:
    card = laid_card(LICENCE, "flat")
    line = line_on(matrix_of(layout_of(*LICENCE), "flat"), Box(41.0, 17.5, 34.0, 3.0), "性别男国籍中国")
    assert roles(card, line) == [
        ("label", "性别"), ("field", "sex"), ("label", "国籍"), ("field", "nationality"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("13800000000", Box(16.0, 42.0, 24.0, 2.0)),
        ("幸福里小区2788号", Box(15.7, 41.2, 30.0, 3.0)),
        ("BINTI YUSUF", Box(15.7, 9.8, 20.0, 2.5)),
        ("男13800000000", Box(15.7, 12.7, 8.0, 3.2)),
        ("女士", Box(60.0, 12.7, 8.0, 3.2)),
        ("", Box(16.0, 42.0, 24.0, 2.0)),
    ],
    ids=["number", "fourth line", "second name", "value and more", "elsewhere", "unread"],
)
def test_what_is_neither_a_label_nor_a_value_is_other_text(text: str, box: Box) -> None:
    card = laid_card(ID_FRONT, "flat")
    line = (
        replace(line_on(MATRIX, box, "x"), text="", characters=()) if not text else line_on(MATRIX, box, text)
    )
    others = [found for found in seen(card, line) if found.role == "other"]
    assert len(others) == 1


def test_a_value_is_one_only_where_its_field_stands() -> None:
    """A second card's values read the same, and are not this one's."""
    card = laid_card(ID_FRONT, "flat")
    for box in (Box(15.7, 90.0, 3.0, 3.2), Box(60.0, 30.0, 3.0, 3.2)):
        assert roles(card, line_on(MATRIX, box, TEXTS["sex"])) == [("other", "")]


def test_a_label_is_one_only_at_its_place() -> None:
    """民族 is a common word in the names of streets."""
    card = laid_card(ID_FRONT, "flat")
    line = line_on(MATRIX, Box(15.7, 41.5, 24.0, 3.0), "民族大道12号")
    assert roles(card, line) == [("other", "")]


@pytest.mark.parametrize(("read", "is_label"), [("公民身分号码", True), ("公民身分证码", False)])
def test_a_long_label_may_be_misread_by_a_character(read: str, is_label: bool) -> None:
    card = laid_card(ID_FRONT, "flat")
    line = line_on(MATRIX, Box(5.2, 45.6, 20.2, 3.0), read)
    assert (("label", "公民身份号码") in roles(card, line)) is True
    away = line_on(MATRIX, Box(5.2, 41.0, 20.2, 3.0), read)
    assert (("label", "公民身份号码") in roles(card, away)) is is_label


def test_a_short_label_that_was_misread_is_known_by_its_place() -> None:
    card = laid_card(ID_FRONT, "flat")
    assert roles(card, line_on(MATRIX, LAYOUT.labels["性别"], "性別")) == [("label", "性别")]
    assert roles(card, line_on(MATRIX, LAYOUT.labels["性别"], "住院")) == [("other", "")]


def test_a_value_that_was_misread_at_its_place_is_still_the_fields() -> None:
    card = laid_card(LICENCE, "flat")
    layout = layout_of(*LICENCE)
    line = line_on(matrix_of(layout, "flat"), Box(42.7, 38.8, 16.0, 3.2), "2012-05-0b")
    (found,) = seen(card, line)
    assert (found.role, found.name, found.start) == ("field", "first_issue_date", -1)


def test_without_the_places_of_characters_the_ends_of_a_part_are_uncertain() -> None:
    card = laid_card(ID_FRONT, "flat")
    line = replace(line_on(MATRIX, Box(5.2, 12.5, 14.0, 3.0), "性别男"), characters=())
    label, value = seen(card, line)
    assert min(label.slack, value.slack) > 40  # a character's width, 1300 pixels being 85.6 mm
    assert not value.characters


def test_labels_that_were_seen_twice_place_no_card() -> None:
    card = laid_card(ID_FRONT, "flat")
    lines = lines_of(card, "flat")
    again = line_on(MATRIX, Box(5.2, 70.0, 7.4, 3.0), "姓名")
    assert "姓名" in dict(label_places(card, lines))
    assert "姓名" not in dict(label_places(card, (*lines, again)))


def test_what_is_remembered_does_not_say_what_is_written() -> None:
    card = laid_card(ID_FRONT, "flat")
    for text in seen(card, *lines_of(card, "flat")):
        assert text.role == "label" or not any(value in repr(text) for value in (NUMBER, TEXTS["name"]))
