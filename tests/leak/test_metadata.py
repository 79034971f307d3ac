"""A word planted in every place that a format has besides its pixels is in no copy."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from cardveil.card.model import Polygon
from cardveil.redaction import inspect, redact, upright_copy

CANARY = b"CANARY-3301"
BOX = Polygon.box(20, 20, 60, 40)


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _after_soi(data: bytes, *segments: bytes) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def _exif(thumbnail: bytes) -> bytes:
    """Return an EXIF block with a description, a GPS note and a thumbnail, as cameras write them."""
    exif = Image.Exif()
    exif[0x010E] = CANARY.decode()
    exif[0x0112] = 1
    exif.get_ifd(0x8825)[0x001B] = CANARY
    exif.get_ifd(0x8769)[0x9286] = CANARY
    return exif.tobytes() + thumbnail


def _profile() -> bytes:
    """Return an sRGB profile whose description has the canary in it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = profile.find("sRGB".encode("utf-16-be"))
    profile[at : at + 2 * 4] = CANARY[:8]
    return bytes(profile)


def _thumbnail(kit: Any) -> bytes:
    return bytes(_after_soi(kit.jpeg(kit.noise(1, 32, 24)), _segment(0xFE, CANARY)))


JPEG_PLACES: dict[str, Callable[[Any, bytes], bytes]] = {
    "EXIF": lambda kit, d: _after_soi(d, _segment(0xE1, _exif(b""))),
    "EXIF thumbnail": lambda kit, d: _after_soi(d, _segment(0xE1, _exif(_thumbnail(kit)))),
    "XMP": lambda kit, d: _after_soi(
        d, _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>" + CANARY)
    ),
    "extended XMP": lambda kit, d: _after_soi(
        d, _segment(0xE1, b"http://ns.adobe.com/xmp/extension/\x00" + bytes(40) + CANARY)
    ),
    "IPTC": lambda kit, d: _after_soi(
        d,
        _segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x10\x1c\x02\x78\x00\x0b" + CANARY),
    ),
    "comment": lambda kit, d: _after_soi(d, _segment(0xFE, CANARY)),
    "APP11": lambda kit, d: _after_soi(d, _segment(0xEB, b"JP\x00\x01" + CANARY)),
    "APP15": lambda kit, d: _after_soi(d, _segment(0xEF, CANARY)),
    "JFXX": lambda kit, d: d[:20] + _segment(0xE0, b"JFXX\x00\x10" + _thumbnail(kit)) + d[20:],
    "JFIF thumbnail": lambda kit, d: _after_soi(
        d[:2] + d[20:], _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x04\x01" + CANARY + b"!")
    ),
    "JFIF density": lambda kit, d: d[:14] + CANARY[:4] + d[18:],
    "Adobe": lambda kit, d: _after_soi(d, _segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x01" + CANARY)),
    "ICC": lambda kit, d: _after_soi(d, _segment(0xE2, b"ICC_PROFILE\x00\x01\x01" + _profile())),
    "MPF": lambda kit, d: (
        _after_soi(d, _segment(0xE2, b"MPF\x00II*\x00\x08\x00\x00\x00" + CANARY)) + _thumbnail(kit)
    ),
    "trailer": lambda kit, d: d + CANARY,
    "second picture": lambda kit, d: d + _thumbnail(kit),
    "unused quantisation table": lambda kit, d: _after_soi(d, _segment(0xDB, b"\x03" + (CANARY * 6)[:64])),
    "unused Huffman table": lambda kit, d: _after_soi(
        d, _segment(0xC4, b"\x13" + bytes([0, 0, 0, 11, *([0] * 12)]) + CANARY)
    ),
    "before the scan": lambda kit, d: (
        d[: d.index(b"\xff\xda")] + _segment(0xFE, CANARY) + d[d.index(b"\xff\xda") :]
    ),
}


def careless(kit: Any, source: bytes) -> bytes:
    """Return the control's copy, having seen that it does cover the box and that it can be read."""
    copy: bytes = kit.careless(source, BOX)
    left, top, right, bottom = (round(each) for each in BOX.bounds())
    with Image.open(io.BytesIO(copy)) as shown:
        covered = np.asarray(shown.convert("RGB"))[top + 2 : bottom - 2, left + 2 : right - 2]
    with Image.open(io.BytesIO(source)) as shown:
        before = np.asarray(shown.convert("RGB"))[top + 2 : bottom - 2, left + 2 : right - 2]
    # Of one colour, but for the ringing of a JPEG.
    assert covered.std(axis=(0, 1)).max() < before.std(axis=(0, 1)).max() / 3
    return copy


# Pillow, by which the control reads, says what it thinks of the planted places.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("turbo", [True, False], ids=["coefficients", "pixels"])
@pytest.mark.parametrize("place", JPEG_PLACES)
def test_jpeg(kit: Any, place: str, turbo: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not turbo:
        monkeypatch.setenv("CARDVEIL_TURBOJPEG", "off")
    word = CANARY[:4] if place == "JFIF density" else CANARY[:8]
    source = JPEG_PLACES[place](kit, kit.jpeg(kit.noise(3, 96, 64)))
    assert word in source
    assert word in careless(kit, source)
    copy = redact(inspect(source), kit.region(BOX))
    assert copy.path == ("coefficients" if turbo else "pixels")
    assert word not in copy.data
    allowed = {"SOI", "JFIF", "DQT", "SOF", "DHT", "SOS", "EOI", "Adobe", "ICC"}
    assert set(copy.proof.structure) <= allowed


def test_pillow_writes_a_comment_back(kit: Any) -> None:
    """The control that surprises most: Pillow keeps a JPEG's comment though nobody asked."""
    source = JPEG_PLACES["comment"](kit, kit.jpeg(kit.noise(3, 96, 64)))
    assert CANARY in kit.naive(source, BOX, keep=False)


def test_what_recognisers_are_shown_has_no_metadata_once_it_is_turned(kit: Any) -> None:
    source = JPEG_PLACES["XMP"](kit, kit.with_orientation(kit.jpeg(kit.noise(3, 96, 64)), 6))
    assert CANARY not in upright_copy(inspect(source), max_bytes=10**6).data


def _png_with(data: bytes, kind: bytes, body: bytes, *, before: bytes = b"IDAT") -> bytes:
    at = data.index(before) - 4
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:at] + chunk + data[at:]


PNG_PLACES: dict[str, Callable[[bytes], bytes]] = {
    "tEXt": lambda d: _png_with(d, b"tEXt", b"Comment\x00" + CANARY),
    "tEXt at the end": lambda d: _png_with(d, b"tEXt", b"Comment\x00" + CANARY, before=b"IEND"),
    "zTXt": lambda d: _png_with(d, b"zTXt", b"Comment\x00\x00" + zlib.compress(CANARY, 0)),
    "iTXt": lambda d: _png_with(d, b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + CANARY),
    "eXIf": lambda d: _png_with(d, b"eXIf", _exif(b"")[6:]),
    "iCCP": lambda d: _png_with(d, b"iCCP", b"sRGB\x00\x00" + zlib.compress(_profile(), 0)),
    "iCCP name": lambda d: _png_with(d, b"iCCP", CANARY + b"\x00\x00" + zlib.compress(_profile())),
    "private chunk": lambda d: _png_with(d, b"caNd", CANARY),
    "trailer": lambda d: d + CANARY,
}


@pytest.mark.parametrize("place", PNG_PLACES)
def test_png(kit: Any, place: str) -> None:
    source = PNG_PLACES[place](kit.pillow(Image.fromarray(kit.noise(3, 96, 64)), "PNG"))
    assert CANARY[:8] in source
    assert CANARY[:8] in careless(kit, source)
    copy = redact(inspect(source), kit.region(BOX))
    assert CANARY[:8] not in copy.data
    assert copy.proof.structure == ("IHDR", "IDAT", "IEND")


def test_png_texts_survive_a_careless_save(kit: Any) -> None:
    """The control: people pass `pnginfo` and `exif` on so as not to lose anything."""
    source = PNG_PLACES["tEXt"](kit.pillow(Image.fromarray(kit.noise(3, 96, 64)), "PNG"))
    image = Image.open(io.BytesIO(source))
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", image.info["Comment"])
    assert CANARY in kit.pillow(image, "PNG", pnginfo=info)


def test_unused_palette_entries_and_colours_under_alpha_are_gone(kit: Any) -> None:
    palette = Image.fromarray(kit.noise(3, 96, 64)).quantize(64)
    colours = (palette.getpalette() or [])[: 64 * 3]
    palette.putpalette([*colours, *([0] * (768 - len(colours) - 12)), *(CANARY + b"!")])
    source = kit.pillow(palette, "PNG")
    assert CANARY in source
    assert CANARY in kit.naive(source, BOX)
    assert CANARY not in redact(inspect(source), kit.region(BOX)).data


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_what_transparency_hides_is_gone(kit: Any, name: str) -> None:
    """Digits under alpha 0 are on no screen, and in every copy that keeps its planes."""
    pixels = kit.noise(3, 240, 80)
    image = Image.fromarray(pixels).convert("RGBA")
    secret = Image.fromarray(kit.digits("77777777", 1, noise=0)).convert("RGBA")
    secret.putalpha(0)
    image.paste(secret.crop((120, 0, 240, 80)), (120, 0))
    source = kit.pillow(image, name, **({"lossless": True, "exact": True} if name == "WEBP" else {}))

    def colours_right_of_the_middle(data: bytes) -> int:
        shown = Image.open(io.BytesIO(data))
        return len(np.unique(np.asarray(shown.convert("RGBA"))[:, 120:, :3].reshape(-1, 3), axis=0))

    assert colours_right_of_the_middle(kit.naive(source, BOX)) > 1
    copy = redact(inspect(source), kit.region(BOX))
    assert Image.open(io.BytesIO(copy.data)).mode == "RGB"
    assert colours_right_of_the_middle(copy.data) == 1


def _webp_with(data: bytes, kind: bytes, body: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)
    return data[:4] + struct.pack("<I", len(data) - 8 + len(chunk)) + data[8:] + chunk


@pytest.mark.parametrize("place", ["EXIF", "XMP ", "ICCP", "ABCD", "trailer"])
def test_webp(kit: Any, place: str) -> None:
    image = Image.fromarray(kit.noise(3, 96, 64))
    source = kit.pillow(image, "WEBP", lossless=True, exif=_exif(b""), xmp=b"<x/>", icc_profile=_profile())
    source = source + CANARY if place == "trailer" else _webp_with(source, place.encode(), CANARY)
    assert CANARY in source
    assert CANARY in careless(kit, source)
    copy = redact(inspect(source), kit.region(BOX))
    assert CANARY[:8] not in copy.data
    assert copy.proof.structure == ("VP8L",)


@pytest.mark.parametrize("place", ["gap", "palette", "trailer", "density", "reserved"])
def test_bmp(kit: Any, place: str) -> None:
    image = Image.fromarray(kit.noise(3, 96, 64))
    source = bytearray(kit.pillow(image if place != "palette" else image.quantize(16), "BMP"))
    if place == "gap":
        offset = struct.unpack_from("<I", source, 10)[0]
        source[10:14] = struct.pack("<I", offset + len(CANARY))
        source[offset:offset] = CANARY
    elif place == "palette":
        source[-64 * 96 - len(CANARY) : -64 * 96] = CANARY
    elif place == "trailer":
        source += CANARY
    elif place == "density":
        source[38:46] = CANARY[:8]
    else:
        source[6:10] = CANARY[:4]
    word = CANARY[:4] if place == "reserved" else CANARY[:8]
    assert word in source
    assert word in careless(kit, bytes(source))
    copy = redact(inspect(bytes(source)), kit.region(BOX))
    assert word not in copy.data
