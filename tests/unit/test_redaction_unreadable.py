"""The second look at a copy: what a recogniser must not find in it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from cardveil.card.model import Polygon
from cardveil.core.errors import Review
from cardveil.redaction import Hidden, RedactedCopy, Region, inspect, prove_unreadable, redact

NUMBER = "990101199003070010"


@pytest.fixture(scope="module")
def copy() -> RedactedCopy:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), 200).save(out, "JPEG")
    return redact(inspect(out.getvalue()), [Region("a", Polygon.box(8, 8, 24, 24), "mask")])


def _hidden(text: str, first: int = 0, last: int = 0) -> Hidden:
    return Hidden(text, first, len(text) - last)


@pytest.mark.parametrize(
    ("field", "hidden", "lines"),
    [
        ("name", _hidden("王小明"), ["姓名 王小明"]),
        ("name", _hidden("王小明"), ["王 小 明"]),
        ("name", _hidden("王小明"), ["小明"]),
        ("name", _hidden("王小明"), ["姓名王小"]),
        ("name", _hidden("王小明", 1), ["姓名王小"]),
        ("name", _hidden("王小", 1), ["王小"]),
        ("name", _hidden("王小", 1), ["姓名小"]),
        ("name", _hidden("ALEX WOOD"), ["AL"]),
        ("id_number", _hidden(NUMBER), ["公民身份号码", "1990"]),
        ("id_number", _hidden(NUMBER), ["x 9 9 0 1 x"]),
        ("id_number", _hidden(NUMBER), ["０７００"]),
        ("id_number", _hidden(NUMBER, 6), ["3070"]),
        ("id_number", _hidden(NUMBER, 6), ["9901011"]),
        ("id_number", _hidden(NUMBER, 0, 4), ["70010"]),
        ("sex", _hidden("男"), ["男"]),
        ("sex", _hidden("男"), ["性别男"]),
        ("address", _hidden("某省某市某路1234号"), ["路 1234"]),
        ("address", _hidden("某省某市某路12号"), ["2号"]),
        ("address", _hidden("某省某市某路12号", 4), ["某省某市某"]),
        ("licence_number", _hidden("99010119900307001X"), ["01x", "001X 0307"]),
    ],
)
def test_what_is_still_read_is_a_failed_proof(
    copy: RedactedCopy, field: str, hidden: Hidden, lines: list[str]
) -> None:
    with pytest.raises(Review) as caught:
        prove_unreadable(copy, {field: hidden}, lambda _: lines, kept=("姓名", "性别"))
    assert caught.value.code == "proof_failed"
    assert field in str(caught.value)
    assert hidden.text not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "hidden", "lines", "kept"),
    [
        ("name", _hidden("王小明"), [], ()),
        ("name", _hidden("王小明"), ["姓名", "王", "小"], ()),
        ("name", _hidden("王小明", 1), ["姓名王"], ("姓名", "王")),
        ("sex", _hidden("男"), ["性别 男性"], ("性别",)),
        ("id_number", _hidden(NUMBER), ["公民身份号码", "990", "199", "2035"], ()),
        ("id_number", _hidden(NUMBER), ["1990-08-01"], ("1990-08-01",)),
        ("id_number", _hidden(NUMBER, 6), [NUMBER[:6]], (NUMBER[:6],)),
        ("address", _hidden("清岚市桂花路"), ["签发机关 清岚市公安局"], ("清岚市公安局",)),
        ("id_number", Hidden("", 0, 0), ["anything"], ()),
    ],
)
def test_what_is_left_is_not(
    copy: RedactedCopy, field: str, hidden: Hidden, lines: list[str], kept: tuple[str, ...]
) -> None:
    proven = prove_unreadable(copy, {field: hidden}, lambda _: lines, kept=kept)
    assert proven == replace(copy, proof=replace(copy.proof, recognised=True))


def test_the_reader_is_shown_the_copy(copy: RedactedCopy) -> None:
    seen: list[bytes] = []
    prove_unreadable(copy, {}, lambda data: seen.append(data) or [])  # type: ignore[func-returns-value]
    assert seen == [copy.data]
