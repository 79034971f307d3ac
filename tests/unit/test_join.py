"""Positions and texts become one card, and every check that they allow is made."""

from __future__ import annotations

from datetime import date

import pytest

from cardveil.card.findings import Status, status_of
from cardveil.card.id_number import check_digit
from cardveil.card.model import Card, CardType, Check, Field, Polygon, Side
from cardveil.core.frozen import replace
from cardveil.recognition.interfaces import Reading, TextLine
from cardveil.recognition.merge import check, join
from cardveil.recognition.text_matching import place_fields

NUMBER = "990101199003071237"
HERE = Polygon.box(0, 0, 100, 20)
THERE = Polygon.box(300, 300, 400, 320)


#: What is said of a card by the fields alone that a test is about.
ALL = {
    "name": "张二", "sex": "男", "ethnicity": "汉", "birth_date": "1990年3月7日",
    "address": "云泽省雁栖市", "id_number": NUMBER,
}  # fmt: skip


def located(**texts: str | None) -> Reading:
    return Reading(
        "AILicenseRec", tuple(Field(n, t, None, 99.0, HERE, ("AILicenseRec",)) for n, t in texts.items())
    )


def read(**texts: str) -> Reading:
    return Reading("Reader", tuple(Field(n, t, sources=("Reader",)) for n, t in texts.items()))


def joined(place: Reading | None, text: Reading | None) -> tuple[Card, tuple[str, ...]]:
    return join(CardType.ID_CARD, Side.FRONT, place, text)


def test_text_comes_from_one_and_place_from_the_other() -> None:
    card, findings = joined(located(**ALL), read(**ALL))
    name = card.field("name")
    assert name is not None
    assert (name.text, name.polygon, name.score) == ("张二", HERE, 99.0)
    assert name.sources == ("Reader", "AILicenseRec")
    assert Check("providers_agree", True) in name.checks
    assert findings == ("region_unknown",)


def test_fields_stand_in_reading_order_with_unknown_ones_last() -> None:
    card, _ = joined(located(**{"unknown:blood": "A", "id_number": NUMBER, "name": "张二"}), None)
    assert [field.name for field in card.fields] == ["name", "id_number", "unknown:blood"]


def test_two_providers_that_disagree() -> None:
    _, findings = joined(located(name="张二"), read(name="张三"))
    assert "text_disagrees" in findings


def test_a_translation_is_no_disagreement() -> None:
    _, findings = joined(located(name="Zhang Er", sex="Male"), read(name="张二", sex="男"))
    assert "text_disagrees" not in findings


def test_one_field_in_two_places_is_two_cards_and_both_places_stay() -> None:
    twice = Reading("A", (Field("name", "甲", polygon=HERE), Field("name", "乙", polygon=THERE)))
    card, findings = joined(twice, None)
    assert findings == ("several_cards", "field_missing")
    assert [field.polygon for field in card.fields] == [HERE, THERE]


@pytest.mark.parametrize(
    ("texts", "finding"),
    [
        ({"id_number": NUMBER[:-1] + "0"}, "check_digit_failed"),
        ({"id_number": "99010119900307"}, "check_digit_failed"),
        ({"id_number": NUMBER, "birth_date": "1990年3月8日"}, "birth_date_disagrees"),
        ({"id_number": NUMBER, "sex": "女"}, "sex_disagrees"),
        ({"birth_date": "99年"}, "value_unreadable"),
    ],
)
def test_checks_that_fail_are_findings(texts: dict[str, str], finding: str) -> None:
    assert finding in joined(located(**texts), None)[1]


def test_checks_that_hold_are_noted() -> None:
    card, findings = joined(located(**ALL), None)
    assert findings == ("region_unknown",)
    birth = card.field("birth_date")
    assert birth is not None
    assert birth.checks == (Check("agrees_with_id_number", True),)
    assert birth.normalized == "1990-03-07"


