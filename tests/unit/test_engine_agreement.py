"""Vendor and engine must agree on every field's text and on which cards there are."""

from __future__ import annotations

from typing import Any

import pytest

from cardveil.card.findings import FINDINGS, Status, disagreement, status_of
from cardveil.card.model import FIELDS, Card, CardType, Check, Field, Side
from cardveil.recognition.agreement import compared

FRONT: dict[str, str] = {
    "name": "张二",
    "sex": "男",
    "ethnicity": "汉",
    "birth_date": "1990年3月7日",
    "address": "某省某市某路1号",
    "id_number": "990101199003070013",
}
LICENCE: dict[str, str] = {
    "name": "张二",
    "sex": "男",
    "birth_date": "1990-03-07",
    "address": "某省某市某路1号",
    "nationality": "中国",
    "licence_number": "990101199003070013",
    "first_issue_date": "2010-07-21",
    "vehicle_class": "C1",
    "valid_period": "2016-07-21至2026-07-21",
    "authority": "某市公安局交通警察支队",
}
BACK = {"authority": "某市公安局", "valid_period": "2010.07.21-2030.07.21"}


def card(kind: CardType, side: Side, texts: dict[str, Any]) -> Card:
    return Card(kind, side, (*(Field(name, text) for name, text in texts.items()), Field("portrait")))


def front(**others: Any) -> Card:
    return card(CardType.ID_CARD, Side.FRONT, {**FRONT, **others})


def found(one: Card, other: Card) -> tuple[str, ...]:
    return compared((one,), (other,))[1]


@pytest.mark.parametrize(
    ("kind", "side", "texts"),
    [
        (CardType.ID_CARD, Side.FRONT, FRONT),
        (CardType.ID_CARD, Side.BACK, BACK),
        (CardType.DRIVER_LICENSE, Side.FRONT, LICENCE),
    ],
)
def test_every_field_is_compared(kind: CardType, side: Side, texts: dict[str, str]) -> None:
    assert set(texts) | {"portrait"} >= set(FIELDS[kind, side]), "a field is left out of this test"
    cards, findings = compared((card(kind, side, texts),), (card(kind, side, texts),))
    assert findings == ()
    assert all(Check("engine_agrees", True) in field.checks for field in cards[0].fields if field.text)
    for name in texts:
        for otherwise in ("2001-02-03", "骉", "", None):
            cards, findings = compared(
                (card(kind, side, texts),), (card(kind, side, {**texts, name: otherwise}),)
            )
            assert findings == (f"engine_disagrees_{name}",), (name, otherwise)
            assert [f.name for f in cards[0].fields if Check("engine_agrees", False) in f.checks] == [name]
            assert status_of(findings) is Status.NEEDS_REVIEW
            assert findings == found(card(kind, side, {**texts, name: otherwise}), card(kind, side, texts))


def test_what_the_pipeline_takes_for_the_same_is_the_same() -> None:
    other = front(birth_date="1990-03-07", sex="Male", ethnicity="汉族", address="某省 某市某路１号")
    assert found(front(), other) == ()


def test_two_texts_without_a_normal_form_are_compared_by_their_characters() -> None:
    assert found(front(id_number="12 34"), front(id_number="1234")) == ()
    assert found(front(id_number="1234"), front(id_number="1235")) == ("engine_disagrees_id_number",)


def test_a_field_that_one_of_them_lacks_is_not_agreed_on() -> None:
    without = Card(CardType.ID_CARD, Side.FRONT, tuple(f for f in front().fields if f.name != "address"))
    assert found(front(), without) == found(without, front()) == ("engine_disagrees_address",)


def test_a_field_of_no_card_is_told_of_without_its_name() -> None:
    more = card(CardType.ID_CARD, Side.FRONT, {**FRONT, "unknown:zhanger": "张二"})
    assert found(more, front()) == ("engine_disagrees_other",)


def test_all_that_differs_is_named_and_nothing_of_what_is_read() -> None:
    findings = found(front(), front(name="李三", address="别处2号"))
    assert findings == ("engine_disagrees_name", "engine_disagrees_address")
    assert set(findings) <= set(FINDINGS)


@pytest.mark.parametrize("seen", ["none", "other side", "one more", "another front"])
def test_other_cards_are_no_agreement(seen: str) -> None:
    back = card(CardType.ID_CARD, Side.BACK, BACK)
    others = {
        "none": (),
        "other side": (back,),
        "one more": (front(), back),
        "another front": (front(), front()),
    }
    assert compared((front(),), others[seen])[1] == ("engine_disagrees_card",)
    assert compared((front(), front()), (front(), front()))[1] == ("engine_disagrees_card",)
    assert compared((front(), back), (back, front()))[1] == ()


def test_every_disagreement_has_its_words() -> None:
    names = {name for names in FIELDS.values() for name in names} - {"portrait"} | {"card", "other"}
    assert {disagreement(name) for name in names} == {code for code in FINDINGS if "engine_disagrees" in code}
    assert all(FINDINGS[disagreement(name)].review for name in names)
