"""Other makes of the cards: the same items, up to 3 mm elsewhere, as printers and years differ."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

from tests.support.samples.style import Style

from cardveil.card.layout import Box, CardLayout
from cardveil.card.model import CardType, Side

#: Millimetres by which an item may stand elsewhere.
FARTHEST: Final = 3.0


def another_make(layout: CardLayout, random: Random) -> CardLayout:
    """Return a layout whose rows, columns and portrait stand elsewhere, each by up to `FARTHEST` mm.

    Rows keep their order: what moves them changes evenly from the card's top to its foot.
    """
    top, foot = random.uniform(-2.6, 2.6), random.uniform(-2.6, 2.6)
    labels_x, values_x = random.uniform(-2.0, 2.0), random.uniform(-1.5, 1.5)

    def moved(box: Box, dx: float) -> Box:
        dy = top + (foot - top) * box.centre[1] / layout.height
        x = min(max(box.x + dx, 1.5), layout.width - box.width - 1.5)
        y = min(max(box.y + dy, 1.5), layout.height - box.height - 1.0)
        return Box(x, y, box.width, box.height)

    fields = {name: moved(box, values_x) for name, box in layout.fields.items()}
    # Signs within a value (年, 月, 日) go with the value; labels before it with their column.
    labels = {
        text: moved(box, values_x if len(text) == 1 else labels_x) for text, box in layout.labels.items()
    }
    portrait = layout.portrait
    if portrait is not None:
        dx, dy = random.uniform(-1.0, FARTHEST), random.uniform(-FARTHEST, FARTHEST)
        x = min(portrait.x + dx, layout.width - portrait.width - 1.0)
        portrait = Box(
            x, min(portrait.y + dy, layout.height - portrait.height - 1.0), portrait.width, portrait.height
        )
    seal = fields["authority"] if layout.seal is not None else None
    return CardLayout(
        layout.type, layout.side, layout.width, layout.height,
        MappingProxyType(fields), MappingProxyType(labels), layout.label_fields, portrait, seal,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Make:
    """A make of a card: what stands where, and how it is printed."""

    layout: CardLayout
    style: Style


#: Rows from the top, each with the millimetres that the next one stands lower at the least. Labels of one
#: group keep their places to each other.
_ROWS: Final = {
    (CardType.ID_CARD, Side.FRONT): (
        (("姓名",), ("name",), 5.0),
        (("性别", "民族"), ("sex", "ethnicity"), 5.0),
        (("出生", "年", "月", "日"), ("birth_date",), 5.0),
        (("住址",), ("address",), 14.6),
        (("公民身份号码",), ("id_number",), 0.0),
    ),
    (CardType.ID_CARD, Side.BACK): (
        (("中华人民共和国",), (), 8.0),
        (("居民身份证",), (), 9.0),
        (("签发机关",), ("authority",), 5.4),
        (("有效期限",), ("valid_period",), 0.0),
    ),
    (CardType.DRIVER_LICENSE, Side.FRONT): (
        (("中华人民共和国机动车驾驶证", "Driving License of the People's Republic of China"), (), 6.9),
        (("证号", "License No."), ("licence_number",), 5.4),
        (("姓名", "Name", "性别", "Sex", "国籍", "Nationality"), ("name", "sex", "nationality"), 5.6),
        (("住址", "Address"), ("address",), 8.8),
        (("出生日期", "Date of Birth"), ("birth_date",), 5.2),
        (("初次领证日期", "Date of First Issue"), ("first_issue_date",), 5.2),
        (("准驾车型", "Class"), ("vehicle_class",), 7.0),
        (("有效期限", "Valid Period"), ("valid_period",), 0.0),
    ),
}  # fmt: skip
#: Where the mark of a sample crosses nothing; on the back it stands below the title.
_SPECIMENS: Final = {
    (CardType.ID_CARD, Side.FRONT): (64.0, 2.2),
    (CardType.DRIVER_LICENSE, Side.FRONT): (2.0, 1.6),
}
#: Millimetres between a label and its value, and between a value and what stands right of it, at the least.
_AFTER_LABEL, _AFTER_VALUE = 1.2, 1.0


def free_make(layout: CardLayout, random: Random) -> Make:
    """Return a make each of whose groups stands up to `FARTHEST` mm elsewhere, on its own, and its style."""
    rows = _ROWS[layout.type, layout.side]
    heights = _heights(layout, random)
    column, values = random.uniform(-2.0, 2.0), random.uniform(-1.5, 1.5)
    labels, fields = dict(layout.labels), dict(layout.fields)
    portrait = _moved_portrait(layout, random)
    for (row, names, _), dy in zip(rows, heights, strict=True):
        for text in row:
            own = labels[text]
            # A label and the small print below it, and the signs within a date, move together below.
            labels[text] = Box(own.x, own.y + dy, own.width, own.height)
        for name in names:
            own = fields[name]
            fields[name] = Box(own.x, own.y + dy, own.width, own.height)
    limit = portrait.x - _AFTER_VALUE if portrait is not None else layout.width - 1.5
    if layout.type is CardType.DRIVER_LICENSE:
        _spread_licence(layout, labels, fields, random, portrait.x if portrait else layout.width)
    elif layout.side is Side.BACK:
        for text in ("中华人民共和国", "居民身份证"):
            labels[text] = _aside(labels[text], random.uniform(-2.5, FARTHEST))
        for text, name in (("签发机关", "authority"), ("有效期限", "valid_period")):
            labels[text] = _aside(labels[text], column + random.uniform(-1.0, 1.0))
            fields[name] = _after(labels[text], fields[name], random, layout.width - 2.0)
    else:
        _spread_front(labels, fields, random, column, values, limit)
    style = Style(
        labels=random.choice((None, None, (40, 120, 190), (30, 60, 110), (70, 70, 80))),
        ink=random.choice(((32, 30, 34), (10, 10, 12), (58, 56, 62), (44, 40, 70))),
        label_size=random.uniform(0.85, 1.05),
        value_size=random.uniform(0.88, 1.08),
        indent=0.7,
        number_start=1.6,
        number_pitch=random.uniform(1.95, 2.75),
        digit_height=random.uniform(3.2, 3.9),
        line_pitch=random.uniform(4.1, 4.9),
        address_width=max(24.0, min(random.uniform(31.0, 37.0), limit - fields["address"].x - 0.7))
        if "address" in fields
        else 35.5,
        licence_pitch=random.uniform(3.7, 4.2),
        seal_columns=random.choice((0, 0, 3, 4, 5)),
        seal_upright=random.random() < 0.4,
        specimen=_SPECIMENS.get((layout.type, layout.side)) or (62.0, labels["居民身份证"].bottom + 2.0),
    )
    return Make(
        CardLayout(
            layout.type, layout.side, layout.width, layout.height, MappingProxyType(fields),
            MappingProxyType(labels), layout.label_fields, portrait,
            fields["authority"] if layout.seal is not None else None, layout.emblem,
        ),
        style,
    )  # fmt: skip


def _heights(layout: CardLayout, random: Random) -> list[float]:
    """Return how far each row is moved down, so that none comes too near to the next."""
    rows = _ROWS[layout.type, layout.side]
    middles = [layout.labels[row[0]].centre[1] for row, _, _ in rows]
    farthest = FARTHEST if layout.type is CardType.ID_CARD else 2.0
    while True:
        moves = [random.uniform(-farthest, farthest) for _ in rows]
        placed = [middle + move for middle, move in zip(middles, moves, strict=True)]
        apart = all(
            after - before >= least
            for before, after, (_, _, least) in zip(placed, placed[1:], rows, strict=False)
        )
        if apart and placed[0] >= 4.5 and placed[-1] <= layout.height - 4.5:
            return moves


def _moved_portrait(layout: CardLayout, random: Random) -> Box | None:
    own = layout.portrait
    if own is None:
        return None
    small = random.uniform(0.86, 1.0)
    width, height = own.width * small, own.height * small
    x = min(own.x + random.uniform(-1.5, FARTHEST), layout.width - width - 1.5)
    y = min(own.y + random.uniform(-FARTHEST, FARTHEST), layout.height - height - 1.5)
    return Box(x, y, width, height)


def _aside(box: Box, dx: float) -> Box:
    return Box(max(box.x + dx, 2.0), box.y, box.width, box.height)


def _after(label: Box, zone: Box, random: Random, limit: float) -> Box:
    """Return a value's zone moved aside, behind its label."""
    x = max(zone.x + random.uniform(-FARTHEST, FARTHEST), label.right + _AFTER_LABEL - 0.7)
    return Box(x, zone.y, min(zone.width, limit - x), zone.height)


