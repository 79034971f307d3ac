"""What the reading models may say of a card, drawn at random, and the way from there to findings."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from hypothesis import strategies as st

from cardveil.card.ethnicity import ETHNICITIES
from cardveil.card.layout import CardLayout, all_layouts
from cardveil.card.model import FIELDS, Card, Field
from cardveil.recognition.interfaces import TextLine
from cardveil.recognition.merge import check
from cardveil.recognition.witness import findings_of
from cardveil_ocr import findings as codes
from cardveil_ocr.anchors import anchors_of, lone_characters
from cardveil_ocr.cards import compose
from cardveil_ocr.constrained_decoding import WATCHED
from cardveil_ocr.engine import Strip
from cardveil_ocr.lines import Glyph, Line, text_line
from cardveil_ocr.pose_estimation import Placing
from cardveil_ocr.rectified_read import Rest, StraightCard
from cardveil_ocr.rectify import Source
from cardveil_ocr.results import FoundCard
from cardveil_ocr.segments import sort_into_fields

#: Characters that fold, normalise or count otherwise than most, all of them in the model's dictionary.
_ODD = "İßŉǰ²³¹①❾０９Ⅷ㎡·•.,'-—~年月日至长期 XxＸ×OlI|ΧХ張號號İ…"
_WORDS = (*ETHNICITIES, "男", "女", "中国", "长期", "公安局", "公安局交通警察支队", "C1", "A1A2D", "#")
_SOURCE = Source(np.full((24, 32, 3), 128, np.uint8))
#: A number, a date, a period, a name and an address, which are then cut, doubled and mixed.
_VALUES = (
    "990101197412010012", "99010119741201001X", "1974年12月1日", "1974-12-01", "2010.07.21-2030.07.21",
    "2010-07-21至长期", "欧阳明远", "阿依古丽·买买提", "星河省清岚市明月区梅园路12号3栋2单元1203室",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """Lines on a straightened card, in millimetres; one in ten is also held against other papers' words."""

    layout: CardLayout
    lines: tuple[Line, ...]
    witnessed: bool = False


def _texts() -> st.SearchStrategy[str]:
    digits = st.text("0123456789", max_size=24)
    numbers = st.sampled_from((14, 15, 16, 17, 18, 19)).flatmap(
        lambda count: st.text("0123456789X", min_size=count, max_size=count)
    )
    cut = st.builds(
        lambda text, a, b: text[a:] + text[:b], st.sampled_from(_VALUES), *(st.integers(0, 20),) * 2
    )
    odd = st.text(st.sampled_from(_ODD), max_size=12)
    return st.one_of(
        numbers, cut, st.sampled_from(_VALUES), st.sampled_from(_WORDS), odd, digits,
        st.builds(str.__add__, cut, odd),
    )  # fmt: skip


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    """Draw lines for one layout: values of any length in any zone, labels there or not, and stray text."""
    layout = draw(st.sampled_from(all_layouts()))
    random = Random(draw(st.integers(0, 2**32)))
    lines = [
        row_of(box.x + random.uniform(-2, 2), box.centre[1] + random.uniform(-2, 2), label, random)
        for label, box in layout.labels.items()
        if random.random() < 0.7
    ]
    zones = sorted(layout.fields)
    for text in draw(st.lists(_texts(), min_size=1, max_size=4)):
        zone = layout.fields[random.choice(zones)]
        x, y = zone.x + random.uniform(-6, zone.width), random.uniform(zone.y - 1, zone.bottom + 1)
        lines.append(row_of(x, y, text, random))
    return Reading(layout, tuple(lines), random.random() < 0.1)


def row_of(x: float, y: float, text: str, random: Random, *, size: float | None = None) -> Line:
    """Return a text as a line that the model may have seen, its first character's middle at `x`, `y`."""
    size, step = size or random.uniform(1.5, 5.0), random.choice((1, 1, 2, 3))
    p = random.choice((0.02, 0.5, 0.97, 1.0))
    glyphs = tuple(
        Glyph(character, p, step * i, x + size * i, y)
        for i, character in enumerate(text)
        if character.strip()
    )
    right = x + size * max(1, len(text))
    quad = np.array(
        [(x - size / 2, y - size), (right, y - size), (right, y + size), (x - size / 2, y + size)]
    )
    return Line(quad, glyphs, _strip(text, p, step, random))


def _strip(text: str, p: float, step: int, random: Random) -> Strip:
    some = np.full((max(1, step * len(text)), len(WATCHED) + 1), 1e-6, np.float32)
    some[:, 0] = 0.9
    for i, character in enumerate(text):
        seen = character if random.random() < 0.9 else random.choice(WATCHED)
        if seen in WATCHED:
            some[step * i, 0] = 1 - p
            some[step * i, WATCHED.index(seen) + 1] = p
    return Strip(some.argmax(axis=1), some.max(axis=1), some, float(len(some)))


def read(reading: Reading) -> tuple[FoundCard, Card, tuple[str, ...]]:
    """Go from lines to a card, checked, with the findings that its words and the other lines lead to."""
    layout, lines = reading.layout, reading.lines
    labels = anchors_of(layout, lines)
    lone_characters(layout, lines, 2.0)
    matrix = np.diag([4.0, 4.0, 1.0])
    placing = Placing(layout, matrix, tuple(labels), 0.3)
    rest = Rest(_SOURCE, (), np.eye(3))
    straight = StraightCard(placing, sort_into_fields(layout, lines, labels), placing.labels, lines, rest)
    found = compose(_SOURCE, straight)
    card, more = check(found.card)
    if not reading.witnessed:
        return found, card, (*found.findings, *more)
    seen = [text_line(line, matrix) for line in lines]
    told = [TextLine(line.text, line.score, line.polygon, line.characters) for line in seen]
    return found, card, (*found.findings, *more, *findings_of(card, told, found.outline))


def assert_told(reading: Reading) -> None:
    """Every field of the side has a place, and a value, or a finding that says why there is none."""
    found, card, findings = read(reading)
    names = FIELDS[reading.layout.type, reading.layout.side]
    assert tuple(field.name for field in card.fields) == names
    assert all(field.polygon is not None for field in card.fields)
    assert set(found.findings) <= set(codes.ALL)
    for field in card.fields:
        _assert_field(field, findings)


def _assert_field(field: Field, findings: tuple[str, ...]) -> None:
    if field.name == "portrait":
        return
    if field.normalized is None:
        needed = {
            codes.FIELD_MISSING,
            codes.VALUE_UNREADABLE,
            codes.CHECK_DIGIT_FAILED,
            codes.SEAL_UNREAD,
        }
        assert needed & set(findings)
    if field.name in ("id_number", "licence_number") and field.normalized is not None:
        assert len(field.normalized) == 18
    assert field.score is None or 0.0 <= field.score <= 100.0
