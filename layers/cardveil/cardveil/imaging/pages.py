"""PDFs, and TIFFs of several pages: each page drawn as a picture of its own, within bounds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass, field
from cardveil.imaging.children import ChildLimits, run_child, too_long
from cardveil.imaging.image import is_pdf, tiff_page
from cardveil.imaging.limits import Limits, corrupt, memory_bounded, too_large

if TYPE_CHECKING:
    from cardveil.imaging.tiff import Directory

_CHILD: Final = Path(__file__).with_name("pdf_child.py")
#: Points of a pixel of a TIFF's page, whose own density is not carried over: as of a scan of 200 dpi.
_POINTS: Final = 72 / 200
_HEAD: Final = struct.Struct(">ffI")


@dataclass(frozen=True, slots=True)
class PageLimits:
    """What a document may cost, beside what each of its pages may (see `Limits`).

    Attributes
    ----------
    max_pages : int
    dpi : float
        At which pages of a PDF are drawn: as scanners do.
    max_pixels, max_side : int
        Of a page of a PDF; larger ones are drawn smaller. 12 million hold an A4 page at 300 dpi.
    child : ChildLimits
        Of the process that draws a whole PDF.
    """

    max_pages: int = 50
    dpi: float = 300.0
    max_pixels: int = 12_000_000
    max_side: int = 10_000
    child: ChildLimits = field(default_factory=lambda: ChildLimits(seconds=120.0))


@dataclass(frozen=True, slots=True)
class Page:
    """One page as it is shown.

    Attributes
    ----------
    data : bytes
        An upright JPEG without metadata.
    width, height : float
        Of the page on paper, in points.
    conflicting : bool
        Whether viewers may turn it differently.
    """

    data: bytes = field(repr=False)
    width: float
    height: float
    conflicting: bool = False


def is_document(data: bytes) -> bool:
    """Say whether a file is a PDF or a TIFF of several pages.

    Raises
    ------
    Reject
        Where a TIFF's directories cannot be read.
    """
    from cardveil.imaging import tiff

    if not tiff.is_tiff(data):
        return is_pdf(data)
    try:
        return len(tiff.directories(data)) > 1
    except (struct.error, Reject):
        return False  # `inspect` says why it is none


def pages_of(data: bytes, limits: Limits, page_limits: PageLimits) -> Iterator[Page]:
    """Draw the pages of a document, one after the other.

    Raises
    ------
    Reject
        ``document_encrypted``, ``document_too_long``, ``picture_corrupt``, ``picture_too_large``,
        ``decoding_failed``, ``decoding_too_costly``; for a TIFF's pages as `inspect`.
    """
    if len(data) > limits.max_bytes:
        raise too_large()
    yield from _of_pdf(data, page_limits) if is_pdf(data) else _of_tiff(data, limits, page_limits)


def _of_pdf(data: bytes, limits: PageLimits) -> Iterator[Page]:
    bounds = {name: getattr(limits, name) for name in ("max_pages", "dpi", "max_pixels", "max_side")}
    made = run_child(_CHILD, bounds, data, limits.child)
    at = 0
    while at < len(made):
        width, height, length = _HEAD.unpack_from(made, at)
        at += _HEAD.size + length
        if at > len(made):
            raise corrupt("a page of it cannot be drawn")
        yield Page(made[at - length : at], width, height)


def _of_tiff(data: bytes, limits: Limits, page_limits: PageLimits) -> Iterator[Page]:
    from cardveil.imaging import tiff

    found = tiff.directories(data)
    if len(found) > page_limits.max_pages:
        raise too_long()
    for directory in found:
        yield _drawn(data, directory, limits)


@memory_bounded
def _drawn(data: bytes, directory: Directory, limits: Limits) -> Page:
    from cardveil.imaging import decoding

    picture = tiff_page(data, directory, limits)
    image = decoding.upright(decoding.in_eight_bits(decoding.decode(picture)), picture.orientation)
    jpeg = decoding.encode(image, "jpeg", None)
    return Page(jpeg, picture.width * _POINTS, picture.height * _POINTS, picture.conflicting)
