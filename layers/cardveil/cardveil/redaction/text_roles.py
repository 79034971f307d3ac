"""What each text is that a witness saw: a printed label, a part of a field's value, or neither of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from cardveil.card.geometry import project
from cardveil.card.layout import CardLayout, find_layout
from cardveil.card.model import Card, Field, Point, Polygon, SeenText
from cardveil.redaction.card_pose import Placement
from cardveil.redaction.polygons import centre_of, grown, holds, part_between, straight, text_height

#: Millimetres by which printing differs between makes of one card: a text farther from its place is another.
_ASTRAY: Final = 4.0
#: Millimetres within which a label that was misread must stand at its place.
_NEAR: Final = 2.0
#: Millimetres by which a line may begin left of its field's first one.
_INDENT: Final = 3.0
#: Of a text's characters so many must be a field's, in its order, for the text to be that field's value.
_ENOUGH: Final = 0.6
#: A Latin label is taken for what it is at this likeness: small print is misread more often.
_LIKE_A_LABEL: Final = 0.75
#: In a Chinese label of four characters or more, one in four may be misread.
_MISREAD: Final = 4


class Line(Protocol):
    """A line of text from a general recogniser (`cardveil.recognition.interfaces.TextLine`)."""

    @property
    def text(self) -> str: ...
    @property
    def polygon(self) -> Polygon: ...
    @property
    def characters(self) -> tuple[Polygon, ...]: ...


def label_places(card: Card, lines: Sequence[Line]) -> tuple[tuple[str, Polygon], ...]:
    """Return where labels of this side were seen, wherever that is; two of one name say nothing and are left.

    Labels of a single character are not told from other text without knowing the card's place.
    """
    layout = find_layout(card.type, card.side)
    if layout is None:
        return ()
    found: dict[str, list[Polygon]] = {}
    for line in lines:
        letters = _Letters(line)
        for first, last, label in _labels_in(letters.folded, layout):
            found.setdefault(label, []).append(letters.part(first, last)[0])
    return tuple((label, places[0]) for label, places in found.items() if len(places) == 1)


def text_roles(card: Card, lines: Sequence[Line], placement: Placement | None) -> tuple[SeenText, ...]:
    """Say of every line, part by part, what it is.

    A text counts as a label where the card has that label, and as a field's value where the field stands and
    says the same. Everything else is other text, and nobody may see it.

    Parameters
    ----------
    card : Card
        With the places and texts of its fields, in the same pixels as `lines`.
    placement : Placement or None
        Where the card lies, if that is known.
    """
    found: list[SeenText] = []
    for line in lines:
        found += _Roles(card, _Letters(line), placement).texts()
    return tuple(found)


class _Letters:
    """A line's letters and digits, folded, with their places."""

    def __init__(self, line: Line) -> None:
        self.line = line
        folded: list[tuple[str, int]] = []
        for index, character in enumerate(line.text):
            plain = unicodedata.normalize("NFKC", character).casefold()
            folded += [(each, index) for each in plain if each.isalnum()]
        self.folded = "".join(each for each, _ in folded)
        self._indices = [index for _, index in folded]
        self.placed = len(line.characters) == len(line.text) > 0
        if not self.placed:
            widths = [2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line.text]
            self._ends = [sum(widths[: i + 1]) / sum(widths) for i in range(len(widths))]

    def part(self, first: int, last: int) -> tuple[Polygon, float, tuple[Polygon, ...]]:
        """Return the place of the letters from `first` to before `last`, its slack, and its characters."""
        line = self.line
        whole = (first, last) == (0, len(self.folded))
        begin, end = self._indices[first], self._indices[last - 1]
        if not self.placed:
            if whole:
                return line.polygon, 0.0, ()
            length = 2 * _length(line.polygon) / max(len(line.text), 1)
            start = self._ends[begin - 1] if begin else 0.0
            return part_between(line.polygon, start, self._ends[end]), length, ()
        characters = tuple(line.characters[i] for i in self._indices[first:last])
        if whole:
            return line.polygon, 0.0, characters
        a = straight(line.characters[begin]) if begin else straight(line.polygon)
        b = straight(line.characters[end]) if end + 1 < len(line.text) else straight(line.polygon)
        joined = Polygon((a.points[0], b.points[1], b.points[2], a.points[3]))
        return straight(joined), 0.3 * text_height(joined), characters

    def centre(self, first: int, last: int) -> Point:
        return centre_of(self.part(first, last)[0])


