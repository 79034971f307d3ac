"""From segments of lines to scored values, by closed vocabularies and the number's check digit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardveil.card import id_number
from cardveil.card.ethnicity import ETHNICITIES, ethnicity
from cardveil.card.model import Check
from cardveil.card.normalize import normalize
from cardveil_ocr import findings as codes
from cardveil_ocr.constrained_decoding import ALPHABETS, alternatives, likeliest, spell
from cardveil_ocr.lines import Glyph
from cardveil_ocr.segments import NUMBERS, Segment, in_rows

#: Below this score a field is reported as `findings.LOW_SCORE`.
LOW: Final = 80.0
#: How many characters they have (GB 11643-1999).
_CHARACTERS: Final = 18
#: How the names of the authorities that issue these cards end.
_AUTHORITY_ENDS: Final = (
    "公安局交通警察支队",
    "公安局交通警察总队",
    "公安局交通警察大队",
    "公安局交通巡逻警察支队",
    "公安厅交通警察总队",
    "公安局交通管理局",
    "公安局公安交通管理局",
)
#: What the name of every authority that issues licences has in it.
_AUTHORITY_WORDS: Final = ("公安", "交通", "交警", "车辆管理", "车管")
#: Traditional forms that the model sometimes reads for the simplified ones that cards print: in surnames (the
#: first character of a name only, since given names may be in traditional form), and in addresses.
_SURNAMES: Final = dict(
    zip(
        "張劉陳楊趙黃吳孫馬羅鄭謝韓馮蕭許鄧蘇盧蔣葉閻鍾陸譚鄒賈龍萬錢湯龔嚴歐諸藍",
        "张刘陈杨赵黄吴孙马罗郑谢韩冯萧许邓苏卢蒋叶阎钟陆谭邹贾龙万钱汤龚严欧诸蓝",
        strict=True,
    )
)
_PLACES: Final = str.maketrans(
    "號區縣鄉鎮樓單棟組園莊灣門東陽廣華龍橋關溝嶺風雲濱鐵馬黃蘇遼寧慶貴陝瀋漢濟鄭長樂興會義蘭紅綠數書圖",
    "号区县乡镇楼单栋组园庄湾门东阳广华龙桥关沟岭风云滨铁马黄苏辽宁庆贵陕沈汉济郑长乐兴会义兰红绿数书图",
)
#: A seal's text has more characters than this; its columns stand apart by this share of their width.
_SEAL, _COLUMN = 8, 0.5
#: A repaired number must be this many times likelier than the next that would pass the check.
_CLEARLY: Final = 4.0
#: A number whose every digit is as sure as this is what is printed, right or not.
_SURE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Value:
    """A field's value; `trusted` means that a check proves it whole."""

    text: str | None = None
    normalized: str | None = None
    score: float | None = None
    checks: tuple[Check, ...] = ()
    findings: tuple[str, ...] = ()
    trusted: bool = False


def value_of(name: str, segments: Sequence[Segment]) -> Value:
    """Read one field from the segments in its zone."""
    rows = [segment for row in in_rows(segments) for segment in row]
    if not rows:
        return Value(findings=(codes.FIELD_MISSING,))
    if name in NUMBERS:
        return _number(rows)
    if name == "ethnicity":
        return _ethnicity(rows)
    text = "".join(segment.text for segment in rows)
    ps = [segment.line.glyphs[i].p for segment in rows for i in range(segment.first, segment.last + 1)]
    if name in ALPHABETS:
        text, ps = _spelled(name, rows, text, ps)
    score = score_of(ps)
    folded = text
    if name in ("address", "authority"):
        folded = text.translate(_PLACES)
    elif name == "name" and text:
        folded = _SURNAMES.get(text[0], text[0]) + text[1:]
    if folded != text:
        text, score = folded, min(score, 90.0)
    if name == "authority":
        text, score = _authority(text, score)
        if score < LOW and len(down := _down_columns(rows).translate(_PLACES)) > _SEAL:
            other, sure = _authority(down, min(score_of(ps), 90.0))
            if sure > score:
                text, score = other, sure
    return _judged(text, normalize(name, text), score)


def _authority(text: str, score: float) -> tuple[str, float]:
    """Put right the end of an authority's name, if all but one or two characters of a known end were read."""
    best = min(_AUTHORITY_ENDS, key=lambda end: _distance(text[-len(end) :], end) / len(end))
    kept = min(
        range(max(0, len(text) - len(best) - 2), len(text)),
        key=lambda k: (_distance(text[k:], best), -k),
        default=0,
    )
    distance = _distance(text[kept:], best)
    if 0 < distance <= len(best) // 4 and kept >= 2:
        return text[:kept] + best, min(score, 85.0)
    # A row of a seal that was not found at all leaves a text that looks sure and is not.
    return text, score if text.endswith((*_AUTHORITY_ENDS, "公安局", "分局")) else min(score, 75.0)


def of_a_seal(value: Value) -> Value:
    """Return a seal's value, without its text where that is no authority's name: rows and columns mix."""
    if value.text is None or any(word in value.text for word in _AUTHORITY_WORDS):
        return value
    return Value(findings=(codes.SEAL_UNREAD,))


