"""What all text of a picture says about the card in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from cardveil.card.layout import all_layouts
from cardveil.card.model import Card, CardType, Field, Polygon, Side
from cardveil.recognition.interfaces import TextLine
from cardveil.recognition.other_documents import LICENCE_BELOW, OWN_NAMES, foreign_labels, labels_of
from cardveil.recognition.witness import findings_of, sees, titles_among

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
#: What an ID card's front says of itself.
NAMED = LABELS[-1]
LICENCE = (CardType.DRIVER_LICENSE, Side.FRONT)


def test_a_card_alone_is_a_card_alone() -> None:
    """Although its address says what the title of a household register begins with."""
    assert findings_of(card(), CLEAN, OUTLINE) == ()
    labelled = [NAMED, line(f"住址{PERSON['address']}", Polygon.box(20, 260, 550, 300))]
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
            named = line(OWN_NAMES[kind, side], Polygon.box(20, 300, 600, 340))
            expected = () if other == (kind, side) else ("other_card",)
            seen = labels if other == (kind, side) else [named, *labels]
            assert findings_of(card({}, kind, side), seen) == expected, (kind, side, other)


def test_a_card_says_itself_what_it_is() -> None:
    """What has a card's labels and not its name may be another paper: a residence permit, a receipt."""
    for layout in all_layouts():
        kind = (layout.type, layout.side)
        name = OWN_NAMES[kind]
        own = [text for text in labels_of(*kind) if text not in (name, LICENCE_BELOW)]
        labels = [line(text, Polygon.box(20, 60 + 20 * i, 300, 76 + 20 * i)) for i, text in enumerate(own)]
        title, beside = Polygon.box(20, 20, 600, 50), Polygon.box(820, 20, 1400, 50)
        assert findings_of(card({}, *kind), [*labels, line(name, title)], OUTLINE) == ()
        assert findings_of(card({}, *kind), [*labels, line(name[:-1] + "口", title)], OUTLINE) == ()
        signs = [line(sign, Polygon.box(20 + 44 * i, 20, 50 + 44 * i, 50)) for i, sign in enumerate(name)]
        assert findings_of(card({}, *kind), [*labels, *signs], OUTLINE) == ()
        assert findings_of(card({}, *kind), labels, OUTLINE) == ("other_document",)
        assert "other_document" in findings_of(card({}, *kind), [*labels, line(name, beside)], OUTLINE)


def test_a_front_that_says_who_issued_it_is_a_temporary_card_unless_a_back_is_seen() -> None:
    issued = line("签发机关清岚市公安局", Polygon.box(400, 380, 780, 420))
    assert "other_document" in findings_of(card(), [*CLEAN, issued], OUTLINE)
    back = line("居民身份证", Polygon.box(400, 320, 780, 370))
    found = findings_of(card(), [*CLEAN, issued, back], OUTLINE)
    assert "cards_overlap" in found
    assert "other_document" not in found


def test_an_army_s_licence_has_another_name() -> None:
    (army,) = (line("中国人民" + rest, Polygon.box(20, 20, 600, 50)) for rest in ("解故车机动车驾驶证",))
    assert "other_document" in findings_of(card({}, *LICENCE), [army], OUTLINE)
    english = line("Driving License of the People's Republlc of China", Polygon.box(20, 55, 600, 70))
    assert findings_of(card({}, *LICENCE), [english], OUTLINE) == ()
    assert "other_document" in findings_of(card({}, *LICENCE), [army, line("License No.", at(2))], OUTLINE)


@pytest.mark.parametrize("region", ["81", "82", "83"])
def test_a_number_of_a_residence_permit_is_none_of_an_id_card(region: str) -> None:
    number = region + NUMBER[2:]
    held = card({**PERSON, "id_number": number})
    lines = [*LABELS, *VALUES[:5], line(number, at(5))]
    assert findings_of(held, lines, OUTLINE) == ("other_document",)
    licence = card({"licence_number": number}, *LICENCE)
    title = line(OWN_NAMES[LICENCE], Polygon.box(20, 400, 600, 440))
    assert findings_of(licence, [title, line(number, at(0))], OUTLINE) == ()


def test_a_picture_without_a_card_may_show_another_document() -> None:
    assert titles_among([line("中华人民共和国居住证", at(0))]) == ("other_document",)
    spaced = [line(sign, Polygon.box(100 * i, 20, 40 + 100 * i, 60)) for i, sign in enumerate("居住证")]
    assert titles_among(spaced) == ("other_document",)
    assert titles_among([line("请妥善保管个人物品", at(0))]) == ()


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
    temporary = ("other_document",) if other == ["签发机关"] else ()
    assert findings_of(card(), [*CLEAN, *over], OUTLINE) == ("other_card", "cards_overlap", *temporary)
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
    licence = card({}, *LICENCE)
    title = line(OWN_NAMES[LICENCE], Polygon.box(100, 5, 500, 19))
    page = [
        line(text, Polygon.box(x, 20 + 60 * i, x + 200, 60 + 60 * i))
        for i, text in enumerate(("中华人民共和国机动车驾驶证副页", "档案编号 990123456789"))
    ]
    assert findings_of(licence, [title, *page], OUTLINE)[:1] == findings
    assert "other_document" in findings_of(licence, [title, *page])
    assert "other_document" in findings_of(card(), [*CLEAN, *page], OUTLINE)
    passport = line("护照", Polygon.box(900, 200, 1000, 240))
    assert "other_document" in findings_of(licence, [title, *page, passport], OUTLINE)
