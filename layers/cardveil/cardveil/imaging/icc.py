"""Colour profiles known by their meaning: what is written is always one of ours, never the source's bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

#: What a source's profile means. ``srgb`` needs no profile, ``foreign`` needs converting to sRGB.
SRGB, P3, ADOBE, GREY, FOREIGN = "srgb", "display-p3", "adobe-rgb", "grey-gamma-2.2", "foreign"

# Colourants adapted to D50 by Bradford (red, green, blue; X, Y, Z): IEC 61966-2-1, SMPTE EG 432-1 with D65,
# Adobe RGB (1998) 4.3.4.
_COLOURANTS: Final = {
    SRGB: ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    P3: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    ADOBE: ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
}
# Writers round and adapt differently: published sRGB profiles differ by 0.003. The spaces differ by 0.07.
_SAME_COLOURANT: Final = 0.008
# In linear light. The sRGB curve and gamma 2.2 differ by 0.008 at most and pass for each other nowhere
# visible.
_SAME_CURVE: Final = 0.012
_SAMPLES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
_LARGEST: Final = 4 * 1024 * 1024

Curve = Callable[[float], float]


def meaning(profile: bytes | None) -> str:
    """Say which colour space an ICC profile describes.

    Parameters
    ----------
    profile : bytes or None
        A whole ICC profile.

    Returns
    -------
    str
        `SRGB` (also for no profile and for one that cannot be read, which viewers ignore), `P3`, `ADOBE`,
        `GREY`, or `FOREIGN` for a readable profile of any other space.
    """
    if profile is None or len(profile) > _LARGEST:
        return SRGB
    try:
        space, tags = _tags(profile)
        if space == b"GRAY" and b"kTRC" in tags:
            return GREY if _alike(_curve(tags[b"kTRC"]), lambda x: x**2.2) else FOREIGN
        names = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC")
        if space == b"RGB " and b"A2B0" not in tags and all(name in tags for name in names):
            return _space(tags)
        return FOREIGN if space in (b"RGB ", b"GRAY", b"CMYK", b"Lab ") else SRGB
    except (struct.error, IndexError, ValueError, OverflowError, ZeroDivisionError):
        return SRGB


def canonical(name: str) -> bytes | None:
    """Return the profile that is written for a colour space, or None where none is needed.

    An ICC 2.4 matrix profile of ours, the same bytes always: nothing of a source's own is carried over.
    """
    if name not in (P3, ADOBE, GREY):
        return None
    return (Path(__file__).parent / "profiles" / f"{name}.icc").read_bytes()


def _space(tags: dict[bytes, bytes]) -> str:
    curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    places = [
        tuple(v / 65536 for v in struct.unpack_from(">3i", tags[name], 8))
        for name in (b"rXYZ", b"gXYZ", b"bXYZ")
    ]
    for space, colourants in _COLOURANTS.items():
        near = all(
            abs(a - b) < _SAME_COLOURANT
            for place, colourant in zip(places, colourants, strict=True)
            for a, b in zip(place, colourant, strict=True)
        )
        expected: Curve = (lambda x: x ** (563 / 256)) if space == ADOBE else _srgb_curve
        if near and all(_alike(curve, expected) for curve in curves):
            return space
    return FOREIGN


def _tags(profile: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    if profile[36:40] != b"acsp":
        raise ValueError("not a profile")
    (count,) = struct.unpack_from(">I", profile, 128)
    if count > 200:
        raise ValueError("too many tags")
    tags = {}
    for index in range(count):
        name, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        tags[name] = profile[start : start + size]
    return profile[16:20], tags


def _curve(tag: bytes) -> Curve:
    kind = tag[:4]
    if kind == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return lambda x: x
        if count == 1:
            gamma = struct.unpack_from(">H", tag, 12)[0] / 256
            return lambda x: float(x**gamma)
        if count > 65536:
            raise ValueError("curve too long")
        table = struct.unpack_from(f">{count}H", tag, 12)
        return lambda x: table[round(x * (count - 1))] / 65535
    if kind == b"para":
        (form,) = struct.unpack_from(">H", tag, 8)
        values = [v / 65536 for v in struct.unpack_from(f">{(1, 3, 4, 5, 7)[form]}i", tag, 12)]
        return _parametric(form, values)
    raise ValueError("unknown curve")


def _parametric(form: int, values: Sequence[float]) -> Curve:
    g, a, b, c, d, e, f = {
        0: (values[0], 1, 0, 0, -1, 0, 0),
        1: (*values, 0, -1, 0, 0),
        2: (*values[:3], 0, -1, values[-1], 0),
        3: (*values, 0, 0),
        4: tuple(values),
    }[form]
    return lambda x: float(max(a * x + b, 0.0) ** g + e if x >= d else c * x + f)


def _alike(one: Curve, other: Curve) -> bool:
    return all(abs(one(x) - other(x)) < _SAME_CURVE for x in _SAMPLES)


def _srgb_curve(x: float) -> float:
    return x / 12.92 if x <= 0.04045 else float(((x + 0.055) / 1.055) ** 2.4)
