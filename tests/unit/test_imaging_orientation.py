"""Whether every reader turns a picture the same way: by every place and form in which it may be written."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import pytest
from PIL import Image

from cardveil.redaction import inspect

XAP = b"http://ns.adobe.com/xap/1.0/\x00"


def _tiff(*entries: tuple[int, int, bytes], order: str = "<") -> bytes:
    """Build an EXIF block of orientation entries: type, count, value."""
    body = struct.pack(order + "H", len(entries))
    for kind, count, value in entries:
        body += struct.pack(order + "HHI", 0x0112, kind, count) + value.ljust(4, b"\x00")
    return (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(order + "I", 8) + body + bytes(4)


def _short(value: int) -> bytes:
    return _tiff((3, 1, struct.pack("<H", value)))


def _app1(body: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _jpeg(*blocks: bytes) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (48, 32), 90).save(out, "JPEG")
    data = out.getvalue()
    return data[:2] + b"".join(map(_app1, blocks)) + data[2:]


def _exif(tiff: bytes, name: bytes = b"Exif\x00\x00") -> bytes:
    return name + tiff


def _xmp(text: str, encoding: str = "utf-8") -> bytes:
    return XAP + text.encode(encoding)


def _png(*chunks: tuple[bytes, bytes], before: bytes = b"IDAT") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (48, 32), 90).save(out, "PNG")
    data = out.getvalue()
    at = data.index(before) - 4
    new = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return data[:at] + new + data[at:]


def _webp(exif: bytes = b"", xmp: bytes = b"") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (48, 32), 90).save(out, "WEBP", lossless=True, exif=exif, xmp=xmp)
    return out.getvalue()


def _itxt(text: bytes, *, compressed: bool) -> tuple[bytes, bytes]:
    body = b"XML:com.adobe.xmp\x00" + bytes([compressed]) + b"\x00\x00\x00"
    return b"iTXt", body + (zlib.compress(text) if compressed else text)


def _raw_profile(tiff: bytes) -> tuple[bytes, bytes]:
    text = b"\nexif\n%8d\n%s\n" % (len(tiff) + 6, (b"Exif\x00\x00" + tiff).hex().encode())
    return b"zTXt", b"Raw profile type exif\x00\x00" + zlib.compress(text)


ATTRIBUTE = '<rdf:Description tiff:Orientation="{}"/>'
ELEMENT = "<tiff:Orientation> {} </tiff:Orientation>"

#: By name: the file for a value, and whether all readers find that value.
PLACES = {
    "short": (lambda v: _jpeg(_exif(_short(v))), True),
    "short, big end first": (
        lambda v: _jpeg(_exif(_tiff((3, 1, struct.pack(">H", v)), order=">"))),
        True,
    ),
    "short and the same xmp": (lambda v: _jpeg(_exif(_short(v)), _xmp(ATTRIBUTE.format(v))), True),
    "two blocks that agree": (lambda v: _jpeg(_exif(_short(v)), _exif(_short(v))), True),
    "png": (lambda v: _png((b"eXIf", _short(v))), True),
    "long": (lambda v: _jpeg(_exif(_tiff((4, 1, struct.pack("<I", v))))), False),
    "byte": (lambda v: _jpeg(_exif(_tiff((1, 1, bytes([v]))))), False),
    "signed": (lambda v: _jpeg(_exif(_tiff((8, 1, struct.pack("<h", v))))), False),
    "named otherwise": (lambda v: _jpeg(_exif(_short(v), b"Exif\x00\xff")), False),
    "xmp": (lambda v: _jpeg(_xmp(ATTRIBUTE.format(v))), False),
    "xmp element": (lambda v: _jpeg(_xmp(ELEMENT.format(v))), False),
    "xmp of another prefix": (lambda v: _jpeg(_xmp(ATTRIBUTE.format(v).replace("tiff:", "t:"))), False),
    "xmp with an attribute": (
        lambda v: _jpeg(_xmp(f'<tiff:Orientation rdf:datatype="x">{v}</tiff:Orientation>')),
        False,
    ),
    "xmp in two bytes a letter": (lambda v: _jpeg(_xmp(ATTRIBUTE.format(v), "utf-16-le")), False),
    "extended xmp": (
        lambda v: _jpeg(b"http://ns.adobe.com/xmp/extension/\x00" + bytes(40) + ELEMENT.format(v).encode()),
        False,
    ),
    "second block": (lambda v: _jpeg(_exif(_short(1)), _exif(_short(v))), False),
    "first of two blocks": (lambda v: _jpeg(_exif(_short(v)), _exif(_tiff())), False),
    "png, behind the picture": (lambda v: _png((b"eXIf", _short(v)), before=b"IEND"), False),
    "png, second chunk": (lambda v: _png((b"eXIf", _short(1)), (b"eXIf", _short(v))), False),
    "png xmp": (lambda v: _png(_itxt(ATTRIBUTE.format(v).encode(), compressed=False)), False),
    "png xmp, compressed": (lambda v: _png(_itxt(ATTRIBUTE.format(v).encode(), compressed=True)), False),
    "png text in hexadecimal": (lambda v: _png(_raw_profile(_short(v))), False),
    "webp": (lambda v: _webp(b"Exif\x00\x00" + _short(v)), False),
    "webp xmp": (lambda v: _webp(xmp=ATTRIBUTE.format(v).encode()), False),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_only_some_readers_find_is_doubtful(place: str) -> None:
    build, plain = PLACES[place]
    turned, upright = inspect(build(6)), inspect(build(1))
    assert turned.conflicting is not plain
    # Whatever says 1 agrees with those who do not look.
    assert (upright.orientation, upright.conflicting) == (1, False)
    if plain:
        assert (turned.orientation, turned.width, turned.height) == (6, 32, 48)


@pytest.mark.parametrize(
    "blocks",
    [
        [_exif(_tiff((3, 2, struct.pack("<HH", 6, 6))))],  # two values
        [_exif(_tiff((7, 1, b"\x06")))],  # of no type that numbers have
        [_exif(b"II\x2b\x00" + _short(6)[4:])],  # of another version
        [_exif(_short(6)[:-8])],  # cut off
        [_exif(_tiff((3, 1, b"\x06\x00"), (3, 1, b"\x01\x00")))],  # twice
        [_xmp(ATTRIBUTE.format("&#54;"))],
        [_exif(_short(6)), _xmp(ATTRIBUTE.format(1))],
        [_exif(_short(1)), _xmp(ATTRIBUTE.format(6))],
        [_exif(_short(0))],
        [_exif(_short(9))],
    ],
)
def test_what_cannot_be_read_for_sure_is_doubtful(blocks: Sequence[bytes]) -> None:
    assert inspect(_jpeg(*blocks)).conflicting


@pytest.mark.parametrize("kind", ["bomb", "damaged"])
def test_a_text_that_cannot_be_unpacked_is_doubtful_and_cheap(kind: str) -> None:
    packed = zlib.compress(bytes(50_000_000)) if kind == "bomb" else b"\x78\x9cnonsense"
    assert inspect(_png((b"iTXt", b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + packed))).conflicting
    # Texts of other names are not looked at.
    assert not inspect(_png((b"zTXt", b"Comment\x00\x00" + packed))).conflicting


@pytest.mark.parametrize(
    "block",
    [
        _exif(_tiff()),
        _exif(b""),
        _exif(bytes(20)),
        b"something of its own",
        _xmp("<rdf:Description xmp:Rating='3'/>"),
        _xmp("<x:SceneOrientationText>6</x:SceneOrientationText>"),
    ],
)
def test_what_says_nothing_of_it_is_no_doubt(block: bytes) -> None:
    picture = inspect(_jpeg(block))
    assert (picture.orientation, picture.conflicting) == (1, False)
