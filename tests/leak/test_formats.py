"""Whatever viewers show is taken and looks the same outside the cover, or is refused by its name."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cardveil.card.model import Polygon
from cardveil.core.errors import CardveilError, Reject, Review
from cardveil.redaction import inspect, redact, upright_copy

BOX = Polygon.box(30, 30, 60, 50)
#: Where nothing is covered: the margin, the cells and a pixel of interpolated colour are left out.
OUTSIDE = (slice(0, 96), slice(100, 160))


def _pixels(kit: Any) -> Any:
    return kit.noise(3, 160, 96)


def _seen(data: bytes) -> Any:
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    return shown[..., ::-1].astype(int)


def _second(data: bytes) -> int:
    """Return where a JPEG's second segment begins."""
    return 4 + int.from_bytes(data[4:6], "big")


def _without_tables(data: bytes) -> bytes:
    out, at = data[:2], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        out += b"" if data[at + 1] == 0xC4 else data[at:end]
        at = end
    return out + data[at:]


#: By name: what is done to a JPEG that decoders pass over.
HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "two bytes between": lambda d: d[: _second(d)] + bytes(2) + d[_second(d) :],
    "sixteen bytes between": lambda d: (
        d[: _second(d)] + b"ABCDEFGH\x00\x01\x02\x03\x04\x05\x06\x07" + d[_second(d) :]
    ),
    "a zero for an FF": lambda d: d[: _second(d)] + b"\x00\xe1\x00\x06ABCD" + d[_second(d) :],
    "a stuffed byte between": lambda d: d[: _second(d)] + b"\xff\x00" + d[_second(d) :],
    "fill bytes": lambda d: d[: _second(d)] + b"\xff\xff\xff" + d[_second(d) :],
    "a zero before the end": lambda d: d[:-2] + bytes(1) + d[-2:],
    "zeros before the end": lambda d: d[:-2] + bytes(40) + d[-2:],
    "three thousand comments": lambda d: d[:2] + b"\xff\xfe\x00\x03x" * 3000 + d[2:],
    "a motion picture's frame": _without_tables,
}


@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("name", HARMLESS)
def test_what_decoders_pass_over_is_passed_over(kit: Any, name: str, progressive: bool) -> None:
    if progressive and name == "a motion picture's frame":
        return  # there is no such thing
    pixels = _pixels(kit)
    # The tables of the standard, as a motion picture has them.
    source = HARMLESS[name](kit.jpeg(pixels, progressive=progressive))
    copy = redact(inspect(source), kit.region(BOX))
    assert copy.path == "coefficients"
    assert (_seen(copy.data)[OUTSIDE] == _seen(source)[OUTSIDE]).all()
    assert _seen(copy.data)[20:60, 20:70].max() <= 3
    # The pixel path takes the same.
    assert (kit.decoded(upright_copy(inspect(source), max_bytes=10**6).data) == kit.decoded(source)).all()