def _spread_front(
    labels: dict[str, Box], fields: dict[str, Box], random: Random, column: float, values: float, limit: float
) -> None:
    """Move the groups of an ID card's front aside."""
    for text, name in (("姓名", "name"), ("性别", "sex"), ("出生", "birth_date"), ("住址", "address")):
        labels[text] = _aside(labels[text], column + random.uniform(-0.8, 0.8))
        x = max(fields[name].x + values, labels[text].right + _AFTER_LABEL - 0.7)
        fields[name] = Box(x, fields[name].y, min(fields[name].width, limit - x), fields[name].height)
    x = max(labels["民族"].x + random.uniform(-FARTHEST, FARTHEST), fields["sex"].x + 5.5)
    labels["民族"] = Box(x, *_rest(labels["民族"]))
    x = max(fields["ethnicity"].x + random.uniform(-FARTHEST, FARTHEST), labels["民族"].right + 0.6)
    fields["ethnicity"] = Box(x, fields["ethnicity"].y, limit - x, fields["ethnicity"].height)
    x = fields["birth_date"].x + random.uniform(8.2, 9.6)
    for text, least in (("年", 0.0), ("月", 7.4), ("日", 7.4)):
        x += random.uniform(least, least + 1.2) if least else 0.0
        labels[text] = Box(x, *_rest(labels[text]))
    number = labels["公民身份号码"]
    labels["公民身份号码"] = _aside(number, column + random.uniform(-0.8, 0.8))
    zone = fields["id_number"]
    x = max(zone.x + random.uniform(-FARTHEST, 2.0), labels["公民身份号码"].right + 0.2)
    fields["id_number"] = Box(x, zone.y, 84.0 - x, zone.height)


