"""The engine's promises: bit-exact outside, the colour asked for, no bad region uncovered."""

from __future__ import annotations

import ctypes
import io
import json
import math
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from cardveil.card.model import Polygon
from cardveil.core.errors import Reject, Review
from cardveil.imaging import turbojpeg
from cardveil.imaging.turbojpeg import Step
from cardveil.redaction import Region, inspect, redact, upright_copy

WIDTH, HEIGHT = 205, 123
BOX = Polygon.box(50, 40, 120, 70)


def _photo(mode: str = "RGB") -> Image.Image:
    coarse = np.random.default_rng(4).integers(0, 256, (17, 28, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).convert(mode)


def _saved(name: str, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    _photo(mode).save(out, name, **options)
    return out.getvalue()


def _shown(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def _coefficients(data: bytes) -> dict[tuple[int, int], bytes]:
    found: dict[tuple[int, int], bytes] = {}

    def read(address: int, blocks: int, row: int, component: int) -> None:
        found[component, row] = ctypes.string_at(address, 128 * blocks)

    turbojpeg.transform(data, [Step(read, output=False)])
    return found


@pytest.mark.parametrize(
    "options", [{"subsampling": 0}, {"subsampling": 2}, {"progressive": True}, {"quality": 30}]
)
def test_every_coefficient_outside_the_cover_stays(options: dict[str, Any]) -> None:
    source = _saved("JPEG", **options)
    before, after = (
        _coefficients(source),
        _coefficients(redact(inspect(source), [Region("a", BOX, "mask")]).data),
    )
    assert before.keys() == after.keys()
    # Whole cells of sixteen pixels within sixteen (and one) of the box, in blocks of eight.
    rows = range((40 - 17) // 16 * 2, -(-(70 + 17) // 16) * 2)
    columns = range((50 - 17) // 16 * 2, -(-(120 + 17) // 16) * 2)
    for (component, row), line in before.items():
        factor = 1 if component == 0 or options.get("subsampling") == 0 else 2
        for column in range(len(line) // 128):
            old, new = (lines[component, row][128 * column : 128 * (column + 1)] for lines in (before, after))
            covered = row * factor in rows and column * factor in columns
            # The last blocks reach beyond the picture: they are made anew from what is shown of them.
            edge = (row + 1) * factor * 8 > HEIGHT or (column + 1) * factor * 8 > WIDTH
            assert new[2:] == bytes(126) if covered else edge or new == old


@pytest.mark.parametrize("fill", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 40, 60)])
@pytest.mark.parametrize(
    ("name", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("BMP", "RGB")]
)
def test_the_cover_has_the_colour_that_was_asked_for(
    name: str, mode: str, fill: tuple[int, int, int]
) -> None:
    source = _saved(name, mode)
    shown = _shown(redact(inspect(source), [Region("a", BOX, "mask")], fill=fill).data)[42:68, 52:118]
    luma = round(0.299 * fill[0] + 0.587 * fill[1] + 0.114 * fill[2])
    expected = (luma,) * 3 if mode == "L" else fill
    assert (abs(shown - expected) <= (3 if name == "JPEG" else 0)).all()


def test_pixels_outside_the_cover_of_a_lossless_picture_stay() -> None:
    source = _saved("PNG")
    before, after = _shown(source), _shown(redact(inspect(source), [Region("a", BOX, "mask")]).data)
    changed = np.argwhere((before != after).any(axis=2))
    # Cells of sixteen pixels within sixteen of the box, and one pixel around them.
    assert changed.min(axis=0).tolist() == [15, 31]
    assert changed.max(axis=0).tolist() == [96, 144]


def test_the_same_source_gives_the_same_bytes() -> None:
    for name in ("JPEG", "PNG", "BMP", "WEBP"):
        picture = inspect(_saved(name, lossless=True))
        copies = [redact(picture, [Region("a", BOX, "mask")]) for _ in range(2)]
        assert copies[0] == copies[1]


def test_a_copy_of_a_copy_is_accepted_and_covered_again() -> None:
    whole = _photo().crop((0, 0, 192, 112))
    out = io.BytesIO()
    whole.save(out, "JPEG")
    once = redact(inspect(out.getvalue()), [Region("a", BOX, "mask")])
    again = redact(inspect(once.data), [Region("a", BOX, "mask")])
    assert again.data == once.data


def test_what_is_known_of_a_copy_can_be_written_down() -> None:
    copy = redact(inspect(_saved("JPEG")), [Region("a", BOX, "mask")])
    proof = json.loads(json.dumps(copy.proof.as_dict()))
    assert proof["cells_planned"] == proof["cells_done"] > 0
    assert (proof["level"], proof["path"], proof["recognised"]) == ("reread", "coefficients", False)
    assert (copy.media_type, copy.width, copy.height) == ("image/jpeg", WIDTH, HEIGHT)


# Bad regions
# -------------------------------------------------------------------------------------------------


def test_no_regions_are_refused_unless_that_is_meant() -> None:
    picture = inspect(_saved("JPEG", comment=b"secret"))
    with pytest.raises(Review, match="nothing_to_cover"):
        redact(picture, [])
    copy = redact(picture, [], allow_empty=True)
    assert b"secret" not in copy.data
    assert (_shown(copy.data) == _shown(picture.data))[:111, :191].all()


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    "polygon",
    [
        Polygon.box(-80, -80, -20, -20),
        Polygon.box(WIDTH + 5, 10, WIDTH + 50, 20),
        Polygon.of([(-60, 30), (30, -60), (28, -62), (-62, 28)]),  # its bounds touch the picture, it does not
        Polygon.box(10, HEIGHT + 2.5, 20, HEIGHT + 8),
    ],
)
def test_a_region_outside_the_picture_is_refused(name: str, polygon: Polygon) -> None:
    with pytest.raises(Reject, match="region_outside"):
        redact(inspect(_saved(name)), [Region("a", BOX, "mask"), Region("b", polygon, "mask")])


def test_a_region_partly_outside_covers_what_is_inside() -> None:
    copy = redact(inspect(_saved("PNG")), [Region("a", Polygon.box(-500, -500, 30, 30), "mask")])
    assert (_shown(copy.data)[:30, :30] == 0).all()


def test_a_crossing_outline_covers_all_that_it_may_mean() -> None:
    crossing = Polygon.of([(50, 40), (120, 70), (120, 40), (50, 70)])
    source = inspect(_saved("PNG"))
    assert (
        redact(source, [Region("a", crossing, "mask")]).data
        == redact(source, [Region("a", BOX, "mask")]).data
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_never_become_a_polygon(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Polygon.of([(0, 0), (value, 0), (9, 9), (0, 9)])


@pytest.mark.parametrize("value", [1e8, -1e30, 1e308])
def test_absurd_numbers_are_refused(value: float) -> None:
    with pytest.raises(Reject, match="region_invalid"):
        redact(
            inspect(_saved("PNG")), [Region("a", Polygon.of([(0, 0), (value, 0), (9, 9), (0, 9)]), "mask")]
        )


def test_a_thousand_regions_are_covered_and_ten_thousand_refused() -> None:
    picture = inspect(_saved("JPEG"))
    regions = [
        Region("a", Polygon.box(x, y, x + 3, y + 3), "mask")
        for x in range(0, 200, 5)
        for y in range(0, 120, 5)
    ]
    assert (_shown(redact(picture, regions[:960]).data)[2:110, 2:190].max(axis=(0, 1)) <= 3).all()
    with pytest.raises(Reject, match="too_many_regions"):
        redact(picture, regions * 11)


def test_a_point_and_a_line_are_covered() -> None:
    point = Polygon.of([(60, 50)] * 4)
    line = Polygon.of([(10, 10), (190, 100), (190, 100), (10, 10)])
    shown = _shown(
        redact(inspect(_saved("PNG")), [Region("a", point, "mask"), Region("b", line, "mask")]).data
    )
    assert (shown[50, 60] == 0).all()
    assert all((shown[round(10 + 90 * t), round(10 + 180 * t)] == 0).all() for t in np.linspace(0, 1, 50))


# What recognisers are shown
# ----------------------------------------------------------------------------------


def test_an_upright_picture_is_shown_as_it_is() -> None:
    for name in ("JPEG", "PNG", "BMP"):
        data = _saved(name)
        shown = upright_copy(inspect(data), max_bytes=10**6)
        assert shown.data is data
        assert (shown.width, shown.height, shown.scale) == (WIDTH, HEIGHT, 1.0)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_a_turned_picture_is_shown_upright(name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    options: dict[str, Any] = {"lossless": True} if name == "WEBP" else {}
    data = _saved(name, exif=exif.tobytes(), **options)
    shown = upright_copy(inspect(data), max_bytes=10**6)
    assert (shown.width, shown.height, shown.media_type) == (HEIGHT, WIDTH, "image/jpeg")
    expected = np.rot90(np.asarray(_photo()).astype(int), -1)
    assert abs(_shown(shown.data) - expected).mean() < 8


@pytest.mark.parametrize("bound", [{"max_pixels": 3000}, {"max_bytes": 9000}])
def test_a_picture_that_is_too_large_is_shown_smaller(bound: dict[str, int]) -> None:
    shown = upright_copy(inspect(_saved("PNG")), **{"max_bytes": 10**6, **bound})
    assert shown.width * shown.height <= bound.get("max_pixels", 10**9)
    assert len(shown.data) <= bound.get("max_bytes", 10**9)
    assert shown.scale == pytest.approx(WIDTH / shown.width)
    assert shown.scale == pytest.approx(HEIGHT / shown.height, rel=0.05)


def test_sixteen_bits_become_eight_without_clipping() -> None:
    ramp = np.linspace(0, 65535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint16)
    out = io.BytesIO()
    Image.fromarray(ramp).save(out, "PNG")
    shown = upright_copy(inspect(out.getvalue()), max_bytes=20_000)
    values = _shown(shown.data)[..., 0]
    assert values.min() < 10
    assert values.max() > 245
    assert 110 < values.mean() < 145


def test_a_copy_larger_than_its_source_leaves_no_memory_behind() -> None:
    """A progressive source is smaller than its baseline copy, so the library changes its buffer."""
    random = np.random.default_rng(2).integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(random).save(out, "JPEG", quality=90, progressive=True)
    source = out.getvalue()
    copy = turbojpeg.transform(source, [Step()])[0]
    assert len(copy) > len(source) + 65536

    def resident_mb() -> float:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize() / 2**20

    def growth_mb() -> float:
        before = resident_mb()
        for _ in range(12):
            turbojpeg.transform(source, [Step()])
        return resident_mb() - before

    # What is lost is lost in every round; what the allocator keeps, or another thread takes, is not.
    assert any(growth_mb() < 6 * len(source) / 2**20 for _ in range(4))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_a_copy_that_is_cut_shows_that_part_of_the_covered_picture(name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = inspect(_saved(name, exif=exif))
    wanted = (33, 20, 110, 90)
    box = Polygon.box(50, 40, 90, 60)
    cut = redact(picture, [Region("a", box, "mask")], crop=wanted)
    assert cut.crop is not None
    left, top, right, bottom = cut.crop
    assert (min(left, 33), min(top, 20), max(right, 110), max(bottom, 90)) == cut.crop
    assert max(33 - left, 20 - top, right - 110, bottom - 90) < 16
    assert (cut.width, cut.height) == (right - left, bottom - top)
    whole = redact(picture, [Region("a", box, "mask")])
    seen, full = (ImageOps.exif_transpose(Image.open(io.BytesIO(copy.data))) for copy in (cut, whole))
    assert seen.size == (cut.width, cut.height)
    expected = np.asarray(full.convert("RGB")).astype(int)[top:bottom, left:right]
    off = np.abs(np.asarray(seen.convert("RGB")).astype(int) - expected)
    assert off.mean() < 3
    assert cut.proof.cells_planned == cut.proof.cells_done > 0


def test_a_part_that_lies_outside_the_picture_is_refused() -> None:
    with pytest.raises(Reject, match="region_outside"):
        redact(inspect(_saved("PNG")), [Region("a", BOX, "mask")], crop=(300, 20, 400, 90))
