"""What all text of a picture says about the card in it: whether something else is there as well."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Final

from cardveil.card.model import PORTRAIT, Card, CardType, Field, Polygon, Side
from cardveil.recognition.interfaces import TextLine
from cardveil.recognition.line_places import centre, character_centres, contains, direction, height, length
from cardveil.recognition.other_documents import (
    LICENCE_BELOW,
    OWN_NAMES,
    SECOND_PAGE,
    SETTLERS,
    TITLES,
    find,
    fold,
    foreign_labels,
    labels_of,
    named,
)

#: Share of the located texts that a witness must see to be believed about all other text.
_SEEN: Final = 0.5
#: Boxes are padded: a character belongs to a field within so many times the line's height of its place.
_MARGIN: Final = 0.35
#: Share of the characters that must be alike for two readings of one value.
_ALIKE: Final = 0.6
#: An identification number: 18 characters, or 15 digits on cards of old.
_NUMBER: Final = re.compile(r"(?<!\d)(?:\d{17}[\dx]|\d{15})(?!\d)")
#: Fewer characters of a foreign label occur by chance; at a line's beginning they are a label all the same.
_TELLING: Final = 4
#: A spaced-out title comes as single characters, or two that run together.
_APART: Final = 2
#: Spaced-out titles have gaps of up to so many times their height.
_GAP: Final = 3.0


def sees(card: Card, lines: Sequence[TextLine]) -> bool:
    """Say whether a witness that saw these lines can be believed about what else stands on the card."""
    places = [field.polygon for field in card.fields if field.polygon and field.name != PORTRAIT]
    seen = [place for place in places if any(_touch(line.polygon, place) for line in lines)]
    return len(seen) >= _SEEN * len(places) if places else bool(lines)


def findings_of(card: Card, lines: Sequence[TextLine], outline: Polygon | None = None) -> tuple[str, ...]:
    """Say whether the picture shows another document, or another card than this one.

    Parameters
    ----------
    outline : Polygon, optional
        The card's, where it is known; without it nothing is said of what lies within it.

    Returns
    -------
    tuple of str
        ``other_document``: a title or label of another paper stands somewhere, so that what was located may
        be that paper's; or the card's own name is not read, or its number is none of an ID card.
        ``other_card``: labels or a number of another card, or a licence's second page beside
        its main page. ``cards_overlap``: some of those stand within this card's outline, so that covering
        what is outside it does not cover them.
    """
    free = [(text, line) for line in lines if (text := _text_outside_fields(line, card))]
    rows = [text for text, _ in free]
    rows += _rows([line for text, line in free if len(text) <= _APART])
    found = []
    titles = {title for title in TITLES for text in rows for _ in find(title, text)}
    beside = bool(titles) and titles <= SECOND_PAGE and _second_page_beside(card, free, outline)
    if (titles and not beside) or not _says_what_it_is(card, free, outline) or _settler_s(card):
        found.append("other_document")
    others = [line for text, line in free if _of_another_card(text, card)] + _labels_again(card, free)
    if beside or others or any(_of_another_card(text, card) for text in rows):
        found.append("other_card")
    inside = [line for line in others if outline and contains(outline, centre(line.polygon))]
    if inside:
        found.append("cards_overlap")
    if _is_temporary(card, inside, rows):
        found.append("other_document")
    return tuple(dict.fromkeys(found))


def _is_temporary(card: Card, inside: Sequence[TextLine], rows: Sequence[str]) -> bool:
    """Say whether a front says who issued it and until when, and no back is seen that says so in its place.

    Temporary cards do, and receipts for a card.
    """
    back = labels_of(CardType.ID_CARD, Side.BACK)
    return (
        (card.type, card.side) == (CardType.ID_CARD, Side.FRONT)
        and any(fold(line.text).startswith(back) for line in inside)
        and not named(rows, [OWN_NAMES[CardType.ID_CARD, Side.BACK]])
    )


def titles_among(lines: Sequence[TextLine]) -> tuple[str, ...]:
    """Say of a picture without a card whether its text names another document."""
    rows = [
        *(fold(line.text) for line in lines),
        *_rows([line for line in lines if len(line.text) <= _APART]),
    ]
    return ("other_document",) if named(rows) else ()


def _says_what_it_is(card: Card, free: Sequence[tuple[str, TextLine]], outline: Polygon | None) -> bool:
    """Say whether the card's own name is read on it, or in the picture where its outline is not known."""
    own = [(text, line) for text, line in free if outline is None or contains(outline, centre(line.polygon))]
    rows = [*(text for text, _ in own), *_rows([line for _, line in own])]
    names = [OWN_NAMES[card.type, card.side]]
    if card.type is CardType.DRIVER_LICENSE:
        names.append(LICENCE_BELOW)
    return named(rows, names)


