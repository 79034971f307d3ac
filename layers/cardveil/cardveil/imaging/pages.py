"""PDFs, and TIFFs of several pages: each page drawn as a picture of its own, within bounds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass, field, replace
from cardveil.imaging.children import Child, ChildLimits, started, too_long
from cardveil.imaging.image import is_pdf, is_tiff, tiff_page
from cardveil.imaging.limits import Limits, corrupt, memory_bounded, too_large

if TYPE_CHECKING:
    from cardveil.imaging.tiff import Directory

_CHILD: Final = Path(__file__).with_name("pdf_child.py")
#: Points of a pixel of a TIFF's page, whose own density is not carried over: as of a scan of 200 dpi.
_POINTS: Final = 72 / 200
_COUNT: Final = struct.Struct(">I")
_HEAD: Final = struct.Struct(">ffI")
#: A number that no page has.
_NO_PAGE: Final = 2**31
#: Bytes a pixel that making the copies of a page takes in this process, as of any JPEG (`Picture.cost`).
_COST: Final = 12
#: What the process that draws needs at least, and never more than.
_LEAST_MEMORY: Final = 64 * 1024 * 1024
_MOST_MEMORY: Final = 2048 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PageLimits:
    """What a document may cost, beside what each of its pages may (see `Limits`).

    Attributes
    ----------
    max_pages : int
    dpi : float
        At which pages of a PDF are drawn: as scanners do.
    max_pixels, max_side : int
        Of a page of a PDF; larger ones are drawn smaller. Nine million hold an A4 page at 300 dpi.
    child : ChildLimits
        Of the process that draws a whole PDF.
    max_copies : int or None
        Bytes that the copies of all pages may have, since they are held until the last is made; None for as
        many as there are.
    """

    max_pages: int = 50
    dpi: float = 300.0
    max_pixels: int = 9_000_000
    max_side: int = 10_000
    child: ChildLimits = field(default_factory=lambda: ChildLimits(seconds=120.0))
    max_copies: int | None = None


def page_limits_of(limits: Limits) -> PageLimits:
    """Return the limits of documents where a picture's copies may take so much memory (`Limits.memory`).

    The process that draws shares it with this one, which makes a page's copies meanwhile.
    """
    usual = PageLimits()
    if limits.memory is None:
        return usual
    left = limits.memory - _COST * usual.max_pixels
    child = ChildLimits(usual.child.seconds, min(max(left, _LEAST_MEMORY), _MOST_MEMORY))
    # Once as they are made, and twice while the whole is put together and nothing is drawn any more.
    return replace(usual, child=child, max_copies=max(left, _LEAST_MEMORY) // 3)


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
    """Say whether a file is a PDF or a TIFF of several pages."""
    if not is_tiff(data):
        return is_pdf(data)
    from cardveil.imaging import tiff

    try:
        return len(tiff.directories(data)) > 1
    except (struct.error, Reject):
        return False  # `inspect` says why it is none


def count_pages(data: bytes, limits: Limits) -> int:
    """Return how many pages a file has: one where it is a picture; raises as `pages_of`."""
    if not is_document(data):
        return 1
    with pages_of(data, limits, only=_NO_PAGE) as (count, _):
        return count


@contextmanager
def pages_of(
    data: bytes, limits: Limits, page_limits: PageLimits | None = None, only: int | None = None
) -> Iterator[tuple[int, Iterator[Page]]]:
    """Give the number of a document's pages and its pages, which are drawn as they are asked for.

    Parameters
    ----------
    page_limits : PageLimits, optional
        Those of `page_limits_of` without any.
    only : int, optional
        The one page to be drawn, from 0; none, where there are not so many.

    Raises
    ------
    Reject, Review
        ``document_encrypted``, ``document_too_long``, ``picture_corrupt``, ``picture_too_large``,
        ``decoding_failed``, ``decoding_too_costly``, ``decoder_missing``; for a TIFF's pages as `inspect`.
        Of what stands later in the file, when its turn comes.
    """
    if len(data) > limits.max_bytes:
        raise too_large()
    page_limits = page_limits or page_limits_of(limits)
    if not is_pdf(data):
        yield _of_tiff(data, limits, page_limits, only)
        return
    bounds = {name: getattr(page_limits, name) for name in ("max_pages", "dpi", "max_pixels", "max_side")}
    with started(_CHILD, {**bounds, "only": only}, data, page_limits.child) as child:
        head = child.read(_COUNT.size)
        if len(head) < _COUNT.size:
            raise corrupt("its pages cannot be counted")
        count: int = _COUNT.unpack(head)[0]
        yield count, _drawn_by(child, count if only is None else min(1, max(count - only, 0)))


def _drawn_by(child: Child, count: int) -> Iterator[Page]:
    for _ in range(count):
        head = child.read(_HEAD.size)
        width, height, length = _HEAD.unpack(head) if len(head) == _HEAD.size else (0.0, 0.0, 0)
        data = child.read(length)
        if not length or len(data) < length:
            raise corrupt("a page of it cannot be drawn")
        yield Page(data, width, height)
    child.read()


def _of_tiff(
    data: bytes, limits: Limits, page_limits: PageLimits, only: int | None
) -> tuple[int, Iterator[Page]]:
    from cardveil.imaging import tiff

    found = tiff.directories(data)
    if len(found) > page_limits.max_pages:
        raise too_long()
    wanted = found if only is None else found[only : only + 1]
    return len(found), (_drawn(data, directory, limits) for directory in wanted)


@memory_bounded
def _drawn(data: bytes, directory: Directory, limits: Limits) -> Page:
    from cardveil.imaging import decoding

    picture = tiff_page(data, directory, limits)
    image = decoding.upright(decoding.in_eight_bits(decoding.decode(picture)), picture.orientation)
    jpeg = decoding.encode(image, "jpeg", None)
    return Page(jpeg, picture.width * _POINTS, picture.height * _POINTS, picture.conflicting)
