"""What recognisers are shown: an upright picture, untouched where nothing needs touching."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass
from cardveil.imaging import decoding
from cardveil.imaging.image import HALVED, Picture
from cardveil.imaging.limits import memory_bounded, too_large

if TYPE_CHECKING:
    from PIL import Image

_SHOWABLE: Final = frozenset({"jpeg", "png", "bmp"})
_QUALITY: Final = 92
_SMALLEST_SIDE: Final = 64


@dataclass(frozen=True, slots=True)
class UprightCopy:
    """A picture for a recogniser.

    Attributes
    ----------
    width, height : int
        Its own size in pixels.
    scale : float
        Pixels of the upright source for one pixel of this copy, at least 1.
    """

    data: bytes
    media_type: str
    width: int
    height: int
    scale: float


@memory_bounded
def upright_copy(picture: Picture, *, max_bytes: int, max_pixels: int | None = None) -> UprightCopy:
    """Return the picture upright and within a recogniser's limits.

    The source's own bytes are returned when it is a JPEG, PNG or BMP that every reader shows alike and that
    fits; otherwise a JPEG without metadata, smaller if it has to be.

    Parameters
    ----------
    max_bytes : int
        Largest file.
    max_pixels : int, optional
        Largest width times height.

    Raises
    ------
    Reject
        ``picture_corrupt``, or ``picture_too_large`` if it cannot be made small enough.
    """
    area = picture.width * picture.height
    fits = len(picture.data) <= max_bytes and (max_pixels is None or area <= max_pixels)
    # Readers differ in how they make eight bits of sixteen, and in how they turn a doubtful picture.
    plain = picture.orientation == 1 and not picture.conflicting and picture.bits <= 8
    # Recognisers that know nothing of transparency see what lies under it, of a gamma other tones.
    plain = plain and not picture.alpha and picture.gamma is None and picture.format in _SHOWABLE
    if fits and plain and (picture.jpeg is None or len(picture.jpeg.components) < 4):
        return UprightCopy(picture.data, picture.media_type, picture.width, picture.height, 1.0)
    image = decoding.decode(picture, halved=area > HALVED)
    image = decoding.upright(decoding.in_eight_bits(image), picture.orientation)
    if max_pixels is not None and image.width * image.height > max_pixels:
        image = _smaller(image, (max_pixels / (image.width * image.height)) ** 0.5)
    while True:
        out = io.BytesIO()
        try:
            image.save(out, "JPEG", quality=_QUALITY)
        except (OSError, ValueError):
            raise too_large() from None
        if out.tell() <= max_bytes:
            return UprightCopy(
                out.getvalue(), "image/jpeg", image.width, image.height, picture.width / image.width
            )
        if min(image.size) <= _SMALLEST_SIDE:
            raise Reject("picture_too_large", "upload a picture that recognition can be shown")
        image = _smaller(image, min(0.9, (max_bytes / out.tell()) ** 0.5))


def _smaller(image: Image.Image, factor: float) -> Image.Image:
    from PIL import Image as Pillow

    size = max(1, int(image.width * factor)), max(1, int(image.height * factor))
    return image.resize(size, Pillow.Resampling.BICUBIC, reducing_gap=2.0)
