"""The one way to a redacted copy: choose a path, cover, prove, and only then hand anything out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Final, Literal

from cardveil.core.errors import Reject, Review, proof_failed
from cardveil.imaging import icc
from cardveil.imaging.image import MEDIA_TYPES, Picture
from cardveil.imaging.orientation import to_stored
from cardveil.imaging.turbojpeg_library import coefficient_path_available
from cardveil.redaction import dct, pixels, verify
from cardveil.redaction.grid import Cover, Grid, snap
from cardveil.redaction.results import Proof, RedactedCopy, Region
from cardveil.redaction.verify import Expected

BLACK: Final = (0, 0, 0)
#: More places than any page of cards has; covering is linear in their number.
MOST_REGIONS: Final = 1000
#: Farther outside than any rounding or margin explains, in pixels.
_ABSURD: Final = 1e7
#: Cells of a picture that is no JPEG: it may have been one, and its blocks then start at its corner.
_CELL: Final = 8

ProofLevel = Literal["inline", "reread"]


def redact(
    picture: Picture,
    regions: Sequence[Region],
    *,
    fill: tuple[int, int, int] = BLACK,
    proof: ProofLevel = "reread",
    allow_empty: bool = False,
) -> RedactedCopy:
    """Cover `regions` and return a copy that is proven to hold nothing of them, and no metadata.

    Parameters
    ----------
    picture : Picture
        From `inspect`.
    regions : sequence of Region
        Each covers the convex hull of its polygon, so that a self-crossing outline covers more, never less.
    fill : (red, green, blue)
        Colour of the cover.
    proof : {"reread", "inline"}
        ``reread`` decodes the written file again, so that what is promised is said of the very bytes that are
        handed out; it costs about as much as half of the redaction, a tenth of a recognition. ``inline``
        reads back the coefficients that the encoder was given, and the copy's structure.
    allow_empty : bool
        Whether no regions at all mean a copy without metadata; by default that is refused.

    Raises
    ------
    Reject
        ``picture_corrupt``, ``region_invalid``, ``region_outside`` or ``too_many_regions``.
    Review
        ``nothing_to_cover`` or ``proof_failed``: there is no copy.
    """
    if not regions and not allow_empty:
        raise Review(
            "nothing_to_cover", "name at least one place to cover: an untouched copy is never written"
        )
    outlines = _outlines(picture, regions)
    reason = _why_pixels(picture)
    if not reason:
        copy = _by_coefficients(picture, outlines, fill, proof)
        if copy is not None:
            return copy
        reason = "rows or columns beyond the picture's edge"
    return _by_pixels(picture, outlines, fill, proof, reason)


Outlines = Sequence[Sequence[tuple[float, float]]]


def _outlines(picture: Picture, regions: Sequence[Region]) -> Outlines:
    if len(regions) > MOST_REGIONS:
        raise Reject("too_many_regions", f"name at most {MOST_REGIONS} places")
    outlines = []
    for region in regions:
        points = region.polygon.points
        if not all(math.isfinite(value) and abs(value) < _ABSURD for point in points for value in point):
            raise Reject("region_invalid", "give polygons as finite pixels of the upright picture")
        outlines.append(
            [to_stored(p, picture.stored_width, picture.stored_height, picture.orientation) for p in points]
        )
    return outlines


def _cover(grid: Grid, outlines: Outlines) -> Cover:
    cover = snap(grid, outlines)
    if cover.missed:
        raise Reject("region_outside", "give polygons in pixels of the upright picture: one lies outside it")
    return cover


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


def _by_coefficients(
    picture: Picture, outlines: Outlines, fill: tuple[int, int, int], level: ProofLevel
) -> RedactedCopy | None:
    header = picture.jpeg
    assert header is not None  # noqa: S101 - _why_pixels said so
    cover = _cover(Grid(header.width, header.height, *header.mcu), outlines)
    planned = dct.make_plan(header, cover, fill)
    done = dct.redact(picture.data, header, planned)
    if done.hidden:
        return None
    grey = header.colour == "grey"
    profile = icc.canonical(picture.colour) if grey == (picture.colour == icc.GREY) else None
    expected = Expected(header.width, header.height, picture.orientation, profile)
    data = verify.build_jpeg(done.data, expected)
    seen = min(done.blocks_done, done.blocks_seen)
    if level == "reread":
        seen = min(seen, _reread(data, planned))
    return _proven(picture, data, Proof(
        level, "coefficients", "JPEG", planned.blocks, seen,
        verify.check(data, "jpeg", expected, thorough=level == "reread"), picture.orientation,
        picture.colour if profile else icc.SRGB,
    ))  # fmt: skip


def _reread(data: bytes, planned: dct.Plan) -> int:
    try:
        return dct.count_flat(data, planned)
    except Reject:
        raise proof_failed("the copy cannot be read") from None


def _by_pixels(
    picture: Picture, outlines: Outlines, fill: tuple[int, int, int], level: ProofLevel, reason: str
) -> RedactedCopy:
    mcu = picture.jpeg.mcu if picture.jpeg else (_CELL, _CELL)
    cover = _cover(Grid(picture.stored_width, picture.stored_height, *mcu), outlines)
    if picture.jpeg is not None and coefficient_path_available():
        # Pillow repairs what is damaged; libturbojpeg says so.
        dct.validate(picture.data)
    image = pixels.decode(picture)
    pixels.cover_over(image, cover, fill, picture)
    profile = pixels.profile_to_write(picture, image) if picture.format != "bmp" else None
    if picture.format == "jpeg":
        # Stored as it was, so that covered cells are whole blocks of the copy and stay exactly flat.
        turned, expected = 1, Expected(*image.size, picture.orientation, profile)
    else:
        image = pixels.upright(image, picture.orientation)
        turned, expected = picture.orientation, Expected(*image.size, 1, profile)
    seen = pixels.count_flat_image(image, cover, turned, fill)
    data = pixels.encode(image, picture.format, profile)
    if picture.format == "jpeg":
        data = verify.build_jpeg(data, expected)
    if level == "reread":
        seen = min(seen, pixels.count_flat(data, picture.format, cover, turned, fill))
    return _proven(picture, data, Proof(
        level, "pixels", reason, cover.cells, seen, verify.check(data, picture.format, expected),
        expected.orientation, picture.colour if profile else icc.SRGB,
    ))  # fmt: skip


def _proven(picture: Picture, data: bytes, proof: Proof) -> RedactedCopy:
    if proof.cells_done != proof.cells_planned:
        raise proof_failed("planned and covered cells differ in number")
    return RedactedCopy(
        data,
        MEDIA_TYPES[picture.format],
        hashlib.sha256(data).hexdigest(),
        proof.path,
        proof,
        picture.width,
        picture.height,
    )
