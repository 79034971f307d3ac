"""HEIC files laid out as by iPhones, box by box: tiles, a grid, and pictures beside the primary one."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image
from tests.support.heif import STEPS

from cardveil.imaging.exif import minimal

#: Side of a tile; a phone's are 512.
TILE: Final = 128
_DEPTH: Final = b"urn:mpeg:hevc:2015:auxid:2\0"
_GAIN: Final = b"urn:com:apple:photo:2020:aux:hdrgainmap\0"


def iphone(
    image: Image.Image, *, orientation: int = 1, exif: int | None = None, canary: bytes = b""
) -> bytes:
    """Return a HEIC whose coded pixels are `image`, in tiles, with a thumbnail, depth, a gain map and EXIF.

    Parameters
    ----------
    orientation : int
        How ``irot`` and ``imir`` turn it, as EXIF numbers turns.
    exif : int, optional
        The turn that EXIF names.
    canary : bytes
        Stands in EXIF and XMP.
    """
    columns, rows = -(-image.width // TILE), -(-image.height // TILE)
    wide = Image.fromarray(
        np.pad(
            np.asarray(image),
            ((0, rows * TILE - image.height), (0, columns * TILE - image.width), (0, 0)),
            "edge",
        )
    )
    tiles = [
        _coded(wide.crop((x, y, x + TILE, y + TILE)))
        for y in range(0, wide.height, TILE)
        for x in range(0, wide.width, TILE)
    ]
    # What must never be taken for the picture: all of one colour each.
    beside = [_coded(Image.new("RGB", (96, 64), colour)) for colour in ("lime", "magenta", "cyan")]
    block = b"\0\0\0\6Exif\0\0" + minimal(exif or 1)[6:] + canary
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + canary + b"</x:xmpmeta>"
    count = len(tiles)
    grid, thumb, depth, gain, told, packet = range(count + 1, count + 7)
    turns = [_box(b"irot", bytes([STEPS[orientation][0]]))] if STEPS[orientation][0] else []
    if STEPS[orientation][1] is not None:
        turns.append(_box(b"imir", bytes([STEPS[orientation][1] or 0])))
    properties = [
        tiles[0][0], _ispe(TILE, TILE), _ispe(*image.size), _full(b"pixi", b"\3\x08\x08\x08"), *turns,
        beside[0][0], _ispe(96, 64), _full(b"auxC", _DEPTH), _full(b"auxC", _GAIN),
    ]  # fmt: skip
    first = 5 + len(turns)
    of_grid = [3, 4, *range(5, first)]
    small = [first, first + 1]
    uses = {
        **{number: [1, 2, 4] for number in range(1, count + 1)}, grid: of_grid, thumb: small,
        depth: [*small, first + 2], gain: [*small, first + 3],
    }  # fmt: skip
    kinds = {
        **dict.fromkeys(range(1, count + 1), b"hvc1"), grid: b"grid", thumb: b"hvc1", depth: b"hvc1",
        gain: b"hvc1", told: b"Exif", packet: b"mime",
    }  # fmt: skip
    layout = bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", *image.size)
    bodies = {
        **{number: body for number, (_, body) in enumerate(tiles, start=1)},
        **{thumb + number: body for number, (_, body) in enumerate(beside)}, told: block, packet: xmp,
    }  # fmt: skip
    refers = [
        _refers(b"dimg", grid, range(1, count + 1)), _refers(b"thmb", thumb, [grid]),
        _refers(b"auxl", depth, [grid]), _refers(b"auxl", gain, [grid]),
        _refers(b"cdsc", told, [grid]), _refers(b"cdsc", packet, [grid]),
    ]  # fmt: skip
    head = _box(b"ftyp", b"heic\0\0\0\0mif1MiHBheic")

    def meta(at: int) -> bytes:
        return _full(
            b"meta",
            _full(b"hdlr", bytes(4) + b"pict" + bytes(13))
            + _full(b"pitm", struct.pack(">H", grid))
            + _locations(bodies, grid, len(layout), at)
            + _full(
                b"iinf",
                struct.pack(">H", len(kinds)) + b"".join(_entry(*each, grid) for each in kinds.items()),
            )
            + _full(b"iref", b"".join(refers))
            + _box(b"iprp", _box(b"ipco", b"".join(properties)) + _uses(uses))
            + _box(b"idat", layout),
        )

    at = len(head) + len(meta(0)) + 8
    return head + meta(at) + _box(b"mdat", b"".join(bodies.values()))


def _coded(image: Image.Image) -> tuple[bytes, bytes]:
    """Return the box of a coded picture's settings, and the picture."""
    import pillow_heif

    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, quality=90)
    data = out.getvalue()
    at, body = data.index(b"hvcC") - 4, data.index(b"mdat") + 4
    return data[at : at + struct.unpack_from(">I", data, at)[0]], data[body:]


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + body)


def _ispe(width: int, height: int) -> bytes:
    return _full(b"ispe", struct.pack(">II", width, height))


def _entry(number: int, kind: bytes, grid: int) -> bytes:
    more = b"application/rdf+xml\0" if kind == b"mime" else b""
    # Tiles are hidden, and stand before the grid.
    return _full(b"infe", struct.pack(">HH4s", number, 0, kind) + b"\0" + more, 2, int(number < grid))


def _refers(kind: bytes, one: int, others: Sequence[int]) -> bytes:
    return _box(kind, struct.pack(f">HH{len(others)}H", one, len(others), *others))


def _uses(uses: dict[int, list[int]]) -> bytes:
    entries = [
        struct.pack(">HB", number, len(which)) + bytes(0x80 | each for each in which)
        for number, which in uses.items()
    ]
    return _full(b"ipma", struct.pack(">I", len(entries)) + b"".join(entries))


def _locations(bodies: dict[int, bytes], grid: int, layout: int, at: int) -> bytes:
    entries = [struct.pack(">HHHHII", grid, 1, 0, 1, 0, layout)]
    for number, body in bodies.items():
        entries.append(struct.pack(">HHHHII", number, 0, 0, 1, at, len(body)))
        at += len(body)
    return _full(b"iloc", b"\x44\0" + struct.pack(">H", len(entries)) + b"".join(entries), 1)
