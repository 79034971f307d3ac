"""Attacks on what a decoder does not show: earlier scans, rows below the edge, second orientations."""

from __future__ import annotations

import io
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from cardveil.card.model import Polygon
from cardveil.core.errors import CardveilError, Reject, Review
from cardveil.imaging import turbojpeg
from cardveil.imaging.turbojpeg import Step
from cardveil.redaction import dct, inspect, redact, upright_copy

BOX = Polygon.box(38, 30, 120, 58)


def _scan_starts(data: bytes) -> list[int]:
    return [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]


def _states(data: bytes) -> list[Any]:
    """Return what a decoder shows after each scan, as a browser does while loading."""
    ends = [*_scan_starts(data)[1:], len(data) - 2]
    shown = []
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        for end in ends:
            image = Image.open(io.BytesIO(data[:end] + b"\xff\xd9"))
            shown.append(np.asarray(image.convert("RGB")))
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    return shown


def _flat(state: Any) -> bool:
    # Two pixels inside the box: a decoder interpolates colour at a cover's edge.
    return bool(np.ptp(state[32:56, 40:118].reshape(-1, 3), axis=0).max() == 0)


def test_no_earlier_scan_shows_what_is_covered(kit: Any) -> None:
    source = kit.jpeg(kit.digits("4930", 1), progressive=True)
    assert len(_scan_starts(source)) > 5
    copy = redact(inspect(source), kit.region(BOX)).data
    assert len(_scan_starts(copy)) == 1
    assert all(_flat(state) for state in _states(copy))
    # The control: later scans refine an earlier one, and a redactor that rewrites them leaves that in the
    # file.
    blank = kit.jpeg(np.full((80, 240, 3), 236, np.uint8), progressive=True)
    careless = source[: _scan_starts(source)[1]] + blank[_scan_starts(blank)[1] :]
    assert not all(_flat(state) for state in _states(careless))


def _with_height(data: bytes, height: int) -> bytes:
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">H", height) + data[at + 7 :]


def _rows(data: bytes, first: int, last: int) -> Any:
    """Return rows of a JPEG with its height set to `last`, whatever its header said."""
    image = Image.open(io.BytesIO(_with_height(data, last)))
    return np.asarray(image.convert("L"))[first:last].astype(int)


@pytest.mark.parametrize("height", [41, 44, 47])
def test_rows_below_the_edge_are_not_carried_along(kit: Any, height: int) -> None:
    """A lossless crop ends at any row, but blocks are whole: half a line of digits fits below the edge."""
    pixels = kit.digits("4930", 1, size=(240, 48))
    source = _with_height(kit.jpeg(pixels, "4:4:4"), height)
    cover = Polygon.box(150, 5, 200, 20)

    def hidden(data: bytes) -> int:
        rows = _rows(data, height - 1, 48)
        return int(abs(rows[1:] - rows[0]).max())

    assert hidden(source) > 60
    # The control: libjpeg's own transform, which keeps whole blocks.
    assert hidden(turbojpeg.transform(source, [Step()])[0]) > 60
    copy = redact(inspect(source), kit.region(cover))
    assert copy.path == "coefficients"
    # What quantisation leaves of a repeated row.
    assert hidden(copy.data) < 24
    # With something else below the edge, what is there afterwards differs no more than what is shown does.
    pixels[height:] = 255 - pixels[height:]
    other = _with_height(kit.jpeg(pixels, "4:4:4"), height)
    second = redact(inspect(other), kit.region(cover))
    assert abs(_rows(source, height, 48) - _rows(other, height, 48)).max() > 150
    apart = abs(_rows(copy.data, height, 48) - _rows(second.data, height, 48)).max()
    assert apart <= abs(_rows(source, 40, height) - _rows(other, 40, height)).max() + 16


