"""The provinces of GB/T 2260: an ID number's first two digits name one, and so does the address."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: First two digits of a region code to the province's short name (GB/T 2260-2007). Counties change
#: every year, and no package was found that still follows them; provinces have long stayed as they are.
PROVINCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "11": "北京", "12": "天津", "13": "河北", "14": "山西", "15": "内蒙古",
        "21": "辽宁", "22": "吉林", "23": "黑龙江",
        "31": "上海", "32": "江苏", "33": "浙江", "34": "安徽", "35": "福建", "36": "江西", "37": "山东",
        "41": "河南", "42": "湖北", "43": "湖南", "44": "广东", "45": "广西", "46": "海南",
        "50": "重庆", "51": "四川", "52": "贵州", "53": "云南", "54": "西藏",
        "61": "陕西", "62": "甘肃", "63": "青海", "64": "宁夏", "65": "新疆",
        "71": "台湾", "81": "香港", "82": "澳门",
    }
)  # fmt: skip
#: Residents of Hong Kong (81), Macau (82) and Taiwan (83) carry these codes in residence permits and may live
#: in any province, so their codes say nothing of the address.
_ANYWHERE: Final = frozenset({"71", "81", "82", "83"})


def province_of(address: str) -> str | None:
    """Return the two digits of the province that an address begins with, or None if it begins with none."""
    return next((code for code, name in PROVINCES.items() if address.startswith(name)), None)


def same_province(number: str, address: str) -> bool | None:
    """Tell whether an ID number and an address name the same province.

    Chongqing was part of Sichuan until 1997, and numbers given before that kept their 51.

    Returns
    -------
    bool or None
        None when nothing can be said: the number's province is none, or the address begins with none (many
        begin with a city).
    """
    code, lives = number[:2], province_of(address)
    if lives is None or code not in PROVINCES or code in _ANYWHERE:
        return None
    return code == lives or (code, lives) == ("51", "50")
