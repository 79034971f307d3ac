"""One clean card as people send it: marked for its purpose, copied, cropped, in a sleeve, on a screen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw
from tests.support.samples import effects
from tests.support.samples.fonts import MICROHEI, SANS, font
from tests.support.samples.mixed import ID_BACK, ID_FRONT, LICENCE, SIZES, MixedPicture, Table, size_of
from tests.support.samples.poses import Corners

from cardveil.card.model import Polygon
from cardveil_cli.samples.truth import CardTruth, Picture

_PURPOSES: Final = ("仅供办理租房使用", "仅供银行开户使用 他用无效", "仅供入职登记使用，复印无效")
_COLOURS: Final = {"red": (206, 48, 44), "grey": (120, 122, 128), "blue": (48, 84, 190)}
_SKINS: Final = ((224, 178, 150), (198, 146, 116), (150, 104, 80))
#: What is done to a picture of which the card's corners are known; ink that it hides goes with it.
Change = Callable[[MixedPicture, Corners, Random], MixedPicture]


def _watermarked(colour: str) -> Change:
    def change(sample: MixedPicture, corners: Corners, random: Random) -> MixedPicture:
        h, w = sample.picture.shape[:2]
        said = random.choice(_PURPOSES)
        wide = float(np.linalg.norm(corners[1] - corners[0]))
        type_ = font(SANS, round(wide * random.uniform(0.04, 0.065)))
        side = math.ceil(math.hypot(w, h))
        layer = Image.new("L", (side, side), 0)
        draw = ImageDraw.Draw(layer)
        strength = round(255 * random.uniform(0.2, 0.45))
        if random.random() < 0.5:  # one across the card
            x, y = corners.mean(axis=0) + np.array([side - w, side - h]) / 2
            draw.text((x, y), said, font=type_, fill=strength, anchor="mm")
        else:  # all over the picture, as apps put it
            row, step = round(wide * 0.3), round(type_.getlength(said) + wide * 0.15)
            for index, y in enumerate(range(0, side, row)):
                for x in range(-step * (index % 3) // 3, side, step):
                    draw.text((x, y), said, font=type_, fill=strength, anchor="lm")
        turn = random.choice((0, random.uniform(12, 32), random.uniform(12, 32)))
        layer = layer.rotate(turn, Image.Resampling.BICUBIC, center=(side / 2, side / 2))
        left, top = (side - w) // 2, (side - h) // 2
        share = np.asarray(layer.crop((left, top, left + w, top + h)), np.float32)[..., None] / 255
        ink = np.array(_COLOURS[colour], np.float32)
        return replace(sample, picture=np.asarray(sample.picture * (1 - share) + ink * share, np.uint8))

    return change


def _copied(*, pale: bool) -> Change:
    """A copying machine's: grey, too pale or too dark, with punched holes and the shadow of a staple."""

    def change(sample: MixedPicture, corners: Corners, random: Random) -> MixedPicture:
        grey = cv2.cvtColor(sample.picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if pale:
            grey = 255 - (255 - grey) * random.uniform(0.35, 0.6)
        else:
            grey = np.clip((grey - 128) * random.uniform(1.1, 1.5) + random.uniform(70, 100), 0, 255)
        noise = np.random.default_rng(random.randrange(2**32))
        grey = np.clip(grey + noise.normal(0, 6, grey.shape), 0, 255)
        picture = cv2.cvtColor(grey.astype(np.uint8), cv2.COLOR_GRAY2RGB)
        h, w = picture.shape[:2]
        free = max(8, int(corners[:, 0].min()) - 6)
        radius = max(3, min(free // 2, w // 60))
        for y in (0.3, 0.7):
            cv2.circle(picture, (free // 2, round(y * h)), radius, (30, 30, 30), -1)
        start = (random.randrange(4, max(6, w // 12)), random.randrange(4, max(6, h // 14)))
        cv2.line(picture, start, (start[0] + w // 40, start[1] + h // 60), (70, 70, 70), max(1, w // 400))
        return replace(sample, picture=picture)

    return change


def _cropped(into: tuple[float, float]) -> Change:
    """Cropped at the card's edges, or so many millimetres into them."""

    def change(sample: MixedPicture, corners: Corners, random: Random) -> MixedPicture:
        mm = float(np.linalg.norm(corners[1] - corners[0])) / 86
        left, top, right, bottom = (round(mm * random.uniform(*into)) for _ in range(4))
        h, w = sample.picture.shape[:2]
        x0, y0 = max(0, round(corners[:, 0].min()) + left), max(0, round(corners[:, 1].min()) + top)
        x1, y1 = min(w, round(corners[:, 0].max()) - right), min(h, round(corners[:, 1].max()) - bottom)
        return _cut(sample, x0, y0, x1, y1)

    return change


def _cut(sample: MixedPicture, x0: int, y0: int, x1: int, y1: int) -> MixedPicture:
    parts = (sample.picture, sample.ink, sample.letters)
    picture, ink, letters = (np.ascontiguousarray(part[y0:y1, x0:x1]) for part in parts)
    return replace(sample, picture=picture, ink=ink, letters=letters, cards=_moved(sample, -x0, -y0))


def _moved(sample: MixedPicture, dx: int, dy: int) -> dict[int, CardTruth]:
    """Return what a picture's cards say, after its top left has moved."""

    def moved(polygon: Polygon) -> Polygon:
        return Polygon.of((x + dx, y + dy) for x, y in polygon.points)

    return {
        number: replace(
            truth,
            corners=moved(truth.corners),
            fields=tuple(replace(field, polygon=moved(field.polygon)) for field in truth.fields),
        )
        for number, truth in sample.cards.items()
    }


def _screen(sample: MixedPicture, corners: Corners, random: Random) -> MixedPicture:
    """A screenshot of a phone that shows the picture, with its bars above and below."""
    del corners
    h, w = sample.picture.shape[:2]
    top, foot = round(w * random.uniform(0.3, 0.5)), round(w * random.uniform(0.3, 0.6))
    shade = random.choice((0, 18, 246, 255))
    size = (h + top + foot, w)
    picture = np.full((*size, 3), shade, np.uint8)
    picture[top : top + h] = sample.picture
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    ink, small = (20, 20, 20) if shade > 128 else (235, 235, 235), font(MICROHEI, max(10, w // 34))
    clock = f"{random.randrange(24):02}:{random.randrange(60):02}"
    for x, y, text, anchor in (
        (0.05, 0.25, clock, "lm"), (0.95, 0.25, "5G 87%", "rm"), (0.5, 0.7, "2021年3月2日 星期二", "mm"),
    ):  # fmt: skip
        draw.text((x * w, y * top), text, font=small, fill=ink, anchor=anchor)
    for x, text in ((0.15, "分享"), (0.38, "编辑"), (0.62, "删除"), (0.85, "更多")):
        draw.text((x * w, top + h + 0.5 * foot), text, font=small, fill=ink, anchor="mm")

    def framed(part: Picture) -> Picture:
        whole = np.zeros(size, np.uint8)
        whole[top : top + h] = part
        return whole

    return replace(
        sample,
        picture=np.asarray(image),
        ink=framed(sample.ink),
        letters=framed(sample.letters),
        cards=_moved(sample, 0, top),
    )


def _sleeved(sample: MixedPicture, corners: Corners, random: Random) -> MixedPicture:
    """A card in a sleeve of plastic: paler, a bright edge around it, streaks of light."""
    h, w = sample.picture.shape[:2]
    middle = corners.mean(axis=0)
    outer = (corners - middle) * random.uniform(1.04, 1.1) + middle
    shape = np.zeros((h, w), np.uint8)
    cv2.fillConvexPoly(shape, outer.astype(np.int32), 255)
    veil = (shape.astype(np.float32) / 255)[..., None] * random.uniform(0.08, 0.2)
    picture = np.asarray(sample.picture * (1 - veil) + 250 * veil, np.uint8)
    cv2.polylines(picture, [outer.astype(np.int32)], True, (232, 234, 238), max(1, w // 300), cv2.LINE_AA)
    for _ in range(random.randrange(1, 4)):
        a, b = (middle + np.array([random.uniform(-0.4, 0.4) * s for s in (w, h)]) for _ in "ab")
        streak = np.zeros((h, w), np.float32)
        cv2.line(streak, tuple(a.astype(int).tolist()), tuple(b.astype(int).tolist()), 1.0, max(2, w // 150))
        light = cv2.GaussianBlur(streak, (0, 0), w / 150)[..., None] * 0.5 * (shape[..., None] > 0)
        picture = np.asarray(picture + (255 - picture) * np.clip(light, 0, 1), np.uint8)
    return replace(sample, picture=picture)


def _moire(sample: MixedPicture, corners: Corners, random: Random) -> MixedPicture:
    """A photograph of a screen: its lines and the sensor's make waves of colour."""
    del corners
    h, w = sample.picture.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    picture = sample.picture.astype(np.float32)
    for channel in range(3):
        angle, period = random.uniform(0, math.pi), random.uniform(5, 40)
        wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / period + 0.004 * x)
        picture[..., channel] *= 1 + random.uniform(0.03, 0.09) * wave
    return replace(sample, picture=np.asarray(np.clip(picture, 0, 255), np.uint8))


def _held(sample: MixedPicture, corners: Corners, random: Random) -> MixedPicture:
    """A thumb over one of the card's edges; what it hides is seen by nobody."""
    mm = float(np.linalg.norm(corners[1] - corners[0])) / 86
    side = random.randrange(4)
    share = random.uniform(0.2, 0.8)
    at = corners[side] * (1 - share) + corners[(side + 1) % 4] * share
    inward = corners.mean(axis=0) - at
    inward = inward / np.linalg.norm(inward)
    tip = at + inward * mm * random.uniform(2, 9)
    picture, ink = sample.picture.copy(), sample.ink.copy()
    colour, base = random.choice(_SKINS), tip - inward * mm * 40
    mask = np.zeros(ink.shape, np.uint8)
    near, far = (tuple(p.astype(int).tolist()) for p in (tip - inward * mm * 8, base))
    cv2.line(mask, near, far, 255, round(mm * 16))
    shade = cv2.GaussianBlur(mask, (0, 0), mm * 2).astype(np.float32)[..., None] / 255
    picture = np.asarray(picture * (1 - 0.25 * shade), np.uint8)
    picture[mask > 0], ink[mask > 0] = colour, 0
    return replace(sample, picture=picture, ink=ink)


def _dazzling(strength: tuple[float, float]) -> Change:
    def change(sample: MixedPicture, corners: Corners, random: Random) -> MixedPicture:
        mm = float(np.linalg.norm(corners[1] - corners[0])) / 86
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        spot = (random.uniform(left, right), random.uniform(top, bottom))
        lit = effects.glaring(sample.picture, spot, mm * random.uniform(8, 16), random.uniform(*strength))
        return replace(sample, picture=lit)

    return change


#: Every way in which a card is seen.
SURROUNDINGS: Final[dict[str, Change]] = {
    "watermark_red": _watermarked("red"),
    "watermark_grey": _watermarked("grey"),
    "watermark_blue": _watermarked("blue"),
    "copy_pale": _copied(pale=True),
    "copy_dark": _copied(pale=False),
    "cropped_to_edges": _cropped((-0.6, 0.3)),
    "cropped_into_edges": _cropped((0.5, 2.6)),
    "screen": _screen,
    "sleeve": _sleeved,
    "moire": _moire,
    "finger": _held,
    "glare_weak": _dazzling((0.5, 0.7)),
    "glare_strong": _dazzling((0.9, 1.0)),
}


def make_surrounded(kind: str, seed: int, *, part: str = "test") -> MixedPicture:
    """Make one picture of one card; the same arguments always give the same.

    Parameters
    ----------
    kind : str
        A name of `SURROUNDINGS`.
    """
    random = Random(f"surroundings/{kind}/{seed}/{part}")
    table = Table(random, *random.choice(SIZES), part)
    card = random.choice((ID_FRONT, ID_BACK, LICENCE))
    copied, cropped = kind.startswith("copy"), kind.startswith("cropped")
    if copied:
        table.picture[:] = 246
    turn = 0.4 if cropped else 3 if copied else random.choice((4, 12))
    corners = table.place(
        (0.08, 0.05, 0.86, 0.9), size_of(card), turn=turn, share=random.uniform(0.45, 0.8),
        tilt=1 if cropped or copied else 15,
    )  # fmt: skip
    table.card(card, corners)
    return SURROUNDINGS[kind](table.photographed(kind, seed, range(80, 96, 3)), corners, random)
