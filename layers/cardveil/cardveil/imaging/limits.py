"""What a picture may cost before anything of it is decoded."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass

_P = ParamSpec("_P")
_R = TypeVar("_R")
#: Megabytes that a function takes before it looks at a picture: Python, the SDKs, Pillow and what is sent.
_OTHER_MB: Final = 150


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that `inspect` holds a file to, from its headers alone.

    Attributes
    ----------
    max_bytes : int
        Size of the file. 20 MB holds any phone's JPEG.
    max_pixels : int
        Width times height. 60 million admits the 48- and 50-megapixel pictures of phones.
    max_side : int
        Longest side in pixels (JPEG's own limit is 65500 in libjpeg).
    max_scans : int
        Scans of one JPEG; cameras write up to ten. A 363 KB file with 3,000 costs eleven seconds.
    max_scan_pixels : int
        Scans times pixels, since every scan visits every block.
    memory : int or None
        Bytes that making the copies of a picture may take beside the file itself; None for as many as there
        are.
    """

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 60_000_000
    max_side: int = 30_000
    max_scans: int = 100
    max_scan_pixels: int = 1_200_000_000
    memory: int | None = None

    def check_memory(self, wanted: float) -> None:
        """Refuse a picture whose copies take more than there is.

        Parameters
        ----------
        wanted : float
            Bytes, see `image.memory_wanted`.

        Raises
        ------
        Reject
            ``picture_too_large``.
        """
        if self.memory is not None and wanted > self.memory:
            raise too_large()

    def check_size(self, width: int, height: int) -> None:
        """Refuse a picture of no pixels or of too many.

        Raises
        ------
        Reject
            ``picture_has_no_pixels`` or ``picture_too_large``.
        """
        if width <= 0 or height <= 0:
            raise Reject("picture_has_no_pixels", "upload a picture that has a width and a height")
        if width * height > self.max_pixels or max(width, height) > self.max_side:
            raise Reject(
                "picture_too_large",
                f"upload a picture of at most {self.max_pixels // 1_000_000} megapixels",
            )

    def check_scans(self, scans: int, width: int, height: int) -> None:
        """Refuse a JPEG whose scans would cost more time than any camera's picture does.

        Raises
        ------
        Reject
            ``too_many_scans``.
        """
        if scans > self.max_scans or scans * width * height > self.max_scan_pixels:
            raise Reject("too_many_scans", "upload a JPEG as a camera writes it, with at most ten scans")


def memory_of(function_mb: int) -> int:
    """Return the bytes that a function of so many megabytes has for a picture, see `Limits.memory`."""
    return max(function_mb - _OTHER_MB, 0) * 1024 * 1024


def memory_bounded(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a lack of memory the refusal of the picture that wanted it."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except MemoryError:
            raise too_large() from None

    return call


def too_large() -> Reject:
    """Build the refusal of a picture that there is no memory for."""
    return Reject("picture_too_large", "upload a smaller picture, or give the function more memory")


def corrupt(what: str) -> Reject:
    """Build the refusal of a file that breaks its format's rules; `what` names the rule, no contents."""
    return Reject("picture_corrupt", f"upload the picture again: {what}")


def truncated() -> Reject:
    """Build the refusal of a file that ends too early."""
    return Reject("picture_truncated", "upload the whole picture again: the file ends too early")


def of_pages() -> Reject:
    """Build the refusal of a document where a picture is wanted."""
    return Reject(
        "document_of_pages",
        "name no places in a PDF or a TIFF of several pages: its pages are redacted by what is recognised",
    )


def decoder_missing() -> Review:
    """Build the refusal of a file whose decoder is not installed here."""
    return Review("decoder_missing", "deploy the runtime layer whole, or install pypdfium2 and pi-heif")


def unsupported(name: str) -> Reject:
    """Build the refusal of a format that is understood but not redacted."""
    return Reject(
        "format_not_supported", f"upload a JPEG, PNG, TIFF, BMP or WebP photograph instead of {name}"
    )
