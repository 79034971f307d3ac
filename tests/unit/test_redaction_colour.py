"""Profiles are known by their meaning, and only our own bytes are ever written."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageCms

from cardveil.card.model import Polygon
from cardveil.imaging import icc
from cardveil.redaction import Region, inspect, redact

BOX = [Region("a", Polygon.box(8, 8, 24, 24), "mask")]


def _srgb() -> bytes:
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def _saved(profile: bytes, mode: str = "RGB", name: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (64, 48), 200 if mode == "L" else (200, 60, 40)).save(
        out, name, icc_profile=profile, **options
    )
    return out.getvalue()


@pytest.mark.parametrize("name", [icc.P3, icc.ADOBE, icc.GREY])
def test_our_own_profiles_are_read_by_lcms_and_mean_what_they_say(name: str) -> None:
    profile = icc.canonical(name)
    assert profile is not None
    assert icc.meaning(profile) == name
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert opened.profile.connection_space == "XYZ "
    assert icc.canonical(name) == profile


def test_display_p3_red_is_outside_srgb_by_as_much_as_it_should_be() -> None:
    """Checked with lcms, which knows nothing of our tables: P3's red of 200 is sRGB's of about 217."""
    profile = icc.canonical(icc.P3)
    assert profile is not None
    image = Image.new("RGB", (1, 1), (200, 60, 40))
    p3 = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    red, green, _ = ImageCms.profileToProfile(image, p3, ImageCms.createProfile("sRGB")).getpixel((0, 0))  # type: ignore[union-attr, misc]
    assert 213 <= red <= 221
    assert 36 <= green <= 50


def test_srgb_and_nothing_and_nonsense_need_no_profile() -> None:
    for profile in (_srgb(), None, b"", b"not a profile" * 40, _srgb()[:200], b"\x00" * 140):
        assert icc.meaning(profile) == icc.SRGB
    assert icc.canonical(icc.SRGB) is None


def test_a_profile_of_another_space_is_foreign() -> None:
    profile = bytearray(icc.canonical(icc.ADOBE) or b"")
    at = profile.index(b"curv")
    profile[at + 12 : at + 14] = (256).to_bytes(2, "big")  # gamma 1 instead of 2.2
    assert icc.meaning(bytes(profile)) == icc.FOREIGN


@pytest.mark.parametrize("name", [icc.P3, icc.ADOBE])
def test_a_known_profile_stays_on_the_coefficient_path(name: str) -> None:
    copy = redact(inspect(_saved(icc.canonical(name) or b"")), BOX)
    assert copy.path == "coefficients"
    assert copy.proof.colour == name
    assert Image.open(io.BytesIO(copy.data)).info["icc_profile"] == icc.canonical(name)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_a_foreign_profile_is_converted_and_left_behind(format_: str) -> None:
    profile = bytearray(icc.canonical(icc.P3) or b"")
    at = profile.index(b"rXYZ")
    place = int.from_bytes(profile[at + 4 : at + 8], "big")
    profile[place + 8 : place + 12] = round(0.60 * 65536).to_bytes(4, "big")  # a red of nobody's
    options: dict[str, Any] = {"lossless": True} if format_ == "WEBP" else {}
    source = _saved(bytes(profile), name=format_, **options)
    copy = redact(inspect(source), BOX)
    assert copy.path == "pixels"
    image = Image.open(io.BytesIO(copy.data))
    assert "icc_profile" not in image.info
    red, *_ = image.convert("RGB").getpixel((60, 8))  # type: ignore[misc]
    assert red > 210


def test_a_grey_profile_on_a_colour_picture_is_ignored() -> None:
    source = _saved(icc.canonical(icc.GREY) or b"")
    assert "icc_profile" not in Image.open(io.BytesIO(redact(inspect(source), BOX).data)).info
    grey = _saved(icc.canonical(icc.GREY) or b"", "L")
    assert "icc_profile" in Image.open(io.BytesIO(redact(inspect(grey), BOX).data)).info
