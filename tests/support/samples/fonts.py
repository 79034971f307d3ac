"""The fonts that cards are printed with; they come from Debian, and a missing one is named by its package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Final

from PIL import ImageFont

from cardveil.core.errors import Halt


@dataclass(frozen=True, slots=True)
class Face:
    """One face of a font file and the Debian package that holds it."""

    path: str
    index: int
    package: str


SANS: Final = Face("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2, "fonts-noto-cjk")
SANS_BOLD: Final = Face("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc", 2, "fonts-noto-cjk")
SERIF: Final = Face("/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc", 2, "fonts-noto-cjk")
SERIF_BOLD: Final = Face("/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc", 2, "fonts-noto-cjk")
ZENHEI: Final = Face("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0, "fonts-wqy-zenhei")
MICROHEI: Final = Face("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0, "fonts-wqy-microhei")
UMING: Final = Face("/usr/share/fonts/truetype/arphic/uming.ttc", 0, "fonts-arphic-uming")
UKAI: Final = Face("/usr/share/fonts/truetype/arphic/ukai.ttc", 0, "fonts-arphic-ukai")
DEJAVU: Final = Face("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 0, "fonts-dejavu-core")
#: As on real cards' numbers; not among `ALL_FACES`, since `free_typeface` does without it.
OCR_B: Final = Face("/usr/share/fonts/opentype/ocr-b/OCRB.otf", 0, "fonts-ocr-b")
ALL_FACES: Final = (SANS, SANS_BOLD, SERIF, SERIF_BOLD, ZENHEI, MICROHEI, UMING, UKAI, DEJAVU)


@dataclass(frozen=True, slots=True)
class Typeface:
    """What one card is printed with: labels, values, and digits of the number."""

    labels: Face
    values: Face
    digits: Face


#: Whoever tunes the recogniser sees the first kind only; results are reported on the second.
TYPEFACES: Final = {
    "tuning": (
        Typeface(SANS, SANS, SANS),
        Typeface(ZENHEI, ZENHEI, ZENHEI),
        Typeface(SANS, UMING, SANS_BOLD),
    ),
    "test": (
        Typeface(MICROHEI, MICROHEI, MICROHEI),
        Typeface(MICROHEI, SERIF, MICROHEI),
        Typeface(SERIF_BOLD, UKAI, SERIF_BOLD),
    ),
}

#: Faces that cards of any make mix freely, for labels, for values and for digits.
FREE_FACES: Final = {
    "tuning": (
        (SANS, ZENHEI, SERIF, SANS_BOLD),
        (SANS, ZENHEI, UMING, SERIF),
        (OCR_B, ZENHEI, DEJAVU, SANS_BOLD),
    ),
    "test": (
        (MICROHEI, SERIF_BOLD, UMING, MICROHEI),
        (MICROHEI, UKAI, SERIF_BOLD, MICROHEI),
        (OCR_B, MICROHEI, SANS, SERIF),
    ),
}


def free_typeface(part: str, random: Random) -> Typeface:
    """Return faces chosen apart from each other; OCR-B is DejaVu where it is not installed."""
    labels, values, digits = (random.choice(faces) for faces in FREE_FACES[part])
    return Typeface(labels, values, digits if Path(digits.path).is_file() else DEJAVU)


@lru_cache(maxsize=64)
def font(face: Face, size: int) -> ImageFont.FreeTypeFont:
    """Load a face at a size in pixels.

    Raises
    ------
    Halt
        ``font_missing``, naming the Debian package, when the file is not there.
    """
    if not Path(face.path).is_file():
        raise Halt(
            "font_missing", f"install the Debian package {face.package} (apt-get install {face.package})"
        )
    return ImageFont.truetype(face.path, size=size, index=face.index)


def missing_packages() -> tuple[str, ...]:
    """Return the Debian packages whose fonts are not installed."""
    return tuple(sorted({face.package for face in ALL_FACES if not Path(face.path).is_file()}))
