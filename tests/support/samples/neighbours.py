"""Papers that share labels, layout or look with the cards and are none; what on them is personal is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import cv2
import numpy as np
from PIL import Image
from tests.support.samples import effects
from tests.support.samples.card_drawing import DrawnCard
from tests.support.samples.fonts import Typeface
from tests.support.samples.mixed import ID_FRONT, LICENCE, SIZES, MixedPicture, Table, size_of
from tests.support.samples.other_papers import (
    NOTE,
    Item,
    as_card,
    household_register,
    paper,
    residence_permit,
    second_page,
)
from tests.support.samples.papers import paper_of
from tests.support.samples.people import Person, invent
from tests.support.samples.portrait import draw_portrait
from tests.support.samples.poses import Corners

from cardveil.card.id_number import check_digit
from cardveil.card.layout import Box, layout_of
from cardveil_cli.samples.truth import Picture

#: Draws one neighbour: its holder, pixels per millimetre, faces.
Maker = Callable[[Person, float, Typeface, Random], DrawnCard]
#: Rows of an ID card's front: label, and the middle of its first line in millimetres.
_FRONT_ROWS: Final = {"姓名": 7.9, "性别": 14.6, "出生": 21.2, "住址": 27.9, "公民身份号码": 47.1}
_PORTRAIT, _LICENCE_PORTRAIT = Box(55.0, 8.0, 24.0, 30.0), Box(62.6, 32.0, 21.0, 26.0)
_Row = tuple[float, float, str, str]


def _number(person: Person, region: str) -> str:
    """Return the holder's number with another region, its check digit right."""
    first = region + person.number[6:17]
    return first + check_digit(first)


def _drawn(
    items: Sequence[Item],
    scale: float,
    typeface: Typeface,
    random: Random,
    *,
    portrait: Box | None = None,
    like: tuple[object, ...] = ID_FRONT,
    colour: tuple[int, int, int] | None = None,
) -> DrawnCard:
    """Put items on a ground like a card's, or of one colour, with a portrait or none."""
    layout = layout_of(*like)  # type: ignore[arg-type]
    size = layout.width, layout.height
    ground: Image.Image | tuple[int, int, int] = colour or paper_of(layout, scale, random)
    picture, ink = paper(*size, ground, items, typeface.values, scale, labels=typeface.labels)
    if portrait is not None:
        corner = round(portrait.x * scale), round(portrait.y * scale)
        face = draw_portrait(
            random, round(portrait.width * scale), round(portrait.height * scale), background=(240, 242, 245)
        )
        picture.paste(face, corner)
        ink.paste(NOTE, (*corner, corner[0] + face.width, corner[1] + face.height))
    return as_card(picture, ink, scale)


def _items(rows: Sequence[_Row], *, titles: Sequence[tuple[float, float, str, float]] = ()) -> list[Item]:
    """Return titles (x, y, text, height) and rows (x and y of the label, label, value) as items."""
    items: list[Item] = [(x, y, text, tall, False) for x, y, text, tall in titles]
    for x, y, label, value in rows:
        items.append((x, y, label, 2.8, False))
        if value:
            items.append((x + 2.8 * len(label) + 2.2, y, value, 3.1, True))
    return items


def _front_items(person: Person, number: str, *, ethnicity: bool, address: str = "住址") -> list[Item]:
    """Return the items of an ID card's front at their places on it."""
    born = person.born
    rows = _FRONT_ROWS
    items: list[Item] = [
        (5.2, rows["姓名"], "姓 名", 3.0, False), (15.7, rows["姓名"], person.name, 3.5, True),
        (5.2, rows["性别"], "性 别", 3.0, False), (15.7, rows["性别"], person.sex, 3.1, True),
        (5.2, rows["出生"], "出 生", 3.0, False), (15.7, rows["出生"], str(born.year), 3.1, True),
        (24.6, rows["出生"], "年", 3.0, False), (28.2, rows["出生"], str(born.month), 3.1, True),
        (32.2, rows["出生"], "月", 3.0, False), (36.2, rows["出生"], str(born.day), 3.1, True),
        (40.2, rows["出生"], "日", 3.0, False),
        (5.2, rows["住址"], address, 3.0 if len(address) < 3 else 2.2, False),
        (5.2, rows["公民身份号码"], "公民身份号码", 3.0, False),
        (30.0, rows["公民身份号码"], number, 4.2, True),
    ]  # fmt: skip
    for k in range(0, len(person.address), 11):
        items.append((15.7, rows["住址"] + k / 11 * 4.6, person.address[k : k + 11], 3.1, True))
    if ethnicity:
        items += [
            (24.8, rows["性别"], "民 族", 3.0, False),
            (34.0, rows["性别"], person.ethnicity, 3.1, True),
        ]
    return items


