"""A copy that holds anything besides its picture, or was changed on its way, is never handed out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from cardveil.card.model import Polygon
from cardveil.core.errors import Review
from cardveil.core.frozen import replace
from cardveil.imaging import decoding, exif, icc
from cardveil.redaction import dct, inspect, pixels, redact, verify
from cardveil.redaction.grid import Grid, snap
from cardveil.redaction.verify import Expected

BOX = Polygon.box(20, 20, 60, 40)
SIZE = (96, 64)
Spoil = Callable[[bytes], bytes]


def _profile(name: str = icc.P3) -> bytes:
    profile = icc.canonical(name)
    assert profile is not None
    return profile


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _riff(data: bytes, more: bytes) -> bytes:
    """Add a chunk to a WebP, whose header counts it."""
    return data[:4] + struct.pack("<I", len(data) - 8 + len(more)) + data[8:] + more


def _without(data: bytes, part: bytes) -> bytes:
    assert data.count(part) == 1
    return data.replace(part, b"")


def _at(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _frame(data: bytes) -> int:
    return data.index(b"\xff\xc0")


ORIENTED = _segment(0xE1, exif.minimal(6))
COLOURED = _segment(0xE2, b"ICC_PROFILE\x00\x01\x01" + _profile())
JPEG: dict[str, Spoil] = {
    "comment": lambda d: d[:2] + _segment(0xFE, b"Li Si") + d[2:],
    "EXIF with more": lambda d: d[:2] + _segment(0xE1, exif.minimal(6) + b"Li Si") + d[2:],
    "XMP": lambda d: d[:2] + _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00Li Si") + d[2:],
    "unknown segment": lambda d: d[:2] + _segment(0xED, b"Li Si") + d[2:],
    "JFIF with a thumbnail": lambda d: d.replace(
        b"\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
        b"\x00\x13JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x01\x01abc",
    ),
    "density": lambda d: d.replace(b"JFIF\x00\x01\x01\x00\x00\x01", b"JFIF\x00\x01\x01\x01\x00\x48"),
    "Adobe with more": lambda d: d[:2] + _segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x01Li") + d[2:],
    "another orientation": lambda d: d.replace(ORIENTED, _segment(0xE1, exif.minimal(3))),
    "no orientation": lambda d: _without(d, ORIENTED),
    "no profile": lambda d: _without(d, COLOURED),
    "another profile": lambda d: d.replace(
        COLOURED, _segment(0xE2, b"ICC_PROFILE\x00\x01\x01" + _profile(icc.ADOBE))
    ),
    "another height": lambda d: _at(d, _frame(d) + 5, struct.pack(">H", 48)),
    "another width": lambda d: _at(d, _frame(d) + 7, struct.pack(">H", 80)),
    "trailer": lambda d: d + b"Li Si",
    "second picture": lambda d: d + d,
    "trailer that ends as a picture does": lambda d: d + b"Li Si\xff\xd9",
    "segment after the scan": lambda d: d[:-2] + _segment(0xFE, b"Li Si") + d[-2:],
    "no end": lambda d: d[:-2],
}
PNG: dict[str, Spoil] = {
    "text": lambda d: d[:33] + _chunk(b"tEXt", b"Comment\x00Li Si") + d[33:],
    "EXIF": lambda d: d[:33] + _chunk(b"eXIf", exif.minimal(6)[6:]) + d[33:],
    "private chunk": lambda d: d[:33] + _chunk(b"caNd", b"Li Si") + d[33:],
    "no profile": lambda d: d[:33] + d[d.index(b"IDAT") - 4 :],
    "another size": lambda d: _at(d, 16, struct.pack(">II", 96, 48)),
    "trailer": lambda d: d + b"Li Si",
    "chunk after the end": lambda d: d + _chunk(b"IDAT", b"Li Si"),
    "no end": lambda d: d[:-12],
}
WEBP: dict[str, Spoil] = {
    "EXIF": lambda d: _riff(d, b"EXIF" + struct.pack("<I", 4) + b"LiSi"),
    "unknown chunk": lambda d: _riff(d, b"ABCD" + struct.pack("<I", 4) + b"LiSi"),
    "another profile": lambda d: d.replace(b"Display P3", b"Li Si     "),
    "trailer": lambda d: d + b"Li Si",
    "trailer that is no chunk": lambda d: _riff(d, b"Li Si"),
}
BMP: dict[str, Spoil] = {
    "gap": lambda d: (
        _at(d, 2, struct.pack("<I", len(d) + 4))[:10] + struct.pack("<I", 58) + d[14:54] + b"LiSi" + d[54:]
    ),
    "reserved": lambda d: _at(d, 6, b"LiSi"),
    "another header": lambda d: _at(d, 14, struct.pack("<I", 108)),
    "another size": lambda d: _at(d, 18, struct.pack("<ii", 64, 96)),
    "trailer": lambda d: d + b"LiSi",
    "trailer that is counted": lambda d: _at(d, 2, struct.pack("<I", len(d) + 4)) + b"LiSi",
}
SPOILT = [
    (name, what)
    for name, ways in (("jpeg", JPEG), ("png", PNG), ("webp", WEBP), ("bmp", BMP))
    for what in ways
]


def _copy(kit: Any, name: str) -> tuple[bytes, Expected]:
    """Return a copy in a known colour space, a JPEG turned as well, and what is expected of it."""
    image = Image.fromarray(kit.noise(3, *SIZE))
    if name == "jpeg":
        source = kit.pillow(image, "JPEG", icc_profile=_profile(), exif=exif.minimal(6))
        return redact(inspect(source), kit.region(BOX)).data, Expected(*SIZE, 6, _profile())
    options = {"png": {}, "webp": {"lossless": True}}.get(name)
    if options is None:
        return redact(inspect(kit.pillow(image, "BMP")), kit.region(BOX)).data, Expected(*SIZE, 1, None)
    source = kit.pillow(image, name.upper(), icc_profile=_profile(), **options)
    return redact(inspect(source), kit.region(BOX)).data, Expected(*SIZE, 1, _profile())


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "bmp"])
def test_an_honest_copy_passes(kit: Any, name: str) -> None:
    copy, expected = _copy(kit, name)
    assert verify.check(copy, name, expected)


@pytest.mark.parametrize(("name", "what"), SPOILT, ids=lambda value: value.replace(" ", "-"))
def test_what_a_copy_holds_besides_its_picture_is_noticed(kit: Any, name: str, what: str) -> None:
    copy, expected = _copy(kit, name)
    spoilt = {"jpeg": JPEG, "png": PNG, "webp": WEBP, "bmp": BMP}[name][what](copy)
    assert spoilt != copy
    with pytest.raises(Review, match="proof_failed"):
        verify.check(spoilt, name, expected)


@pytest.mark.parametrize("name", ["png", "webp", "jpeg"])
def test_a_profile_that_nobody_asked_for_is_noticed(kit: Any, name: str) -> None:
    copy, expected = _copy(kit, name)
    with pytest.raises(Review, match="proof_failed"):
        verify.check(copy, name, Expected(*SIZE, expected.orientation, None))


def test_a_segment_of_the_encoder_s_own_is_not_carried_into_a_copy(kit: Any) -> None:
    encoded = kit.pillow(Image.fromarray(kit.noise(3, *SIZE)), "JPEG", comment=b"Li Si")
    with pytest.raises(Review, match="proof_failed"):
        verify.build_jpeg(encoded, Expected(*SIZE, 1, None))


def test_an_encoder_s_own_segments_never_pass(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever puts a file together: what is handed out is looked through once more."""
    build = verify.build_jpeg
    monkeypatch.setattr(
        verify, "build_jpeg", lambda encoded, expected: JPEG["comment"](build(encoded, expected))
    )
    for name in ("coefficients", "pixels"):
        if name == "pixels":
            monkeypatch.setenv("CARDVEIL_TURBOJPEG", "off")
        with pytest.raises(Review, match="proof_failed"):
            redact(inspect(kit.jpeg(kit.noise(3, *SIZE))), kit.region(BOX))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP", "WEBP"])