def _settler_s(card: Card) -> bool:
    """Say whether an ID card's number is one of a residence permit."""
    number = card.field("id_number")
    return number is not None and (number.normalized or number.text or "").startswith(SETTLERS)


def _second_page_beside(card: Card, free: Sequence[tuple[str, TextLine]], outline: Polygon | None) -> bool:
    """Say whether a licence's second page is told of by whole lines, none of which is on its main page."""
    told = [line for text, line in free if named([text], SECOND_PAGE)]
    return (
        card.type is CardType.DRIVER_LICENSE
        and outline is not None
        and bool(told)
        and not any(contains(outline, centre(line.polygon)) for line in told)
    )


def _text_outside_fields(line: TextLine, card: Card) -> str:
    """Return a line's folded text without what stands in a located field's place and says the same."""
    owners = _owners(line, card)
    texts: dict[str, str] = {}
    for character, owner in zip(line.text, owners, strict=True):
        if owner:
            texts[owner.name] = texts.get(owner.name, "") + character
    explained = {owner.name for owner in owners if owner and _says(owner, texts[owner.name])}
    return fold(
        "".join(
            character
            for character, owner in zip(line.text, owners, strict=True)
            if owner is None or owner.name not in explained
        )
    )


def _owners(line: TextLine, card: Card) -> list[Field | None]:
    """Return for each character the located field in whose place it stands, the smallest if several."""
    margin = _MARGIN * height(line.polygon)
    located = [(field, field.polygon) for field in card.fields if field.polygon and field.text]
    located.sort(key=lambda pair: length(pair[1]) * height(pair[1]))
    return [
        next((field for field, place in located if contains(place, middle, margin)), None)
        for middle in character_centres(line)
    ]


def _says(field: Field, text: str) -> bool:
    """Say whether a text in a field's place is the field's or part of it, however misread."""
    own, said = fold(field.text or ""), fold(text)
    if said in own:
        return True
    from difflib import SequenceMatcher  # only what is not found literally needs it

    blocks = SequenceMatcher(None, own, said, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) >= _ALIKE * len(said)


def _of_another_card(text: str, card: Card) -> bool:
    foreign = foreign_labels(card.type, card.side)
    telling = named([text], (label for label in foreign if len(label) >= _TELLING))
    unlocated = {fold(field.text or "") for field in card.fields if not field.polygon}
    return (
        telling or text.startswith(foreign) or any(found not in unlocated for found in _NUMBER.findall(text))
    )


def _labels_again(card: Card, free: Sequence[tuple[str, TextLine]]) -> list[TextLine]:
    """Return the lines that begin with a label of this card which was seen before: a second such card's."""
    seen: set[str] = set()
    again = []
    for text, line in free:
        label = next((each for each in labels_of(card.type, card.side) if text.startswith(each)), "")
        if len(label) > 1:
            again += [line] if label in seen else []
            seen.add(label)
    return again


def _rows(lines: Sequence[TextLine]) -> Iterator[str]:
    """Join what stands side by side, folded: a title that is spaced out comes as single characters."""
    left = sorted(lines, key=lambda line: centre(line.polygon))
    while left:
        row = [left.pop(0)]
        for line in list(left):
            if _follows(row[-1].polygon, line.polygon):
                row.append(line)
                left.remove(line)
        if len(row) > 1:
            yield fold("".join(line.text for line in row))


def _follows(one: Polygon, other: Polygon) -> bool:
    (x0, y0), (x1, y1) = centre(one), centre(other)
    along, tall = direction(one), height(one)
    ahead = (x1 - x0) * math.cos(along) + (y1 - y0) * math.sin(along)
    aside = abs((y1 - y0) * math.cos(along) - (x1 - x0) * math.sin(along))
    return aside < 0.5 * tall and 0 < ahead < (length(one) + length(other)) / 2 + _GAP * tall


def _touch(one: Polygon, other: Polygon) -> bool:
    return contains(one, centre(other)) or contains(other, centre(one))
