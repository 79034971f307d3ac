"""Writes a line of text with glyphs of the package's own: bitmaps of ASCII and GB 2312, without FreeType."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

#: Points of a glyph's side, and bytes of its bitmap.
SIDE: Final = 32
_BYTES: Final = SIDE * SIDE // 8
#: Points that a space takes, and between letters that are not of full width.
_SPACE: Final = 10
_AIR: Final = 3


def can_write(text: str) -> bool:
    """Say whether there is a glyph for each character of a text."""
    return all(each == " " or each in _glyphs() for each in text)


def line(text: str) -> Image.Image:
    """Return a line of text as a mask (mode ``L``), `SIDE` points high.

    Raises
    ------
    ValueError
        For a character without a glyph.
    """
    from PIL import Image as Pillow

    glyphs: list[tuple[Image.Image | None, int]] = []
    for character in text:
        if character == " ":
            glyphs.append((None, _SPACE))
            continue
        bits = _glyphs().get(character)
        if bits is None:
            raise ValueError("a character has no glyph")
        glyph = Pillow.frombytes("1", (SIDE, SIDE), bits).convert("L")
        inked = glyph.getbbox()
        if character.isascii() and inked:
            glyph = glyph.crop((inked[0], 0, inked[2], SIDE))
            glyphs.append((glyph, glyph.width + _AIR))
        else:
            glyphs.append((glyph, SIDE))
    written = Pillow.new("L", (max(sum(width for _, width in glyphs), 1), SIDE))
    at = 0
    for glyph_or_none, width in glyphs:
        if glyph_or_none is not None:
            written.paste(glyph_or_none, (at, 0))
        at += width
    return written


@cache
def _glyphs() -> Mapping[str, bytes]:
    """Return the bitmaps by character; made by ``tools/watermark-glyphs``."""
    content = zlib.decompress(resources.files("cardveil.redaction").joinpath("glyphs.bin").read_bytes())
    count = int.from_bytes(content[:2], "big")
    known = content[2 : 2 + 2 * count].decode("utf-16-be")
    bitmaps = memoryview(content)[2 + 2 * count :]
    return {each: bytes(bitmaps[n * _BYTES : (n + 1) * _BYTES]) for n, each in enumerate(known)}
