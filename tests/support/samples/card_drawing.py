"""Draws one side of a card flat, and beside it a map of which pixel holds the ink of which field."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tests.support.samples.fonts import Face, Typeface, font
from tests.support.samples.papers import paper_of
from tests.support.samples.people import Person
from tests.support.samples.portrait import draw_portrait
from tests.support.samples.style import Colour, Style
from tests.support.samples.values import values_of

from cardveil.card.layout import Box, CardLayout, layout_of
from cardveil.card.model import FIELDS, PORTRAIT, CardType, Side
from cardveil_cli.samples.truth import Picture

_INK: Colour = (32, 30, 34)
_LABEL: dict[CardType, Colour] = {CardType.ID_CARD: (62, 110, 168), CardType.DRIVER_LICENSE: (52, 62, 58)}
_SEAL: Colour = (204, 52, 48)
#: Below this darkening (of 255) a pixel counts as not inked.
_INKED = 24


@dataclass(frozen=True, slots=True)
class DrawnCard:
    """A flat card: RGB picture, ink map (index of the field in `FIELDS` plus one), pixels per millimetre.

    Attributes
    ----------
    letters
        For the ink of a field, which of its characters a pixel belongs to (from 1); 0 where that is not told.
    """

    layout: CardLayout
    picture: Picture
    ink: Picture
    scale: float
    letters: Picture | None = None


class _Sheet:
    """A card under the pen, in millimetres."""

    def __init__(self, layout: CardLayout, paper: Image.Image, scale: float, style: Style) -> None:
        self.layout, self.scale, self.style = layout, scale, style
        self.image = paper
        self.ink = Image.new("L", paper.size, 0)
        self.letters = Image.new("L", paper.size, 0)
        self._written: dict[str, int] = {}
        self._numbers = {name: i + 1 for i, name in enumerate(FIELDS[layout.type, layout.side])}

    def pixels(self, box: Box) -> tuple[int, int, int, int]:
        return (
            round(box.x * self.scale),
            round(box.y * self.scale),
            round(box.right * self.scale),
            round(box.bottom * self.scale),
        )

    def font(self, face: Face, height_mm: float) -> ImageFont.FreeTypeFont:
        return font(face, max(6, round(height_mm * self.scale)))

    def width_of(self, text: str, face: Face, height_mm: float) -> float:
        return self.font(face, height_mm).getlength(text) / self.scale

    def write(
        self,
        x: float,
        y: float,
        text: str,
        face: Face,
        height: float,
        colour: Colour,
        field: str | None = None,
    ) -> None:
        """Write `text` from `x` rightwards, its em box centred on `y`."""
        type_ = self.font(face, height)
        left, top, right, bottom = type_.getbbox(text, anchor="lm")
        corner = (math.floor(x * self.scale + left) - 1, math.floor(y * self.scale + top) - 1)
        layer = Image.new("L", (math.ceil(right - left) + 4, math.ceil(bottom - top) + 4), 0)
        pen = (x * self.scale - corner[0], y * self.scale - corner[1])
        ImageDraw.Draw(layer).text(pen, text, font=type_, fill=255, anchor="lm")
        self.print(layer, corner, colour, field)
        if field is not None:
            for index in range(len(text)):
                self._written[field] = self._written.get(field, 0) + 1
                start, end = (round(pen[0] + type_.getlength(text[:i])) for i in (index, index + 1))
                letter = layer.crop((start, 0, end, layer.height)).point(lambda v: 255 if v > _INKED else 0)
                self.letters.paste(self._written[field], (corner[0] + start, corner[1]), letter)

    def print(self, layer: Image.Image, corner: tuple[int, int], colour: Colour, field: str | None) -> None:
        """Put down ink where `layer` says, its top left at `corner`, in pixels."""
        box = (*corner, corner[0] + layer.width, corner[1] + layer.height)
        self.image.paste(colour, box, layer)
        if field is not None:
            inked = layer.point(lambda v: 255 if v > _INKED else 0)
            self.ink.paste(self._numbers[field], box, inked)

    def fit(self, text: str, face: Face, height: float, width: float) -> float:
        """Return the type height at which `text` is no wider than `width`."""
        return height * min(1.0, width / max(self.width_of(text, face, height), 1e-6))


def draw_card(
    person: Person, card_type: CardType, side: Side, typeface: Typeface, random: Random,
    *, scale: float, jitter: float = 0.4, layout: CardLayout | None = None, style: Style | None = None,
) -> DrawnCard:  # fmt: skip
    """Draw one side of a card.

    Parameters
    ----------
    scale
        Pixels per millimetre.
    jitter
        Largest displacement in millimetres of a printed item from the layout, as presses differ.
    layout
        Another make's; the usual one if not given.
    style
        How it is printed; as usual if not given.
    """
    layout = layout or layout_of(card_type, side)
    sheet = _Sheet(layout, paper_of(layout, scale, random), scale, style or Style())

    def off() -> float:
        return random.uniform(-jitter, jitter)

    if layout.portrait is not None:
        _portrait(sheet, layout.portrait, random)
    rows = {name: (off(), off()) for name in layout.fields}
    _labels(sheet, typeface, rows)
    draw = _licence_values if card_type is CardType.DRIVER_LICENSE else _id_values
    draw(sheet, person, typeface, rows)
    _specimen(sheet, typeface)
    return DrawnCard(layout, np.asarray(sheet.image), np.asarray(sheet.ink), scale, np.asarray(sheet.letters))


def _portrait(sheet: _Sheet, place: Box, random: Random) -> None:
    left, top, right, bottom = sheet.pixels(place)
    plain: Colour = (238, 240, 244) if sheet.layout.type is CardType.ID_CARD else (236, 240, 240)
    sheet.image.paste(draw_portrait(random, right - left, bottom - top, background=plain), (left, top))
    area = Image.new("L", sheet.image.size, 0)
    area.paste(255, (left, top, right, bottom))
    number = FIELDS[sheet.layout.type, sheet.layout.side].index(PORTRAIT) + 1
    sheet.ink.paste(number, (0, 0), area)


def _labels(sheet: _Sheet, typeface: Typeface, rows: dict[str, tuple[float, float]]) -> None:
    layout, style = sheet.layout, sheet.style
    for text, box in layout.labels.items():
        dx, dy = rows.get(layout.label_fields.get(text, ""), (0.0, 0.0))
        height = box.height * (0.98 if text.isascii() else 1.0) * style.label_size
        bold = text in ("中华人民共和国", "居民身份证")
        colour = style.ink if bold else style.labels or _LABEL[layout.type]
        natural = sheet.width_of(text, typeface.labels, height)
        if natural > box.width:
            height *= box.width / natural
            natural = box.width
        # Chinese labels are spaced out to their box; English sublines are set as they come.
        if text.isascii() or len(text) < 2:
            sheet.write(box.x + dx, box.centre[1] + dy, text, typeface.labels, height, colour)
            continue
        step = (box.width - natural / len(text)) / (len(text) - 1)
        for i, character in enumerate(text):
            sheet.write(box.x + dx + i * step, box.centre[1] + dy, character, typeface.labels, height, colour)


def _id_values(
    sheet: _Sheet, person: Person, typeface: Typeface, rows: dict[str, tuple[float, float]]
) -> None:
    layout, style = sheet.layout, sheet.style
    size = 3.1 * style.value_size
    for name, (text, _) in values_of(person, layout.type, layout.side).items():
        zone, (dx, dy) = layout.fields[name], rows[name]
        x, y = zone.x + style.indent + dx, _row(layout, name) + dy
        if name == "birth_date":
            year, month, day = str(person.born.year), str(person.born.month), str(person.born.day)
            for part, right_label in ((year, "年"), (month, "月"), (day, "日")):
                width = sheet.width_of(part, typeface.values, size)
                place = layout.labels[right_label].x - width - (0.6 if part != year else 0.5)
                sheet.write(place + dx, y, part, typeface.values, size, style.ink, name)
            # The year, month and day signs are part of the value, though printed with the card.
            for right_label in "年月日":
                box = layout.labels[right_label]
                colour = style.labels or _LABEL[layout.type]
                height = box.height * style.label_size
                sheet.write(box.x + dx, y, right_label, typeface.labels, height, colour, name)
        elif name == "address":
            for i, line in enumerate(_lines(sheet, text, typeface.values, size, style.address_width)):
                sheet.write(x, y + i * style.line_pitch, line, typeface.values, size, style.ink, name)
        elif name == "id_number":
            for i, character in enumerate(text):
                place = zone.x + style.number_start + dx + i * style.number_pitch
                sheet.write(place, y, character, typeface.digits, style.digit_height, style.ink, name)
        else:
            height = 3.5 * style.value_size if name == "name" else size
            height = sheet.fit(text, typeface.values, height, zone.width - 1.6)
            sheet.write(x, y, text, typeface.values, height, style.ink, name)


def _licence_values(
    sheet: _Sheet, person: Person, typeface: Typeface, rows: dict[str, tuple[float, float]]
) -> None:
    layout, style = sheet.layout, sheet.style
    for name, (text, _) in values_of(person, layout.type, layout.side).items():
        zone, (dx, dy) = layout.fields[name], rows[name]
        if name == "authority":
            _seal(sheet, text, typeface)
            continue
        x, y = zone.x + style.indent + dx, zone.centre[1] + dy
        if name == "address":
            size = 3.0 * style.value_size
            lines = _lines(sheet, text, typeface.values, size, zone.width - 2.0)
            for i, line in enumerate(lines):
                place = zone.y + 2.2 + dy + i * style.licence_pitch
                sheet.write(x, place, line, typeface.values, size, style.ink, name)
            continue
        face = typeface.digits if text.isascii() else typeface.values
        height = sheet.fit(text, face, 3.2 * style.value_size, zone.width - 1.6)
        sheet.write(x, y, text, face, height, style.ink, name)


def _seal(sheet: _Sheet, text: str, typeface: Typeface) -> None:
    zone = sheet.layout.fields["authority"]
    layer = Image.new("L", sheet.image.size, 0)
    draw = ImageDraw.Draw(layer)
    edge = zone.grown(-0.5)
    draw.rectangle(sheet.pixels(edge), outline=230, width=max(1, round(0.45 * sheet.scale)))
    columns = sheet.style.seal_columns or (4 if len(text) <= 16 else 5)
    if sheet.style.seal_upright:
        # Read down, from the right: as seals are cut.
        deep = -(-len(text) // columns)
        rows = [text[i : i + deep].ljust(deep) for i in range(0, len(text), deep)]
        lines = ["".join(column[k] for column in reversed(rows)) for k in range(deep)]
    else:
        lines = [text[i : i + columns] for i in range(0, len(text), columns)]
    pitch = (edge.height - 1.6) / len(lines)
    size = min(pitch * 0.95, (edge.width - 2.0) / columns)
    for row, line in enumerate(lines):
        step = (edge.width - 1.6) / columns
        for column, character in enumerate(line):
            centre = (edge.x + 0.8 + step * (column + 0.5), edge.y + 0.8 + pitch * (row + 0.5))
            draw.text(
                (centre[0] * sheet.scale, centre[1] * sheet.scale), character,
                font=sheet.font(typeface.values, size), fill=230, anchor="mm",
            )  # fmt: skip
    sheet.print(layer, (0, 0), _SEAL, "authority")


def _row(layout: CardLayout, name: str) -> float:
    """Return the height of a value's first line: that of its label."""
    return next(layout.labels[text].centre[1] for text, field in layout.label_fields.items() if field == name)


