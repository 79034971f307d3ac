"""Whether a copy shows or holds anything but what it may: uncovered cells, segments and chunks."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

from cardveil.card.geometry import signed_area
from cardveil.core.errors import Reject, proof_failed
from cardveil.core.frozen import dataclass
from cardveil.imaging import exif, jpeg, jpeg_copy
from cardveil.redaction.grid import Cover, Outline, Outlines, is_convex, union

_ICC: Final = b"ICC_PROFILE\x00"
_ADOBE: Final = frozenset(b"Adobe\x00\x64\x00\x00\x00\x00" + bytes([transform]) for transform in (0, 1, 2))
_PICTURE_SEGMENTS: Final = {
    jpeg.DQT: "DQT",
    jpeg.DHT: "DHT",
    jpeg.SOS: "SOS",
    0xC0: "SOF",
    0xC1: "SOF",
}
_BMP_HEADERS: Final = 14 + 40
#: Pixels between the lines on which uncovered cells are held against the places that may be seen.
_LINES: Final = 8
#: Pixels by which the two ways may differ.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Expected:
    """What a copy may say: its stored size in pixels, its orientation and its profile."""

    width: int
    height: int
    orientation: int
    profile: bytes | None


def build_jpeg(encoded: bytes, expected: Expected) -> bytes:
    """Put a JPEG together: fixed JFIF, orientation and profile where needed, and an encoder's picture.

    Raises
    ------
    Review
        ``proof_failed`` if the encoder wrote a segment that nobody asked for.
    """
    kept = [b"\xff\xd8"]
    tail = len(encoded)
    jfif, rest = False, list[bytes]()
    for part in jpeg.segments(encoded):
        if part.marker == jpeg.APP0 and part.body[:5] == b"JFIF\x00":
            jfif = True
        elif part.marker == jpeg.SOS:
            tail = part.start
        elif part.marker in _PICTURE_SEGMENTS or (part.marker == jpeg.APP14 and part.body in _ADOBE):
            rest.append(encoded[part.start : part.end])
        else:
            raise proof_failed("the encoder wrote a segment that was not asked for")
    if jfif:
        kept.append(jpeg_copy.JFIF)
    if expected.orientation != 1:
        kept.append(_segment(jpeg.APP1, exif.minimal(expected.orientation)))
    if expected.profile is not None:
        kept.append(_segment(jpeg.APP2, _ICC + b"\x01\x01" + expected.profile))
    return b"".join([*kept, *rest, memoryview(encoded)[tail:]])


def check(data: bytes, format_: str, expected: Expected) -> tuple[str, ...]:
    """Hold a written copy against what it may contain.

    Returns
    -------
    tuple of str
        The names of the segments or chunks found, each once.

    Raises
    ------
    Review
        ``proof_failed``, naming the check.
    """
    names, size = {"jpeg": _jpeg, "png": _png, "webp": _webp, "bmp": _bmp, "tiff": _tiff}[format_](
        data, expected
    )
    if size != (expected.width, expected.height):
        raise proof_failed("the copy has another size than its source")
    return tuple(dict.fromkeys(names))


def check_hidden(cover: Cover, shown: Outlines) -> None:
    """Hold the cells that stay visible against the places that may be seen.

    A second way to the answer that `grid.cover` gives: windows are cut by their sides' half-planes, along
    lines across each row of cells.

    Raises
    ------
    Review
        ``proof_failed`` if a cell reaches beyond the union of those places.
    """
    grid = cover.grid
    windows = [
        (min(y for _, y in each) - _ROUNDING, max(y for _, y in each) + _ROUNDING, _sides(each))
        for each in shown
        if is_convex(each)
    ]
    for row, runs in enumerate(cover.rows):
        left = [0, *(min(last * grid.cell_width, grid.width) for _, last in runs)]
        right = [*(first * grid.cell_width for first, _ in runs), grid.width]
        visible = [(a, b) for a, b in zip(left, right, strict=True) if a < b]
        top, bottom = row * grid.cell_height, min((row + 1) * grid.cell_height, grid.height)
        for y in (*range(top, bottom, _LINES), bottom) if visible else ():
            spans = union(_along(sides, y) for first, last, sides in windows if first <= y <= last)
            for start, end in visible:
                if not any(a <= start and end <= b for a, b in spans):
                    raise proof_failed("something stays visible that is not shown")


def _sides(window: Outline) -> list[tuple[float, float, float]]:
    """Return the half-planes whose intersection a convex window is: ``a · x + b · y + c ≥ 0``."""
    turn = math.copysign(1.0, signed_area(window))
    return [
        (turn * (y0 - y1), turn * (x1 - x0), turn * ((y1 - y0) * x0 - (x1 - x0) * y0))
        for (x0, y0), (x1, y1) in zip(window, (*window[1:], window[0]), strict=True)
    ]


def _along(sides: Sequence[tuple[float, float, float]], y: float) -> tuple[float, float]:
    """Return the part of a horizontal line on the inner side of all sides; it may end before it begins."""
    low, high = -math.inf, math.inf
    for a, b, c in sides:
        if a > 0:
            low = max(low, -(b * y + c) / a)
        elif a < 0:
            high = min(high, -(b * y + c) / a)
    return low - _ROUNDING, high + _ROUNDING


Found = tuple[list[str], tuple[int, int]]


def _jpeg(data: bytes, expected: Expected) -> Found:
    names, size, oriented, coloured, scan = ["SOI"], (0, 0), 1, None, 0
    for part in jpeg.segments(data):
        body, name = part.body, _PICTURE_SEGMENTS.get(part.marker, "")
        if part.marker == jpeg.APP0 and data[part.start : part.end] == jpeg_copy.JFIF:
            name = "JFIF"
        elif part.marker == jpeg.APP14 and body in _ADOBE:
            name = "Adobe"
        elif part.marker == jpeg.APP1 and body == exif.minimal(expected.orientation):
            name, oriented = "EXIF (orientation)", expected.orientation
        elif part.marker == jpeg.APP2 and body[:14] == _ICC + b"\x01\x01":
            name, coloured = "ICC", body[14:]
        elif name == "SOF":
            size = (int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"))
        elif name == "SOS":
            scan = part.end
        if not name:
            raise proof_failed("the copy holds a segment that is not its picture's")
        names.append(name)
    if oriented != expected.orientation or coloured != expected.profile:
        raise proof_failed("the copy lost its orientation or its profile")
    if jpeg_copy.next_marker(data, scan) != len(data) - 2:
        raise proof_failed("the copy holds something beside its picture")
    if data[-2:] != b"\xff\xd9":
        raise proof_failed("the copy does not end where its picture ends")
    return [*names, "EOI"], size


def _png(data: bytes, expected: Expected) -> Found:
    names, at, size = list[str](), 8, (0, 0)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind not in (b"IHDR", b"IDAT", b"IEND") and not (kind == b"iCCP" and expected.profile is not None):
            raise proof_failed("the copy holds a chunk that is not its picture's")
        if kind == b"IHDR":
            size = struct.unpack_from(">II", data, at + 8)
        names.append(kind.decode("ascii"))
        at += 12 + length
    if at != len(data) or names[-1:] != ["IEND"] or (expected.profile is not None) != ("iCCP" in names):
        raise proof_failed("the copy does not end where its picture ends")
    return names, size


def _webp(data: bytes, expected: Expected) -> Found:
    names, at, size = list[str](), 12, (0, 0)
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", data, at + 9)
            size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        elif kind not in (b"VP8X", b"ICCP") or expected.profile is None:
            raise proof_failed("the copy holds a chunk that is not its picture's")
        if kind == b"ICCP" and data[at + 8 : at + 8 + length] != expected.profile:
            raise proof_failed("the copy has another profile than expected")
        names.append(kind.decode("ascii"))
        at += 8 + length + (length & 1)
    if at != len(data) or int.from_bytes(data[4:8], "little") + 8 != len(data):
        raise proof_failed("the copy does not end where its picture ends")
    return names, size


def _bmp(data: bytes, _expected: Expected) -> Found:
    total, gap, offset, header, width, height, _, bits = struct.unpack_from("<IIIIiiHH", data, 2)
    pixels = (width * bits + 31) // 32 * 4 * height
    if header != 40 or gap or offset != _BMP_HEADERS + (1024 if bits == 8 else 0):
        raise proof_failed("the copy holds something beside its picture")
    if total != len(data) or offset + pixels != len(data):
        raise proof_failed("the copy does not end where its picture ends")
    return ["BMP"], (width, height)


def _tiff(data: bytes, expected: Expected) -> Found:
    from cardveil.imaging import tiff

    try:
        pages = tiff.parsed(data)
        # What is written again from its pictures alone is the same: there is nothing else in it.
        same = len(pages) == 1 and tiff.write(pages, expected.profile) == data
    except (Reject, struct.error):
        raise proof_failed("the copy cannot be read") from None
    if not same:
        raise proof_failed("the copy holds a tag that is not its picture's")
    return ["TIFF", *(["ICC"] if expected.profile is not None else [])], tiff.size_of(pages[0])


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
