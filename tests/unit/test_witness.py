"""What all text of a picture says about the card in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from cardveil.card.layout import all_layouts
from cardveil.card.model import Card, CardType, Field, Polygon, Side
from cardveil.recognition.interfaces import TextLine
from cardveil.recognition.other_documents import foreign_labels, labels_of
from cardveil.recognition.witness import findings_of, sees

NUMBER, ANOTHER = "998671199906275576", "991938195610040490"
PERSON = {
    "name": "张二", "sex": "男", "ethnicity": "汉", "birth_date": "1999年6月27日",
    "address": "云泽省雁栖市春申县户口路287号", "id_number": NUMBER,
}  # fmt: skip
OUTLINE = Polygon.box(0, 0, 800, 500)


def at(row: int, left: int = 150, width: int = 400) -> Polygon:
    return Polygon.box(left, 20 + 60 * row, left + width, 60 + 60 * row)


def line(text: str, place: Polygon) -> TextLine:
    return TextLine(text, 99.0, place)


def card(
    texts: Mapping[str, str] = PERSON, kind: CardType = CardType.ID_CARD, side: Side = Side.FRONT
) -> Card:
    return Card(
        kind, side, tuple(Field(name, text, polygon=at(i)) for i, (name, text) in enumerate(texts.items()))
    )


#: The card as a witness sees it: labels on lines of their own, and values.
LABELS = [
    line(text, at(row, 20, 100))
    for row, text in ((0, "姓名"), (1, "性 别"), (4, "住址"), (5, "公民身份号码"))
]
VALUES = [line(text, at(row)) for row, text in enumerate(PERSON.values())]
CLEAN = [*LABELS, *VALUES]


def test_a_card_alone_is_a_card_alone() -> None:
    """Although its address says what the title of a household register begins with."""
    assert findings_of(card(), CLEAN, OUTLINE) == ()
    labelled = [line(f"住址{PERSON['address']}", Polygon.box(20, 260, 550, 300))]
    assert findings_of(card(), labelled, OUTLINE) == ()


def test_a_misread_value_is_a_value() -> None:
    misread = line(NUMBER.replace("6", "5"), at(5))
    assert findings_of(card(), [*LABELS, *VALUES[:5], misread], OUTLINE) == ()


@pytest.mark.parametrize(
    "title",
    [
        "上海市居住证", "居民户口簿", "户 口", "临时居民身份证", "中华人民共和国临时身份证",
        "港澳居民来往内地通行证", "台湾居民来往大陆通行证", "外国人永久居留身份证", "机动车驾驶证副页",
        "此件为副本", "PASSPORT", "港奥居民来往内地", "与户主关系",
    ],
)  # fmt: skip
def test_titles_of_other_papers(title: str) -> None:
    for place in (Polygon.box(900, 20, 1300, 60), Polygon.box(250, 0, 700, 18)):
        assert "other_document" in findings_of(card(), [*CLEAN, line(title, place)])


def test_a_title_that_is_spaced_out_comes_character_by_character() -> None:
    spaced = [
        line(sign, Polygon.box(900 + 100 * i, 20, 940 + 100 * i, 60)) for i, sign in enumerate("居住证")
    ]
    assert "other_document" in findings_of(card(), [*CLEAN, *reversed(spaced)])
    pair = [line("居住", Polygon.box(900, 20, 990, 60)), line("证", Polygon.box(1050, 20, 1090, 60))]
    assert "other_document" in findings_of(card(), [*CLEAN, *pair])
    texts = [
        line("本院永久居", Polygon.box(900, 20, 1100, 60)),
        line("留条", Polygon.box(1110, 20, 1190, 60)),
    ]
    assert findings_of(card(), [*CLEAN, *texts]) == (), "texts beside each other are not one"
    apart = [line(sign, Polygon.box(900, 20 + 200 * i, 940, 60 + 200 * i)) for i, sign in enumerate("居住证")]
    assert findings_of(card(), [*CLEAN, *apart]) == ()


def test_every_card_s_labels_tell_every_other_card() -> None:
    kinds = [(layout.type, layout.side) for layout in all_layouts()]
    for kind, side in kinds:
        for other in kinds:
            labels = [
                line(text, Polygon.box(900, 60 * i, 1300, 60 * i + 40))
                for i, text in enumerate(labels_of(*other))
            ]
            expected = () if other == (kind, side) else ("other_card",)
            assert findings_of(card({}, kind, side), labels) == expected, (kind, side, other)


def test_no_foreign_label_is_part_of_an_own_one() -> None:
    for layout in all_layouts():
        own = labels_of(layout.type, layout.side)
        assert not [
            label for label in foreign_labels(layout.type, layout.side) if any(label in o for o in own)
        ]


@pytest.mark.parametrize(
    "other",
    [
        [ANOTHER],
        [NUMBER],
        ["990101 990101 007"],
        ["公民身份号码"],
        ["住址 云泽省雁栖市"],
        ["签发机关"],
        ["准驾车型"],
        ["国籍中国"],
    ],
    ids=str,
)
def test_another_card_beside_this_one_or_over_it(other: Sequence[str]) -> None:
    beside = [line(text, Polygon.box(900, 20 + 60 * i, 1300, 60 + 60 * i)) for i, text in enumerate(other)]
    over = [line(text, Polygon.box(560, 20 + 60 * i, 790, 60 + 60 * i)) for i, text in enumerate(other)]
    assert findings_of(card(), [*CLEAN, *beside], OUTLINE) == ("other_card",)
    assert findings_of(card(), [*CLEAN, *over], OUTLINE) == ("other_card", "cards_overlap")
    assert findings_of(card(), [*CLEAN, *over]) == ("other_card",)


def test_what_stands_in_a_field_s_place_and_says_something_else_is_not_the_field_s() -> None:
    assert "other_card" in findings_of(card(), [*CLEAN, line(ANOTHER, at(0))], OUTLINE)


def test_a_witness_that_sees_less_than_half_is_not_believed() -> None:
    assert sees(card(), CLEAN)
    assert sees(card(), VALUES[:3])
    assert not sees(card(), VALUES[:2])
    assert not sees(card(), LABELS)
    assert not sees(card(), [])


@pytest.mark.parametrize(("x", "findings"), [(900, ("other_card",)), (560, ("other_document",))])
def test_a_second_page_beside_its_main_page_is_another_card(x: int, findings: tuple[str, ...]) -> None:
    """On the main page's place it says that this is none; of another card it says that wherever it is."""
    kind = (CardType.DRIVER_LICENSE, Side.FRONT)
    licence = card({}, kind[0], kind[1])
    page = [
        line(text, Polygon.box(x, 20 + 60 * i, x + 200, 60 + 60 * i))
        for i, text in enumerate(("中华人民共和国机动车驾驶证副页", "档案编号 990123456789"))
    ]
    assert findings_of(licence, page, OUTLINE)[:1] == findings
    assert "other_document" in findings_of(licence, page)
    assert "other_document" in findings_of(card(), [*CLEAN, *page], OUTLINE)
    passport = line("护照", Polygon.box(900, 200, 1000, 240))
    assert "other_document" in findings_of(licence, [*page, passport], OUTLINE)
