"""The second look at a copy: what a recogniser must not find in it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from cardveil.card.model import Polygon
from cardveil.core.errors import Review
from cardveil.redaction import RedactedCopy, Region, inspect, prove_unreadable, redact

NUMBER = "990101199003070010"


@pytest.fixture(scope="module")
def copy() -> RedactedCopy:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), 200).save(out, "JPEG")
    return redact(inspect(out.getvalue()), [Region("a", Polygon.box(8, 8, 24, 24), "mask")])


@pytest.mark.parametrize(
    ("forbidden", "lines", "field"),
    [
        ({"name": "王小明"}, ["姓名 王小明"], "name"),
        ({"name": "王小明"}, ["王 小 明"], "name"),
        ({"id_number": NUMBER}, ["公民身份号码", "1990"], "id_number"),
        ({"id_number": NUMBER}, ["x 9 9 0 1 x"], "id_number"),
        ({"id_number": NUMBER}, ["０７００"], "id_number"),
        ({"id_number": NUMBER[6:]}, ["3070"], "id_number"),
        ({"sex": "男"}, ["男"], "sex"),
        ({"address": "某省某市某路1234号"}, ["路 1234"], "address"),
        ({"licence_number": "99010119900307001X"}, ["01x", "001X 0307"], "licence_number"),
    ],
)
def test_what_is_still_read_is_a_failed_proof(
    copy: RedactedCopy, forbidden: dict[str, str], lines: list[str], field: str
) -> None:
    with pytest.raises(Review) as caught:
        prove_unreadable(copy, forbidden, lambda _: lines)
    assert caught.value.code == "proof_failed"
    assert field in str(caught.value)
    assert not any(text in str(caught.value) for text in forbidden.values())


@pytest.mark.parametrize(
    ("forbidden", "lines", "kept"),
    [
        ({"name": "王小明"}, [], ()),
        ({"name": "王小明"}, ["姓名", "王", "小"], ()),
        ({"sex": "男"}, ["性别 男性"], ()),
        ({"id_number": NUMBER}, ["公民身份号码", "990", "199", "2035"], ()),
        ({"id_number": NUMBER}, ["1990-08-01"], ("1990-08-01",)),
        ({"id_number": ""}, ["anything"], ()),
    ],
)
def test_what_is_left_is_not(
    copy: RedactedCopy, forbidden: dict[str, str], lines: list[str], kept: tuple[str, ...]
) -> None:
    proven = prove_unreadable(copy, forbidden, lambda _: lines, kept=kept)
    assert proven == replace(copy, proof=replace(copy.proof, recognised=True))


def test_the_reader_is_shown_the_copy(copy: RedactedCopy) -> None:
    seen: list[bytes] = []
    prove_unreadable(copy, {}, lambda data: seen.append(data) or [])  # type: ignore[func-returns-value]
    assert seen == [copy.data]
