"""The recogniser reads the card and not the layout: labels elsewhere, other pitches, print beside it."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from tests.unit.test_recogniser_parts import _line, _segment, _strip

from cardveil.card.layout import CardLayout, layout_of
from cardveil.card.model import CardType, Side
from cardveil_ocr import findings as codes
from cardveil_ocr.anchors import NUMBER, Anchor
from cardveil_ocr.cards import compose
from cardveil_ocr.constrained_decoding import WATCHED
from cardveil_ocr.engine import Strip
from cardveil_ocr.lines import Glyph, Line
from cardveil_ocr.pose_estimation import Placing, place, project
from cardveil_ocr.rectified_read import Rest, StraightCard, _widen_number
from cardveil_ocr.rectify import Source
from cardveil_ocr.segments import sort_into_fields
from cardveil_ocr.values import of_a_seal, value_of

FRONT = layout_of(CardType.ID_CARD, Side.FRONT)
BACK = layout_of(CardType.ID_CARD, Side.BACK)
LICENCE = layout_of(CardType.DRIVER_LICENSE, Side.FRONT)
#: Ten pixels a millimetre, turned a little.
TRUE = np.array([[10.0, -1.0, 200.0], [1.0, 10.0, 100.0], [0.0, 0.0, 1.0]])


def _anchors(layout: CardLayout, random: Random, farthest: float) -> list[Anchor]:
    anchors = []
    for i, (label, box) in enumerate(layout.labels.items()):
        if len(label) > 1:
            ends = [(box.x + box.height / 2, box.centre[1]), (box.right - box.height / 2, box.centre[1])]
            moved = np.array(ends) + [random.uniform(-farthest, farthest) for _ in range(2)]
            card = np.array(ends)
            anchors.append(Anchor(label, project(TRUE, moved), card, i, frozenset({0}), float(len(label))))
    return anchors


def _astray(layout: CardLayout, anchors: list[Anchor]) -> float:
    placing = place(layout, anchors)
    assert placing is not None
    corners = np.array(layout.outline.corners())
    back = project(np.linalg.inv(placing.matrix), project(TRUE, corners))
    return float(np.abs(back - corners).max())


@pytest.mark.parametrize("layout", [FRONT, LICENCE], ids=["front", "licence"])
@pytest.mark.parametrize("seed", range(8))
def test_labels_elsewhere_place_the_card_all_the_same(layout: CardLayout, seed: int) -> None:
    anchors = _anchors(layout, Random(seed), 2.0)
    placing = place(layout, anchors)
    assert placing is not None
    assert len(placing.labels) >= 0.7 * len(anchors)


def test_the_pitch_of_a_number_says_nothing_of_the_cards_width() -> None:
    anchors = _anchors(FRONT, Random(0), 0.0)
    zone = FRONT.fields["id_number"]
    card = np.array([(zone.x + 2.7, zone.centre[1]), (zone.x + 50.0, zone.centre[1])])
    narrow = card + np.array([(2.0, 0.0), (-13.0, 0.0)])
    anchors.append(Anchor(NUMBER, project(TRUE, narrow), card, 99, frozenset(range(18)), 4.0))
    # As makes of a card differ; a number that is believed along its row puts it farther astray.
    assert _astray(FRONT, anchors) < 3.5


def test_print_beside_the_card_is_no_part_of_a_value() -> None:
    zone = BACK.fields["authority"]
    y = zone.centre[1]
    lines = [_line("清岚市公安局", x=zone.x + 2, y=y), _line("请勿", x=zone.right - 4, y=y)]
    found = sort_into_fields(BACK, lines, [])["authority"]
    assert [segment.text for segment in found] == ["清岚市公安局"]


def test_a_number_is_told_from_small_print_that_was_read_with_it() -> None:
    zone = LICENCE.fields["licence_number"]
    line = _line("No.990101197412", x=zone.x, y=zone.centre[1])
    glyphs = tuple(Glyph(g.text, g.p, g.step, zone.x + 2.0 * i, g.y) for i, g in enumerate(line.glyphs))
    found = sort_into_fields(LICENCE, [Line(line.quad, glyphs, line.strip)], [])["licence_number"]
    assert [segment.text for segment in found] == ["990101197412"]


def test_a_seal_is_read_down_its_columns_if_that_makes_sense() -> None:
    # From the right: 松涛省鹭, 屿市公安, 局交通警, 察支队.
    rows = ["察局屿松", "支交市涛", "队通公省"]
    segments = [_segment(_line(text, y=4.0 * i)) for i, text in enumerate(rows)]
    last = _line("警安鹭", x=3.0, y=12.0)
    value = value_of("authority", [*segments, _segment(last)])
    assert value.text == "松涛省鹭屿市公安局交通警察支队"


@pytest.mark.parametrize("text", ["10", "111", "局鹭明通市自初察安区"])
def test_what_is_no_authority_counts_as_a_seal_that_was_not_read(text: str) -> None:
    value = of_a_seal(value_of("authority", [_segment(_line(text))]))
    assert (value.text, value.normalized, value.findings) == (None, None, (codes.SEAL_UNREAD,))
    known = value_of("authority", [_segment(_line("清岚市公安局交通警察支队"))])
    assert of_a_seal(known) == known


class _Reads:
    """An engine that reads what it is told to, the same of every place but for the widest one."""

    def __init__(self, narrow: str, wide: str) -> None:
        self._texts = (narrow, narrow, wide)

    def read(self, lines: list[object]) -> list[Strip]:
        return [_strip(text) for text in self._texts[: len(lines)]]

    def character(self, number: int) -> str:
        return WATCHED[number - 1] if number else ""


@pytest.mark.parametrize(
    ("wide", "then"),
    [("990101197412010014", "990101197412010014"), ("990101197412010013", "99010119741201001")],
)
def test_a_number_whose_end_was_missed_is_read_again_and_proven(wide: str, then: str) -> None:
    segments = {"id_number": [_segment(_line("99010119741201001"))]}
    anchors = _anchors(FRONT, Random(0), 0.0)
    placing = Placing(FRONT, TRUE, tuple(anchors), 0.0)
    source = Source(np.full((800, 1200, 3), 200, np.uint8))
    _widen_number(_Reads("99010119741201001", wide), source, placing, segments)  # type: ignore[arg-type]
    assert [segment.text for segment in segments["id_number"]] == [then]


@pytest.mark.parametrize(("sides", "doubted"), [(2, True), (3, False)])
def test_a_make_s_labels_may_stand_elsewhere_where_edges_tell_the_place(sides: int, doubted: bool) -> None:
    placing = Placing(BACK, TRUE, tuple(_anchors(BACK, Random(0), 0.0)), 3.0)
    source = Source(np.full((900, 1300, 3), 200, np.uint8))
    rest = Rest(source, (), np.eye(3))
    segments = {"authority": [_segment(_line("清岚市公安局", x=34, y=40))], "valid_period": []}
    found = compose(source, StraightCard(placing, segments, placing.labels, (), rest, sides))
    assert (codes.PLACE_UNCERTAIN in found.findings) == doubted