class _Roles:
    def __init__(self, card: Card, letters: _Letters, placement: Placement | None) -> None:
        self._card, self._letters, self._placement = card, letters, placement
        self._layout = find_layout(card.type, card.side)

    def texts(self) -> Iterator[SeenText]:
        letters, at = self._letters, 0
        if not letters.folded:
            # Nothing was read, but something stands there.
            yield SeenText("other", "", letters.line.polygon)
            return
        for first, last, label in self._labels():
            yield from self._values(at, first)
            yield self._text("label", label, first, last)
            at = last
        yield from self._values(at, len(letters.folded))

    def _text(self, role: str, name: str, first: int, last: int, start: int = -1) -> SeenText:
        polygon, slack, characters = self._letters.part(first, last)
        return SeenText(role, name, polygon, slack, start, characters)

    def _labels(self) -> list[tuple[int, int, str]]:
        if self._layout is None:
            return []
        hits = []
        for first, last, label in _labels_in(self._letters.folded, self._layout):
            if self._placement is None:
                # In running text a label is a word like any other ("民族" in a street's name).
                near = first == 0
            else:
                box = self._layout.labels[label].grown(_ASTRAY)
                near = box.contains(*project(self._placement.to_card, self._letters.centre(first, last)))
            if near:
                hits.append((first, last, label))
        return hits

    def _values(self, first: int, last: int) -> Iterator[SeenText]:
        """Yield the texts between two labels: values of fields, parted where one ends, or other text."""
        if first >= last:
            return
        run = self._letters.folded[first:last]
        for field in self._card.fields:
            said = folded(field.text or "")
            at = run.find(said) if said else -1
            if at >= 0 and self._stands_there(field, first + at, first + at + len(said)):
                yield from self._values(first, first + at)
                yield self._text("field", field.name, first + at, first + at + len(said), 0)
                yield from self._values(first + at + len(said), last)
                return
        label = self._misread_label(first, last)
        if label:
            yield self._text("label", label, first, last)
            return
        best = max(self._card.fields, key=lambda f: self._likeness(f, first, last), default=None)
        if best is None or self._likeness(best, first, last) < _ENOUGH:
            yield self._text("other", "", first, last)
        else:
            yield self._text("field", best.name, first, last, folded(best.text or "").find(run))

    def _misread_label(self, first: int, last: int) -> str | None:
        """Return the label that stands there, if about half of it was read and nothing more."""
        if self._placement is None or self._layout is None:
            return None
        run = self._letters.folded[first:last]
        centre = project(self._placement.to_card, self._letters.centre(first, last))
        for label, box in self._layout.labels.items():
            plain = folded(label)
            alike = sum(a == b for a, b in zip(run, plain, strict=False))
            if len(run) == len(plain) and 2 * alike >= len(plain) > 1 and box.grown(_NEAR).contains(*centre):
                return label
        return None

    def _likeness(self, field: Field, first: int, last: int) -> float:
        """Return which share of a run of letters is this field's value, if it stands where the field does."""
        if not self._stands_there(field, first, last):
            return 0.0
        run, said = self._letters.folded[first:last], folded(field.text or "")
        if self._is_seal(field):
            return 1.0  # set in columns, so that lines of it say nothing
        if not said or self._begins_before(field, first, last):
            return 0.0
        if len(said) == 1:
            return float(len(run) == 1)  # a sign alone, at its place, misread
        from difflib import SequenceMatcher  # most lines are found to the letter

        blocks = SequenceMatcher(None, run, said, autojunk=False).get_matching_blocks()
        return sum(size for _, _, size in blocks if size >= 2) / len(run)

    def _is_seal(self, field: Field) -> bool:
        return self._layout is not None and field.name == "authority" and self._layout.seal is not None

    def _begins_before(self, field: Field, first: int, last: int) -> bool:
        """Say whether letters begin left of a field's column, as located and as the card has it.

        The seal's authority names the place that an address begins with.
        """
        placement = self._placement
        if placement is None or field.polygon is None or field.name not in placement.layout.fields:
            return False
        points = (self._letters.part(first, last)[0].points, straight(field.polygon).points)
        begin, column = (min(project(placement.to_card, point)[0] for point in each) for each in points)
        return begin < min(column, placement.layout.fields[field.name].x) - _INDENT

    def _stands_there(self, field: Field, first: int, last: int) -> bool:
        centre = self._letters.centre(first, last)
        if self._is_seal(field):
            return self._in_the_seal(field, centre)
        if field.polygon is not None:
            polygon = straight(field.polygon)
            reach = 0.3 * text_height(self._letters.line.polygon)
            if holds(grown(polygon, reach, reach), centre):
                return True
        if self._placement is None or field.name not in self._placement.layout.fields:
            return False
        zone = self._placement.layout.fields[field.name].grown(_ASTRAY)
        return zone.contains(*project(self._placement.to_card, centre))

    def _in_the_seal(self, field: Field, centre: Point) -> bool:
        """Say whether a place is the seal's alone: whatever stands there is taken for its text.

        An address's next line begins right above it.
        """
        located = field.polygon is not None and holds(straight(field.polygon), centre)
        if self._placement is None:
            return located
        at = project(self._placement.to_card, centre)
        zones = self._placement.layout.fields
        others = any(zone.contains(*at) for name, zone in zones.items() if name != field.name)
        return (located or zones[field.name].contains(*at)) and not others


def folded(text: str) -> str:
    """Return a text's letters and digits in one form of writing, for comparing."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _labels_in(text: str, layout: CardLayout) -> list[tuple[int, int, str]]:
    """Return where labels stand in a folded text: the longest first, none within another, in order."""
    taken: list[tuple[int, int, str]] = []
    for label in sorted(layout.labels, key=len, reverse=True):
        plain = folded(label)
        if len(plain) < 2:
            continue
        for first in range(len(text) - len(plain) + 1):
            last = first + len(plain)
            if any(first < b and a < last for a, b, _ in taken):
                continue
            wrong = sum(a != b for a, b in zip(plain, text[first:last], strict=True))
            if wrong <= len(plain) // _MISREAD:
                taken.append((first, last, label))
    if not taken and text.isascii() and len(text) > 3:
        from difflib import SequenceMatcher  # misread Latin print only

        for label in layout.labels:
            if label.isascii() and SequenceMatcher(None, text, folded(label)).ratio() >= _LIKE_A_LABEL:
                return [(0, len(text), label)]
    return sorted(taken)


def _length(polygon: Polygon) -> float:
    a, b, c, d = polygon.points
    length: float = (
        ((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2) ** 0.5 + ((c[0] - d[0]) ** 2 + (c[1] - d[1]) ** 2) ** 0.5
    ) / 2
    return length
