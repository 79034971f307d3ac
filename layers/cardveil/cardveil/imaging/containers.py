"""PNG, BMP and WebP walked chunk by chunk: sizes, orientation, profile, and a copy without metadata."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass
from cardveil.imaging import exif
from cardveil.imaging.limits import Limits, corrupt, truncated, unsupported

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PNG_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_MOST_CHUNKS: Final = 20_000
_LARGEST_PROFILE: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Contents:
    """What a container says, and its picture alone (`clean`: same format, no metadata, no trailer).

    `bits` is the depth of a sample; `lossy` says that a WebP's pixels are coded by VP8.
    """

    width: int
    height: int
    clean: bytes
    orientation: int = 1
    conflicting: bool = False
    profile: bytes | None = None
    bits: int = 8
    lossy: bool = False


def read_png(data: bytes, limits: Limits) -> Contents:
    """Read a PNG's chunks.

    Raises
    ------
    Reject
        If the file is corrupt, truncated, animated or larger than `limits`.
    """
    kept, found, pieces = [PNG_SIGNATURE], dict[bytes, bytes](), list[bytes]()
    for kind, start, end in _png_chunks(data):
        if kind in (b"acTL", b"fdAT"):
            raise _animated()
        if kind in _PNG_KEPT:
            kept.append(data[start:end])
        elif kind in (b"iTXt", b"tEXt", b"zTXt"):
            pieces.append(data[start + 8 : end - 4][:65536])
        if kind not in (b"IDAT",):
            found.setdefault(kind, data[start + 8 : end - 4])
    if not kept[1:] or kept[1][4:8] != b"IHDR" or len(found[b"IHDR"]) != 13:
        raise corrupt("the PNG does not begin with its header")
    width, height, depth, colour, *methods = struct.unpack(">IIBBBBB", found[b"IHDR"])
    if depth not in _PNG_DEPTHS.get(colour, ()) or methods[0] or methods[1] or methods[2] > 1:
        raise corrupt("the PNG's header is damaged")
    limits.check_size(width, height)
    tiff, texts = found.get(b"eXIf", b""), b"\n".join(pieces)
    # Some writers hide EXIF in a text chunk that some readers look for: such a file is read differently by
    # both.
    hidden = b"Raw profile type" in texts
    orientation, conflicting = exif.settle(exif.orientations(tiff), exif.xmp_orientations(texts))
    return Contents(
        width,
        height,
        b"".join(kept),
        orientation,
        conflicting or hidden,
        _png_profile(found.get(b"iCCP", b"")),
        depth,
    )


def read_webp(data: bytes, limits: Limits) -> Contents:
    """Read a WebP's chunks.

    Raises
    ------
    Reject
        If the file is corrupt, truncated, animated or larger than `limits`.
    """
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise truncated()
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= size + 8:
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > len(data):
            raise truncated()
        if kind in (b"ANIM", b"ANMF"):
            raise _animated()
        found.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length + (length & 1)
        if len(found) > 1000:
            raise corrupt("the WebP has too many chunks")
    extended = found.get(b"VP8X", b"")
    if extended[:1] and extended[0] & 2:
        raise _animated()
    width, height = _webp_size(found)
    if len(extended) >= 10 and (_u24(extended, 4) + 1, _u24(extended, 7) + 1) != (width, height):
        raise corrupt("the WebP's canvas and picture differ in size")
    limits.check_size(width, height)
    tiff = found.get(b"EXIF", b"")
    tiff = tiff[6:] if tiff.startswith(b"Exif\x00\x00") else tiff
    orientation, conflicting = exif.settle(
        exif.orientations(tiff), exif.xmp_orientations(found.get(b"XMP ", b""))
    )
    return Contents(
        width,
        height,
        _webp_clean(found, width, height),
        orientation,
        conflicting,
        found.get(b"ICCP"),
        lossy=b"VP8 " in found,
    )


def read_bmp(data: bytes, limits: Limits) -> Contents:
    """Read a BMP's headers.

    Raises
    ------
    Reject
        If the file is corrupt, truncated, compressed in an unusual way, or larger than `limits`.
    """
    if len(data) < 26:
        raise truncated()
    offset, header = struct.unpack_from("<I", data, 10)[0], struct.unpack_from("<I", data, 14)[0]
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        packing = 0
    elif header in (40, 52, 56, 64, 108, 124) and len(data) >= 14 + header:
        width, height, _, bits, packing = struct.unpack_from("<iiHHI", data, 18)
    else:
        raise corrupt("the BMP's header is damaged")
    if packing not in (0, 1, 2, 3):
        raise unsupported("a BMP of this compression")
    if bits not in (1, 2, 4, 8, 16, 24, 32):
        raise corrupt("the BMP's header is damaged")
    height = abs(height)
    limits.check_size(width, height)
    if packing in (0, 3) and offset + (width * bits + 31) // 32 * 4 * height > len(data):
        raise truncated()
    # Pillow reads no metadata from a BMP (it has none but a density and a profile, both left behind).
    return Contents(width, height, data)


def _animated() -> Reject:
    return Reject("picture_animated", "upload a still picture, not an animation")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = len(PNG_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(data):
            raise truncated()
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise truncated()
        yield kind, at, end
        if kind == b"IEND":
            return
        at = end
    raise corrupt("the PNG has too many chunks")


def _png_profile(body: bytes) -> bytes | None:
    _, found, rest = body.partition(b"\x00")
    if not found or not rest.startswith(b"\x00"):
        return None
    try:
        return zlib.decompressobj().decompress(rest[1:], _LARGEST_PROFILE)
    except zlib.error:
        return None


def _webp_size(found: dict[bytes, bytes]) -> tuple[int, int]:
    lossy, lossless = found.get(b"VP8 ", b""), found.get(b"VP8L", b"")
    if len(lossy) >= 10 and lossy[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", lossy, 6)
        return width & 0x3FFF, height & 0x3FFF
    if len(lossless) >= 5 and lossless[0] == 0x2F:
        (bits,) = struct.unpack_from("<I", lossless, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise corrupt("the WebP holds no picture")


def _webp_clean(found: dict[bytes, bytes], width: int, height: int) -> bytes:
    body = b"WEBP"
    if b"ALPH" in found and b"VP8 " in found:
        sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        body += _riff(b"VP8X", b"\x10\x00\x00\x00" + sizes) + _riff(b"ALPH", found[b"ALPH"])
    kind = b"VP8 " if b"VP8 " in found else b"VP8L"
    body += _riff(kind, found[kind])
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)


def _u24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")
