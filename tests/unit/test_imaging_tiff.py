"""TIFF pages are read by their tags, whatever writes them; what is not tried is refused by its name."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from cardveil.card.model import Polygon
from cardveil.core.errors import Reject, Review
from cardveil.imaging import decoding, tiff
from cardveil.redaction import Limits, Region, inspect, redact, upright_copy

BOX = Region("a", Polygon.box(40, 40, 80, 80), "mask")
CANARY = "CANARY-3301"


def _picture() -> Image.Image:
    random = np.random.default_rng(1).integers(0, 255, (24, 32, 3), np.uint8)
    return Image.fromarray(np.kron(random, np.ones((8, 8, 1), np.uint8)))


def _saved(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "TIFF", **options)
    return out.getvalue()


def _cv(pixels: Any, *options: int) -> bytes:
    return bytes(cv2.imencode(".tif", pixels, list(options))[1].tobytes())


def _tiled(image: Image.Image, order: str = "<", orientation: int = 1) -> bytes:
    """Write tiles of 64 × 64 without compression, by hand: Pillow and OpenCV write strips alone."""
    pixels = np.asarray(image)
    tiles = [
        np.ascontiguousarray(pixels[y : y + 64, x : x + 64]).tobytes()
        for y in range(0, 192, 64)
        for x in range(0, 256, 64)
    ]
    numbers = {256: 256, 257: 192, 259: 1, 262: 2, 274: orientation, 277: 3, 284: 1, 322: 64, 323: 64}
    entries = {tag: (3, 1, struct.pack(f"{order}H", value)) for tag, value in numbers.items()}
    entries[258] = (3, 3, struct.pack(f"{order}3H", 8, 8, 8))
    entries[324] = entries[325] = (4, 0, b"")
    made = tiff.write([tiff.Directory(order, entries, tuple(tiles))])
    if orientation == 1:
        return made
    at = made.index(struct.pack(f"{order}HHIH", 284, 3, 1, 1))
    return made[:at] + struct.pack(f"{order}HHIHH", 274, 3, 1, orientation, 0) + made[at + 12 :]


GREY16 = np.asarray(_picture().convert("L")).astype(np.uint16) * 257
KINDS: dict[str, Any] = {
    "plain": lambda i: _saved(i),
    "lzw": lambda i: _saved(i, compression="tiff_lzw"),
    "deflate": lambda i: _saved(i, compression="tiff_adobe_deflate"),
    "packbits": lambda i: _saved(i, compression="packbits"),
    "lzw by another": lambda i: _cv(np.asarray(i)[..., ::-1], 259, 5),
    "deflate by another": lambda i: _cv(np.asarray(i)[..., ::-1], 259, 8),
    "grey": lambda i: _saved(i.convert("L")),
    "g4": lambda i: _saved(i.convert("1"), compression="group4"),
    "g3": lambda i: _saved(i.convert("1"), compression="group3"),
    "one bit": lambda i: _saved(i.convert("1")),
    "palette": lambda i: _saved(i.convert("P")),
    "sixteen bits": lambda i: _saved(Image.fromarray(GREY16)),
    "sixteen bits by another": lambda i: _cv(GREY16),
    "opaque alpha": lambda i: _saved(i.convert("RGBA")),
    "big-endian": lambda i: _tiled(i, ">"),
    "tiles": lambda i: _tiled(i),
}
#: Of which the picture comes out otherwise than bit by bit.
LOSSY: dict[str, Any] = {
    "jpeg": lambda i: _saved(i, compression="jpeg", quality=90),
    "cmyk": lambda i: _saved(i.convert("CMYK")),
    "cmyk lzw": lambda i: _saved(i.convert("CMYK"), compression="tiff_lzw"),
}


def _shown(data: bytes) -> Any:
    """Decode with OpenCV's own libtiff."""
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    return shown.astype(int)


@pytest.mark.parametrize("kind", [*KINDS, *LOSSY])
def test_a_page_is_covered_and_else_the_same(kind: str) -> None:
    source = {**KINDS, **LOSSY}[kind](_picture())
    copy = redact(inspect(source), [BOX])
    assert (copy.media_type, copy.path, copy.proof.reason) == (
        "image/tiff", "pixels", "tiff has no coefficients"
    )  # fmt: skip
    before, after = _shown(source), _shown(copy.data)
    assert after[40:80, 40:80].max() == 0
    far = np.abs(before - after)[116:, 116:]
    assert far.max() == 0 if kind in KINDS else far.mean() < 6
    tags = {tag for page in tiff.directories(copy.data) for tag in page.entries}
    assert tags <= tiff.KEPT
    assert upright_copy(inspect(source), max_bytes=10**6).media_type == "image/jpeg"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_page_is_turned_as_its_tag_says(orientation: int) -> None:
    image = _picture()
    source = _saved(image, tiffinfo={274: orientation})
    picture = inspect(source)
    copy = redact(picture, [BOX])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()
    turned = ImageOps.exif_transpose(image)
    assert (picture.width, picture.height, picture.conflicting) == (*turned.size, False)
    with Image.open(io.BytesIO(copy.data)) as opened:
        assert 274 not in opened.tag_v2
        shown = np.asarray(opened.convert("RGB"))
    assert (shown[116:, 116:] == np.asarray(turned)[116:, 116:]).all()
    assert shown[40:80, 40:80].max() == 0


def test_another_turn_in_xmp_is_a_doubt() -> None:
    packet = b'<rdf:Description tiff:Orientation="6"/>'
    assert inspect(_saved(_picture(), tiffinfo={700: packet})).conflicting


