"""Writes over a proven copy what it may be used for, without weakening its cover.

The mark is drawn over the whole copy, its covered cells included. It is made from the copy alone, which holds
nothing of what is covered, and proven again: where the copy is covered, the marked one shows exactly what the
same mark gives on an empty picture. What was bit for bit the source's in the copy of a JPEG is so no longer.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Final

from cardveil.core.errors import Reject, proof_failed
from cardveil.core.frozen import replace
from cardveil.imaging import decoding
from cardveil.imaging.image import Picture, inspect
from cardveil.imaging.limits import Limits, memory_bounded
from cardveil.redaction import verify
from cardveil.redaction.lettering import line
from cardveil.redaction.mark import Mark
from cardveil.redaction.pixels import fill_value
from cardveil.redaction.results import RedactedCopy
from cardveil.redaction.verify import Expected

if TYPE_CHECKING:
    from PIL import Image

#: Height of the writing, of the picture's shorter side; lines between two lines; their slope in degrees.
_HEIGHT: Final = 0.05
_PITCH: Final = 3.5
_SLOPE: Final = 30
#: The layer is drawn at most so large, and scaled: pixels of its longer side.
_DRAWN: Final = 1600
#: Rows that are marked and compared at a time: whole blocks of a JPEG.
_ROWS: Final = 256
_BLOCK: Final = 8
#: Levels by which a covered block of a JPEG may differ from the cover's colour.
_OFF: Final = 3


@memory_bounded
def marked(copy: RedactedCopy, mark: Mark, fill: tuple[int, int, int]) -> RedactedCopy:
    """Return a proven copy with a mark over it, proven again.

    Parameters
    ----------
    fill : (red, green, blue)
        Colour of the cover.

    Raises
    ------
    Review
        ``proof_failed``: there is no copy.
    """
    picture = inspect(copy.data, Limits(max_bytes=len(copy.data) + 1))
    image = _eight_bits(decoding.decode(picture))
    covered = _covered(image, picture, fill)
    layer = _layer(picture, mark)
    for box in _bands(image):
        band = _band(layer, image.size, box)
        under = image.crop(box)
        under.paste(fill_value(image.mode, fill), None, _mask(covered, picture, box))
        image.paste(_inked(under, band, mark), box)
    profile = decoding.profile_to_write(picture, image) if picture.format != "bmp" else None
    expected = Expected(*image.size, picture.orientation if picture.format == "jpeg" else 1, profile)
    data = _encoded(image, picture.format, expected)
    structure = verify.check(data, picture.format, expected)
    _prove(data, picture, covered, layer, mark, fill)
    proof = replace(copy.proof, path="pixels", reason="watermark", structure=structure)
    return replace(
        copy, data=data, sha256=hashlib.sha256(data).hexdigest(), path="pixels", proof=proof, mark=mark.text
    )


@memory_bounded
def marked_for(data: bytes, mark: Mark) -> tuple[bytes, str]:
    """Return a copy that is only looked at with a mark over it, and its media type.

    It is given the copy alone, so that the mark can show nothing that the copy does not.
    """
    picture = inspect(data, Limits(max_bytes=len(data) + 1))
    image = _eight_bits(decoding.decode(picture))
    layer = _layer(picture, mark)
    for box in _bands(image):
        image.paste(_inked(image.crop(box), _band(layer, image.size, box), mark), box)
    profile = decoding.profile_to_write(picture, image) if picture.format != "bmp" else None
    expected = Expected(*image.size, picture.orientation if picture.format == "jpeg" else 1, profile)
    return _encoded(image, picture.format, expected), picture.media_type


def _prove(
    data: bytes, picture: Picture, covered: Image.Image, layer: Image.Image, mark: Mark, fill: tuple[int, ...]
) -> None:
    """Hold the written copy's covered blocks against the same mark on an empty picture."""
    from PIL import Image as Pillow
    from PIL import ImageChops

    try:
        seen = decoding.read(data, picture.format, picture.stored_width * picture.stored_height)
    except Reject:
        raise proof_failed("the marked copy cannot be read") from None
    colour = fill_value(seen.mode, (fill[0], fill[1], fill[2]))
    for box in _bands(seen):
        empty = Pillow.new(seen.mode, (box[2] - box[0], box[3] - box[1]), colour)
        plain = _inked(empty, _band(layer, seen.size, box), mark)
        if picture.format == "jpeg":
            # By the same encoder: each block of it stands for itself alone.
            plain = decoding.read(decoding.encode(plain, "jpeg", None), "jpeg", plain.width * plain.height)
        other = ImageChops.difference(seen.crop(box), plain)
        other = Pillow.composite(other, Pillow.new(other.mode, other.size), _mask(covered, picture, box))
        if other.getbbox() is not None:
            raise proof_failed("the mark changed what is covered")


