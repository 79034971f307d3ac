"""The printed ground of each card: tinted paper with fine waves, and an invented emblem on the back."""

from __future__ import annotations

import math
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from cardveil.card.layout import CardLayout
from cardveil.card.model import CardType, Side


def paper_of(layout: CardLayout, scale: float, random: Random) -> Image.Image:
    """Return the empty card, RGB, `scale` pixels per millimetre."""
    width, height = round(layout.width * scale), round(layout.height * scale)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(scale)
    if layout.type is CardType.DRIVER_LICENSE:
        base, tint, wave = (244, 246, 240), (222, 236, 226), 0.03
    else:
        base, tint, wave = (232, 240, 246), (240, 226, 230), 0.055
    mix = np.clip((x / layout.width + y / layout.height) / 2 + random.uniform(-0.1, 0.1), 0, 1)[..., None]
    paper = (1 - mix) * np.array(base, np.float32) + mix * np.array(tint, np.float32)
    phase = random.uniform(0, 6)
    waves = np.sin(2.2 * x + 3 * np.sin(y * 0.35 + phase)) * np.sin(1.7 * y + 2 * np.sin(x * 0.2 + phase))
    paper *= 1 - wave * np.clip(waves - 0.5, 0, 1)[..., None] * np.array([1.6, 1.0, 0.8], np.float32)
    image = Image.fromarray(np.clip(paper, 0, 255).astype(np.uint8))
    if layout.type is CardType.DRIVER_LICENSE:
        _rules(image, layout, scale)
    elif layout.side is Side.BACK:
        _emblem(image, scale)
    return image


def _rules(image: Image.Image, layout: CardLayout, scale: float) -> None:
    """Draw the thin lines under a licence's values."""
    draw = ImageDraw.Draw(image)
    for name, zone in layout.fields.items():
        if name != "authority":
            y = round((zone.bottom + 0.4) * scale)
            draw.line(
                (zone.x * scale, y, zone.right * scale, y),
                fill=(150, 160, 156),
                width=max(1, round(0.12 * scale)),
            )


def _emblem(image: Image.Image, scale: float) -> None:
    """Draw a red rosette where the emblem stands; it is no state's."""
    draw = ImageDraw.Draw(image)
    cx, cy, r = 14.5 * scale, 15.5 * scale, 8.5 * scale
    draw.ellipse((cx - r, cy - r, cx + r, cy + r), outline=(206, 70, 62), width=max(2, round(0.9 * scale)))
    for i in range(12):
        a = i * math.pi / 6
        x, y = cx + 0.55 * r * math.cos(a), cy + 0.55 * r * math.sin(a)
        draw.ellipse((x - r * 0.2, y - r * 0.2, x + r * 0.2, y + r * 0.2), fill=(216, 92, 78))
    draw.ellipse((cx - r * 0.3, cy - r * 0.3, cx + r * 0.3, cy + r * 0.3), fill=(230, 176, 88))