def _spread_licence(
    layout: CardLayout, labels: dict[str, Box], fields: dict[str, Box], random: Random, portrait: float
) -> None:
    """Move the groups of a licence aside, small print with its label."""
    below = {
        "证号": "License No.", "姓名": "Name", "性别": "Sex", "国籍": "Nationality", "住址": "Address",
        "出生日期": "Date of Birth", "初次领证日期": "Date of First Issue", "准驾车型": "Class",
        "有效期限": "Valid Period",
    }  # fmt: skip
    titles = ("中华人民共和国机动车驾驶证", "Driving License of the People's Republic of China")
    dx = random.uniform(-FARTHEST, FARTHEST)
    for text in titles:
        labels[text] = _aside(labels[text], dx)
    left, middle = random.uniform(-1.5, 2.0), random.uniform(-1.0, FARTHEST)
    number_below = random.random() < 0.5
    for text, small in below.items():
        own = labels[text]
        shift = middle if text in ("出生日期", "初次领证日期", "准驾车型") else left
        shift += random.uniform(-0.6, 0.6)
        if text in ("证号", "性别", "国籍"):
            shift = random.uniform(-FARTHEST, FARTHEST)
        labels[text] = _aside(own, shift)
        if text == "证号" and number_below:
            labels[small] = Box(labels[text].x, own.bottom - 0.1, *_rest(labels[small])[1:])
        else:
            labels[small] = _aside(labels[small], labels[text].x - own.x)
    for name in ("licence_number", "name", "sex", "nationality", "address", "birth_date",
                 "first_issue_date", "vehicle_class", "valid_period"):  # fmt: skip
        own = fields[name]
        mine = [text for text, field in layout.label_fields.items() if field == name]
        behind = max(labels[text].right for text in mine) + 0.3
        if name == "licence_number" and number_below:
            x = behind + random.uniform(0.5, 4.0)
        else:
            x = max(own.x + random.uniform(-FARTHEST, FARTHEST), behind)
        limit = {"name": labels["性别"].x, "sex": labels["国籍"].x}.get(name, layout.width - 2.0)
        if name in ("birth_date", "first_issue_date", "vehicle_class", "valid_period"):
            limit = portrait
        fields[name] = Box(x, own.y, min(own.width, limit - x - 0.5), own.height)
    seal = fields["authority"]
    top = labels["Address"].bottom + 3.2
    bottom = labels["有效期限"].y - 0.8
    side = min(seal.width, bottom - top)
    fields["authority"] = Box(
        min(max(seal.x + random.uniform(-2.0, 2.0), 2.0), labels["出生日期"].x - side - 0.8), top, side, side
    )


def _rest(box: Box) -> tuple[float, float, float]:
    return box.y, box.width, box.height
