"""Whatever is read, of whatever length, ends in a value, a finding or no card; never in an error."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from tests.support.readings import Reading, assert_told, readings, row_of

from cardveil.card.layout import layout_of
from cardveil.card.model import CardType, Side
from cardveil_ocr.anchors import anchors_of
from cardveil_ocr.lines import Line
from cardveil_ocr.segments import segment_of
from cardveil_ocr.values import value_of


def _row(text: str) -> Line:
    return row_of(0.0, 0.0, text, Random(1), size=3.0)


@settings(max_examples=200, deadline=None)
@given(readings())
def test_any_characters_end_in_values_or_findings(reading: Reading) -> None:
    """Others in each run; `python -m benchmarks.reading` tries a hundred thousand."""
    assert_told(reading)


@pytest.mark.parametrize("before", ["..'.", "İ.", "İİ"])
def test_signs_and_odd_capitals_before_a_label_do_not_shift_it(before: str) -> None:
    layout = layout_of(CardType.ID_CARD, Side.FRONT)
    (anchor,) = [a for a in anchors_of(layout, [_row(f"{before}姓名")]) if a.label == "姓名"]
    assert anchor.glyphs == {len(before), len(before) + 1}
    assert anchor.image[:, 0].tolist() == [3.0 * len(before), 3.0 * (len(before) + 1)]


@pytest.mark.parametrize("count", [0, 1, 14, 15, 16, 17, 19, 24])
def test_a_number_of_another_length_has_no_normal_form(count: int) -> None:
    digits = "990101197412010012345678"[:count]
    line = _row(digits)
    value = value_of("licence_number", [segment_of(line, 0, count - 1)] if count else [])
    assert value.normalized is None
    assert value.findings