@pytest.mark.parametrize(
    ("text", "expired"),
    [("2010.07.21-2020.07.21", True), ("2010.07.21-2030.07.21", False), ("2010.07.21-长期", False)],
)
def test_valid_period(text: str, expired: bool) -> None:
    field = Field("valid_period", text, {True: "2010-07-21/2020-07-21"}.get(expired))
    card, _ = join(CardType.ID_CARD, Side.BACK, Reading("A", (field,)), None)
    _, findings = check(card, today=date(2026, 1, 1))
    assert ("expired" in findings) is expired


def test_a_field_that_was_located_unsurely_may_stand_elsewhere() -> None:
    fields = located(**ALL).fields
    for i, field in enumerate(fields):
        weak = Reading("A", (*fields[:i], replace(field, score=41.0), *fields[i + 1 :]))
        found = joined(weak, read(**ALL))[1]
        assert {"low_score", "located_unsurely"} <= set(found)
        assert status_of(found) is Status.NEEDS_REVIEW


@pytest.mark.parametrize("name", list(ALL))
def test_a_field_that_every_card_has_is_missed_by_a_person_too(name: str) -> None:
    less = {other: text for other, text in ALL.items() if other != name}
    for findings in (
        joined(located(**less), read(**less))[1],
        joined(located(**less), None)[1],
        joined(located(**ALL | {name: None}), read(**less))[1],
    ):
        assert "field_missing" in findings
        assert status_of(findings) is Status.NEEDS_REVIEW


def test_without_any_text_the_places_are_what_counts() -> None:
    places = located(**dict.fromkeys(ALL))
    assert joined(places, None)[1] == ()
    assert joined(Reading("A", places.fields[1:]), None)[1] == ("field_missing",)


def test_what_cannot_be_read_leads_to_review() -> None:
    found = joined(located(**ALL | {"birth_date": "99年"}), None)[1]
    assert "value_unreadable" in found
    assert status_of(found) is Status.NEEDS_REVIEW


def line(text: str, top: float) -> TextLine:
    return TextLine(text, 99.0, Polygon.box(10, top, 200, top + 20))


def test_back_fields_are_found_among_lines() -> None:
    fields = (Field("authority", "某某市公安局"), Field("valid_period", "2010.07.21-2020.07.21"))
    lines = [line("中华人民共和国", 0), line("签发机关 某某市公安局", 50), line("2010.07.21－2020.07.21", 90)]
    placed = place_fields(fields, lines, "OCR")
    assert [field.polygon for field in placed] == [lines[1].polygon, lines[2].polygon]
    assert placed[0].sources == ("OCR",)


def test_a_misread_character_does_not_lose_the_place() -> None:
    (placed,) = place_fields((Field("authority", "某某市公安局"),), [line("某某市公安同", 50)], "OCR")
    assert placed.polygon is not None


def test_a_value_on_two_lines_is_covered_whole() -> None:
    lines = [line("某某市公安局", 50), line("高新技术开发区分局", 80), line("居民身份证", 0)]
    (placed,) = place_fields((Field("authority", "某某市公安局高新技术开发区分局"),), lines, "OCR")
    assert placed.polygon is not None
    assert placed.polygon.bounds() == (10, 50, 200, 100)


def test_what_is_not_there_stays_without_a_place() -> None:
    (placed,) = place_fields((Field("authority", "某某市公安局"),), [line("居民身份证", 0)], "OCR")
    assert placed.polygon is None


LICENCE = CardType.DRIVER_LICENSE
OTHER_NUMBER = "990101199003071253"


