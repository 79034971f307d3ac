"""Decoded pictures filled, and their cover counted: for formats that have no coefficient path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cardveil.core.errors import Reject, proof_failed
from cardveil.imaging.decoding import read, upright
from cardveil.imaging.image import Picture
from cardveil.redaction.grid import Cover

if TYPE_CHECKING:  # Pillow costs 50 ms and 22 MB at import, and the coefficient path does without it.
    from PIL import Image

Fill = tuple[int, int, int]

#: Levels by which a flat block of a JPEG may differ from the colour that was asked for: its DC is quantised.
_JPEG_OFF: Final = 3


def cover_over(image: Image.Image, cover: Cover, fill: Fill, picture: Picture) -> None:
    """Fill every covered cell, in place, and the ring around it that decoding may have let it colour.

    The ring is one pixel wide, for interpolated chroma. A progressive JPEG may lack its last bits, and
    decoders then smooth a block by its neighbours' means, two blocks far.
    """
    value = fill_value(image.mode, fill)
    reach = 2 * max(picture.jpeg.mcu) if picture.jpeg is not None and picture.jpeg.progressive else 0
    for box in cover.boxes(1 + reach):
        image.paste(value, box)


def fill_value(mode: str, fill: Fill) -> int | Fill:
    """Return the fill as a pixel value of `mode`."""
    if mode == "RGB":
        return fill
    luma = round(0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2])
    return luma * 257 if mode.startswith("I") else luma


def count_flat(data: bytes, format_: str, cover: Cover, turned: int, fill: Fill) -> int:
    """Decode a written copy and return how many of its covered cells are flat and of the fill's colour.

    Parameters
    ----------
    data : bytes
        The copy.
    cover : Cover
        In stored coordinates of the source.
    turned : int
        How the copy was turned against the source's stored picture, as an EXIF orientation.
    """
    try:
        image = read(data, format_, cover.grid.width * cover.grid.height)
    except Reject:
        raise proof_failed("the copy cannot be read") from None
    return count_flat_image(image, cover, turned, fill, _JPEG_OFF if format_ == "jpeg" else 0)


def count_flat_image(image: Image.Image, cover: Cover, turned: int, fill: Fill, off: int = 0) -> int:
    """Return how many covered cells of a picture are flat and within `off` levels of the fill's colour."""
    stored = upright(image, {6: 8, 8: 6}.get(turned, turned))
    value = fill_value(image.mode, fill)
    wanted = value if isinstance(value, tuple) else (value,)
    cells = 0
    for box in cover.boxes():
        extremes: Any = stored.crop(box).getextrema()
        channels = extremes if isinstance(extremes[0], tuple) else (extremes,)
        flat = all(
            low == high and abs(low - w) <= off for (low, high), w in zip(channels, wanted, strict=True)
        )
        cells += flat * -(-(box[2] - box[0]) // cover.grid.cell_width)
    return cells
