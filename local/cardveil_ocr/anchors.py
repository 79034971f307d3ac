"""Finds a card's printed labels in lines of text, and so points whose millimetres are known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardveil.card.layout import Box, CardLayout, layout_of
from cardveil.card.model import CardType, Side
from cardveil_ocr.lines import Glyph, Line

Points = NDArray[np.floating[Any]]

#: Stands for the number itself among the labels: its first and last digit have known places too.
NUMBER: Final = "#"
_NUMBER_SHAPE: Final = re.compile(r"\d{6,17}[\dXx]")
#: Centres of the first and the last digit of an ID card's number, in millimetres from its zone's left edge
#: (published descriptions; measured on no real card).
_FIRST_DIGIT, _LAST_DIGIT = 2.7, 50.0
#: How much narrower or wider than in the layout a label may be set.
_WIDER: Final = (0.6, 1.4)
#: Share of a long label's characters that must be read right.
_ENOUGH: Final = 0.7


@dataclass(frozen=True, slots=True)
class Anchor:
    """A label found in a line.

    Attributes
    ----------
    image, card
        ``(2, 2)``; centres of its first and last character that were read, in pixels and in millimetres.
    glyphs
        Which glyphs of the line belong to it.
    weight
        How much it tells, about its number of characters.
    """

    label: str
    image: Points
    card: Points
    line: int
    glyphs: frozenset[int]
    weight: float


def anchors_of(layout: CardLayout, lines: Sequence[Line]) -> list[Anchor]:
    """Return every place where a label of `layout` may have been read."""
    found = []
    for index, line in enumerate(lines):
        # What is folded away leaves a gap in the count, and one capital becomes two characters.
        folded = [(part, i) for i, glyph in enumerate(line.glyphs) for part in _fold(glyph.text)]
        text = "".join(part for part, _ in folded)
        for label, box in layout.labels.items():
            for matched in _matches(_fold(label), text):
                found.append(_anchor(label, box, line, index, [(k, folded[i][1]) for k, i in matched]))
        found.extend(_numbers(layout, line, index))
    return found


def _anchor(label: str, box: Box, line: Line, index: int, matched: list[tuple[int, int]]) -> Anchor:
    """Build an anchor from pairs of (character of the label, glyph of the line)."""
    count = len(_fold(label))
    ends = (matched[0], matched[-1])
    glyphs = [line.glyphs[glyph] for _, glyph in ends]
    return Anchor(
        label=label,
        image=_places(glyphs),
        card=np.array([_character_place(box, label, i, count) for i, _ in ends]),
        line=index,
        glyphs=frozenset(glyph for _, glyph in matched),
        weight=float(len(matched)) * (0.5 if label.isascii() else 1.0),
    )


def label_box(anchor: Anchor, box: Box) -> Box:
    """Return where a label stands, from where its characters were read and its box in the layout.

    The anchor's places must be in millimetres already.
    """
    (x0, _), (x1, _) = anchor.card.tolist()
    apart = x1 - x0
    wider = float(np.clip((anchor.image[1, 0] - anchor.image[0, 0]) / apart, *_WIDER)) if apart else 1.0
    x = float(anchor.image[0, 0]) - (x0 - box.x) * wider
    return Box(x, float(anchor.image[:, 1].mean()) - box.height / 2, box.width * wider, box.height)


def _places(glyphs: Iterable[Glyph]) -> Points:
    return np.array([(glyph.x, glyph.y) for glyph in glyphs], np.float64)


def _character_place(box: Box, label: str, i: int, count: int) -> tuple[float, float]:
    if label.isascii():
        return box.x + box.width * (i + 0.5) / count, box.centre[1]
    # Chinese labels are spaced out: the first and the last character touch the box's ends.
    return box.x + box.height / 2 + (box.width - box.height) * i / max(count - 1, 1), box.centre[1]


@lru_cache(maxsize=4096)
def _fold(text: str) -> str:
    return re.sub(r"[\s.']", "", text).lower()


def _matches(label: str, text: str) -> list[list[tuple[int, int]]]:
    """Return where `label` stands in `text`, each as pairs of indices of equal characters."""
    if len(label) < 2:
        return []
    start = text.find(label)
    exact = []
    while start >= 0:
        exact.append([(i, start + i) for i in range(len(label))])
        start = text.find(label, start + len(label))
    if exact or len(label) < 4:
        return exact
    least = 4 if label.isascii() else 3
    # Most lines share next to nothing with a label: they are told by this at once.
    there = set(text)
    if sum(character in there for character in label) < least:
        return []
    best: list[tuple[int, int]] = []
    # The line may have been cut short, or begin within the label: parts count as well.
    for shift in range(-len(label) + 3, len(text) - 2):
        first, end = max(0, -shift), min(len(label), len(text) - shift)
        if end - first <= len(best):
            continue
        equal = [(i, shift + i) for i in range(first, end) if label[i] == text[shift + i]]
        if len(equal) > len(best):
            best = equal
    inside = len(best) >= max(least, _ENOUGH * len(label))
    partly = len(best) >= least + 1 and _is_run(best)
    return [best] if inside or partly else []


def _is_run(pairs: list[tuple[int, int]]) -> bool:
    return all(b[0] - a[0] == 1 for a, b in pairwise(pairs))


def _numbers(layout: CardLayout, line: Line, index: int) -> list[Anchor]:
    zone = layout.fields.get("id_number")
    if zone is None:
        return []
    found = []
    for match in _NUMBER_SHAPE.finditer(line.text) if len(line.text) == len(line.glyphs) else ():
        glyphs = range(match.start(), match.end())
        if len(glyphs) != 18:
            continue
        y = zone.centre[1]
        found.append(
            Anchor(
                NUMBER,
                _places([line.glyphs[glyphs[0]], line.glyphs[glyphs[-1]]]),
                np.array([(zone.x + _FIRST_DIGIT, y), (zone.x + _LAST_DIGIT, y)]),
                index,
                frozenset(glyphs),
                4.0,
            )
        )
    return found


@lru_cache(maxsize=8)
def _single_characters(card_type: CardType, side: Side) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for label in layout_of(card_type, side).labels:
        if not label.isascii():
            for i, character in enumerate(label):
                found.setdefault(character, []).append((label, i))
    return found


def lone_characters(layout: CardLayout, lines: Sequence[Line], reach: float) -> list[Anchor]:
    """Return single characters of labels that stand within `reach` millimetres of where they belong.

    Spaced-out labels are often found as two regions. The lines must be in millimetres already.
    """
    table = _single_characters(layout.type, layout.side)
    found = []
    for index, line in enumerate(lines):
        for i, glyph in enumerate(line.glyphs):
            for label, k in table.get(glyph.text, ()):
                place = _character_place(layout.labels[label], label, k, len(label))
                if abs(place[0] - glyph.x) <= reach and abs(place[1] - glyph.y) <= reach:
                    points = np.array([place, place])
                    here = np.array([(glyph.x, glyph.y), (glyph.x, glyph.y)], np.float64)
                    found.append(Anchor(label, here, points, index, frozenset({i}), 0.5))
    return found
