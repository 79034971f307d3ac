"""Rows and columns beyond a JPEG's edge: blocks are whole, and a crop can leave text there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cardveil.imaging import jpeg, turbojpeg
from cardveil.imaging.jpeg import JpegHeader

#: Mean difference (levels of 255) between a hidden stretch of eight samples and the picture's last line
#: beside it. Encoders repeat the last line; what quantisation then adds stayed below 25 on sharp text from
#: quality 30 to 98, and hidden text, sharp or blurred, gave 32 to 151. A picture that is wrongly suspected is
#: only redacted by its pixels instead.
THRESHOLD: Final = 28.0


def holds_hidden_content(strip: bytes, header: JpegHeader) -> bool:
    """Say whether the MCUs of one edge hold more than a continuation of the picture.

    Parameters
    ----------
    strip : bytes
        A JPEG of the last row or the last column of MCUs, cut out of a file with `header`.
    header : JpegHeader
        Of the whole file.
    """
    at, width, height = _frame(strip)
    mcu_width, mcu_height = header.mcu
    whole_width, whole_height = -(-width // mcu_width) * mcu_width, -(-height // mcu_height) * mcu_height
    patched = strip[:at] + whole_height.to_bytes(2, "big") + whole_width.to_bytes(2, "big") + strip[at + 4 :]
    planes = turbojpeg.decode_planes(patched, [(c.horizontal, c.vertical) for c in header.components])
    bottom = height == header.height % mcu_height and width == header.width
    for (samples, stride), component in zip(planes, header.components, strict=True):
        # Visible samples of this plane, and where its last visible block ends.
        visible_w = -(-width * component.horizontal * 8 // mcu_width)
        visible_h = -(-height * component.vertical * 8 // mcu_height)
        if bottom:
            lines = [
                samples[stride * y : stride * y + visible_w]
                for y in range(visible_h - 1, _to_block(visible_h))
            ]
        else:
            lines = [
                samples[x : stride * visible_h : stride] for x in range(visible_w - 1, _to_block(visible_w))
            ]
        if _differs(lines):
            return True
    return False


def _differs(lines: Sequence[bytes]) -> bool:
    edge, *beyond = lines
    if not beyond or all(line == edge for line in beyond):
        return False
    totals = [0] * len(edge)
    for line in beyond:
        totals = [total + abs(a - b) for total, a, b in zip(totals, line, edge, strict=True)]
    bound = THRESHOLD * len(beyond)
    return any(
        sum(totals[start : start + 8]) > bound * len(totals[start : start + 8])
        for start in range(0, len(totals), 8)
    )


def _to_block(samples: int) -> int:
    return -(-samples // 8) * 8


def _frame(strip: bytes) -> tuple[int, int, int]:
    """Return the offset of the height in the frame header, and the strip's width and height."""
    for part in jpeg.segments(strip):
        if part.marker in (0xC0, 0xC1):
            height, width = int.from_bytes(part.body[1:3], "big"), int.from_bytes(part.body[3:5], "big")
            return part.end - len(part.body) + 1, width, height
    raise ValueError("a strip has no frame")