def test_no_tag_of_the_source_is_in_the_copy() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = CANARY
    told = {270: CANARY, 305: CANARY, 700: CANARY.encode(), 65000: CANARY, 33723: CANARY.encode()}
    source = _saved(_picture(), tiffinfo=told, exif=exif) + CANARY.encode()
    assert source.count(CANARY.encode()) >= 5
    picture = inspect(source)
    copy = redact(picture, [BOX])
    for data in (copy.data, picture.clean, upright_copy(picture, max_bytes=10**6).data):
        assert CANARY.encode() not in data


def test_a_thumbnail_and_a_mask_are_no_pages() -> None:
    pages = tiff.parsed(_saved(_picture()))
    small = tiff.parsed(_saved(_picture().resize((16, 16))))
    beside = tiff.write([*pages, *small])
    at = beside.rindex(struct.pack("<HHIH", 277, 3, 1, 3))
    marked = beside[:at] + struct.pack("<HHII", 254, 4, 1, 1) + beside[at + 12 :]
    assert len(tiff.directories(beside)) == 2
    assert len(tiff.directories(marked)) == 1
    assert (inspect(marked).width, inspect(marked).height) == (256, 192)


def _patched(data: bytes, tag: int, value: int, kind: int = 3) -> bytes:
    at = next(
        at
        for at in range(8, len(data) - 12)
        if struct.unpack_from("<HHI", data, at) in {(tag, 3, 1), (tag, 4, 1)}
    )
    return data[:at] + struct.pack("<HHII", tag, kind, 1, value) + data[at + 12 :]


PLAIN = _saved(_picture())
REFUSED: dict[str, Any] = {
    "several pages": (
        lambda: _saved(_picture(), save_all=True, append_images=[_picture()]), "document_of_pages"
    ),
    "a raw photograph": (
        lambda: _saved(_picture(), tiffinfo={50706: b"\x01\x04\x00\x00"}), "format_not_supported"
    ),
    "a sensor's mosaic": (lambda: _patched(PLAIN, 262, 32803), "format_not_supported"),
    "BigTIFF": (lambda: b"II+\x00\x08\x00\x00\x00" + bytes(32), "format_not_supported"),
    "floats": (lambda: _saved(_picture().convert("F")), "format_not_supported"),
    "old JPEG": (lambda: _patched(PLAIN, 259, 6), "format_not_supported"),
    "zstd": (lambda: _patched(PLAIN, 259, 50000), "format_not_supported"),
    "larger than its strips": (lambda: _patched(PLAIN, 257, 4000), "picture_corrupt"),
    "too many pixels": (lambda: _patched(_patched(PLAIN, 257, 20_000), 256, 20_000), "picture_too_large"),
    "no width": (lambda: _patched(PLAIN, 256, 0), "picture_has_no_pixels"),
    "a circle": (
        lambda: PLAIN[:4] + struct.pack("<IH", 8, 1) + bytes(12) + struct.pack("<I", 8), "picture_corrupt"
    ),
    "half of it": (lambda: PLAIN[: len(PLAIN) // 2], "picture_truncated"),
    "no directory": (lambda: b"II*\x00\x08\x00\x00\x00", "picture_truncated"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    made, code = REFUSED[name]
    with pytest.raises(Reject, match=code):
        inspect(made())


def test_scans_of_a_page_s_jpeg_are_counted() -> None:
    """A strip with thousands of scans costs as much as a JPEG with as many."""
    source = _saved(_picture(), compression="jpeg")
    pages = tiff.parsed(source)
    bomb = tiff.Directory(
        pages[0].order, pages[0].entries, tuple(p + b"\xff\xda" * 150 for p in pages[0].parts)
    )
    with pytest.raises(Reject, match="too_many_scans"):
        inspect(tiff.write([bomb]))


def test_strips_that_lie_over_each_other_are_no_way_to_much_memory() -> None:
    image = Image.new("L", (64, 4096))
    pages = tiff.parsed(_saved(image, tiffinfo={278: 1}))
    assert len(pages[0].parts) > 100
    data = bytearray(tiff.write(pages))
    directory = tiff.directories(bytes(data))[0]
    sizes = struct.pack("<I", len(data) // 2) * len(pages[0].parts)
    at = data.index(directory.entries[279][2])
    data[at : at + len(sizes)] = sizes
    with pytest.raises(Reject, match=r"picture_(corrupt|truncated)"):
        inspect(bytes(data), Limits())


def _with_a_tag(data: bytes) -> bytes:
    """Put two letters of a description where the copy says that its planes lie together."""
    said = struct.pack("<HHIHH", 284, 3, 1, 1, 0)
    assert said in data
    return data.replace(said, struct.pack("<HHI", 270, 2, 3) + b"CA\x00\x00")


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda data: data + CANARY.encode(),
        lambda data: data[:4] + struct.pack("<I", 8) + data[8:] + bytes(2),
        lambda data: tiff.write([*tiff.parsed(data), *tiff.parsed(data)]),
        _with_a_tag,
    ],
    ids=["a trailer", "two bytes", "another page", "another tag"],
)
def test_a_copy_that_holds_anything_else_is_not_handed_out(
    spoilt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, encode = inspect(_saved(_picture())), decoding.encode
    monkeypatch.setattr(decoding, "encode", lambda *a: spoilt(encode(*a)))
    with pytest.raises(Review, match="proof_failed"):
        redact(picture, [BOX])


def test_libtiff_says_nothing_of_a_file_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    """It would: of lines that it cannot read, and of tags that it does not know."""
    data = bytearray(_saved(_picture().convert("1"), compression="group4"))
    for at in range(60, len(data) - 200, 97):
        data[at] ^= 0x5A
    with suppress(Reject):
        decoding.read(bytes(data), "tiff", 256 * 192)
    assert capfd.readouterr() == ("", "")