def _inked(image: Image.Image, band: Image.Image, mark: Mark) -> Image.Image:
    """Return a picture with the mark's colour laid on it through a mask."""
    inked = image.copy()
    strength = band.point([round(value * mark.opacity / 100) for value in range(256)])
    inked.paste(fill_value(image.mode, mark.colour), None, strength)
    return inked


def _covered(image: Image.Image, picture: Picture, fill: tuple[int, int, int]) -> Image.Image:
    """Return which blocks of a copy hold the cover's colour alone, a point each (255); see `_block`."""
    from PIL import Image as Pillow
    from PIL import ImageChops

    off = _OFF if picture.format == "jpeg" else 0
    block = _block(picture)
    small = Pillow.new("L", (-(-image.width // block), -(-image.height // block)))
    for box in _bands(image):
        band = image.crop(box)
        other = ImageChops.difference(band, Pillow.new(band.mode, band.size, fill_value(band.mode, fill)))
        planes = [plane.point([0] * (off + 1) + [255] * (255 - off)) for plane in other.split()]
        most = planes[0]
        for plane in planes[1:]:
            most = ImageChops.lighter(most, plane)
        if block > 1:
            # One odd point of a block of 64 is left as 255 / 64, which is not rounded away.
            most = most.reduce(block)
        small.paste(most.point([255] + [0] * 255), (0, box[1] // block))
    return small


def _block(picture: Picture) -> int:
    return _BLOCK if picture.format == "jpeg" else 1


def _mask(covered: Image.Image, picture: Picture, box: tuple[int, int, int, int]) -> Image.Image:
    """Return the covered pixels of a band."""
    from PIL import Image as Pillow

    block = _block(picture)
    part = covered.crop((0, box[1] // block, covered.width, -(-box[3] // block)))
    if block > 1:
        part = part.resize((part.width * block, part.height * block), Pillow.Resampling.NEAREST)
    return part.crop((0, 0, box[2], box[3] - box[1]))


def _bands(image: Image.Image) -> list[tuple[int, int, int, int]]:
    return [(0, top, image.width, min(top + _ROWS, image.height)) for top in range(0, image.height, _ROWS)]


def _band(layer: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Return what is written on a band of the stored picture."""
    from PIL import Image as Pillow

    scale = layer.height / size[1]
    part = (0.0, box[1] * scale, float(layer.width), min(box[3] * scale, float(layer.height)))
    return layer.resize((size[0], box[3] - box[1]), Pillow.Resampling.BILINEAR, part)


def _layer(picture: Picture, mark: Mark) -> Image.Image:
    """Return the writing of the whole picture, turned as it is stored: sloping lines, side by side."""
    from PIL import Image as Pillow

    shrink = min(1.0, _DRAWN / max(picture.width, picture.height))
    width, height = max(round(picture.width * shrink), 1), max(round(picture.height * shrink), 1)
    tall = max(round(min(width, height) * _HEIGHT), 12)
    written = line(mark.text)
    written = written.resize((max(round(written.width * tall / written.height), 1), tall))
    side = math.ceil(math.hypot(width, height)) + 2 * tall
    sheet = Pillow.new("L", (side, side))
    step = written.width + 2 * tall
    for row, top in enumerate(range(0, side, round(tall * _PITCH))):
        for left in range(-(row % 2) * step // 2, side, step):
            sheet.paste(written, (left, top))
    turned = sheet.rotate(_SLOPE, Pillow.Resampling.BICUBIC)
    left, top = (side - width) // 2, (side - height) // 2
    upright = turned.crop((left, top, left + width, top + height))
    return decoding.upright(upright, {6: 8, 8: 6}.get(picture.orientation, picture.orientation))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return the picture with eight bits a sample: by their upper ones."""
    if not image.mode.startswith("I"):
        return image
    return image.convert("I").point(lambda value: value / 257).convert("L")


def _encoded(image: Image.Image, format_: str, expected: Expected) -> bytes:
    data = decoding.encode(image, format_, expected.profile)
    return verify.build_jpeg(data, expected) if format_ == "jpeg" else data
