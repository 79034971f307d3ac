"""The recogniser's own reasoning, apart from its models: vocabularies, boxes, places and values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardveil.card.ethnicity import ETHNICITIES
from cardveil.card.id_number import check_digit
from cardveil.card.layout import Box, CardLayout, all_layouts, layout_of
from cardveil.card.model import CardType, Side
from cardveil_ocr import findings
from cardveil_ocr.anchors import Anchor, anchors_of
from cardveil_ocr.box_merging import joined, parted, split_rows
from cardveil_ocr.constrained_decoding import ALPHABETS, WATCHED, likeliest, spell
from cardveil_ocr.engine import Strip
from cardveil_ocr.lines import Glyph, Line, characters, text_line
from cardveil_ocr.pose_estimation import Placing, place, project
from cardveil_ocr.recognizer import _same_place
from cardveil_ocr.rectify import Source
from cardveil_ocr.segments import Segment
from cardveil_ocr.values import value_of


def _strip(text: str, p: float = 0.98, alternatives: dict[int, tuple[str, float]] | None = None) -> Strip:
    """A strip in which each character has one step, with a step of nothing after it."""
    some = np.full((2 * len(text) + 1, len(WATCHED) + 1), 1e-6, np.float32)
    some[:, 0] = 0.99
    for i, character in enumerate(text):
        if character in WATCHED:
            some[2 * i, 0] = 1 - p
            some[2 * i, WATCHED.index(character) + 1] = p
    for i, (character, q) in (alternatives or {}).items():
        some[2 * i, WATCHED.index(character) + 1] = q
    return Strip(some.argmax(axis=1), some.max(axis=1), some, float(len(some)))


def _line(text: str, strip: Strip | None = None, *, x: float = 0.0, y: float = 0.0, p: float = 0.98) -> Line:
    glyphs = tuple(Glyph(c, p, 2 * i, x + 3.0 * i, y) for i, c in enumerate(text))
    quad = np.array(
        [(x - 1.5, y - 2), (x + 3 * len(text), y - 2), (x + 3 * len(text), y + 2), (x - 1.5, y + 2)]
    )
    return Line(quad, glyphs, strip or _strip(text))


def _segment(line: Line) -> Segment:
    left, top = line.quad.min(axis=0)
    right, bottom = line.quad.max(axis=0)
    return Segment(line, 0, len(line.glyphs) - 1, Box(left, top, right - left, bottom - top))


def test_characters_reach_half_way_to_their_neighbours_and_no_farther_than_they_are_high() -> None:
    # Centres at 0, 3 and 6 in a line 4 high that begins at -1.5; and one apart at 30.
    line = _line("012")
    assert [quad[:, 0].tolist() for quad in characters(line)] == [
        pytest.approx([-2.4, 1.5, 1.5, -2.4]),
        pytest.approx([1.5, 4.5, 4.5, 1.5]),
        pytest.approx([4.5, 8.4, 8.4, 4.5]),
    ]
    apart = replace(line, glyphs=(*line.glyphs, Glyph("3", 0.9, 40, 30.0, 0.0)))
    assert characters(apart)[2][:, 0].tolist() == pytest.approx([4.5, 8.4, 8.4, 4.5])
    assert characters(apart)[3][:, 0].tolist() == pytest.approx([27.6, 32.4, 32.4, 27.6])
    assert characters(replace(line, glyphs=())) == []
    assert text_line(replace(line, glyphs=())).characters == ()


def test_a_line_is_given_back_where_the_picture_has_it() -> None:
    shift = np.array([[2.0, 0.0, 10.0], [0.0, 2.0, 20.0], [0.0, 0.0, 1.0]])
    given = text_line(_line("012"), shift)
    assert given.text == "012"
    assert given.polygon.bounds() == pytest.approx((7.0, 16.0, 28.0, 24.0))
    assert given.characters[1].bounds() == pytest.approx((13.0, 16.0, 19.0, 24.0))


def test_every_finding_is_listed_once() -> None:
    codes = {value for name, value in vars(findings).items() if name.isupper() and name != "ALL"}
    assert codes == set(findings.ALL)
    assert len(findings.ALL) == len(codes)


def test_a_closed_vocabulary_reads_the_digit_and_not_the_letter() -> None:
    # The model itself would say "C" in the second place.
    strip = _strip("1C3", alternatives={1: ("0", 0.05)})
    assert spell(strip, 0, 6, ALPHABETS["id_number"]).text == "103"


def test_repeated_characters_are_kept_apart_by_nothing() -> None:
    assert spell(_strip("1123"), 0, 8, ALPHABETS["id_number"]).text == "1123"


@pytest.mark.parametrize("name", ["汉", "维吾尔", "哈萨克", "土家", "土"])
def test_the_likeliest_ethnicity_is_the_one_spelled(name: str) -> None:
    word, share = likeliest(_strip(name), 0, 2 * len(name), ETHNICITIES)
    assert word == name
    assert share > 0.9


def test_a_valid_number_is_trusted_and_carries_its_checks() -> None:
    first = "99010119741201001"
    value = value_of("id_number", [_segment(_line(first + check_digit(first)))])
    checks = {check.name: check.passed for check in value.checks}
    assert checks == {"id_number_region": False, "id_number_date": True, "id_number_check_digit": True}
    assert value.trusted


def test_a_number_that_is_surely_printed_wrong_is_left_as_it_is() -> None:
    first = "99010119741201001"
    wrong = first + str((int(check_digit(first).replace("X", "0")) + 3) % 10)
    value = value_of("id_number", [_segment(_line(wrong))])
    assert value.text == wrong
    assert not value.trusted
    assert findings.CHECK_DIGIT_FAILED in value.findings


def test_one_misread_digit_is_put_right_and_said_to_be() -> None:
    first = "99010119741201001"
    true = first + check_digit(first)
    misread = true[:12] + "7" + true[13:]
    line = _line(misread, _strip(misread, alternatives={12: (true[12], 0.3)}))
    value = value_of("id_number", [_segment(line)])
    assert value.normalized == true
    assert findings.NUMBER_REPAIRED in value.findings
    assert not value.trusted
    assert value.score is not None
    assert value.score < 95


def test_what_is_not_there_is_missing() -> None:
    assert value_of("name", []).findings == (findings.FIELD_MISSING,)


def test_what_has_no_normal_form_is_never_sure() -> None:
    value = value_of("birth_date", [_segment(_line("1974年13月41日"))])
    assert value.normalized is None
    assert value.score is not None
    assert value.score <= 50
    assert findings.VALUE_UNREADABLE in value.findings


def test_the_end_of_an_authority_is_put_right_and_not_sure() -> None:
    rows = [
        _segment(_line(text, y=4.0 * i))
        for i, text in enumerate(["星河省清", "岚市公安", "局交通警", "祭支队"])
    ]
    value = value_of("authority", rows)
    assert value.text == "星河省清岚市公安局交通警察支队"
    assert value.score is not None
    assert value.score < 95


def test_lines_of_an_address_are_read_from_the_top() -> None:
    rows = [_segment(_line(text, y=y)) for y, text in ((9.2, "三号"), (0.0, "星河省"), (4.6, "无名路"))]
    assert value_of("address", rows).text == "星河省无名路三号"


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def test_scattered_characters_are_joined_and_other_lines_left() -> None:
    label = [_box(0, 0, 10, 10), _box(18, 0, 28, 10)]
    far, below = _box(80, 0, 90, 10), _box(0, 30, 200, 40)
    lines = joined([*label, far, below])
    assert sorted(tuple(line.min(axis=0)) for line in lines) == [(0, 0), (0, 30), (80, 0)]
    assert max(line[:, 0].max() for line in lines if line[0, 1] == 0 and line[0, 0] == 0) == 28


def test_rows_that_overlap_are_parted_in_the_middle() -> None:
    one, other = parted([_box(0, 0, 50, 12), _box(0, 8, 50, 20)])
    assert one[:, 1].max() == other[:, 1].min() == 10


def test_a_box_of_two_rows_is_split() -> None:
    assert len(split_rows([_box(0, 0, 50, 10), _box(0, 12, 50, 36)])) == 3


@settings(deadline=None, max_examples=60)
@given(
    st.floats(0, 360), st.floats(-0.0008, 0.0008), st.floats(-0.0008, 0.0008), st.floats(4, 40),
    st.sampled_from(range(3)),
)  # fmt: skip
def test_a_card_is_placed_from_its_labels_whichever_way_it_lies(
    turn: float, px: float, py: float, scale: float, which: int
) -> None:
    layout = all_layouts()[which]
    a = np.radians(turn)
    true = np.array([
        [scale * np.cos(a), -scale * np.sin(a), 700], [scale * np.sin(a), scale * np.cos(a), 500], [px, py, 1]
    ])  # fmt: skip
    anchors = []
    for i, (label, box) in enumerate(layout.labels.items()):
        if len(label) < 2:
            continue
        card = np.array(
            [(box.x + box.height / 2, box.centre[1]), (box.right - box.height / 2, box.centre[1])]
        )
        anchors.append(Anchor(label, project(true, card), card, i, frozenset({0}), float(len(label))))
    placing = place(layout, anchors)
    assert placing is not None
    back = project(np.linalg.inv(placing.matrix), project(true, np.array(layout.outline.corners())))
    assert np.abs(back - np.array(layout.outline.corners())).max() < 5.0


def test_a_mirrored_card_is_not_placed() -> None:
    layout = layout_of(CardType.ID_CARD, Side.BACK)
    anchors = []
    for i, (label, box) in enumerate(layout.labels.items()):
        card = np.array([(box.x, box.centre[1]), (box.right, box.centre[1])])
        anchors.append(Anchor(label, card * (-10, 10) + (900, 0), card, i, frozenset({0}), float(len(label))))
    assert place(layout, anchors) is None


def test_labels_are_found_whole_and_with_a_misread_character() -> None:
    layout = layout_of(CardType.ID_CARD, Side.BACK)
    found = anchors_of(layout, [_line("签发机关清岚市公安局"), _line("有效朗限"), _line("无关的话")])
    assert {anchor.label for anchor in found} == {"签发机关", "有效期限"}
    assert next(a for a in found if a.label == "签发机关").glyphs == frozenset(range(4))


def test_a_place_that_held_no_card_is_known_again_unless_it_moved() -> None:
    layout, other = layout_of(CardType.ID_CARD, Side.FRONT), layout_of(CardType.ID_CARD, Side.BACK)

    def placing(right: float, which: CardLayout = layout) -> Placing:
        # Ten pixels a millimetre.
        return Placing(which, np.array([[10.0, 0, 10 * right], [0, 10.0, 0], [0, 0, 1]]), (), 0.0)

    assert _same_place(placing(0.0), placing(1.0))
    assert not _same_place(placing(0.0), placing(3.0))
    assert not _same_place(placing(0.0), placing(0.0, other))


def test_a_line_is_cut_short_and_pressed_together() -> None:
    picture = np.zeros((100, 600, 3), np.uint8)
    picture[:, 300:] = 255
    source = Source(picture)
    line = _box(0, 0, 600, 48)
    assert source.line(line).shape == (48, 600, 3)
    assert source.line(line, longest=320).shape == (48, 320, 3)
    pressed = source.line(line, longest=320, pressed=0.5)
    assert pressed.shape == (48, 160, 3)
    # What stood 300 pixels from the start stands 150 from it now.
    assert pressed[:, :148].max() == 0
    assert pressed[:, 152:].min() == 255


def test_the_copy_for_the_first_look_is_no_smaller_than_asked_for() -> None:
    source = Source(np.zeros((3000, 4000, 3), np.uint8))
    assert source.at_least(960, 720).shape == (1500 // 2, 1000, 3)
    assert source.at_least(1001, 720).shape == (1500, 2000, 3)
    assert source.at_least(8000, 6000).shape == (3000, 4000, 3)
