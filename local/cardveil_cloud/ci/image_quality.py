"""What the pixels of a found card say beyond its text: crops, sharpness, borders, glare, lack of colour."""

from __future__ import annotations

import base64
import io
import math
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cardveil.card.model import Polygon
from cardveil_cloud.ci.pictures import Picture

Pixels = NDArray[np.uint8]

#: ISO/IEC 7810 ID-1, the size of an ID card: 85.6 by 54.0 mm, here at ten pixels a millimetre.
CARD_SIZE: Final = (856, 540)
#: Extent of the second blur in `sharpness`, in pixels of the straightened card (Crete et al. 2007 use 9).
_BLUR_TAPS: Final = 9
_JPEG_QUALITY: Final = 90


def straighten(picture: Picture, outline: Polygon, size: tuple[int, int] = CARD_SIZE) -> Pixels:
    """Return what is inside `outline` as an upright RGB picture of `size` (width, height)."""
    width, height = size
    source = np.array(outline.points, dtype=np.float32)
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    flags = cv2.INTER_AREA if _longest(outline) > width else cv2.INTER_LINEAR
    straight = cv2.warpPerspective(picture.pixels, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(straight, dtype=np.uint8)


def crop(picture: Picture, polygon: Polygon) -> Pixels:
    """Return what is inside `polygon`, straightened, at the size it has in the picture."""
    top_left, top_right, bottom_right, bottom_left = polygon.points
    width = max(math.dist(top_left, top_right), math.dist(bottom_left, bottom_right))
    height = max(math.dist(top_left, bottom_left), math.dist(top_right, bottom_right))
    return straighten(picture, polygon, (max(1, round(width)), max(1, round(height))))


def base64_jpeg(pixels: Pixels) -> str:
    """Return a picture as the Base64 text of a JPEG file."""
    target = io.BytesIO()
    Image.fromarray(pixels, "RGB").save(target, "JPEG", quality=_JPEG_QUALITY)
    return base64.b64encode(target.getvalue()).decode("ascii")


def sharpness(card: Pixels) -> int:
    """Return 0 (blurred) to 100 (sharp) for a straightened card.

    The share of the variation between neighbouring pixels that a further blur takes away, after Crete et
    al., "The Blur Effect" (2007): a sharp picture loses much of it, a blurred one has none left to lose.
    """
    grey = cv2.cvtColor(card, cv2.COLOR_RGB2GRAY).astype(np.float32)
    kept = []
    for axis, taps in ((1, (_BLUR_TAPS, 1)), (0, (1, _BLUR_TAPS))):
        before = np.abs(np.diff(grey, axis=axis))
        after = np.abs(np.diff(cv2.blur(grey, taps), axis=axis))
        total = float(before.sum())
        lost = float(np.maximum(0.0, before - after).sum())
        kept.append(1.0 - lost / total if total else 1.0)
    return round(100 * (1.0 - max(kept)))


def share_outside(picture: Picture, outline: Polygon) -> float:
    """Return the share, 0 to 1, of a card's outline that lies outside the picture.

    Two hundredths of the card's longest side are allowed for, since the outline is an estimate.
    """
    slack = 0.02 * _longest(outline)
    corners = [*outline.points, outline.points[0]]
    outside = total = 0
    for (x0, y0), (x1, y1) in pairwise(corners):
        length = math.dist((x0, y0), (x1, y1))
        steps = max(1, round(length))
        for step in range(steps):
            x, y = x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps
            inside = -slack <= x <= picture.width + slack and -slack <= y <= picture.height + slack
            outside += not inside
            total += 1
    return outside / total


def colourless(card: Pixels) -> bool:
    """Whether a straightened card has no colour anywhere, as a photocopy has none."""
    lab = cv2.cvtColor(card, cv2.COLOR_RGB2LAB).astype(np.float32)
    chroma = np.hypot(lab[..., 1] - 128.0, lab[..., 2] - 128.0)
    return float(np.percentile(chroma, 98)) < 6.0


def glare(card: Pixels) -> float:
    """Return the share, 0 to 1, of a straightened card that is burnt out, as under a reflection.

    Smoothed over a millimetre, so that neither noise nor the ringing beside letters counts. White print in
    uneven light reaches 245.
    """
    return float(np.mean(cv2.blur(card, (9, 9)).min(axis=2) >= 250))


def _longest(outline: Polygon) -> float:
    corners = [*outline.points, outline.points[0]]
    return max(math.dist(a, b) for a, b in pairwise(corners))
