"""Opens an uploaded picture as the service would: limits first, raw pixels, EXIF orientation left alone."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: "The image cannot exceed 7 MB after being Base64-encoded."
BASE64_LIMIT: Final = 7 * 1024 * 1024
#: Ours, against decompression bombs; the vendor names no limit of pixels. Holds 48-megapixel photographs.
PIXEL_LIMIT: Final = 50_000_000
#: Ours: a progressive file with thousands of scans takes seconds to decode, and no camera writes 100.
SCAN_LIMIT: Final = 100
_FORMATS: Final = ("JPEG", "PNG", "BMP")


class PictureRefusedError(Exception):
    """The picture cannot be recognised; `code` is the vendor's error code for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: RGB of shape (height, width, 3), as the file stores its rows."""

    pixels: NDArray[np.uint8]

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


def check_size(data: bytes) -> None:
    """Refuse what is too large or empty, before anything looks into it.

    Raises
    ------
    PictureRefusedError
        ``FailedOperation.EmptyImageError`` or ``LimitExceeded.TooLargeFileError``.
    """
    if not data:
        raise PictureRefusedError("FailedOperation.EmptyImageError")
    if (len(data) + 2) // 3 * 4 > BASE64_LIMIT:
        raise PictureRefusedError("LimitExceeded.TooLargeFileError")


def decode(data: bytes) -> Picture:
    """Decode a JPEG, PNG or BMP file.

    The vendor does not say whether it turns a picture by its EXIF orientation; here it is not turned, so a
    client that relies on it being turned finds out.

    Raises
    ------
    PictureRefusedError
        With the vendor's code, when the file is not such a picture, is cut off, or is too large.
    """
    check_size(data)
    if data[:2] == b"\xff\xd8" and data.count(b"\xff\xda") > SCAN_LIMIT:
        raise PictureRefusedError("FailedOperation.ImageDecodeFailed")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            # Nothing but the header has been read so far.
            if image.width * image.height > PIXEL_LIMIT:
                raise PictureRefusedError("FailedOperation.ImageSizeTooLarge")
            return Picture(_flat(image))
    except Image.DecompressionBombError:
        raise PictureRefusedError("FailedOperation.ImageSizeTooLarge") from None
    except (OSError, ValueError, SyntaxError, EOFError):
        # Pillow's texts quote bytes of the file, so they are not passed on.
        raise PictureRefusedError("FailedOperation.ImageDecodeFailed") from None


def _flat(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        # What a person sees: a transparent picture on white paper.
        seen = image.convert("RGBA")
        paper = Image.new("RGBA", seen.size, "white")
        paper.alpha_composite(seen)
        image = paper
    if image.mode.startswith("I") or image.mode == "F":
        # 16-bit greyscale: its upper byte.
        deep = np.asarray(image, dtype=np.float64) / 256.0
        grey = Image.fromarray(np.clip(deep, 0, 255).astype(np.uint8), "L")
        return np.asarray(grey.convert("RGB"), dtype=np.uint8)
    return np.asarray(image.convert("RGB"), dtype=np.uint8)
