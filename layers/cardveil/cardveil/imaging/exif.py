"""The one thing of EXIF and XMP that matters here: orientation, read strictly and written minimally."""

from __future__ import annotations

import re
import struct
from typing import Final

_ORIENTATION_TAG: Final = 0x0112
_MOST_ENTRIES: Final = 1024
_XMP_ORIENTATION: Final = rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*(\d{1,3})"


def orientations(tiff: bytes) -> tuple[int, ...]:
    """Return every orientation that the first directory of an EXIF block names, in order.

    Parameters
    ----------
    tiff : bytes
        The block from its byte-order mark on. What is not a readable TIFF directory gives ``()``.
    """
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return ()
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return ()
    (count,) = struct.unpack_from(order + "H", tiff, start)
    found = []
    for index in range(min(count, _MOST_ENTRIES)):
        at = start + 2 + 12 * index
        if at + 12 > len(tiff):
            break
        tag, kind, _ = struct.unpack_from(order + "HHI", tiff, at)
        if tag == _ORIENTATION_TAG:
            # SHORT is what the standard says; some writers use LONG, which most readers accept.
            found.append(struct.unpack_from(order + ("I" if kind == 4 else "H"), tiff, at + 8)[0])
    return tuple(found)


def xmp_orientations(packet: bytes) -> tuple[int, ...]:
    """Return every ``tiff:Orientation`` that an XMP packet names."""
    return tuple(int(value) for value in re.findall(_XMP_ORIENTATION, packet))


def settle(exif: tuple[int, ...], xmp: tuple[int, ...] = ()) -> tuple[int, bool]:
    """Choose one orientation and say whether another reader might choose differently.

    Returns
    -------
    (int, bool)
        The first EXIF value when it is 1 to 8, else 1; and whether the values found do not all agree with it.
    """
    chosen = exif[0] if exif and 1 <= exif[0] <= 8 else 1
    return chosen, any(value != chosen for value in (*exif, *xmp))


def minimal(orientation: int) -> bytes:
    """Return an EXIF block (``Exif\\0\\0`` and a TIFF directory) that says nothing but the orientation."""
    return b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + struct.pack(
        "<HHHIHHI", 1, _ORIENTATION_TAG, 3, 1, orientation, 0, 0
    )
