"""What other papers print, so that one of them is never taken for a card, nor missed beside one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from cardveil.card.layout import all_layouts, layout_of
from cardveil.card.model import CardType, Side

#: Titles and labels of papers that share fields with the cards, folded as `fold` folds. Residence permits,
#: household registers, temporary cards, permits of Hong Kong, Macao, Taiwan and foreign residents, passports,
#: second pages and copies (GA/T 1011, the Ministry of Public Security's published specimens, GA 482).
TITLES: Final = (
    "居住证", "暂住证", "户口", "常住人口", "户主", "登记卡", "临时居民身份证", "临时身份证", "港澳居民",
    "台湾居民", "往来内地", "往来大陆", "往来港澳", "往来台湾", "通行证", "永久居留", "居留许可", "护照",
    "passport", "residencepermit", "permanentresident", "identitycard", "签证", "副页", "副本", "档案编号",
    "行驶证", "号牌号码", "车辆识别代号", "vehiclelicense", "道路运输", "从业资格", "社会保障", "医疗保障",
    "营业执照", "统一社会信用代码", "结婚证", "离婚证", "出生医学证明", "残疾人证", "军官证", "士兵证",
    "警官证", "学生证", "工作证", "资格证书", "毕业证", "学位证", "不动产权", "准考证", "曾用名", "籍贯",
    "文化程度", "婚姻状况", "服务处所", "从事职业", "签发次数", "换证次数", "证件号码", "通行证号码",
    "解放军", "武装警察", "学习驾驶证明", "临时驾驶许可", "国际驾驶", "领取凭证", "受理回执", "登记单",
    "登记表", "居住地", "居住住址", "户籍地址", "士官证", "文职干部", "社会保障号码",
)  # fmt: skip
#: What each card says of itself, folded, of which one is always printed: where none is read, what looks like
#: the card may be another paper whose title was not seen.
OWN_NAMES: Final[Mapping[tuple[CardType, Side], str]] = MappingProxyType(
    {
        (CardType.ID_CARD, Side.FRONT): "公民身份号码",
        (CardType.ID_CARD, Side.BACK): "居民身份证",
        (CardType.DRIVER_LICENSE, Side.FRONT): "中华人民共和国机动车驾驶证",
    }
)
#: The same in English, below the Chinese title.
LICENCE_BELOW: Final = "drivinglicenseofthepeoplesrepublicofchina"
#: First two digits of the numbers in residence permits of people from Hong Kong, Macao and Taiwan (the State
#: Council's rules for these permits of 2018, article 3): no ID card has them. Licences of these people may.
SETTLERS: Final = ("81", "82", "83")
#: Those of a licence's second page, which lies beside the main page more often than not.
SECOND_PAGE: Final = frozenset({"副页", "档案编号"})
#: A label or title of fewer characters must be read exactly; of longer ones this share.
_EXACT, _ENOUGH = 4, 0.75


def fold(text: str) -> str:
    """Return a text as titles and labels are compared: width, case, spaces and signs do not matter."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).lower()


def named(rows: Iterable[str], names: Iterable[str] = TITLES) -> bool:
    """Say whether folded texts hold one of some names: if not told otherwise, of papers that are no cards."""
    names = tuple(names)
    return any(True for text in rows for name in names for _ in find(name, text))


def find(words: str, text: str) -> Iterator[int]:
    """Give each place in a folded text where a folded title or label stands, a misread character allowed.

    A misread character or two must not hide a title; three characters and fewer occur by chance.
    """
    if len(words) < _EXACT:
        yield from (match.start() for match in re.finditer(re.escape(words), text))
        return
    there = set(text)
    # Most texts share next to nothing with a title: they are told by this at once.
    if sum(character in there for character in words) < _ENOUGH * len(words):
        return
    start = 0
    while start + len(words) <= len(text):
        alike = sum(a == b for a, b in zip(words, text[start : start + len(words)], strict=True))
        if alike >= _ENOUGH * len(words):
            yield start
            start += len(words)
        else:
            start += 1


def labels_of(card_type: CardType, side: Side) -> tuple[str, ...]:
    """Return what is printed on every such card, folded, the longest first."""
    labels = {fold(label) for label in layout_of(card_type, side).labels}
    return tuple(sorted(labels, key=lambda label: (-len(label), label)))


def foreign_labels(card_type: CardType, side: Side) -> tuple[str, ...]:
    """Return the labels of the other cards that this one does not print, not even as part of another."""
    own = labels_of(card_type, side)
    others = {
        label
        for layout in all_layouts()
        if (layout.type, layout.side) != (card_type, side)
        for label in labels_of(layout.type, layout.side)
    }
    return tuple(
        sorted(other for other in others if len(other) >= 2 and not any(other in label for label in own))
    )
