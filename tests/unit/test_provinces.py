"""An address in another province than the number's is told, and no more is said than is known."""

from __future__ import annotations

from datetime import date

import pytest

from cardveil.card import id_number
from cardveil.card.findings import FINDINGS, Status, status_of
from cardveil.card.model import Card, CardType, Check, Field, Side
from cardveil.card.provinces import PROVINCES, province_of, same_province
from cardveil.recognition.merge import check


def test_every_province_that_a_number_may_name_is_named() -> None:
    assert len(PROVINCES) == 34
    # 83 is in residence permits only and no province of GB/T 2260.
    assert {*PROVINCES, "83"} == id_number.PROVINCES


@pytest.mark.parametrize(("code", "name"), sorted(PROVINCES.items()))
def test_each_province_is_known_by_its_name_and_by_no_other(code: str, name: str) -> None:
    assert province_of(f"{name}虚构市无名路1号") == code


@pytest.mark.parametrize(
    ("number", "address", "same"),
    [
        ("130000", "河北省虚构市无名路1号", True),
        ("130000", "河南省虚构市无名路1号", False),
        ("510000", "重庆市虚构区无名路1号", True),
        ("500000", "四川省虚构市无名路1号", False),
        ("150000", "内蒙古自治区虚构市无名路1号", True),
        ("130000", "虚构市无名路1号", None),
        ("990000", "河北省虚构市无名路1号", None),
        ("830000", "福建省虚构市无名路1号", None),
        ("130000", "星河省虚构市河北路1号", None),
    ],
)
def test_what_is_said(number: str, address: str, same: bool | None) -> None:
    assert same_province(number, address) is same


def _checked(code: str, address: str) -> tuple[Card, tuple[str, ...]]:
    # A region code of zeros after the province belongs to nobody.
    first17 = f"{code}000019741201001"
    number = first17 + id_number.check_digit(first17)
    fields = (Field("address", address, address, 99.0), Field("id_number", number, number, 99.0))
    return check(Card(CardType.ID_CARD, Side.FRONT, fields), today=date(2026, 1, 1))


def test_another_province_is_a_finding_that_needs_no_person() -> None:
    card, findings = _checked("13", "河南省虚构市无名路1号")
    assert findings == ("region_elsewhere",)
    field = card.field("address")
    assert field is not None
    assert field.checks == (Check("same_province_as_id_number", False),)
    assert "region_elsewhere" in FINDINGS
    assert status_of(findings) is Status.REDACTED


def test_the_same_province_passes_and_an_invented_one_is_not_judged() -> None:
    card, findings = _checked("13", "河北省虚构市无名路1号")
    field = card.field("address")
    assert field is not None
    assert (findings, field.checks) == ((), (Check("same_province_as_id_number", True),))
    card, findings = _checked("99", "星河省虚构市无名路1号")
    field = card.field("address")
    assert field is not None
    assert (findings, field.checks) == (("region_unknown",), ())
