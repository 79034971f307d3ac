"""Where libturbojpeg is found, and how its C interface is spelt in ctypes."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cardveil.core.frozen import dataclass

#: Environment variable that names the library's file; ``off`` switches the coefficient path off.
SETTING: Final = "CARDVEIL_TURBOJPEG"

_NAMES: Final = ("libturbojpeg.so.0", "libturbojpeg.0.dylib", "libturbojpeg.dylib", "turbojpeg.dll")


class Region(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_int), ("w", ctypes.c_int), ("h", ctypes.c_int))


class Transform(ctypes.Structure):
    _fields_ = (
        ("r", Region),
        ("op", ctypes.c_int),
        ("options", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("custom_filter", ctypes.c_void_p),
    )


FILTER = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, Region, Region, ctypes.c_int, ctypes.c_int, ctypes.c_void_p
)


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether the coefficient path can run, and if not, why."""

    available: bool
    reason: str

    def __bool__(self) -> bool:
        return self.available


@dataclass(frozen=True, slots=True)
class _Loaded:
    library: Any
    reason: str


def coefficient_path_available() -> Availability:
    """Say whether libturbojpeg is there, and where it was found or why it was not.

    Searched are the file named by `CARDVEIL_TURBOJPEG` (and no other when it is set), the runtime layer
    (``/opt/lib``), the ``lib`` folder of the layer that holds this package, and the system's own places.
    """
    loaded = _load(os.environ.get(SETTING, ""))
    return Availability(loaded.library is not None, loaded.reason)


def library_or_none() -> Any:
    """Return the loaded library, or None."""
    return _load(os.environ.get(SETTING, "")).library


@lru_cache(maxsize=8)
def _load(setting: str) -> _Loaded:
    if setting.lower() == "off":
        return _Loaded(None, f"switched off by {SETTING}")
    folders = (Path("/opt/lib"), Path(__file__).resolve().parents[2] / "lib")
    candidates = [setting] if setting else [*(str(f / _NAMES[0]) for f in folders), *_NAMES]
    for candidate in candidates:
        try:
            library = ctypes.CDLL(candidate)
            _declare(library)
        except (OSError, AttributeError):
            continue
        return _Loaded(library, f"loaded from {candidate}")
    return _Loaded(None, "libturbojpeg.so.0 was not found (Debian's package is libturbojpeg0)")


def _declare(library: Any) -> None:
    pointer = ctypes.c_void_p
    library.tjInitTransform.restype = pointer
    library.tjAlloc.restype, library.tjAlloc.argtypes = pointer, [ctypes.c_int]
    library.tjFree.restype, library.tjFree.argtypes = None, [pointer]
    library.tjDestroy.argtypes = [pointer]
    library.tjGetErrorStr2.restype, library.tjGetErrorStr2.argtypes = ctypes.c_char_p, [pointer]
    library.tjInitDecompress.restype = pointer
    number, size = ctypes.POINTER(ctypes.c_int), ctypes.c_ulong
    library.tjDecompressHeader3.argtypes = [pointer, ctypes.c_char_p, size, number, number, number, number]
    library.tjDecompressToYUVPlanes.argtypes = [
        pointer,
        ctypes.c_char_p,
        size,
        ctypes.POINTER(pointer),
        ctypes.c_int,
        number,
        ctypes.c_int,
        ctypes.c_int,
    ]
    library.tjTransform.restype = ctypes.c_int
    library.tjTransform.argtypes = [
        pointer,
        ctypes.c_char_p,
        ctypes.c_ulong,
        ctypes.c_int,
        ctypes.POINTER(pointer),
        ctypes.POINTER(ctypes.c_ulong),
        ctypes.POINTER(Transform),
        ctypes.c_int,
    ]
