"""Cards whose every text lies exactly where it is said to, seen from several sides; no picture is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cardveil.card.geometry import Matrix, homography, project
from cardveil.card.layout import Box, CardLayout, layout_of
from cardveil.card.model import FIELDS, Card, CardType, Field, Polygon, Side
from cardveil.imaging.image import Picture
from cardveil.recognition.interfaces import TextLine
from cardveil.redaction.results import Region

ID_FRONT, LICENCE = (CardType.ID_CARD, Side.FRONT), (CardType.DRIVER_LICENSE, Side.FRONT)
ID_BACK = (CardType.ID_CARD, Side.BACK)
NUMBER = "990101199003070010"
TEXTS = {
    "name": "王小明",
    "sex": "男",
    "ethnicity": "汉",
    "birth_date": "1990年3月7日",
    "address": "星河省清岚市明月区桂花路12号",
    "id_number": NUMBER,
    "licence_number": NUMBER,
    "nationality": "中国",
    "first_issue_date": "2012-05-06",
    "vehicle_class": "C1",
    "valid_period": "2016.01.02-2036.01.02",
    "authority": "清岚市公安局",
}
#: Where a card lies in a picture of 1600 × 1200: its corners, clockwise from its own top left.
POSES = {
    "flat": [(100, 100), (1400, 100), (1400, 920), (100, 920)],
    "turned by 20 degrees": [(380, 60), (1540, 480), (1270, 1130), (110, 710)],
    "upside down": [(1400, 920), (100, 920), (100, 100), (1400, 100)],
    "on its side": [(1200, 60), (1200, 1150), (500, 1150), (500, 60)],
    "seen aslant": [(250, 200), (1350, 120), (1500, 1000), (120, 900)],
}


def blank_picture(width: int = 1600, height: int = 1200) -> Picture:
    """Return a picture of this size without pixels."""
    return Picture(b"", "jpeg", width, height, 1, False, width, height, "srgb")


def matrix_of(layout: CardLayout, pose: str) -> Matrix:
    return homography(layout.outline.corners(), POSES[pose])


def ink_of(layout: CardLayout, name: str) -> Box:
    """Return where a value's ink stands: in the left part of its zone, as print does."""
    zone = layout.fields[name]
    if name == "id_number":
        return Box(zone.x + 1.6, zone.centre[1] - 1.7, 49.4, 3.4)
    if name == "birth_date" and layout.type is CardType.ID_CARD:
        return Box(zone.x + 2.0, zone.centre[1] - 1.6, 26.2, 3.2)
    if name == "address":
        return Box(zone.x + 0.7, zone.y + 0.9, zone.width - 4, zone.height - 3)
    return Box(zone.x + 0.7, zone.centre[1] - 1.6, min(zone.width - 1.5, 9.0), 3.2)


def laid_card(
    kind: tuple[CardType, Side], pose: str, *, without: tuple[str, ...] = (), off: float = 0.0
) -> Card:
    """Return a card whose text lies as the layout has it, each box `off` millimetres away its own way."""
    layout = layout_of(*kind)
    matrix = matrix_of(layout, pose)
    fields = []
    for index, name in enumerate(FIELDS[kind]):
        if name == "portrait" or name in without:
            continue
        ink = ink_of(layout, name)
        moved = Box(
            ink.x + off * math.sin(index * 2.4), ink.y + off * math.cos(index * 1.7), ink.width, ink.height
        )
        polygon = Polygon.of(project(matrix, corner) for corner in moved.corners())
        fields.append(Field(name, text=TEXTS[name], polygon=polygon))
    return Card(*kind, tuple(fields))


def holds(region: Region, point: tuple[float, float]) -> bool:
    points = region.polygon.points
    return all(
        (x1 - x0) * (point[1] - y0) - (y1 - y0) * (point[0] - x0) >= -1e-6
        for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True)
    )


def covers(regions: tuple[Region, ...], box: Box, matrix: Matrix) -> bool:
    """Say whether every point of a fine mesh over a box of the card lies in one of the regions."""
    mesh = [(box.x + box.width * i / 24, box.y + box.height * j / 24) for i in range(25) for j in range(25)]
    return all(any(holds(r, project(matrix, point)) for r in regions) for point in mesh)


def line_on(matrix: Matrix, box: Box, text: str) -> TextLine:
    """Return a line of text that fills a box of the card, its characters side by side."""

    def seen(part: Box) -> Polygon:
        return Polygon.of(project(matrix, corner) for corner in part.corners())

    pitch = box.width / len(text)
    places = (Box(box.x + i * pitch, box.y, pitch, box.height) for i in range(len(text)))
    return TextLine(text, 99.0, seen(box), tuple(seen(place) for place in places))


def lines_of(card: Card, pose: str) -> tuple[TextLine, ...]:
    """Return what a perfect witness sees of a card from `laid_card`: its labels and its texts."""
    return tuple(_lines(card, pose))


def _lines(card: Card, pose: str) -> Iterator[TextLine]:
    layout = layout_of(card.type, card.side)
    matrix = matrix_of(layout, pose)
    for label, box in layout.labels.items():
        if len(label) > 1:
            yield line_on(matrix, box, label)
    for field in card.fields:
        if field.text and field.name in layout.fields:
            yield line_on(matrix, ink_of(layout, field.name), field.text)