@pytest.mark.parametrize("name", HARMLESS)
def test_the_pixel_path_passes_over_it_as_well(kit: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = HARMLESS[name](kit.jpeg(_pixels(kit), "4:1:1"))
    copy = redact(inspect(source), kit.region(BOX))
    assert copy.path == "pixels"
    assert abs(_seen(copy.data)[OUTSIDE] - _seen(source)[OUTSIDE]).mean() < 3


def test_bytes_before_the_end_that_are_no_zeros_are_damage(kit: Any) -> None:
    source = kit.jpeg(_pixels(kit))
    with pytest.raises(Reject, match="picture_corrupt"):
        redact(inspect(source[:-2] + b"\x37\x51\x12\x99\x37\x51\x12\x99" + source[-2:]), kit.region(BOX))


@pytest.mark.parametrize("size", [(160, 93), (152, 88), (149, 96)])
@pytest.mark.parametrize("sampling", ["4:2:0", "4:2:2"])
def test_a_grey_jpeg_of_any_sampling_is_covered_where_it_should_be(
    kit: Any, sampling: str, size: tuple[int, int]
) -> None:
    """One plane is no matter of sampling: its blocks follow each other (ITU-T T.81, A.2.2)."""
    grey = Image.fromarray(_pixels(kit)[: size[1], : size[0], 0])
    source = kit.pillow(grey, "JPEG", subsampling=sampling, quality=92)
    assert source[source.index(b"\xff\xc0") + 11] in (0x22, 0x21)
    copy = redact(inspect(source), kit.region(BOX))
    assert copy.path == "coefficients"
    outside = (slice(0, 80), slice(100, 144))
    assert (_seen(copy.data)[outside] == _seen(source)[outside]).all()
    assert _seen(copy.data)[20:60, 20:70].max() <= 3


# Bit fields
# -----------------------------------------------------------------------------------------------------


def _bmp(pixels: Any, masks: tuple[int, ...], bits: int, alpha: Any = 0, header: int = 124) -> bytes:
    """Write a BMP with bit fields: red, green, blue, alpha."""
    height, width = pixels.shape[:2]
    packed = np.zeros((height, width), np.uint32)
    for channel, mask in zip((pixels[..., 0], pixels[..., 1], pixels[..., 2], alpha), masks, strict=False):
        if mask:
            shift = (mask & -mask).bit_length() - 1
            top = mask >> shift
            packed |= (np.asarray(channel, np.uint32) * top // 255) << np.uint32(shift)
    rows = packed[::-1].astype("<u4" if bits == 32 else "<u2").tobytes()
    fields = struct.pack("<4I", *masks) if header > 40 else struct.pack("<3I", *masks[:3])
    info = (
        struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, 3, len(rows), 2835, 2835, 0, 0) + fields
    )
    info = info.ljust(max(header, 52 if header == 40 else 0), b"\x00")
    offset = 14 + len(info)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + info + rows


USUAL = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


@pytest.mark.parametrize(
    ("masks", "bits", "header", "alpha"),
    [
        (USUAL, 32, 124, 0),
        (USUAL, 32, 108, 0),
        (USUAL, 32, 124, 255),
        ((*USUAL[:3], 0), 32, 124, 0),
        ((*USUAL[:3], 0), 32, 40, 0),
        ((0xF800, 0x7E0, 0x1F, 0), 16, 40, 0),
        ((0x7C00, 0x3E0, 0x1F, 0), 16, 124, 0),
    ],
)
def test_bit_fields_look_the_same(
    kit: Any, masks: tuple[int, ...], bits: int, header: int, alpha: int
) -> None:
    pixels = _pixels(kit)
    source = _bmp(pixels, masks, bits, np.full(pixels.shape[:2], alpha), header)
    copy = redact(inspect(source), kit.region(BOX))
    off = abs(_seen(copy.data)[OUTSIDE] - pixels[OUTSIDE])
    assert off.max() <= (0 if bits == 32 else 9)
    shown = kit.decoded(upright_copy(inspect(source), max_bytes=10**6).data)
    assert abs(shown[OUTSIDE].astype(int) - pixels[OUTSIDE]).mean() < 12


def test_bit_fields_that_viewers_show_differently_are_refused_by_name(kit: Any) -> None:
    pixels = _pixels(kit)
    mixed = _bmp(pixels, USUAL, 32, np.tile(np.arange(160), (96, 1)))
    odd = _bmp(pixels, (0x3FF00000, 0xFFC00, 0x3FF, 0), 32)
    for source in (mixed, odd):
        with pytest.raises(Reject, match="format_not_supported"):
            redact(inspect(source), kit.region(BOX))


# Tones and transparency
# -----------------------------------------------------------------------------------------------------


def _with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_linear_samples_look_the_same(kit: Any, mode: str) -> None:
    """What viewers show of 179 in linear light is what they show of 217 without a gamma (IEC 61966-2-1)."""
    image = Image.new("RGB", (160, 96), (179, 55, 128))
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    source = _with_chunk(kit.pillow(image, "PNG"), b"gAMA", struct.pack(">I", 100_000))
    copy = redact(inspect(source), kit.region(BOX))
    expected = [217, 128, 188] if mode != "L" else _encoded(float(np.asarray(image)[0, 0]))
    assert abs(_seen(copy.data)[OUTSIDE] - expected).max() <= 1
    shown = kit.decoded(upright_copy(inspect(source), max_bytes=10**6).data).astype(int)
    assert abs(shown[OUTSIDE] - expected).max() <= 6


def _encoded(value: float) -> int:
    linear = value / 255
    return int(255 * (1.055 * float(linear ** (1 / 2.4)) - 0.055) + 0.5)


@pytest.mark.parametrize(
    "chunks",
    [
        {b"gAMA": struct.pack(">I", 45_455)},
        {b"gAMA": struct.pack(">I", 100_000), b"sRGB": b"\x00"},
        {b"cICP": b"\x01\x0d\x00\x01", b"gAMA": struct.pack(">I", 100_000)},
        {b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)},
    ],
)
def test_samples_that_are_srgb_stay(kit: Any, chunks: dict[bytes, bytes]) -> None:
    source = kit.pillow(Image.fromarray(_pixels(kit)), "PNG")
    for kind, body in chunks.items():
        source = _with_chunk(source, kind, body)
    assert (_seen(redact(inspect(source), kit.region(BOX)).data)[OUTSIDE] == _pixels(kit)[OUTSIDE]).all()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"cICP", b"\x09\x10\x00\x01"),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)),
    ],
)
def test_colour_spaces_that_readers_differ_on_are_refused_by_name(kit: Any, kind: bytes, body: bytes) -> None:
    source = _with_chunk(kit.pillow(Image.fromarray(_pixels(kit)), "PNG"), kind, body)
    with pytest.raises(Reject, match="format_not_supported"):
        inspect(source)


