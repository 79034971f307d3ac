"""Pictures that hold no card, some of them very like one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import numpy as np
from PIL import Image, ImageDraw
from tests.support.samples.backgrounds import KINDS, background
from tests.support.samples.effects import unevenly_lit
from tests.support.samples.fonts import Face, Typeface, font
from tests.support.samples.people import invent

from cardveil_cli.samples.truth import Picture


def negative(kind: str, width: int, height: int, part: str, typeface: Typeface, random: Random) -> Picture:
    """Return a picture without a card, ``(height, width, 3)`` RGB; `kind` is a name of `NEGATIVES`."""
    desk = background(random.choice(KINDS[part][:2]), width, height, random)
    maker = _MAKERS.get(kind)
    if kind == "empty":
        return np.full((height, width, 3), random.choice([0, 128, 250, 255]), np.uint8)
    if maker is None:
        return unevenly_lit(
            background(KINDS[part][2], width, height, random) if kind == "page" else desk, random
        )
    sheet = maker(width, height, typeface.values, random)
    image = Image.fromarray(desk)
    image.paste(sheet, ((width - sheet.width) // 2, (height - sheet.height) // 2))
    turn = random.uniform(-12, 12)
    return unevenly_lit(
        np.asarray(image.rotate(turn, Image.Resampling.BICUBIC, fillcolor=(120, 116, 110))), random
    )


def _rows(
    sheet: Image.Image, rows: list[str], face: Face, top: int, size: int, pitch: int, left: int
) -> None:
    draw = ImageDraw.Draw(sheet)
    for i, row in enumerate(rows):
        draw.text((left, top + i * pitch), row, font=font(face, size), fill=(40, 40, 48))


def _bank_card(width: int, _height: int, face: Face, random: Random) -> Image.Image:
    w = int(width * 0.7)
    h = int(w * 54 / 85.6)
    colour = random.choice([(40, 70, 140), (150, 40, 50), (190, 160, 90), (40, 110, 90)])
    sheet = Image.new("RGB", (w, h), colour)
    draw = ImageDraw.Draw(sheet)
    draw.rounded_rectangle((w * 0.08, h * 0.36, w * 0.2, h * 0.52), w * 0.01, fill=(220, 196, 120))
    number = " ".join(f"{random.randrange(10000):04}" for _ in range(4))
    draw.text((w * 0.08, h * 0.08), "虚构银行 IMAGINARY BANK", font=font(face, h // 10), fill="white")
    draw.text(
        (w * 0.08, h * 0.6), f"{number} {random.randrange(1000):03}", font=font(face, h // 8), fill="white"
    )
    draw.text(
        (w * 0.08, h * 0.82), "有效期 VALID THRU 09/31   银联借记卡", font=font(face, h // 16), fill="white"
    )
    return sheet


def _form(width: int, height: int, face: Face, random: Random) -> Image.Image:
    """A typed application form: it has the card's labels, but not its layout."""
    person = invent(random)
    w, h = int(width * 0.72), int(height * 0.92)
    sheet = Image.new("RGB", (w, h), (250, 250, 246))
    rows = [
        "              报名登记表",
        f"姓名：{person.name}",
        f"性别：{person.sex}      民族：{person.ethnicity}",
        f"出生日期：{person.born.isoformat()}",
        f"家庭住址：{person.address}",
        f"身份证号：{person.number}",
        "联系电话：000-0000-0000",
        "申请理由：本人自愿报名参加志愿服务活动。",
        "签名：            日期：",
    ]
    _rows(sheet, rows, face, h // 14, max(9, h // 24), h // 10, w // 16)
    return sheet


def _vehicle_licence(width: int, _height: int, face: Face, random: Random) -> Image.Image:
    """A vehicle licence: the driving licence's cousin, with other fields."""
    person = invent(random)
    w = int(width * 0.8)
    h = int(w * 60 / 88)
    sheet = Image.new("RGB", (w, h), (238, 242, 236))
    rows = [
        "        中华人民共和国机动车行驶证",
        f"号牌号码  样A{random.randrange(100000):05}    车辆类型  小型轿车",
        f"所有人  {person.name}",
        f"住址  {person.address[:20]}",
        "使用性质  非营运    品牌型号  样例牌YL7000",
        f"车辆识别代号  LSAMPLE{random.randrange(10**10):010}",
        f"发动机号码  {random.randrange(10**7):07}",
        f"注册日期  {person.issued.isoformat()}   发证日期  {person.issued.isoformat()}",
    ]
    _rows(sheet, rows, face, h // 16, max(9, h // 16), h // 9, w // 20)
    return sheet


def _business_licence(width: int, height: int, face: Face, random: Random) -> Image.Image:
    person = invent(random)
    w, h = int(width * 0.85), int(height * 0.9)
    sheet = Image.new("RGB", (w, h), (252, 248, 236))
    rows = [
        "                营业执照",
        f"统一社会信用代码 91{random.randrange(10**15):015}X",
        "名称  虚构样例科技有限公司",
        "类型  有限责任公司",
        f"法定代表人  {person.name}",
        f"住所  {person.address}",
        "有效期限  2015-01-01 至 长期",
        "登记机关  清岚市市场监督管理局",
    ]
    _rows(sheet, rows, face, h // 12, max(9, h // 22), h // 9, w // 14)
    return sheet


def _name_card(width: int, _height: int, face: Face, random: Random) -> Image.Image:
    person = invent(random)
    w = int(width * 0.6)
    h = int(w * 0.6)
    sheet = Image.new("RGB", (w, h), (250, 250, 250))
    rows = [
        f"{person.name}  经理",
        "虚构样例贸易有限公司",
        f"地址：{person.address}",
        "电话：000-0000-0000",
        "sample@example.com",
    ]
    _rows(sheet, rows, face, h // 8, max(9, h // 16), h // 6, w // 12)
    return sheet


_MAKERS: Final[dict[str, Callable[[int, int, Face, Random], Image.Image]]] = {
    "bank_card": _bank_card,
    "form": _form,
    "vehicle_licence": _vehicle_licence,
    "business_licence": _business_licence,
    "name_card": _name_card,
}
NEGATIVES: Final = ("desk", "page", "empty", *_MAKERS)
