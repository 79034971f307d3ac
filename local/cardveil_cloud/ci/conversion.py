"""CI's basic picture processing, as far as it is needed: a HEIC or an AVIF becomes a JPEG."""

from __future__ import annotations

from typing import Final

from starlette.concurrency import run_in_threadpool

from cardveil.core.errors import Reject
from cardveil.imaging.heif import is_heif, read_heif
from cardveil.redaction import Limits
from cardveil_cloud.ci.errors import CiError
from cardveil_cloud.heif import convert

#: "The size of the original image cannot exceed 32 MB, nor its area 250 million pixels."
_LIMITS: Final = Limits(max_bytes=32 * 1024 * 1024, max_pixels=250_000_000)
#: Where the rule names none.
QUALITY: Final = 85


async def to_jpeg(data: bytes, quality: int) -> bytes:
    """Convert in a child process, which turns the picture as its container says and drops all metadata.

    The vendor does not say whether it turns a picture; clients are to find out by its size.

    Raises
    ------
    CiError
    """
    if not is_heif(data):
        raise CiError("NotImplemented")
    if len(data) > _LIMITS.max_bytes:
        raise CiError("LimitExceeded.TooLargeFileError")
    try:
        facts = read_heif(data, _LIMITS)
        made = await run_in_threadpool(convert.to_jpeg, data, facts, quality=quality)
    except Reject:
        raise CiError("InvalidImageFormat") from None
    return made.data
