"""Papers that lie beside cards or are taken for one, with a map of what of them is personal."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

import numpy as np
from PIL import Image, ImageDraw
from tests.support.samples.card_drawing import DrawnCard
from tests.support.samples.fonts import UKAI, Face, Typeface, font
from tests.support.samples.people import Person
from tests.support.samples.portrait import draw_portrait

from cardveil.card.layout import layout_of
from cardveil.card.model import CardType, Side

#: The number of ink that is personal and of no field of a card.
NOTE: Final = 15
_INK: Final = (40, 40, 48)
#: One item: x and y of its middle line, text, height in mm, and whether it is personal.
Item = tuple[float, float, str, float, bool]


def paper(
    width: float,
    height: float,
    ground: tuple[int, int, int] | Image.Image,
    items: Sequence[Item],
    face: Face,
    scale: float,
    *,
    labels: Face | None = None,
) -> tuple[Image.Image, Image.Image]:
    """Return a paper of a size in millimetres with items on it, and the map of its personal ink.

    Parameters
    ----------
    ground
        Its colour, or a picture of it, which is drawn on.
    labels
        The face of what is not personal; `face` if not given.
    """
    size = (round(width * scale), round(height * scale))
    picture = ground if isinstance(ground, Image.Image) else Image.new("RGB", size, ground)
    ink = Image.new("L", size, 0)
    for x, y, text, tall, personal in items:
        layer = Image.new("L", size, 0)
        type_ = font(face if personal else labels or face, max(6, round(tall * scale)))
        ImageDraw.Draw(layer).text((x * scale, y * scale), text, font=type_, fill=255, anchor="lm")
        picture.paste(_INK, (0, 0), layer)
        if personal:
            ink.paste(NOTE, (0, 0), layer.point(lambda v: 255 if v > 24 else 0))
    return picture, ink


def as_card(picture: Image.Image, ink: Image.Image, scale: float) -> DrawnCard:
    """Return a paper in the form that tables are laid with."""
    return DrawnCard(layout_of(CardType.ID_CARD, Side.FRONT), np.asarray(picture), np.asarray(ink), scale)


def second_page(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    """Draw a licence's second page: number, name, file number, remarks."""
    items: list[Item] = [
        (20, 6, "中华人民共和国机动车驾驶证副页", 3.6, False),
        (4, 13, "证号", 2.6, False), (13, 13, person.number, 3.4, True),
        (4, 20, "姓名", 2.6, False), (13, 20, person.name, 3.2, True),
        (40, 20, "档案编号", 2.6, False), (55, 20, f"99{random.randrange(10**10):010}", 3.2, True),
        (4, 28, "记录", 2.6, False), (13, 28, "请于有效期满前九十日内申请换领新驾驶证。", 2.6, False),
    ]  # fmt: skip
    picture, ink = paper(88, 60, (240, 242, 240), items, typeface.values, scale)
    return as_card(picture, ink, scale)


def residence_permit(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    """Draw a residence permit: an ID card's fields in other places, with other labels beside."""
    rows = [
        ("姓名", person.name), ("性别", f"{person.sex} 民族 {person.ethnicity}"),
        ("出生", f"{person.born.year}年{person.born.month}月{person.born.day}日"),
        ("户籍地址", person.address[:15]), ("", person.address[15:30]),
        ("公民身份号码", person.number), ("有效期限", "2021.03.02-2022.03.01"),
        ("签发机关", person.authority),
    ]  # fmt: skip
    items: list[Item] = [(25, 6, "青禾省居住证", 5.0, False)]
    for index, (label, value) in enumerate(rows):
        y = 12 + index * 5.4
        items += [(4, y, label, 2.6, False), (22, y, value, 3.0, True)]
    picture, ink = paper(85.6, 54, (232, 242, 234), items, typeface.values, scale)
    face = draw_portrait(random, round(20 * scale), round(26 * scale), background=(245, 245, 245))
    corner = (round(62 * scale), round(10 * scale))
    picture.paste(face, corner)
    ink.paste(NOTE, (*corner, corner[0] + face.width, corner[1] + face.height))
    return as_card(picture, ink, scale)


def household_register(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    """Draw a page of a household register."""
    del random
    cells = [
        ("姓名", person.name), ("户主或与户主关系", "户主"), ("曾用名", ""), ("性别", person.sex),
        ("出生地", person.address[:9]), ("民族", person.ethnicity), ("籍贯", person.address[:6]),
        ("出生日期", person.born.isoformat()), ("公民身份号码", person.number),
        ("服务处所", "清岚市第一中学"),
    ]  # fmt: skip
    items: list[Item] = [(28, 5, "常住人口登记卡", 4.4, False)]
    for index, (label, value) in enumerate(cells):
        x, y = 3 + 42 * (index % 2), 12 + 8 * (index // 2)
        items += [(x, y, label, 2.3, False), (x + 17, y, value, 2.6, bool(value))]
    picture, ink = paper(85.6, 54, (246, 240, 226), items, typeface.values, scale)
    return as_card(picture, ink, scale)


def contract(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    """Draw a page of a contract with the holder's name and number in its text."""
    items: list[Item] = [(75, 18, "房屋租赁合同", 7.0, False)]
    y = 32.0
    lines = [
        ("甲方（出租方）：虚构样例置业有限公司", False), (f"乙方（承租方）：{person.name}", True),
        (f"身份证号码：{person.number}", True), (f"联系电话：1{random.randrange(10**10):010}", True),
    ]  # fmt: skip
    filler = "甲乙双方在平等自愿的基础上就房屋租赁事宜达成如下协议并共同遵守本合同各项条款"
    lines += [(filler[random.randrange(8) :], False) for _ in range(22)]
    lines += [(f"乙方签名：{person.name}   日期：{person.issued.isoformat()}", True)]
    for text, personal in lines:
        items.append((16, y, text, 4.4, personal))
        y += 8.2
    picture, ink = paper(210, 270, (250, 250, 248), items, typeface.values, scale)
    return as_card(picture, ink, scale)


def note(text: str, colour: tuple[int, int, int], scale: float) -> DrawnCard:
    """Draw a slip of paper with something written by hand."""
    size = (round(80 * scale), round(8 * scale))
    layer = Image.new("L", size, 0)
    ImageDraw.Draw(layer).text(
        (2 * scale, size[1] / 2), text, font=font(UKAI, round(5 * scale)), fill=255, anchor="lm"
    )
    picture, ink = Image.new("RGB", size, (244, 240, 226)), Image.new("L", size, 0)
    picture.paste(colour, (0, 0), layer)
    ink.paste(NOTE, (0, 0), layer.point(lambda v: 255 if v > 24 else 0))
    return as_card(picture, ink, scale)