def _on_nothing(kit: Any, ink: tuple[int, int, int], name: str = "PNG") -> bytes:
    """Draw digits of one colour on a transparent ground whose hidden colour is the ink's own."""
    drawn = kit.digits("4930", 1, noise=0)
    image = Image.new("RGBA", (240, 80), (*ink, 0))
    image.putalpha(Image.fromarray(np.where(drawn[..., 0] < 140, 255, 0).astype(np.uint8)))
    options = {"lossless": True, "exact": True} if name == "WEBP" else {}
    return bytes(kit.pillow(image, name, **options))


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
@pytest.mark.parametrize("ink", [(0, 0, 0), (250, 250, 250), (120, 120, 130), (20, 60, 160)])
def test_ink_on_transparency_is_seen_by_recognisers_as_in_the_copy(
    kit: Any, ink: tuple[int, int, int], name: str
) -> None:
    picture = inspect(_on_nothing(kit, ink, name))
    shown = kit.decoded(upright_copy(picture, max_bytes=10**6).data).astype(int).mean(axis=2)
    drawn = kit.digits("4930", 1, noise=0)[..., 0] < 140
    assert abs(shown[drawn].mean() - shown[~drawn].mean()) > 40
    copy = redact(picture, kit.region(Polygon.box(200, 5, 230, 20)))
    ours = kit.decoded(copy.data).astype(int).mean(axis=2)
    assert abs(ours[:, :100] - shown[:, :100]).mean() < 6


def test_inks_that_no_one_ground_shows_go_to_a_person(kit: Any) -> None:
    image = Image.new("RGBA", (240, 80), (0, 0, 0, 0))
    for index, level in enumerate((0, 64, 128, 192, 255)):
        image.paste((level, level, level, 255), (10 + 45 * index, 20, 40 + 45 * index, 50))
    with pytest.raises(Review, match="transparent_ink"):
        upright_copy(inspect(kit.pillow(image, "PNG")), max_bytes=10**6)


# Animations of one frame
# -----------------------------------------------------------------------------------------------------


def _apng(kit: Any, frames: int, size: tuple[int, int] = (160, 96)) -> bytes:
    source = kit.pillow(Image.fromarray(_pixels(kit)), "PNG")
    control = struct.pack(">5I2H2B", 0, *size, 0, 0, 1, 10, 0, 0)
    return _with_chunk(_with_chunk(source, b"fcTL", control), b"acTL", struct.pack(">II", frames, 0))


def _animated_webp(kit: Any, *, lossless: bool, offset: int = 0, frames: int = 1) -> bytes:
    still = kit.pillow(Image.fromarray(_pixels(kit)), "WEBP", lossless=lossless, quality=80)
    size = (159).to_bytes(3, "little") + (95).to_bytes(3, "little")
    frame = (
        offset.to_bytes(3, "little") + bytes(3) + size + (100).to_bytes(3, "little") + b"\x00" + still[12:]
    )
    body = b"WEBP" + _riff(b"VP8X", b"\x02\x00\x00\x00" + size) + _riff(b"ANIM", bytes(6))
    body += _riff(b"ANMF", frame) * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_an_animation_of_one_frame_is_a_picture(kit: Any, name: str) -> None:
    source = _apng(kit, 1) if name == "PNG" else _animated_webp(kit, lossless=True)
    assert Image.open(io.BytesIO(source)).size == (160, 96)
    copy = redact(inspect(source), kit.region(BOX))
    assert (_seen(copy.data)[OUTSIDE] == _pixels(kit)[OUTSIDE]).all()
    assert _seen(copy.data)[20:60, 20:70].max() == 0
    assert (kit.decoded(source) == _pixels(kit)).all()


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda kit: _apng(kit, 2), "picture_animated"),
        (lambda kit: _apng(kit, 1, (80, 96)), "picture_animated"),
        (lambda kit: _animated_webp(kit, lossless=True, frames=2), "picture_animated"),
        (lambda kit: _animated_webp(kit, lossless=True, offset=4), "picture_animated"),
        (lambda kit: _animated_webp(kit, lossless=False), "lossy_webp"),
    ],
)
def test_other_animations_are_refused(kit: Any, build: Callable[[Any], bytes], code: str) -> None:
    with pytest.raises(CardveilError, match=code):
        redact(inspect(build(kit)), kit.region(BOX))


def test_of_a_file_of_several_photographs_the_first_is_taken(kit: Any) -> None:
    """An MPO, as stereo cameras and portrait modes write it: a JPEG with others behind it."""
    first, second = Image.fromarray(_pixels(kit)), Image.new("RGB", (160, 96), (1, 2, 250))
    source = kit.pillow(first, "MPO", save_all=True, append_images=[second], quality=90)
    assert source.count(b"\xff\xd8\xff") == 2
    copy = redact(inspect(source), kit.region(BOX))
    assert copy.data.count(b"\xff\xd8\xff") == 1
    assert copy.data.endswith(b"\xff\xd9")
    assert (_seen(copy.data)[OUTSIDE] == _seen(source)[OUTSIDE]).all()
