"""What a picture may cost before anything of it is decoded."""

from __future__ import annotations

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that `inspect` holds a file to, from its headers alone.

    Attributes
    ----------
    max_bytes : int
        Size of the file. 20 MB holds any phone's JPEG.
    max_pixels : int
        Width times height. 60 million admits the 48- and 50-megapixel pictures of phones; decoding costs up
        to three bytes a pixel on the coefficient path and seven on the pixel path.
    max_side : int
        Longest side in pixels (JPEG's own limit is 65500 in libjpeg).
    max_scans : int
        Scans of one JPEG; cameras write up to ten. A 363 KB file with 3,000 costs eleven seconds.
    max_scan_pixels : int
        Scans times pixels, since every scan visits every block.
    """

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 60_000_000
    max_side: int = 30_000
    max_scans: int = 100
    max_scan_pixels: int = 1_200_000_000

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


def corrupt(what: str) -> Reject:
    """Build the refusal of a file that breaks its format's rules; `what` names the rule, no contents."""
    return Reject("picture_corrupt", f"upload the picture again: {what}")


def truncated() -> Reject:
    """Build the refusal of a file that ends too early."""
    return Reject("picture_truncated", "upload the whole picture again: the file ends too early")


def unsupported(name: str) -> Reject:
    """Build the refusal of a format that is understood but not redacted."""
    return Reject("format_not_supported", f"upload a JPEG, PNG, BMP or WebP photograph instead of {name}")
