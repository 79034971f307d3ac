"""Samples beyond a JPEG's edge: blocks are whole, and a lossless crop can leave text there."""

from __future__ import annotations

import ctypes
import io
from collections.abc import Sequence
from typing import Final

from cardveil.imaging import jpeg, turbojpeg
from cardveil.imaging.jpeg import JpegHeader
from cardveil.imaging.turbojpeg import Step

_SIDE: Final = 8
_BLOCK: Final = 2 * _SIDE * _SIDE
#: Where each step of a quantisation table in zigzag order stands in its 8 × 8 square (ITU-T T.81, figure 5).
_ZIGZAG: Final = sorted(
    range(64), key=lambda at: (at // 8 + at % 8, at // 8 if (at // 8 + at % 8) % 2 else at % 8)
)

#: By plane and row of blocks: ``(first block, coefficients)`` of blocks that reach beyond the picture.
Edges = dict[tuple[int, int], list[tuple[int, bytes]]]


def edge_blocks(strip: bytes, header: JpegHeader) -> Edges:
    """Make the blocks at one edge of a JPEG anew from those of their samples that are shown.

    What lies beyond the edge becomes a repetition of the last row or column, as encoders fill it. There is no
    telling whether the source's own filling was that: quantisation blurs the difference, so that any
    threshold would let something pass.

    Parameters
    ----------
    strip : bytes
        A JPEG of the last row or the last column of MCUs, cut out of a file with `header`.
    header : JpegHeader
        Of the whole file.

    Returns
    -------
    Edges
        In the whole file's coordinates, with its quantisation. Nothing of a plane whose last block ends where
        the plane does.

    Raises
    ------
    TurboError
        If the strip cannot be decoded.
    """
    at, width, height = _frame(strip)
    mcu_width, mcu_height = header.mcu
    whole_width, whole_height = -(-width // mcu_width) * mcu_width, -(-height // mcu_height) * mcu_height
    patched = strip[:at] + whole_height.to_bytes(2, "big") + whole_width.to_bytes(2, "big") + strip[at + 4 :]
    planes = turbojpeg.decode_planes(patched, [(c.horizontal, c.vertical) for c in header.components])
    bottom = height == header.height % mcu_height and width == header.width
    found: Edges = {}
    for index, ((samples, stride), component) in enumerate(zip(planes, header.components, strict=True)):
        # Samples of this plane that are shown, in the strip and left of and above it.
        across = -(-width * component.horizontal * _SIDE // mcu_width)
        down = -(-height * component.vertical * _SIDE // mcu_height)
        left = (header.width - width) * component.horizontal * _SIDE // mcu_width
        above = (header.height - height) * component.vertical * _SIDE // mcu_height
        if not (down if bottom else across) % _SIDE:
            continue
        rows = [_filled(samples[stride * y : stride * y + across]) for y in range(down)]
        rows += [rows[-1]] * (-down % _SIDE)
        first_row = len(rows) - _SIDE if bottom else 0
        first_column = 0 if bottom else len(rows[0]) - _SIDE
        cut = [row[first_column:] for row in rows[first_row:]]
        for number, line in enumerate(_encoded(cut, component.steps)):
            place = index, (above + first_row) // _SIDE + number
            found.setdefault(place, []).append(((left + first_column) // _SIDE, line))
    return found


def _filled(line: bytes) -> bytes:
    """Return a line of samples with its last one repeated to the end of its block."""
    return line + line[-1:] * (-len(line) % _SIDE)


def _encoded(rows: Sequence[bytes], steps: Sequence[int]) -> list[bytes]:
    """Return the coefficients of one plane's samples, a row of blocks each."""
    from PIL import Image

    table = [step for _, step in sorted(zip(_ZIGZAG, steps, strict=True))]
    out = io.BytesIO()
    Image.frombytes("L", (len(rows[0]), len(rows)), b"".join(rows)).save(out, "JPEG", qtables=[table])
    lines: list[bytes] = []

    def read(address: int, blocks: int, _row: int, _component: int) -> None:
        lines.append(ctypes.string_at(address, _BLOCK * blocks))

    turbojpeg.transform(out.getvalue(), [Step(read, output=False)])
    return lines


def _frame(strip: bytes) -> tuple[int, int, int]:
    """Return the offset of the height in the frame header, and the strip's width and height."""
    for part in jpeg.segments(strip):
        if part.marker in (0xC0, 0xC1):
            height, width = int.from_bytes(part.body[1:3], "big"), int.from_bytes(part.body[3:5], "big")
            return part.end - len(part.body) + 1, width, height
    raise ValueError("a strip has no frame")
