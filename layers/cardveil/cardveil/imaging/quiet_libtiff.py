"""Keeps Pillow's libtiff from writing what it thinks of a file to standard error, a function's log."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

_MAPS: Final = Path("/proc/self/maps")
_HANDLERS: Final = ("TIFFSetErrorHandler", "TIFFSetWarningHandler")


@lru_cache(maxsize=1)
def silence() -> bool:
    """Take away libtiff's printing handlers; its errors still come as what its functions return.

    Call it when Pillow is loaded.

    Returns
    -------
    bool
        False where the library is built into another file, or the system tells of no loaded ones.
    """
    done = False
    with suppress(OSError, AttributeError, ValueError):
        loaded = {line.split(maxsplit=5)[5] for line in _MAPS.read_text("utf-8").splitlines() if "/" in line}
        for path in sorted(loaded):
            if not Path(path).name.startswith("libtiff"):
                continue
            # The very library that is loaded, not another of its name.
            library = ctypes.CDLL(path)
            for name in _HANDLERS:
                handler = getattr(library, name)
                handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
                handler(None)
            done = True
    return done
