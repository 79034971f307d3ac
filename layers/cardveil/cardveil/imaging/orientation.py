"""EXIF orientation in one place: where a point of the upright picture lies in the stored one."""

from __future__ import annotations

from typing import Final

from cardveil.card.model import Point

#: Orientations that swap width and height.
SWAPS: Final = frozenset({5, 6, 7, 8})


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Return the size (pixels) at which a stored picture of `width` × `height` is shown."""
    return (height, width) if orientation in SWAPS else (width, height)


def to_stored(point: Point, width: int, height: int, orientation: int) -> Point:
    """Map a point of the upright picture into the stored one.

    Parameters
    ----------
    point : (x, y)
        Continuous pixel coordinates: the first pixel reaches from 0 to 1.
    width, height : int
        Stored size in pixels.
    orientation : int
        EXIF orientation, 1 to 8.
    """
    x, y = point
    return {
        1: (x, y),
        2: (width - x, y),
        3: (width - x, height - y),
        4: (x, height - y),
        5: (y, x),
        6: (y, height - x),
        7: (width - y, height - x),
        8: (width - y, x),
    }[orientation]