def test_columns_beyond_the_edge_are_not_carried_along(kit: Any) -> None:
    whole = kit.jpeg(np.ascontiguousarray(kit.digits("4930", 1)[:, :56]), "4:4:4")
    at = whole.index(b"\xff\xc0")
    source = whole[: at + 7] + struct.pack(">H", 50) + whole[at + 9 :]

    def hidden(data: bytes) -> int:
        start = data.index(b"\xff\xc0")
        wide = data[: start + 7] + struct.pack(">H", 56) + data[start + 9 :]
        columns = np.asarray(Image.open(io.BytesIO(wide)).convert("L")).astype(int)[:, 49:]
        return int(abs(columns[:, 1:] - columns[:, :1]).max())

    assert hidden(source) > 60
    copy = redact(inspect(source), kit.region(Polygon.box(2, 2, 20, 12)))
    assert copy.path == "coefficients"
    assert hidden(copy.data) < 24


@pytest.mark.parametrize("kind", ["4:2:0", "4:4:4", "4:2:2", "4:4:0", "grey", "quality 30"])
@pytest.mark.parametrize("size", [(123, 91), (241, 79), (240, 75), (233, 80)])
def test_what_is_shown_at_the_edge_stays(kit: Any, size: tuple[int, int], kind: str) -> None:
    """Judged by OpenCV: all but the last blocks exactly, those to within their quantisation."""
    pixels = kit.digits("4930", 1, size=size)
    if kind == "grey":
        source = kit.jpeg(pixels[..., 0])
    else:
        source = kit.jpeg(pixels, kind if ":" in kind else "4:2:0", quality=30 if "30" in kind else 90)
    copy = redact(inspect(source), kit.region(Polygon.box(2, 2, 4, 4)))
    assert copy.path == "coefficients"
    before, after = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)
        for data in (source, copy.data)
    )
    off = abs(before - after)[34:, 34:].max(axis=2)
    # One row more: a decoder interpolates colour across blocks.
    inner = (size[1] // 16 * 16 - 35, size[0] // 16 * 16 - 35)
    assert off[: inner[0], : inner[1]].max() == 0
    assert off.max() <= (48 if kind == "quality 30" else 12)


def test_covered_edges_are_not_made_anew(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of an edge is covered, its blocks are flat to their ends: there is nothing to rebuild."""
    source = kit.jpeg(kit.digits("4930", 1, size=(123, 91)))
    monkeypatch.delattr(dct, "edge_blocks")
    with pytest.raises(NameError):
        redact(inspect(source), kit.region(BOX))
    copy = redact(inspect(source), [], shown=[Polygon.box(8, 8, 80, 60)])
    assert copy.path == "coefficients"
    shown = kit.decoded(copy.data)
    assert shown[64:].max() <= 3


def test_a_picture_with_more_rows_than_it_admits_is_refused(kit: Any) -> None:
    source = _with_height(kit.jpeg(kit.digits("4930", 1)), 32)
    with pytest.raises(Reject, match="picture_corrupt"):
        redact(inspect(source), kit.region(Polygon.box(2, 2, 20, 12)))


def test_a_filter_that_fails_half_way_gives_no_copy(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = kit.jpeg(kit.digits("4930", 1))
    calls = 0
    overwrite = dct._overwrite

    def failing(address: int, flat: bytes, size: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("half-way")
        overwrite(address, flat, size)

    monkeypatch.setattr(dct, "_overwrite", failing)
    with pytest.raises(RuntimeError, match="half-way"):
        redact(inspect(source), kit.region(BOX))
    assert calls == 2


def test_without_its_guard_a_failing_filter_passes_unnoticed(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: ctypes swallows what a callback raises, and the transform writes the picture as it was."""
    source = kit.jpeg(kit.digits("4930", 1))
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)
    monkeypatch.setattr(
        turbojpeg,
        "_guard",
        lambda row_filter, raised, before: lambda a, p, _p, c, _i, _t: row_filter(a, 0, 0, c),
    )

    def failing(address: int, blocks: int, row: int, component: int) -> None:
        raise RuntimeError("half-way")

    copy = turbojpeg.transform(source, [Step(failing)])[0]
    assert not _flat(kit.decoded(copy))


@pytest.mark.parametrize("skipped", ["all", "one"])
def test_blocks_that_were_not_covered_are_noticed(
    kit: Any, skipped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite, calls = dct._overwrite, 0

    def forgetful(address: int, flat: bytes, size: int) -> None:
        nonlocal calls
        calls += 1
        if skipped == "one" and calls != 3:
            overwrite(address, flat, size)

    monkeypatch.setattr(dct, "_overwrite", forgetful)
    with pytest.raises(Review, match="proof_failed"):
        redact(inspect(kit.jpeg(kit.digits("4930", 1))), kit.region(BOX))


def test_a_copy_that_changed_after_it_was_written_is_noticed(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The written bytes are what is proven: here a fault puts the source in their place."""
    source = kit.jpeg(kit.digits("4930", 1))
    monkeypatch.setattr("cardveil.redaction.verify.build_jpeg", lambda encoded, expected: source)
    with pytest.raises(Review, match="proof_failed"):
        redact(inspect(source), kit.region(BOX))


@pytest.mark.parametrize("name", ["PNG", "BMP", "WEBP"])
def test_pixels_that_were_not_covered_are_noticed(
    kit: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardveil.redaction.pixels.cover_over", lambda *_: None)
    options = {"lossless": True} if name == "WEBP" else {}
    source = kit.pillow(Image.fromarray(kit.digits("4930", 1)), name, **options)
    with pytest.raises(Review, match="proof_failed"):
        redact(inspect(source), kit.region(BOX))


def _xmp(orientation: int) -> bytes:
    body = b'http://ns.adobe.com/xap/1.0/\x00<x tiff:Orientation="%d"/>' % orientation
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize(("exif", "xmp"), [(1, 6), (6, 1), (8, 3), (0, 6)])
def test_readers_that_turn_a_picture_differently_cannot_disagree_on_the_copy(
    kit: Any, exif: int, xmp: int
) -> None:
    upright = kit.digits("4930", 1)
    stored = kit.stored(upright, exif or 1)
    source = kit.jpeg(stored)
    source = source[:2] + _xmp(xmp) + source[2:]
    if exif:
        source = kit.with_orientation(source, exif)
    picture = inspect(source)
    assert picture.conflicting
    assert (picture.width, picture.height) == (240, 80)
    shown = upright_copy(picture, max_bytes=10**6)
    assert b"Orientation" not in shown.data
    assert (shown.width, shown.height) == (240, 80)
    copy = redact(picture, kit.region(BOX)).data
    assert b"Orientation" not in copy
    assert _flat(kit.decoded(copy))
    # The control: a redactor that takes the picture as stored covers another place than people see.
    if exif > 1:
        careless = kit.naive(source, BOX)
        assert not _flat(np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(careless))).convert("RGB")))


@pytest.mark.parametrize("setting", ["off", "/nowhere/libturbojpeg.so.0"])
def test_without_the_library_the_pixel_path_says_why_it_ran(
    kit: Any, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARDVEIL_TURBOJPEG", setting)
    copy = redact(inspect(kit.jpeg(kit.digits("4930", 1))), kit.region(BOX))
    assert copy.path == "pixels"
    assert "switched off" in copy.proof.reason or "not found" in copy.proof.reason
    assert _flat(kit.decoded(copy.data))


@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:0"])
def test_a_damaged_jpeg_is_refused_and_never_repaired(kit: Any, sampling: str) -> None:
    """Pillow shows seven of ten damaged files; what stands in them is then anywhere but in its box."""
    source = kit.jpeg(kit.digits("4930", 1), sampling)
    refused = 0
    for at in range(700, len(source) - 40, 101):
        damaged = source[:at] + bytes([source[at] ^ 0x55, source[at + 1] ^ 0x33]) + source[at + 2 :]
        try:
            redact(inspect(damaged), kit.region(BOX))
        except CardveilError:
            refused += 1
    assert refused > 0.5 * len(range(700, len(source) - 40, 101))
