"""What is accepted and what is refused, from headers alone and with a code of its own."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from cardveil.core.errors import Reject
from cardveil.redaction import Limits, inspect, redact


def _saved(name: str, size: tuple[int, int] = (48, 32), mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 90).save(out, name, **options)
    return out.getvalue()


def _jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(_saved("JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _png_of(width: int, height: int) -> bytes:
    data = bytearray(_saved("PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def _frame(marker: int) -> bytes:
    return _saved("JPEG").replace(b"\xff\xc0", bytes([0xFF, marker]), 1)


def _precision(bits: int) -> bytes:
    data = bytearray(_saved("JPEG"))
    data[data.index(b"\xff\xc0") + 4] = bits
    return bytes(data)


def _animated(name: str) -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), (i, 0, 0)) for i in (10, 200)]
    frames[0].save(out, name, save_all=True, append_images=frames[1:], duration=100, loop=0)
    return out.getvalue()


def _many_scans(count: int) -> bytes:
    data = _saved("JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    return data[:at] + data[at:-2] * count + b"\xff\xd9"


def _second_frame() -> bytes:
    data = _saved("JPEG")
    at = data.index(b"\xff\xc0")
    return data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")]


BAD = {
    "empty": (b"", "empty_file"),
    "text": (b"no picture at all", "not_a_picture"),
    "xml": (b"<?xml version='1.0'?><svg/>", "not_a_picture"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "document_of_pages"),
    "heic": (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "format_not_supported"),
    "avif": (b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00", "format_not_supported"),
    "tiff": (b"II*\x00\x08\x00\x00\x00", "picture_truncated"),
    "gif": (_saved("GIF"), "format_not_supported"),
    "jpeg xl": (b"\xff\x0a\x00\x00", "format_not_supported"),
    "jpeg 2000": (b"\xff\x4f\xff\x51\x00", "format_not_supported"),
    "lossless jpeg": (_frame(0xC3), "format_not_supported"),
    "arithmetic jpeg": (_frame(0xC9), "format_not_supported"),
    "12-bit jpeg": (_precision(12), "format_not_supported"),
    "animated gif": (_animated("GIF"), "picture_animated"),
    "animated png": (_animated("PNG"), "picture_animated"),
    "animated webp": (_animated("WEBP"), "picture_animated"),
    "jpeg without rows": (_jpeg_of(48, 0), "picture_has_no_pixels"),
    "png without columns": (_png_of(0, 32), "picture_has_no_pixels"),
    "100-megapixel jpeg": (_jpeg_of(10_000, 10_000), "picture_too_large"),
    "900-megapixel jpeg": (_jpeg_of(30_000, 30_000), "picture_too_large"),
    "100-megapixel png": (_png_of(10_000, 10_000), "picture_too_large"),
    "long jpeg": (_jpeg_of(60_000, 10), "picture_too_large"),
    "many scans": (_many_scans(120), "too_many_scans"),
    "jpeg start": (b"\xff\xd8", "picture_truncated"),
    "half a jpeg": (_saved("JPEG")[:400], "picture_truncated"),
    "jpeg without end": (_saved("JPEG")[:-2], "picture_truncated"),
    "half a png": (_saved("PNG")[:50], "picture_truncated"),
    "half a bmp": (_saved("BMP")[:900], "picture_truncated"),
    "half a webp": (_saved("WEBP")[:40], "picture_truncated"),
    "jpeg of two frames": (_saved("JPEG")[:20] + _second_frame() + _saved("JPEG")[20:], "picture_corrupt"),
    "png of bad depth": (_saved("PNG")[:24] + b"\x07" + _saved("PNG")[25:], "picture_corrupt"),
    "bmp of bad header": (b"BM" + bytes(60), "picture_corrupt"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    data, code = BAD[name]
    with pytest.raises(Reject) as caught:
        inspect(data)
    assert caught.value.code == code


def test_pdf_and_heic_are_named_with_the_way_out() -> None:
    for name, word in (("pdf", "PDF"), ("heic", "most compatible")):
        with pytest.raises(Reject, match=word):
            inspect(BAD[name][0])


def test_every_prefix_of_a_file_is_refused_cleanly() -> None:
    for data in (
        _saved("JPEG"),
        _saved("JPEG", progressive=True),
        _saved("PNG"),
        _saved("WEBP"),
        _saved("BMP"),
    ):
        for end in range(0, len(data) - 1, 7):
            with pytest.raises(Reject):
                inspect(data[:end])


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP", "WEBP"])
def test_accepted_with_its_format_and_size(name: str) -> None:
    picture = inspect(_saved(name))
    assert (picture.format, picture.width, picture.height, picture.orientation) == (name.lower(), 48, 32, 1)
    assert picture.media_type == f"image/{name.lower()}"
    assert "data=" not in repr(picture)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_that_of_the_upright_picture(name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = inspect(_saved(name, exif=exif.tobytes()))
    assert picture.orientation == orientation
    assert (picture.width, picture.height) == ((32, 48) if orientation >= 5 else (48, 32))
    # Browsers do not turn a WebP, other viewers do.
    assert picture.conflicting is (name == "WEBP" and orientation > 1)


@pytest.mark.parametrize("value", [0, 9, 77, 65535])
def test_an_impossible_orientation_counts_as_none_and_as_doubtful(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    picture = inspect(_saved("JPEG", exif=exif.tobytes()))
    assert (picture.orientation, picture.conflicting) == (1, True)


def test_limits_are_settings() -> None:
    data = _saved("PNG", (100, 100))
    assert inspect(data, Limits(max_pixels=10_000)).width == 100
    for limits in (Limits(max_pixels=9_999), Limits(max_side=99), Limits(max_bytes=len(data) - 1)):
        with pytest.raises(Reject, match="picture_too_large"):
            inspect(data, limits)


def test_the_cost_of_a_large_file_is_a_glance() -> None:
    """Nothing is decoded: 20 MB with a compressed text bomb and a long profile are read in an instant."""
    bomb = zlib.compress(bytes(50_000_000))
    data = _saved("PNG")
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"zTXt", b"a\x00\x00" + bomb),
            (b"iCCP", b"a\x00\x00" + bomb),
            (b"tEXt", bytes(19_000_000)),
        )
    )
    at = data.index(b"IDAT") - 4
    whole = data[:at] + chunks + data[at:]

    def seconds(work: Callable[[], object]) -> float:
        """Return the least of five tries, of this thread's time on the processor."""
        taken = []
        for _ in range(5):
            started = time.thread_time()
            work()
            taken.append(time.thread_time() - started)
        return min(taken)

    # Less than a third of what reading one of the two bombs would cost, on any machine: it is a tenth.
    assert 3 * seconds(lambda: inspect(whole)) < seconds(lambda: zlib.decompress(bomb))


