"""What a lens, a hand and bad light do to a picture."""

from __future__ import annotations

import math
from random import Random

import cv2
import numpy as np

from cardveil_cli.samples.truth import Picture


def blurred(picture: Picture, sigma: float) -> Picture:
    """Return the picture out of focus by `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def shaken(picture: Picture, length: int, angle: float) -> Picture:
    """Return the picture smeared over `length` pixels in a direction given in degrees."""
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    for t in np.linspace(-middle, middle, 4 * length):
        x = round(middle + t * math.cos(math.radians(angle)))
        y = round(middle + t * math.sin(math.radians(angle)))
        kernel[y, x] = 1
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)


def glaring(picture: Picture, centre: tuple[float, float], radius: float, strength: float) -> Picture:
    """Return the picture with a soft reflection, `strength` 0 to 1, about a point in pixels."""
    h, w = picture.shape[:2]
    y, x = np.ogrid[0:h, 0:w]
    spot = np.exp(-(((x - centre[0]) / radius) ** 2 + ((y - centre[1]) / (0.6 * radius)) ** 2)).astype(
        np.float32
    )
    light = picture + (255 - picture) * (strength * spot[..., None])
    return np.asarray(np.clip(light, 0, 255), np.uint8)


def darkened(picture: Picture, factor: float, grain: float, random: Random) -> Picture:
    """Return the picture underexposed by `factor`, with sensor noise of `grain` grey levels."""
    noise = np.random.default_rng(random.getrandbits(32))
    dark = picture.astype(np.float32) * factor
    dark += grain * noise.standard_normal(picture.shape, np.float32)
    return np.asarray(np.clip(dark, 0, 255), np.uint8)


def unevenly_lit(picture: Picture, random: Random) -> Picture:
    """Return the picture with light that falls off to one side, as every photograph has."""
    h, w = picture.shape[:2]
    angle = random.uniform(0, 2 * math.pi)
    y, x = np.ogrid[0:h, 0:w]
    ramp = (x / w - 0.5) * math.cos(angle) + (y / h - 0.5) * math.sin(angle)
    light = (1.0 - 0.18 * (ramp + 0.3)).astype(np.float32)
    return np.asarray(np.clip(picture * light[..., None], 0, 255), np.uint8)