@pytest.mark.parametrize(
    ("card_type", "name", "one", "other"),
    [
        (CardType.ID_CARD, "name", "张二", "张三"),
        (CardType.ID_CARD, "sex", "男", "女"),
        (CardType.ID_CARD, "birth_date", "1990年3月7日", "1990年3月1日"),
        (CardType.ID_CARD, "id_number", NUMBER, OTHER_NUMBER),
        (LICENCE, "licence_number", NUMBER, OTHER_NUMBER),
    ],
)
def test_whatever_tells_who_somebody_is_must_be_read_alike_by_both(
    card_type: CardType, name: str, one: str, other: str
) -> None:
    assert "text_disagrees" in join(card_type, Side.FRONT, located(**{name: one}), read(**{name: other}))[1]
    assert "text_disagrees" not in join(card_type, Side.FRONT, located(**{name: one}), read(**{name: one}))[1]


def test_a_text_that_nobody_can_read_disagrees_with_nothing() -> None:
    _, findings = joined(located(birth_date="1990"), read(birth_date="1990年3月7日"))
    assert "text_disagrees" not in findings


@pytest.mark.parametrize(
    ("texts", "finding"),
    [
        ({"licence_number": NUMBER[:-1] + "0"}, "check_digit_failed"),
        ({"licence_number": "99010119900307"}, "check_digit_failed"),
        ({"licence_number": NUMBER, "birth_date": "1990-03-08"}, "birth_date_disagrees"),
        ({"licence_number": NUMBER, "sex": "女"}, "sex_disagrees"),
    ],
)
def test_a_licence_is_checked_as_an_id_card_is(texts: dict[str, str], finding: str) -> None:
    assert finding in join(LICENCE, Side.FRONT, located(**texts), None)[1]


def test_a_number_that_names_no_day_is_wrong_whatever_its_check_digit() -> None:
    impossible = "99010119900230123" + check_digit("99010119900230123")
    assert "check_digit_failed" in joined(located(id_number=impossible), None)[1]


@pytest.mark.parametrize(("end", "expired"), [("2026-01-01", False), ("2025-12-31", True)])
def test_a_card_is_valid_through_its_last_day(end: str, expired: bool) -> None:
    field = Field("valid_period", f"2016-01-01-{end}", f"2016-01-01/{end}")
    _, findings = check(Card(CardType.ID_CARD, Side.BACK, (field,)), today=date(2026, 1, 1))
    assert ("expired" in findings) is expired


@pytest.mark.parametrize(("score", "low"), [(79.9, True), (80.0, False)])
def test_from_which_score_on_a_text_is_relied_on(score: float, low: bool) -> None:
    weak = Reading("A", (Field("name", "张二", score=score, polygon=HERE),))
    assert ("low_score" in joined(weak, None)[1]) is low


@pytest.mark.parametrize(
    "found",
    [
        ["某某市公安局"],
        ["高新技术开发区分局"],
        ["某某市公安局", "高新技术开发区分局", "公安局", "分局"],
    ],
    ids=["first part", "second part", "parts found twice"],
)
def test_a_value_of_which_only_parts_were_found_has_no_place(found: list[str]) -> None:
    """Its cover would leave out the rest; one without a place is covered by the layout, or not at all."""
    lines = [line(text, 30.0 * index) for index, text in enumerate(found)]
    (placed,) = place_fields((Field("authority", "某某市公安局高新技术开发区分局"),), lines, "OCR")
    assert placed.polygon is None


def test_a_value_that_shares_its_line_with_a_label_begins_behind_the_label() -> None:
    text = "有效期限: 2011.06.21-长期"
    characters = tuple(Polygon.box(10 * i, 0, 10 * i + 10, 20) for i in range(len(text)))
    line = TextLine(text, 99.0, Polygon.box(0, 0, 10 * len(text), 20), characters)
    (placed,) = place_fields((Field("valid_period", "2011.06.21-长期"),), (line,), "OCR")
    assert placed.polygon == Polygon.box(60, 0, 10 * len(text), 20)


def test_where_no_character_was_located_the_whole_line_is_the_value_s_place() -> None:
    line = TextLine("有效期限2011.06.21-长期", 99.0, Polygon.box(0, 0, 170, 20))
    (placed,) = place_fields((Field("valid_period", "2011.06.21-长期"),), (line,), "OCR")
    assert placed.polygon == line.polygon
