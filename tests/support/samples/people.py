"""Invented holders of invented cards; no province, city or region code here exists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from cardveil.card.ethnicity import ETHNICITIES
from cardveil.card.id_number import check_digit

_SURNAMES: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
_DOUBLE_SURNAMES: Final = ("欧阳", "司马", "诸葛", "上官", "慕容")
_GIVEN: Final = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰萍红鹏飞鑫宇晨浩然子轩梓涵雨欣佳怡思源文博志远"
)
#: Characters that are rare in running text but occur in names.
_RARE: Final = "翀赟骉湉翾堃喆璟珺淼垚龑玥璐瑄"
_LONG_NAMES: Final = ("阿依古丽·买买提", "迪丽努尔·艾合买提", "古丽巴哈尔·吐尔逊", "才仁旺姆", "巴特尔")

_PROVINCES: Final = ("星河省", "望海省", "云泽省", "青禾省", "松涛省", "明湖自治区")
_CITIES: Final = ("清岚市", "鹭屿市", "枫谷市", "白桦市", "梧鸣市", "碧湾市", "雁栖市", "柳溪市")
_DISTRICTS: Final = ("明月区", "东篱区", "南亭区", "望岳县", "春申县", "锦屏区", "石榴区")
_STREETS: Final = (
    "桂花街道",
    "梅园路",
    "听涛路",
    "和平镇",
    "杏林大街",
    "松风巷",
    "桃源乡",
    "书香路",
    "人民路",
)
_PLACES: Final = ("幸福里小区", "金色家园", "向阳村", "梧桐苑", "滨江花园", "柳树屯")


@dataclass(frozen=True, slots=True)
class Person:
    """Everything that may be printed on the three sides."""

    name: str
    sex: str
    ethnicity: str
    born: date
    address: str
    number: str
    authority: str
    issued: date
    expires: date | None
    first_licence: date
    licence_authority: str
    vehicle_class: str
    licence_expires: date | None
    rare: bool


def invent(random: Random, *, rare: bool = False) -> Person:
    """Invent a holder.

    The region code begins with 99, which GB/T 2260 gives to no province; the check digit is right.

    Parameters
    ----------
    rare
        Whether the given name is to hold a rare character.
    """
    female = random.random() < 0.5
    born = date(1945, 1, 1) + timedelta(days=random.randrange(365 * 60))
    sequence = random.randrange(1, 500) * 2 - (0 if female else 1)
    first17 = f"99{random.randrange(1, 99):02}{random.randrange(1, 99):02}{born:%Y%m%d}{sequence:03}"
    city, district, province = random.choice(_CITIES), random.choice(_DISTRICTS), random.choice(_PROVINCES)
    issued = date(2008, 1, 1) + timedelta(days=random.randrange(365 * 16))
    term = random.choice((5, 10, 20, 20, 0))
    first_licence = _years_on(born, 18 + random.randrange(20)) + timedelta(days=random.randrange(300))
    return Person(
        name=_name(random, rare=rare),
        sex="女" if female else "男",
        ethnicity="汉" if random.random() < 0.7 else random.choice(sorted(ETHNICITIES)),
        born=born,
        address=_address(random, province, city, district),
        number=first17 + check_digit(first17),
        authority=f"{city}公安局{district}分局" if district.endswith("区") else f"{district}公安局",
        issued=issued,
        expires=_years_on(issued, term) if term else None,
        first_licence=first_licence,
        licence_authority=f"{province}{city}公安局交通警察支队",
        vehicle_class=random.choice(("C1", "C1", "C2", "B2", "A2", "A1A2", "C1D", "A2D", "B1B2")),
        licence_expires=_years_on(issued, 10) if random.random() < 0.85 else None,
        rare=rare,
    )


def _name(random: Random, *, rare: bool) -> str:
    if not rare and random.random() < 0.08:
        return random.choice(_LONG_NAMES)
    surname = random.choice(_DOUBLE_SURNAMES) if random.random() < 0.05 else random.choice(_SURNAMES)
    given = random.choice(_RARE) if rare else random.choice(_GIVEN)
    return surname + given + (random.choice(_GIVEN) if random.random() < 0.65 else "")


def _address(random: Random, province: str, city: str, district: str) -> str:
    address = province + city + district + random.choice(_STREETS)
    if random.random() < 0.6:
        address += random.choice(_PLACES)
    address += f"{random.randrange(1, 400)}号"
    if random.random() < 0.5:
        address += f"{random.randrange(1, 30)}栋{random.randrange(1, 5)}单元"
        address += f"{random.randrange(1, 30)}{random.randrange(1, 5):02}室"
    return address


def _years_on(day: date, years: int) -> date:
    return day.replace(year=day.year + years, day=min(day.day, 28))