def _lines(sheet: _Sheet, text: str, face: Face, height: float, width: float) -> list[str]:
    lines, line = [], ""
    for character in text:
        if line and sheet.width_of(line + character, face, height) > width:
            lines.append(line)
            line = ""
        line += character
    return [*lines, line]


def write_over(
    card: DrawnCard,
    at: tuple[float, float],
    text: str,
    face: Face,
    height: float,
    *,
    colour: Colour = _INK,
    strength: float = 1.0,
    turn: float = 0.0,
    number: int = 0,
    personal: str = "",
) -> DrawnCard:
    """Return a card on which somebody wrote or stamped something more.

    Parameters
    ----------
    at
        Where it begins and the middle of its height, in millimetres.
    height
        Of its type, in millimetres.
    strength
        1 for ink, less for what shines through.
    turn
        Degrees counter-clockwise about its beginning.
    number
        Of the field whose ink it is; 0 when it is nobody's.
    personal
        The part of the text that is somebody's; all of it if not given.
    """
    pen = (at[0] * card.scale, at[1] * card.scale)
    type_ = font(face, max(6, round(height * card.scale)))

    def layer_of(said: str, begin: float) -> Image.Image:
        layer = Image.new("L", (card.picture.shape[1], card.picture.shape[0]), 0)
        ImageDraw.Draw(layer).text(
            (pen[0] + begin, pen[1]), said, font=type_, fill=round(255 * strength), anchor="lm"
        )
        return layer.rotate(turn, Image.Resampling.BICUBIC, center=pen) if turn else layer

    layer = layer_of(text, 0.0)
    own = layer_of(personal, type_.getlength(text.partition(personal)[0])) if personal else layer
    picture, ink = Image.fromarray(card.picture), Image.fromarray(card.ink)
    picture.paste(colour, (0, 0), layer)
    if number:
        ink.paste(number, (0, 0), own.point(lambda v: 255 if v > _INKED else 0))
    return DrawnCard(card.layout, np.asarray(picture), np.asarray(ink), card.scale, card.letters)


_SPECIMEN_PLACES: dict[tuple[CardType, Side], tuple[float, float]] = {
    (CardType.ID_CARD, Side.FRONT): (59.0, 41.6),
    (CardType.ID_CARD, Side.BACK): (60.0, 30.5),
    (CardType.DRIVER_LICENSE, Side.FRONT): (42.5, 50.5),
}


def _specimen(sheet: _Sheet, typeface: Typeface) -> None:
    x, y = sheet.style.specimen or _SPECIMEN_PLACES[sheet.layout.type, sheet.layout.side]
    sheet.write(x, y, "样例 SPECIMEN", typeface.labels, 1.9, (176, 96, 104))
