"""The 56 recognised ethnicities (GB/T 3304-1991): a closed list puts right what was read in another form."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

#: Name as printed on an ID card (without 族), to its romanised forms: GB/T 3304's first, then others in use.
ETHNICITIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "汉": ("Han",),
        "蒙古": ("Mongol", "Mongolian", "Menggu"),
        "回": ("Hui",),
        "藏": ("Zang", "Tibetan"),
        "维吾尔": ("Uygur", "Uyghur", "Uighur", "Weiwuer"),
        "苗": ("Miao",),
        "彝": ("Yi",),
        "壮": ("Zhuang",),
        "布依": ("Buyei", "Bouyei", "Buyi"),
        "朝鲜": ("Chosen", "Korean", "Chaoxian"),
        "满": ("Man", "Manchu"),
        "侗": ("Dong",),
        "瑶": ("Yao",),
        "白": ("Bai",),
        "土家": ("Tujia",),
        "哈尼": ("Hani",),
        "哈萨克": ("Kazak", "Kazakh", "Hasake"),
        "傣": ("Dai",),
        "黎": ("Li",),
        "傈僳": ("Lisu",),
        "佤": ("Va", "Wa"),
        "畲": ("She",),
        "高山": ("Gaoshan",),
        "拉祜": ("Lahu",),
        "水": ("Sui", "Shui"),
        "东乡": ("Dongxiang",),
        "纳西": ("Naxi", "Nakhi"),
        "景颇": ("Jingpo", "Kachin"),
        "柯尔克孜": ("Kirgiz", "Kyrgyz", "Kirghiz", "Keerkezi"),
        "土": ("Tu", "Monguor"),
        "达斡尔": ("Daur", "Dawoer"),
        "仫佬": ("Mulao", "Mulam"),
        "羌": ("Qiang",),
        "布朗": ("Blang", "Bulang"),
        "撒拉": ("Salar", "Sala"),
        "毛南": ("Maonan",),
        "仡佬": ("Gelao",),
        "锡伯": ("Xibe", "Sibe", "Xibo"),
        "阿昌": ("Achang",),
        "普米": ("Pumi", "Primi"),
        "塔吉克": ("Tajik", "Tajike"),
        "怒": ("Nu",),
        "乌孜别克": ("Uzbek", "Ozbek", "Wuzibieke"),
        "俄罗斯": ("Russ", "Russian", "Eluosi"),
        "鄂温克": ("Ewenki", "Evenki", "Ewenke"),
        "德昂": ("Deang",),
        "保安": ("Bonan", "Baoan"),
        "裕固": ("Yugur", "Yugu"),
        "京": ("Gin", "Jing", "Kinh"),
        "塔塔尔": ("Tatar", "Tataer"),
        "独龙": ("Derung", "Dulong"),
        "鄂伦春": ("Oroqen", "Orochen", "Elunchun"),
        "赫哲": ("Hezhen", "Hezhe", "Nanai"),
        "门巴": ("Monba", "Menba"),
        "珞巴": ("Lhoba", "Luoba"),
        "基诺": ("Jino", "Jinuo"),
    }
)

#: Traditional and variant forms that occur in these names, to the form in the standard.
_VARIANTS: Final = str.maketrans(
    "漢維爾壯鮮滿瑤薩東鄉納頗達錫烏別羅溫龍倫門諾畬獨鄂儂麗藴彜",
    "汉维尔壮鲜满瑶萨东乡纳颇达锡乌别罗温龙伦门诺畲独鄂侬丽蕴彝",
)


def ethnicity(text: str) -> str | None:
    """Return the standard name, e.g. ``汉`` for ``漢族`` or ``Han``; None if it is none of the 56."""
    # Not by a pattern: Python needs two milliseconds to compile a range as wide as this.
    letters = (each for each in text if "\u3400" <= each <= "\u9fff" or (each.isascii() and each.isalpha()))
    folded = "".join(letters).translate(_VARIANTS)
    for name in (folded, folded.removesuffix("族")):
        if name in ETHNICITIES:
            return name
    words = folded.lower()
    for ending in ("ethnicity", "ethnicgroup", "nationality", "zu"):
        if words not in _romanised():
            words = words.removesuffix(ending)
    return _romanised().get(words)


@lru_cache(maxsize=1)
def _romanised() -> Mapping[str, str]:
    return {form.lower(): name for name, forms in ETHNICITIES.items() for form in forms}
