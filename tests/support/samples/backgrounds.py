"""What lies under the cards: desks, cloth, paper with text; procedural, split so that tests see others."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tests.support.samples.fonts import MICROHEI, SANS, Face, font

from cardveil_cli.samples.truth import Picture

_Ground = NDArray[np.float32]


def background(kind: str, width: int, height: int, random: Random) -> Picture:
    """Return a background, ``(height, width, 3)`` RGB.

    Parameters
    ----------
    kind
        A name of `KINDS`.
    """
    # Drawn at no more than 1600 pixels and enlarged: a desk has no finer detail worth its time.
    factor = min(1.0, 1600 / max(width, height))
    w, h = max(8, round(width * factor)), max(8, round(height * factor))
    noise = np.random.default_rng(random.getrandbits(32))
    ground = _MAKERS[kind](w, h, random, noise)
    picture = np.clip(ground, 0, 255).astype(np.uint8)
    return picture if factor == 1.0 else cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)


def _tinted(light: NDArray[np.floating[Any]], colour: tuple[int, int, int]) -> _Ground:
    return light[..., None].astype(np.float32) * np.array(colour, np.float32)


def _smooth(noise: np.random.Generator, w: int, h: int, cells_x: int, cells_y: int) -> _Ground:
    coarse = noise.random((cells_y, cells_x), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)


def _plain(w: int, h: int, random: Random, noise: np.random.Generator) -> _Ground:
    colour = random.choice([(206, 206, 200), (120, 124, 130), (60, 66, 74), (178, 160, 140)])
    light = 0.85 + 0.25 * _smooth(noise, w, h, 3, 3) + 0.02 * noise.standard_normal((h, w), np.float32)
    return _tinted(light, colour)


def _wood(w: int, h: int, random: Random, noise: np.random.Generator) -> _Ground:
    colour = random.choice([(172, 120, 74), (132, 88, 54), (206, 164, 116)])
    grain = _smooth(noise, w, h, 4, max(8, h // 6)) * 0.5 + _smooth(noise, w, h, 12, max(8, h // 3)) * 0.3
    return _tinted(0.68 + 0.5 * grain, colour)


def _paper(w: int, h: int, random: Random, noise: np.random.Generator) -> _Ground:
    return _written(w, h, random, SANS) + 3 * noise.standard_normal((h, w, 1), np.float32)


def _granite(w: int, h: int, random: Random, noise: np.random.Generator) -> _Ground:
    colour = random.choice([(150, 148, 150), (96, 98, 104), (190, 184, 176)])
    light = 0.7 + 0.3 * _smooth(noise, w, h, w // 8 + 2, h // 8 + 2) + 0.25 * _smooth(noise, w, h, 40, 30)
    return _tinted(light + 0.06 * noise.standard_normal((h, w), np.float32), colour)


def _cloth(w: int, h: int, random: Random, noise: np.random.Generator) -> _Ground:
    colour = random.choice([(96, 120, 168), (168, 92, 96), (92, 128, 104)])
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    weave = (
        0.08 * np.sin(x * 1.3) * np.sin(y * 1.3)
        + 0.14 * (np.sin(x / 17) > 0.6)
        + 0.1 * (np.sin(y / 17) > 0.6)
    )
    return _tinted(0.85 + weave + 0.2 * _smooth(noise, w, h, 4, 4), colour)


def _news(w: int, h: int, random: Random, noise: np.random.Generator) -> _Ground:
    return 0.92 * _written(w, h, random, MICROHEI) + 5 * noise.standard_normal((h, w, 1), np.float32)


_SENTENCES: Final = (
    "本通知自发布之日起施行，请各单位遵照执行。",
    "今日天气晴朗，适合外出散步与读书。",
    "会议将于下午三点在二楼会议室举行。",
    "图书馆新到一批科普读物，欢迎借阅。",
    "请妥善保管个人物品，注意防火防盗。",
    "第三季度销售额同比增长百分之八。",
    "Please keep this page for your records.",
    "Terms and conditions apply to all orders.",
    "合计金额：人民币叁佰贰拾元整",
)


def _written(w: int, h: int, random: Random, face: Face) -> _Ground:
    shade = random.randrange(228, 250)
    page = Image.new("RGB", (w, h), (shade, shade, shade - random.randrange(8)))
    draw = ImageDraw.Draw(page)
    size = max(9, h // random.randrange(28, 44))
    y = size
    while y < h - size:
        line = "".join(random.choice(_SENTENCES) for _ in range(w // (size * 12) + 1))
        draw.text((size, y), line, font=font(face, size), fill=(50, 50, 54))
        y += int(size * 1.7)
    return np.asarray(page).astype(np.float32)


_MAKERS: Final[dict[str, Callable[[int, int, Random, np.random.Generator], _Ground]]] = {
    "plain": _plain,
    "wood": _wood,
    "paper": _paper,
    "granite": _granite,
    "cloth": _cloth,
    "news": _news,
}

#: Backgrounds by part: whoever tunes sees the first kind only.
KINDS: Final = {"tuning": ("plain", "wood", "paper"), "test": ("granite", "cloth", "news")}
