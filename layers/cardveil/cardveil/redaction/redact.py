"""The one way to a redacted copy: choose a path, cover, prove, and only then hand anything out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Final

from cardveil.card.model import Polygon
from cardveil.core.errors import Reject, Review, proof_failed
from cardveil.core.frozen import dataclass
from cardveil.imaging import decoding, icc
from cardveil.imaging.image import MEDIA_TYPES, Picture
from cardveil.imaging.limits import memory_bounded
from cardveil.imaging.orientation import to_stored
from cardveil.imaging.turbojpeg_library import coefficient_path_available
from cardveil.redaction import dct, pixels, verify
from cardveil.redaction.grid import Cover, Grid, Outlines, cover, grid_for
from cardveil.redaction.results import Proof, RedactedCopy, Region
from cardveil.redaction.verify import Expected

BLACK: Final = (0, 0, 0)
#: More places than any page of cards has; covering is linear in their number.
MOST_REGIONS: Final = 1000
#: Farther outside than any rounding or margin explains, in pixels.
_ABSURD: Final = 1e7


@memory_bounded
def redact(
    picture: Picture,
    regions: Sequence[Region],
    *,
    shown: Sequence[Polygon] | None = None,
    kept: Sequence[Polygon] = (),
    crop: tuple[int, int, int, int] | None = None,
    fill: tuple[int, int, int] = BLACK,
    allow_empty: bool = False,
) -> RedactedCopy:
    """Cover `regions` and all that is not `shown`; return a copy proven to hold none of it, and no metadata.

    Covered is whole cells of 16 × 16 stored pixels, in every format: each that a region touches, each within
    16 pixels of a region (see `kept`), each that does not lie wholly within the places that may be seen.

    Parameters
    ----------
    picture : Picture
        From `inspect`.
    regions : sequence of Region
        Ink that must not be seen. Each covers the convex hull of its polygon, so that a self-crossing outline
        covers more, never less.
    shown : sequence of Polygon, optional
        The only places that may be seen, their union; one that is not convex shows nothing. None: the whole
        picture but for the regions. Ink outside these places may have left its ringing within 16 pixels of
        it: name as a region what is known to stand there.
    kept : sequence of Polygon
        Ink that is to stay readable: cells that hold some of it, and nothing of a region, are not taken by
        the 16 pixels around the regions.
    crop : (left, top, right, bottom), optional
        Pixels of the upright picture at which the copy ends, moved outwards to whole cells. Such a copy is
        encoded anew.
    fill : (red, green, blue)
        Colour of the cover.
    allow_empty : bool
        Whether neither regions nor `shown` mean a copy without metadata; by default that is refused.

    Raises
    ------
    Reject
        ``picture_corrupt``, ``region_invalid``, ``region_outside`` or ``too_many_regions``.
    Review
        ``nothing_to_cover``, ``lossy_webp`` or ``proof_failed``: there is no copy.
    """
    if not regions and shown is None and not allow_empty:
        raise Review(
            "nothing_to_cover", "name at least one place to cover: an untouched copy is never written"
        )
    if picture.lossy_webp and (regions or shown is not None):
        # VP8 predicts every block from its neighbours and codes what is left: digits under a cover were
        # recovered from pixels far beyond any margin (tests/leak/test_ringing.py).
        raise Review(
            "lossy_webp", "upload the picture as the camera wrote it: a lossy WebP cannot be covered"
        )
    places = _Places(
        _outlines(picture, [region.polygon for region in regions]),
        None if shown is None else _outlines(picture, shown),
        _outlines(picture, kept),
        _cells_around(picture, crop) if crop else None,
    )
    reason = "cut to the card" if crop else _why_pixels(picture)
    if not reason:
        return _by_coefficients(picture, places, fill)
    return _by_pixels(picture, places, fill, reason)


@dataclass(frozen=True, slots=True)
class _Places:
    """What `redact` was given, in stored pixels; the part that is left ends with whole cells."""

    masked: Outlines
    shown: Outlines | None
    kept: Outlines
    part: tuple[int, int, int, int] | None = None


def _cells_around(picture: Picture, crop: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    width, height = picture.stored_width, picture.stored_height
    corners = [to_stored((x, y), width, height, picture.orientation) for x in crop[::2] for y in crop[1::2]]
    grid = _grid(picture)
    xs, ys = [x / grid.cell_width for x, _ in corners], [y / grid.cell_height for _, y in corners]
    part = (
        max(math.floor(min(xs)), 0) * grid.cell_width,
        max(math.floor(min(ys)), 0) * grid.cell_height,
        min(math.ceil(max(xs)) * grid.cell_width, width),
        min(math.ceil(max(ys)) * grid.cell_height, height),
    )
    if part[0] >= part[2] or part[1] >= part[3]:
        raise Reject("region_outside", "give the part that is to be left in pixels of the upright picture")
    return part


def _grid(picture: Picture) -> Grid:
    return grid_for(
        picture.stored_width, picture.stored_height, *([picture.jpeg.mcu] if picture.jpeg else [])
    )


def _outlines(picture: Picture, polygons: Sequence[Polygon]) -> Outlines:
    if len(polygons) > MOST_REGIONS:
        raise Reject("too_many_regions", f"name at most {MOST_REGIONS} places")
    outlines = []
    for polygon in polygons:
        points = polygon.points
        if not all(math.isfinite(value) and abs(value) < _ABSURD for point in points for value in point):
            raise Reject("region_invalid", "give polygons as finite pixels of the upright picture")
        outlines.append(
            [to_stored(p, picture.stored_width, picture.stored_height, picture.orientation) for p in points]
        )
    return outlines


def _cover(picture: Picture, places: _Places) -> Cover:
    covered = cover(_grid(picture), places.masked, shown=places.shown, kept=places.kept)
    if covered.missed:
        raise Reject("region_outside", "give polygons in pixels of the upright picture: one lies outside it")
    if places.shown is not None:
        verify.check_hidden(covered, places.shown)
    return covered


def _why_pixels(picture: Picture) -> str:
    """Return why the coefficient path cannot be taken, or an empty text."""
    if picture.jpeg is None:
        return f"{picture.format} has no coefficients"
    if len(picture.jpeg.components) == 4:
        return "four colour planes"
    if not picture.jpeg.suits_turbo:
        return "unusual sampling"
    if picture.colour == icc.FOREIGN:
        return "unknown colour profile"
    available = coefficient_path_available()
    return "" if available else available.reason


def _by_coefficients(picture: Picture, places: _Places, fill: tuple[int, int, int]) -> RedactedCopy:
    header = picture.jpeg
    assert header is not None  # noqa: S101 - _why_pixels said so
    planned = dct.make_plan(header, _cover(picture, places), fill)
    done = dct.redact(picture.data, header, planned)
    grey = header.colour == "grey"
    profile = icc.canonical(picture.colour) if grey == (picture.colour == icc.GREY) else None
    expected = Expected(header.width, header.height, picture.orientation, profile)
    data = verify.build_jpeg(done.data, expected)
    # Decoded once more, so that what is promised is said of the very bytes that are handed out.
    seen = min(done.blocks_done, _reread(data, planned))
    return _proven(picture, data, None, Proof(
        "reread", "coefficients", "JPEG", planned.blocks, seen,
        verify.check(data, "jpeg", expected), picture.orientation,
        picture.colour if profile else icc.SRGB,
    ))  # fmt: skip


def _reread(data: bytes, planned: dct.Plan) -> int:
    try:
        return dct.count_flat(data, planned)
    except Reject:
        raise proof_failed("the copy cannot be read") from None


def _by_pixels(picture: Picture, places: _Places, fill: tuple[int, int, int], reason: str) -> RedactedCopy:
    covered = _cover(picture, places)
    if picture.jpeg is not None and coefficient_path_available():
        # Pillow repairs what is damaged; libturbojpeg says so.
        dct.validate(dct.tidied(picture.data, picture.jpeg))
    image = decoding.decode(picture)
    pixels.cover_over(image, covered, fill, picture)
    if places.part is not None:
        image, covered = image.crop(places.part), covered.part(places.part)
    profile = decoding.profile_to_write(picture, image) if picture.format != "bmp" else None
    if picture.format == "jpeg":
        # Stored as it was, so that covered cells are whole blocks of the copy and stay exactly flat.
        turned, expected = 1, Expected(*image.size, picture.orientation, profile)
    else:
        image = decoding.upright(image, picture.orientation)
        turned, expected = picture.orientation, Expected(*image.size, 1, profile)
    seen = pixels.count_flat_image(image, covered, turned, fill)
    data = decoding.encode(image, picture.format, profile)
    if picture.format == "jpeg":
        data = verify.build_jpeg(data, expected)
    seen = min(seen, pixels.count_flat(data, picture.format, covered, turned, fill))
    return _proven(picture, data, places.part, Proof(
        "reread", "pixels", reason, covered.cells, seen, verify.check(data, picture.format, expected),
        expected.orientation, picture.colour if profile else icc.SRGB,
    ))  # fmt: skip


def _proven(
    picture: Picture, data: bytes, part: tuple[int, int, int, int] | None, proof: Proof
) -> RedactedCopy:
    if proof.cells_done != proof.cells_planned:
        raise proof_failed("planned and covered cells differ in number")
    left, top, right, bottom = crop = (
        _upright(picture, part) if part else (0, 0, picture.width, picture.height)
    )
    return RedactedCopy(
        data,
        MEDIA_TYPES[picture.format],
        hashlib.sha256(data).hexdigest(),
        proof.path,
        proof,
        right - left,
        bottom - top,
        crop,
    )


def _upright(picture: Picture, part: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return where a part of the stored picture lies in the upright one."""
    back = {6: 8, 8: 6}.get(picture.orientation, picture.orientation)
    corners = [to_stored((x, y), picture.width, picture.height, back) for x in part[::2] for y in part[1::2]]
    xs, ys = [round(x) for x, _ in corners], [round(y) for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)