@pytest.mark.parametrize("by", ["the source", "one colour that nobody asked for"])
def test_pixels_that_were_exchanged_after_the_covering_are_noticed(
    kit: Any, name: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The written bytes are what is proven: here a fault encodes others in their place."""
    monkeypatch.setenv("CARDVEIL_TURBOJPEG", "off")
    image = Image.fromarray(kit.noise(3, *SIZE))
    other = image if by == "the source" else Image.new("RGB", SIZE, (0, 0, 60))
    encode = decoding.encode
    monkeypatch.setattr(decoding, "encode", lambda _, *more: encode(other, *more))
    with pytest.raises(Review, match="proof_failed"):
        redact(inspect(kit.pillow(image, name)), kit.region(BOX))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP", "WEBP"])
@pytest.mark.parametrize("missed", ["all", "one pixel", "another colour"])
def test_pixels_that_were_not_covered_are_noticed_before_they_are_encoded(
    kit: Any, name: str, missed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the encoder is given is looked at as well: quantisation would hide a single pixel."""
    monkeypatch.setenv("CARDVEIL_TURBOJPEG", "off")
    cover_over = pixels.cover_over

    def careless(image: Image.Image, cover: Any, fill: Any, picture: Any) -> None:
        if missed == "another colour":
            cover_over(image, cover, (0, 0, 40), picture)
        elif missed == "one pixel":
            cover_over(image, cover, fill, picture)
            image.putpixel((30, 30), (1, 0, 0))

    monkeypatch.setattr(pixels, "cover_over", careless)
    picture = inspect(kit.pillow(Image.fromarray(kit.noise(3, *SIZE)), name))
    with pytest.raises(Review, match="proof_failed"):
        redact(picture, kit.region(BOX))


def test_a_jpeg_whose_tables_change_between_its_scans_is_redacted_by_its_pixels(kit: Any) -> None:
    """What a coefficient means then depends on the scan that it came in."""
    source = kit.jpeg(kit.noise(3, *SIZE), progressive=True)
    table = source.index(b"\xff\xdb")
    again = source[table : table + 2 + int.from_bytes(source[table + 2 : table + 4], "big")]
    second = source.index(b"\xff\xda", source.index(b"\xff\xda") + 2)
    changing = source[:second] + again + source[second:]
    assert redact(inspect(source), kit.region(BOX)).path == "coefficients"
    assert redact(inspect(changing), kit.region(BOX)).path == "pixels"


def test_an_arrangement_of_planes_that_the_library_does_not_know_is_redacted_by_its_pixels(kit: Any) -> None:
    copy = redact(inspect(kit.jpeg(kit.noise(3, *SIZE), "4:1:1")), kit.region(BOX))
    assert (copy.path, copy.proof.reason) == ("pixels", "unusual sampling")


def test_a_file_that_has_other_blocks_than_its_header_says_gives_no_copy(kit: Any) -> None:
    source = kit.jpeg(kit.noise(3, *SIZE), "4:4:4")
    header = inspect(source).jpeg
    assert header is not None
    wrong = replace(header, width=header.width - 8)
    cover = snap(Grid(wrong.width, wrong.height, *wrong.mcu), [BOX.points])
    with pytest.raises(Review, match="proof_failed"):
        dct.redact(source, wrong, dct.make_plan(wrong, cover, (0, 0, 0)))
