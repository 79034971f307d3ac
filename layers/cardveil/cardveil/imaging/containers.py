"""PNG, BMP and WebP walked chunk by chunk: sizes, orientation, profile, and a copy without metadata."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass
from cardveil.imaging import exif
from cardveil.imaging.limits import Limits, corrupt, truncated, unsupported

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PNG_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_MOST_CHUNKS: Final = 20_000
# PNG 3, 11.3.2: gamma and chromaticities times 100,000 (white, red, green, blue; x, y).
_SRGB_GAMMA, _SAME_GAMMA = 45_455, 1_000
_SRGB_PRIMARIES: Final = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
_SAME_PRIMARY: Final = 1_000
# Red, green, blue and alpha: what Pillow's BmpImagePlugin decodes.
_BMP_MASKS: Final = {
    16: ((0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0)),
    24: ((0xFF0000, 0xFF00, 0xFF, 0),),
    32: (
        (0xFF0000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    ),
}
_LARGEST_PROFILE: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Contents:
    """What a container says, and its picture alone (`clean`: same format, no metadata, no trailer).

    `bits` is the depth of a sample; `lossy` says that a WebP's pixels are coded by VP8, `alpha` that pixels
    may be transparent; `gamma` is the exponent that makes a PNG's samples linear, where it is not sRGB's.
    """

    width: int
    height: int
    clean: bytes
    orientation: int = 1
    conflicting: bool = False
    profile: bytes | None = None
    bits: int = 8
    lossy: bool = False
    alpha: bool = False
    gamma: float | None = None


def read_png(data: bytes, limits: Limits) -> Contents:
    """Read a PNG's chunks.

    Raises
    ------
    Reject
        If the file is corrupt, truncated, animated or larger than `limits`.
    """
    kept, found = [PNG_SIGNATURE], dict[bytes, bytes]()
    plain, odd, texts, late = list[int](), list[int](), list[int](), False
    frames = list[bytes]()
    for kind, start, end in _png_chunks(data):
        body = data[start + 8 : end - 4] if kind != b"IDAT" else b""
        if kind == b"fdAT":
            raise _animated()
        if kind in (b"acTL", b"fcTL"):
            frames.append(body)
        if kind in _PNG_KEPT:
            kept.append(data[start:end])
        elif kind == b"eXIf":
            usual, unusual = exif.orientations(body.removeprefix(b"Exif\x00\x00"))
            # Some readers stop at the picture's data, some take the last block.
            (odd if late or plain else plain).extend(usual)
            odd += unusual
        elif kind in (b"iTXt", b"tEXt", b"zTXt"):
            texts += exif.text_orientations(kind, body)
        late = late or kind == b"IDAT"
        found.setdefault(kind, body)
    if not kept[1:] or kept[1][4:8] != b"IHDR" or len(found[b"IHDR"]) != 13:
        raise corrupt("the PNG does not begin with its header")
    width, height, depth, colour, *methods = struct.unpack(">IIBBBBB", found[b"IHDR"])
    if depth not in _PNG_DEPTHS.get(colour, ()) or methods[0] or methods[1] or methods[2] > 1:
        raise corrupt("the PNG's header is damaged")
    limits.check_size(width, height)
    if frames and not _is_still(frames, width, height):
        raise _animated()
    orientation, conflicting = exif.settle(plain, odd, texts)
    profile = _png_profile(found.get(b"iCCP", b""))
    alpha = colour in (4, 6) or b"tRNS" in found
    gamma = None if profile else _png_gamma(found)
    if depth == 16 and colour == 0 and (gamma is not None or alpha):
        raise unsupported("a grey PNG of 16 bits with a gamma or transparency of its own")
    return Contents(
        width,
        height,
        b"".join(kept),
        orientation,
        conflicting,
        profile,
        depth,
        alpha=alpha,
        gamma=gamma,
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
    frames: list[bytes] = []
    at = 12
    while at + 8 <= size + 8:
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > len(data):
            raise truncated()
        if kind == b"ANMF":
            frames.append(data[at + 8 : at + 8 + length])
        found.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length + (length & 1)
        if len(found) > 1000:
            raise corrupt("the WebP has too many chunks")
    extended = found.get(b"VP8X", b"")
    if frames:
        found |= _only_frame(frames, extended)
    width, height = _webp_size(found)
    if len(extended) >= 10 and (_u24(extended, 4) + 1, _u24(extended, 7) + 1) != (width, height):
        raise corrupt("the WebP's canvas and picture differ in size")
    limits.check_size(width, height)
    tiff = found.get(b"EXIF", b"")
    tiff = tiff[6:] if tiff.startswith(b"Exif\x00\x00") else tiff
    # Browsers do not look for an orientation in a WebP, other viewers do.
    named = [value for values in exif.orientations(tiff) for value in values] if tiff else []
    orientation, conflicting = exif.settle((), named, exif.xmp_orientations(found.get(b"XMP ", b"")))
    return Contents(
        width,
        height,
        _webp_clean(found, width, height),
        orientation,
        conflicting,
        found.get(b"ICCP"),
        lossy=b"VP8 " in found,
        alpha=b"ALPH" in found or found.get(b"VP8L", bytes(5))[4] & 0x10 != 0,
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
    if packing == 3 and not _known_masks(data, header, bits):
        raise unsupported("a BMP of this layout")
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


def _is_still(frames: Sequence[bytes], width: int, height: int) -> bool:
    """Say whether a PNG's animation is one frame, which is its picture: all readers show the same."""
    if len(frames) != 2 or len(frames[0]) != 8 or len(frames[1]) != 26:
        return False
    (count,) = struct.unpack_from(">I", frames[0])
    return count == 1 and struct.unpack_from(">4I", frames[1], 4) == (width, height, 0, 0)


