"""Two sources that differ only under the cover give the same copy, byte for byte: nothing of it can leak."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cardveil.card.model import Polygon
from cardveil.redaction import Region, inspect, redact

WIDTH, HEIGHT = 123, 91
TILTED = Polygon.of([(31.3, 22.8), (88.1, 30.2), (85.0, 61.7), (28.4, 53.9)])

TURBO = ["4:4:4", "4:2:2", "4:4:0", "4:2:0"]


def _pair(kit: Any, polygon: Polygon, orientation: int, seed: int = 0) -> tuple[Any, Any]:
    """Return two stored pictures that differ in every pixel under the polygon and in no other."""
    one = kit.noise(seed, WIDTH, HEIGHT)
    other = one.copy()
    within = kit.inside(polygon, WIDTH, HEIGHT)
    other[within] = 255 - one[within]
    assert within.any()
    return kit.stored(one, orientation), kit.stored(other, orientation)


def _copies(kit: Any, sources: tuple[bytes, bytes], polygon: Polygon, path: str) -> tuple[bytes, bytes]:
    copies = [redact(inspect(data), kit.region(polygon)) for data in sources]
    assert {copy.path for copy in copies} == {path}
    return copies[0].data, copies[1].data


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("sampling", TURBO)
def test_jpeg_coefficients(kit: Any, sampling: str, progressive: bool, orientation: int) -> None:
    sources = tuple(
        kit.with_orientation(kit.jpeg(pixels, sampling, progressive=progressive), orientation)
        for pixels in _pair(kit, TILTED, orientation)
    )
    assert sources[0] != sources[1]
    one, other = _copies(kit, sources, TILTED, "coefficients")
    assert one == other
    # The control: a polygon drawn over decoded pixels lets the block around it tell what was there.
    if orientation == 1:
        assert kit.naive(sources[0], TILTED) != kit.naive(sources[1], TILTED)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("sampling", [*TURBO, "4:1:1"])
def test_jpeg_pixels(
    kit: Any, sampling: str, progressive: bool, orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARDVEIL_TURBOJPEG", "off")
    sources = tuple(
        kit.with_orientation(kit.jpeg(pixels, sampling, progressive=progressive), orientation)
        for pixels in _pair(kit, TILTED, orientation)
    )
    one, other = _copies(kit, sources, TILTED, "pixels")
    assert one == other


@pytest.mark.parametrize("mode", ["L", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 6, 7])
def test_grey_and_cmyk(kit: Any, mode: str, orientation: int) -> None:
    sources = tuple(
        kit.with_orientation(kit.pillow(Image.fromarray(p).convert(mode), "JPEG", quality=88), orientation)
        for p in _pair(kit, TILTED, orientation)
    )
    one, other = _copies(kit, sources, TILTED, "coefficients" if mode == "L" else "pixels")
    assert one == other
    if orientation == 1:
        assert kit.naive(sources[0], TILTED) != kit.naive(sources[1], TILTED)


@pytest.mark.parametrize(
    ("kind", "orientation"),
    [
        ("bmp", 1),  # which has no orientation
        *((k, o) for k in ("png", "png-grey", "png-16", "webp", "webp-alpha") for o in range(1, 9)),
        *((k, o) for k in ("tiff", "tiff-jpeg", "tiff-g4") for o in range(1, 9)),
    ],
)
def test_other_formats(kit: Any, kind: str, orientation: int) -> None:
    first, second = (_encoded(kit, kind, pixels, orientation) for pixels in _pair(kit, TILTED, orientation))
    one, other = _copies(kit, (first, second), TILTED, "pixels")
    assert one == other


def _encoded(kit: Any, kind: str, pixels: Any, orientation: int) -> bytes:
    image = Image.fromarray(pixels)
    if kind == "bmp":
        return bytes(kit.pillow(image, "BMP"))
    if kind.startswith("tiff"):
        how = {"tiff": "tiff_lzw", "tiff-jpeg": "jpeg", "tiff-g4": "group4"}[kind]
        if kind == "tiff-g4":
            # Without dithering, which carries every pixel's rounding on to all that follow.
            image = image.convert("1", dither=Image.Dither.NONE)
        return bytes(kit.pillow(image, "TIFF", compression=how, tiffinfo={274: orientation}))
    if kind == "png-16":
        wide = pixels[..., 0].astype(np.uint16) * 257
        return bytes(kit.with_orientation(kit.pillow(Image.fromarray(wide), "PNG"), orientation))
    if kind.startswith("webp"):
        # A lossy WebP predicts across the picture, so only lossless sources can differ in one place alone.
        if kind == "webp-alpha":
            image = image.convert("RGBA")
        return bytes(kit.with_orientation(kit.pillow(image, "WEBP", lossless=True), orientation))
    return bytes(
        kit.with_orientation(kit.pillow(image.convert("L") if "grey" in kind else image, "PNG"), orientation)
    )


def test_a_png_made_from_a_jpeg_keeps_no_ringing(kit: Any) -> None:
    """A screenshot of a JPEG has its ringing in it: cells of eight pixels are covered whole there too."""
    sources = []
    for pixels in _pair(kit, TILTED, 1):
        shown = kit.decoded(kit.jpeg(pixels, "4:4:4", quality=60))
        sources.append(kit.pillow(Image.fromarray(shown), "PNG"))
    one, other = _copies(kit, (sources[0], sources[1]), TILTED, "pixels")
    assert one == other
    assert kit.naive(sources[0], TILTED) != kit.naive(sources[1], TILTED)


@pytest.mark.parametrize("kind", ["jpeg", "jpeg-grey", "png", "png-16", "webp", "bmp", "tiff"])
def test_nothing_outside_what_is_shown_decides_anything(kit: Any, kind: str) -> None:
    """Whatever else lies on the table: pictures that differ in all that is not shown give one copy."""
    orientation = 1 if kind == "bmp" else 6
    shown = [TILTED, Polygon.box(70, 10, 110, 40)]
    within = np.zeros((HEIGHT, WIDTH), bool)
    for polygon in shown:
        within |= kit.inside(polygon, WIDTH, HEIGHT)
    one, other = kit.noise(0, WIDTH, HEIGHT), kit.noise(1, WIDTH, HEIGHT)
    other[within] = one[within]
    sources = []
    for pixels in (one, other):
        stored = kit.stored(pixels, orientation)
        if kind.startswith("jpeg"):
            grey = stored[..., 0] if kind == "jpeg-grey" else stored
            sources.append(kit.with_orientation(kit.jpeg(grey), orientation))
        else:
            sources.append(_encoded(kit, kind, stored, orientation))
    copies = [redact(inspect(data), [], shown=shown) for data in sources]
    assert copies[0].data == copies[1].data
    # Something is shown, and only where it may be.
    seen = (kit.decoded(copies[0].data) > 3).any(axis=2)
    assert seen.sum() > 200
    assert not (seen & ~within).any()


@st.composite
def _quads(draw: st.DrawFn) -> Polygon:
    """Convex quadrilaterals anywhere near the picture, clockwise."""
    cx, cy = draw(st.floats(-5, WIDTH + 5)), draw(st.floats(-5, HEIGHT + 5))
    rx, ry = draw(st.floats(1, 70)), draw(st.floats(1, 50))
    start = draw(st.floats(0, 2 * math.pi))
    steps = [start + quarter * math.pi / 2 + draw(st.floats(0, 1.2)) for quarter in range(4)]
    return Polygon.of((cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in steps)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    polygon=_quads(),
    orientation=st.integers(1, 8),
    sampling=st.sampled_from(TURBO),
    progressive=st.booleans(),
)
def test_any_polygon(kit: Any, polygon: Polygon, orientation: int, sampling: str, progressive: bool) -> None:
    within = kit.inside(polygon, WIDTH, HEIGHT)
    if not within.any():
        return
    one, other = (
        kit.with_orientation(kit.jpeg(pixels, sampling, progressive=progressive), orientation)
        for pixels in _pair(kit, polygon, orientation, seed=7)
    )
    regions = [Region("name", polygon, "mask")]
    assert redact(inspect(one), regions).data == redact(inspect(other), regions).data


@pytest.mark.parametrize("scans", [1, 2, 4])
def test_jpeg_pixels_that_a_decoder_smooths(kit: Any, scans: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a progressive picture's last scans are missing, blocks are drawn from their neighbours' means."""
    monkeypatch.setenv("CARDVEIL_TURBOJPEG", "off")
    sources = []
    for pixels in _pair(kit, TILTED, 1):
        whole = kit.jpeg(pixels, "4:2:0", progressive=True)
        starts = [at for at in range(len(whole)) if whole[at : at + 2] == b"\xff\xda"]
        sources.append(whole[: starts[scans]] + b"\xff\xd9")
    assert sources[0] != sources[1]
    one, other = _copies(kit, (sources[0], sources[1]), TILTED, "pixels")
    assert one == other