def _down_columns(rows: Sequence[Segment]) -> str:
    """Read a seal's characters down its columns, from the right: many seals are cut so."""
    glyphs = [glyph for s in rows for glyph in s.line.glyphs[s.first : s.last + 1]]
    if not glyphs:
        return ""
    step = float(np.median([s.box.width / (s.last - s.first + 1) for s in rows]))
    columns: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda glyph: -glyph.x):
        if columns and columns[-1][-1].x - glyph.x < _COLUMN * step:
            columns[-1].append(glyph)
        else:
            columns.append([glyph])
    return "".join(glyph.text for column in columns for glyph in sorted(column, key=lambda glyph: glyph.y))


def _distance(one: str, other: str) -> int:
    """Return how many characters must be put in, left out or replaced to make one text the other."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


def score_of(ps: Sequence[float]) -> float:
    """Return a score from 0 to 100: the least sure character counts for most."""
    return round(100 * (0.7 * min(ps) + 0.3 * float(np.mean(ps))), 1) if ps else 0.0


def _judged(text: str, normal: str | None, score: float, checks: tuple[Check, ...] = ()) -> Value:
    found = []
    if normal is None:
        # What has no normal form was misread, whatever the model thinks of it.
        score = min(score, 50.0)
        found.append(codes.VALUE_UNREADABLE)
    if score < LOW:
        found.append(codes.LOW_SCORE)
    return Value(text, normal, score, checks, tuple(found))


def _spelled(name: str, rows: Sequence[Segment], text: str, ps: list[float]) -> tuple[str, list[float]]:
    """Read again with the field's own characters, if that gives a value and the free reading does not."""
    if normalize(name, text) is not None and set(text) <= set(ALPHABETS[name]):
        return text, ps
    read = [spell(segment.line.strip, *segment.steps, ALPHABETS[name]) for segment in rows]
    closed = "".join(r.text for r in read)
    if normalize(name, closed) is None:
        return text, ps
    return closed, [p for r in read for p in r.ps]


def _ethnicity(rows: Sequence[Segment]) -> Value:
    text = "".join(segment.text for segment in rows)
    ps = [segment.line.glyphs[i].p for segment in rows for i in range(segment.first, segment.last + 1)]
    known = ethnicity(text)
    if known is not None:
        return _judged(known if known + "族" != text else text, known, score_of(ps))
    segment = max(rows, key=lambda s: s.last - s.first)
    word, share = likeliest(segment.line.strip, *segment.steps, ETHNICITIES)
    if share < 0.5:
        return _judged(text, None, score_of(ps))
    return _judged(word, word, min(90.0, round(100 * share, 1)))


def _number(rows: Sequence[Segment]) -> Value:
    alphabet = ALPHABETS["id_number"]
    read = [spell(segment.line.strip, *segment.steps, alphabet) for segment in rows]
    text, ps = "".join(r.text for r in read), [p for r in read for p in r.ps]
    if id_number.is_valid(text):
        # One misreading in eleven passes the check: an unsure character still lowers the score.
        value = _judged(
            text, text, max(score_of(ps), 100 - 60 * (1 - min(ps))), id_number.inspect(text).checks
        )
        return Value(value.text, text, value.score, value.checks, value.findings, trusted=True)
    repaired = _repaired(rows, [r.steps for r in read], text) if len(text) == _CHARACTERS else None
    free = "".join(segment.text for segment in rows)
    if repaired is None and (len(text) != _CHARACTERS or min(ps) < _SURE):
        repaired = id_number.repair(free)
    if repaired is not None:
        checks = id_number.inspect(repaired).checks
        return Value(repaired, repaired, 70.0, checks, (codes.NUMBER_REPAIRED, codes.LOW_SCORE))
    # Cards of today have 18 characters: what was read as 15 is a number of which three were not read.
    normal = normalize("id_number", text) if len(text) == _CHARACTERS else None
    checks = (Check("id_number_check_digit", False),) if normal is None else id_number.inspect(normal).checks
    return Value(
        text or free, normal, min(score_of(ps), 40.0), checks, (codes.CHECK_DIGIT_FAILED, codes.LOW_SCORE)
    )


def _repaired(rows: Sequence[Segment], steps: Sequence[tuple[int, ...]], text: str) -> str | None:
    """Replace one character by another that the model thought possible, if just one such number is likely."""
    places = [(segment, step) for segment, own in zip(rows, steps, strict=True) for step in own]
    found: list[tuple[float, str]] = []
    for i, (segment, step) in enumerate(places):
        options = alternatives(segment.line.strip, step, ALPHABETS["id_number"])
        here = next(p for p, character in options if character == text[i])
        for p, character in options:
            candidate = text[:i] + character + text[i + 1 :]
            if character != text[i] and p > 1e-4 and id_number.is_valid(candidate):
                found.append((p / max(here, 1e-6), candidate))
    found.sort(reverse=True)
    if not found or (len(found) > 1 and found[0][0] < _CLEARLY * found[1][0]):
        return None
    return found[0][1] if found[0][0] > 0.01 else None