def _only_frame(frames: Sequence[bytes], extended: bytes) -> dict[bytes, bytes]:
    """Return the chunks of the one frame of a WebP's animation, which fills its canvas."""
    frame = frames[0]
    if len(frames) > 1 or len(frame) < 16 or len(extended) < 10:
        raise _animated()
    if any(frame[:6]) or frame[6:12] != extended[4:10]:
        raise _animated()
    found: dict[bytes, bytes] = {}
    at = 16
    while at + 8 <= len(frame):
        length = int.from_bytes(frame[at + 4 : at + 8], "little")
        found.setdefault(frame[at : at + 4], frame[at + 8 : at + 8 + length])
        at += 8 + length + (length & 1)
    return found


def _png_gamma(found: dict[bytes, bytes]) -> float | None:
    """Return the exponent that makes samples linear, None where that is sRGB's.

    Raises
    ------
    Reject
        ``format_not_supported`` for primaries of its own: readers differ in whether they look at them.
    """
    if b"cICP" in found:
        # Primaries, transfer, matrix and range of sRGB (ITU-T H.273).
        if found[b"cICP"] != b"\x01\x0d\x00\x01":
            raise unsupported("a PNG with a colour space of its own")
        return None
    if b"sRGB" in found:
        return None
    primaries = found.get(b"cHRM", b"")
    if len(primaries) == 32 and any(
        abs(value - known) > _SAME_PRIMARY
        for value, known in zip(struct.unpack(">8I", primaries), _SRGB_PRIMARIES, strict=True)
    ):
        raise unsupported("a PNG with primaries of its own")
    gamma = found.get(b"gAMA", b"")
    value = int.from_bytes(gamma, "big") if len(gamma) == 4 else 0
    return None if value == 0 or abs(value - _SRGB_GAMMA) <= _SAME_GAMMA else 100_000 / value


def _known_masks(data: bytes, header: int, bits: int) -> bool:
    """Say whether a BMP's bit fields are among those that are decoded."""
    if len(data) < 66:
        return False
    colours = struct.unpack_from("<3I", data, 54)
    alpha = struct.unpack_from("<I", data, 66)[0] if header >= 56 and len(data) >= 70 else 0
    return (*colours, alpha) in _BMP_MASKS.get(bits, ())


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