def _with_another_frame(data: bytes, before: int) -> bytes:
    """Put another frame header, of half the height, before an offset."""
    at = data.index(b"\xff\xc0") if b"\xff\xc0" in data else data.index(b"\xff\xc2")
    frame = data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")]
    return data[:before] + frame[:5] + struct.pack(">H", 16) + frame[7:] + data[before:]


def test_a_jpeg_that_names_two_frames_is_refused_wherever_the_second_stands() -> None:
    """Readers differ in which of them they believe."""
    plain, progressive = _saved("JPEG"), _saved("JPEG", progressive=True)
    scan = progressive.index(b"\xff\xda")
    for data in (
        _with_another_frame(plain, plain.index(b"\xff\xda")),
        _with_another_frame(progressive, scan),
        _with_another_frame(progressive, progressive.index(b"\xff\xda", scan + 2)),
    ):
        with pytest.raises(Reject, match="picture_corrupt"):
            inspect(data)


def test_a_picture_that_decodes_to_another_size_than_its_header_says_is_refused() -> None:
    data = _saved("PNG")
    header = b"IHDR" + struct.pack(">II", 48, 16) + data[24:29]
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    two = data[:33] + chunk + data[33:]
    assert inspect(two).height == 32
    with pytest.raises(Reject, match="picture_corrupt"):
        redact(inspect(two), [], allow_empty=True)