def _back_items(title: str, person: Person, more: Sequence[_Row] = ()) -> list[Item]:
    period = f"{person.issued:%Y.%m.%d}-{person.issued.year + 5}{person.issued:.%m.%d}"
    rows = [(18.8, 40.0, "签发机关", person.authority), (18.8, 46.5, "有效期限", period), *more]
    tall = min(8.4, 48.0 / len(title))
    return _items(rows, titles=[(29.0, 10.6, "中华人民共和国", 5.2), (29.0, 21.2, title, tall)])


def _settlers_front(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    """A residence permit of people from Hong Kong, Macao or Taiwan: an ID card's front without ethnicity."""
    number = _number(person, random.choice(("810000", "820000", "830000")))
    return _drawn(_front_items(person, number, ethnicity=False), scale, typeface, random, portrait=_PORTRAIT)


def _settlers_back(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    title = random.choice(("港澳居民居住证", "台湾居民居住证"))
    rows = [(18.8, 33.5, "通行证号码", f"H0{random.randrange(10**7):07}"), (58.0, 50.5, "签发次数", "01")]
    return _drawn(_back_items(title, person, rows), scale, typeface, random)


def _permit_front(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    """A residence permit as many provinces have it: the title is on its other side."""
    label = random.choice(("住址", "户籍地址", "居住地址"))
    items = _front_items(person, person.number, ethnicity=True, address=label)
    items.append((5.2, 42.4, random.choice(("居住地", "现居住地址", "居住住址")), 2.4, False))
    items.append((19.0, 42.4, f"{person.address[:8]}{random.randrange(1, 99)}号", 2.6, True))
    return _drawn(items, scale, typeface, random, portrait=_PORTRAIT)


def _permit_back(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    return _drawn(_back_items(random.choice(("居住证", "居民居住证")), person), scale, typeface, random)


def _temporary_front(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    """A temporary ID card: an ID card's front that says who issued it and until when."""
    items = _front_items(person, person.number, ethnicity=True)
    until = f"{person.issued:%Y.%m.%d}起三个月"
    items += _items([(52.0, 41.4, "签发机关", person.authority[:8]), (5.2, 52.0, "有效期限", until)])
    return _drawn(items, scale, typeface, random, portrait=_PORTRAIT)


def _temporary_back(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    return _drawn(_back_items("临时居民身份证", person), scale, typeface, random)


def _foreigners_front(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    """A foreign permanent resident's card."""
    rows = [
        (5.0, 15.0, "姓名/Name", person.name), (5.0, 21.0, "性别/Sex", f"{person.sex} / X"),
        (5.0, 27.0, "出生日期/Date of Birth", f"{person.born:%Y.%m.%d}"),
        (5.0, 33.0, "国籍/Nationality", random.choice(("法国 / FRA", "日本 / JPN"))),
        (5.0, 39.0, "有效期限/Period of Validity", "2023.01.05-2033.01.04"),
        (5.0, 46.5, "证件号码/ID NO.", _number(person, "911250")),
    ]  # fmt: skip
    title = random.choice(("中华人民共和国外国人永久居留身份证", "外国人永久居留身份证"))
    titles = [(8.0, 5.0, title, 4.0), (8.0, 9.2, "FOREIGN PERMANENT RESIDENT ID CARD", 2.2)]
    return _drawn(_items(rows, titles=titles), scale, typeface, random, portrait=Box(58.0, 12.0, 22.0, 28.0))


def _foreigners_back(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    number = _number(person, "911250")
    items = _back_items("外国人永久居留身份证", person)
    items.append((4.0, 52.0, f"I<CHN{number[:9]}<{number[9:]}<<<<<", 2.4, True))
    return _drawn(items, scale, typeface, random)


def _travel_permit(title: str) -> Maker:
    def draw(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
        rows = [
            (32.0, 14.0, "姓名", person.name), (32.0, 21.0, "出生日期", f"{person.born:%Y.%m.%d}"),
            (62.0, 21.0, "性别", person.sex), (32.0, 28.0, "有效期限", "2021.03.02-2031.03.01"),
            (32.0, 35.0, "签发机关", "清岚市公安局出入境管理"), (32.0, 42.0, "签发地点", "清岚"),
            (5.0, 49.0, "证件号码", f"{random.choice('HMC')}{random.randrange(10**8):08}"),
        ]  # fmt: skip
        return _drawn(
            _items(rows, titles=[(8.0, 6.0, title, 4.0)]), scale, typeface, random,
            portrait=Box(5.0, 12.0, 24.0, 30.0),
        )  # fmt: skip

    return draw


def _passport(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    serial = f"E{random.randrange(10**8):08}"
    rows = [
        (32.0, 11.0, "护照号/Passport No.", serial), (32.0, 17.0, "姓名/Name", person.name),
        (32.0, 23.0, "性别/Sex", person.sex), (56.0, 23.0, "国籍", "中国"),
        (32.0, 29.0, "出生日期/Date of birth", f"{person.born:%d %m %Y}"),
        (32.0, 35.0, "出生地点", person.address[:3]), (32.0, 41.0, "签发机关/Authority", "公安部"),
    ]  # fmt: skip
    items = _items(rows, titles=[(5.0, 5.0, "护照 PASSPORT 中华人民共和国", 3.6)])
    items.append((3.0, 51.0, f"{serial}<4CHN{person.born:%y%m%d}7M310301{person.number[:12]}", 2.6, True))
    return _drawn(items, scale, typeface, random, portrait=Box(5.0, 10.0, 24.0, 32.0))


def _vehicle_page(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
    plate, frame = f"样A{random.randrange(10**5):05}", f"LSAMPLE{random.randrange(10**10):010}"
    day = person.issued.isoformat()
    rows = [
        (3.6, 13.0, "号牌号码", plate), (46.0, 13.0, "车辆类型", "小型轿车"),
        (3.6, 20.0, "所有人", person.name), (3.6, 26.0, "住址", person.address[:20]),
        (26.0, 34.0, "使用性质", "非营运"), (26.0, 40.0, "车辆识别代号", frame),
        (26.0, 46.0, "注册日期", day), (56.0, 46.0, "发证日期", day),
    ]  # fmt: skip
    items = _items(rows, titles=[(17.0, 5.4, "中华人民共和国机动车行驶证", 4.0)])
    return _drawn(items, scale, typeface, random, like=LICENCE)


def _drivers_page(title: str, more: Sequence[str] = ()) -> Maker:
    """A paper that has nearly all labels of a driver's licence, at their places."""

    def draw(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
        rows = [
            (22.0, 12.8, "证号", person.number), (3.6, 18.5, "姓名", person.name),
            (41.0, 18.5, "性别", person.sex), (58.0, 18.5, "国籍", "中国"),
            (3.6, 25.0, "住址", person.address[:21]),
            (26.0, 34.2, "出生日期", f"{person.born:%Y-%m-%d}"),
            (26.0, 40.0, "初次领证日期", f"{person.first_licence:%Y-%m-%d}"),
            (26.0, 45.8, "准驾车型", person.vehicle_class),
            (3.6, 54.4, "有效期限", "2021-03-02至2027-03-02"),
        ]  # fmt: skip
        rows += [(3.6, 50.2, label, f"99{random.randrange(10**10):010}") for label in more]
        items = _items(rows, titles=[(17.0, 5.4, title, min(4.0, 54.0 / len(title)))])
        return _drawn(items, scale, typeface, random, portrait=_LICENCE_PORTRAIT, like=LICENCE)

    return draw


def _labelled(title: str, *labels: str, like: tuple[object, ...] = ID_FRONT) -> Maker:
    """Return the maker of a paper with a title and rows of labels that say what is told of the holder."""

    def draw(person: Person, scale: float, typeface: Typeface, random: Random) -> DrawnCard:
        told = {
            "姓名": person.name, "性别": person.sex, "民族": person.ethnicity, "住址": person.address[:16],
            "出生": f"{person.born.year}年{person.born.month}月{person.born.day}日",
            "出生日期": f"{person.born:%Y-%m-%d}", "籍贯": person.address[:6], "国籍": "中国",
            "有效期限": "2021.03.02-2031.03.01", "签发机关": person.authority, "编号": person.number[:15],
        }  # fmt: skip
        rows = [
            (5.2, 13.0 + index * 37.0 / max(len(labels) - 1, 1), label, told.get(label, person.number))
            for index, label in enumerate(labels)
        ]
        colour = random.choice((None, (246, 240, 226), (232, 242, 234), (250, 250, 248)))
        portrait = random.choice((None, Box(62.0, 12.0, 19.0, 25.0)))
        return _drawn(
            _items(rows, titles=[(12.0, 6.0, title, min(4.4, 62.0 / len(title)))]), scale, typeface, random,
            portrait=portrait, like=like, colour=colour,
        )  # fmt: skip

    return draw


#: Every kind of neighbour. Where a paper has its title on its other side, that side is a kind of its own.
NEIGHBOUR_KINDS: Final[dict[str, Maker]] = {
    "settlers_front": _settlers_front,
    "settlers_back": _settlers_back,
    "permit_front": _permit_front,
    "permit_back": _permit_back,
    "permit_titled": residence_permit,
    "temporary_front": _temporary_front,
    "temporary_back": _temporary_back,
    "foreigners_front": _foreigners_front,
    "foreigners_back": _foreigners_back,
    "hong_kong_macao": _travel_permit("港澳居民来往内地通行证"),
    "taiwan": _travel_permit("台湾居民来往大陆通行证"),
    "exit_permit": _travel_permit("往来港澳通行证"),
    "passport": _passport,
    "household": household_register,
    "second_page": second_page,
    "vehicle_page": _vehicle_page,
    "transport": _drivers_page("道路运输从业人员从业资格证", ("从业资格证件号",)),
    "army_licence": _drivers_page("中国人民解放军机动车驾驶证", ("部别",)),
    "learner_licence": _drivers_page("机动车学习驾驶证明"),
    "insurance": _labelled("中华人民共和国社会保障卡", "姓名", "社会保障号码", "发卡日期", "社会保障卡号"),
    "first_generation": _labelled("居民身份证", "姓名", "性别", "民族", "出生", "住址", "编号", "签发机关"),
    "receipt": _labelled(
        "居民身份证领取凭证", "姓名", "性别", "民族", "出生", "住址", "公民身份号码", "签发机关"
    ),
    "registration": _labelled("旅客住宿登记单", "姓名", "性别", "民族", "出生", "住址", "公民身份号码"),
    "student": _labelled("学生证", "姓名", "性别", "民族", "籍贯", "出生日期", "公民身份号码"),
    "disabled": _labelled("中华人民共和国残疾人证", "姓名", "性别", "民族", "出生日期", "住址", "证件号码"),
}
#: What is done to a picture of one: as it is, a copying machine's, its top out of sight or in a reflection.
_HARM: Final = ("none", "none", "none", "grey", "top cropped", "top in glare", "soft")


def make_neighbour(kind: str, seed: int, *, part: str = "test") -> MixedPicture:
    """Photograph a neighbour, alone or beside a card; the same arguments always give the same picture.

    Parameters
    ----------
    kind : str
        A name of `NEIGHBOUR_KINDS`.
    """
    random = Random(f"neighbour/{kind}/{seed}/{part}")
    beside = random.random() < 0.15
    width, height = (1200, 1600) if beside else random.choice(SIZES)
    table = Table(random, width, height, part)
    person, harm = invent(random), random.choice(_HARM)
    frame = (0.04, 0.04, 0.92, 0.44) if beside else (0.04, 0.04, 0.92, 0.92)
    card = NEIGHBOUR_KINDS[kind](person, 14.0, table.typeface(), random)
    size = card.picture.shape[1] / 14.0, card.picture.shape[0] / 14.0
    corners = table.place(frame, size, turn=random.choice((3, 10)), share=random.uniform(0.55, 0.9))
    table.lay(card, corners)
    if beside:
        table.card(ID_FRONT, table.place((0.04, 0.52, 0.92, 0.44), size_of(ID_FRONT), share=0.7), person)
    picture = effects.unevenly_lit(table.picture, random)
    ink, letters = table.ink, table.letters
    if harm == "grey":
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    elif harm == "soft":
        picture = effects.blurred(picture, np.ptp(corners[:, 0]) / 85.6 * random.uniform(0.1, 0.2))
    elif harm == "top in glare":
        middle = corners[:2].mean(axis=0) * 0.9 + corners[2:].mean(axis=0) * 0.1
        picture = _burnt(picture, middle, 0.45 * float(np.ptp(corners[:, 0])))
    elif harm == "top cropped" and not beside:
        top = round(float(corners[:2, 1].max() + 0.17 * np.ptp(corners[:, 1])))
        picture, ink, letters = picture[top:], ink[top:], letters[top:]
    picture = np.ascontiguousarray(picture)
    quality = random.choice((0, *range(80, 96, 3)))
    return MixedPicture(f"{kind}-{seed:04}", kind, picture, ink, letters, table.cards, quality)


def _burnt(picture: Picture, centre: Corners, radius: float) -> Picture:
    """Return the picture with a strip of light across it, wide and low, that hides what is under it."""
    h, w = picture.shape[:2]
    y, x = np.ogrid[0:h, 0:w]
    spot = np.exp(-((((x - centre[0]) / radius) ** 2 + ((y - centre[1]) / (0.16 * radius)) ** 2) ** 2))
    light = picture + (255 - picture) * np.clip(1.6 * spot, 0, 1)[..., None]
    return np.asarray(np.clip(light, 0, 255), np.uint8)
