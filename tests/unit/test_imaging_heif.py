"""HEIC and AVIF stand as their container says, whoever converts them; what is not sure goes to a person."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.support.heif import heic
from tests.support.iphone import iphone

from cardveil.core.errors import Reject
from cardveil.imaging.conversion import Converted, opened
from cardveil.imaging.exif import minimal
from cardveil.imaging.heif import Heif, is_heif, read_heif
from cardveil.redaction import Limits
from cardveil_cloud.heif.convert import to_jpeg


@cache
def _picture() -> Image.Image:
    """Return a picture that no turn maps to itself."""
    image = Image.new("RGB", (128, 96), "white")
    for colour, box in (("red", (0, 0, 64, 48)), ("lime", (64, 0, 128, 48)), ("blue", (0, 48, 64, 96))):
        image.paste(colour, box)
    return image


def _turned(orientation: int) -> Image.Image:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    _picture().save(out, "PNG", exif=exif)
    return ImageOps.exif_transpose(Image.open(out)).convert("RGB")


def _avif(orientation: int = 1, **options: Any) -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    _picture().save(out, "AVIF", exif=exif, **options)
    return out.getvalue()


def _jpeg(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def _alike(data: bytes, image: Image.Image) -> bool:
    shown = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    return shown.size == image.size and np.abs(np.asarray(shown).astype(int) - np.asarray(image)).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_a_picture_is_upright(kind: str, orientation: int) -> None:
    source = (
        heic(_picture(), orientation=orientation, exif=orientation) if kind == "heic" else _avif(orientation)
    )
    facts = read_heif(source, Limits())
    assert (facts.orientation, facts.conflicting) == (orientation, False)
    picture = opened(source, Limits(), to_jpeg)
    assert (picture.format, picture.orientation, picture.conflicting) == ("jpeg", 1, False)
    assert _alike(picture.data, _turned(orientation))
    assert (picture.width, picture.height) == (facts.width, facts.height)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_converter_that_turns_nothing_is_seen_by_the_size_of_its_picture(orientation: int) -> None:
    source = heic(_picture(), orientation=orientation, exif=orientation)
    picture = opened(source, Limits(), lambda _, __: Converted(_jpeg(_picture()), upright=False))
    if orientation in (1, 5, 6, 7, 8):
        assert not picture.conflicting
        assert _alike(picture.data, _turned(orientation))
    else:
        assert picture.conflicting  # as large as one that was turned


@pytest.mark.parametrize("said", [b"", minimal(6), minimal(3)])
def test_what_a_converter_leaves_in_exif_turns_nothing(said: bytes) -> None:
    """The pixels stand upright already: EXIF of the source, carried along, would turn them twice."""
    source = heic(_picture(), orientation=6, exif=6)
    made = _jpeg(_turned(6), exif=said)
    picture = opened(source, Limits(), lambda _, __: Converted(made, upright=False))
    assert (picture.orientation, picture.conflicting) == (1, False)
    assert _alike(picture.data, _turned(6))


def test_a_picture_of_another_size_is_a_doubt() -> None:
    made = _jpeg(_picture().resize((64, 48)))
    for orientation in (1, 6):
        source = heic(_picture(), orientation=orientation)
        assert opened(source, Limits(), lambda _, __: Converted(made, upright=False)).conflicting


@pytest.mark.parametrize(
    ("orientation", "exif", "doubt"),
    [(1, 1, False), (6, 6, False), (6, 1, False), (6, None, False), (1, 6, True), (6, 3, True), (3, 6, True)],
)
def test_exif_that_disagrees_with_the_container_is_a_doubt(
    orientation: int, exif: int | None, doubt: bool
) -> None:
    source = heic(_picture(), orientation=orientation, exif=exif)
    picture = opened(source, Limits(), to_jpeg)
    assert picture.conflicting is doubt
    assert _alike(picture.data, _turned(orientation)), "as the container says, whatever EXIF does"


def test_a_profile_is_kept_and_nothing_else() -> None:
    from cardveil.imaging import icc

    profile = icc.canonical(icc.P3)
    assert profile is not None
    image = _picture().copy()
    image.info["icc_profile"] = profile
    picture = opened(heic(image, xmp=b"CANARY-3301", exif=1), Limits(), to_jpeg)
    assert picture.colour == icc.P3
    assert b"CANARY" not in picture.data


def test_only_the_primary_picture_is_taken() -> None:
    import pillow_heif

    made = pillow_heif.from_pillow(Image.new("RGB", (64, 64), "black"))
    made.add_from_pillow(_picture())
    out = io.BytesIO()
    made.save(out, quality=90, primary_index=1)
    assert _alike(opened(out.getvalue(), Limits(), to_jpeg).data, _picture())


@pytest.mark.parametrize(("orientation", "exif"), [(1, 1), (6, 6), (8, 3), (3, None)])
def test_a_phone_s_tiles_are_one_picture_and_what_is_beside_them_is_none(
    orientation: int, exif: int | None
) -> None:
    """A thumbnail, depth and a gain map; two decoders see the same."""
    import pillow_heif

    source = iphone(_picture(), orientation=orientation, exif=exif, canary=b"CANARY-3301")
    other = pillow_heif.open_heif(io.BytesIO(source))
    assert (len(other), len(other.info["depth_images"]), len(other.info["aux"])) == (1, 1, 1)
    picture = opened(source, Limits(), to_jpeg)
    for seen in (picture.data, _jpeg(other.to_pillow())):
        assert _alike(seen, _turned(orientation))
    assert picture.conflicting is (exif == 3)
    assert b"CANARY" not in picture.data


def test_frames_that_follow_each_other_are_refused() -> None:
    with pytest.raises(Reject, match="picture_animated"):
        opened(_avif(save_all=True, append_images=[_picture().rotate(9)]), Limits(), to_jpeg)


def test_transparency_is_refused() -> None:
    image = _picture().copy()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    with pytest.raises(Reject, match="format_not_supported"):
        opened(heic(image), Limits(), to_jpeg)


def test_sizes_are_held_to_before_anything_is_decoded() -> None:
    def never(_: bytes, __: Heif) -> Converted:
        raise AssertionError("converted")

    source = heic(_picture())
    for limits in (Limits(max_pixels=128 * 96 - 1), Limits(max_bytes=len(source) - 1)):
        with pytest.raises(Reject, match="picture_too_large"):
            opened(source, limits, never)


def test_where_nothing_converts_it_is_refused() -> None:
    with pytest.raises(Reject, match="format_not_supported"):
        opened(heic(_picture()), Limits(), None)


def test_what_begins_alike_is_no_heif() -> None:
    assert not is_heif(b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42")
    assert is_heif(heic(_picture()))


@pytest.mark.parametrize("cut", range(20, 400, 7))
def test_a_file_that_was_cut_or_damaged_ends_in_a_refusal(cut: int) -> None:
    source = heic(_picture(), exif=1)
    for damaged in (source[:cut], source[:cut] + b"\xff" + source[cut + 1 :]):
        try:
            read_heif(damaged, Limits())
        except Reject:
            continue
