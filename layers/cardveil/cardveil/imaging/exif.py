"""The one thing of EXIF and XMP that matters here: orientation, and whether all readers see the same one."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from typing import Final

_TAG: Final = 0x0112
_MOST_ENTRIES: Final = 1024
_SHORT: Final = 3
#: How integers of other types are read by those readers that take them (TIFF 6.0, section 2).
_OTHER_TYPES: Final = {1: "B", 4: "I", 6: "b", 8: "h", 9: "i"}
#: What stands for a value that is there and cannot be read: no orientation has it.
UNREADABLE: Final = 0
_XMP: Final = re.compile(rb"(</)?\b(?:[\w.-]+:)?Orientation(?:\s*=\s*[\"']|(?:\s[^<>]*)?>)([^\"'<]*)")
#: More of a compressed text than any orientation needs, less than any bomb.
_LARGEST_TEXT: Final = 1024 * 1024
_XMP_KEYWORD: Final = b"XML:com.adobe.xmp"


def orientations(tiff: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the orientations that the first directory of an EXIF block names.

    Parameters
    ----------
    tiff : bytes
        The block from its byte-order mark on.

    Returns
    -------
    (plain, odd)
        `plain` are written as the standard says: a single SHORT; a sound block that names none says 1. All
        others are `odd`: other types, or `UNREADABLE` where a damaged block may hold one.
    """
    named = b"\x01\x12" in tiff or b"\x12\x01" in tiff
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    unsound = ((), (UNREADABLE,)) if named else ((1,), ())
    if order is None or len(tiff) < 8:
        return unsound
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return unsound
    (count,) = struct.unpack_from(order + "H", tiff, start)
    if count > _MOST_ENTRIES or start + 2 + 12 * count > len(tiff):
        return unsound
    plain, odd = list[int](), list[int]()
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", tiff, at)
        if tag == _TAG and (kind, values) == (_SHORT, 1):
            plain.append(struct.unpack_from(order + "H", tiff, at + 8)[0])
        elif tag == _TAG:
            form = _OTHER_TYPES.get(kind) if values == 1 else None
            odd.append(struct.unpack_from(order + form, tiff, at + 8)[0] if form else UNREADABLE)
    return tuple(plain) or (() if odd else (1,)), tuple(odd)


def xmp_orientations(packet: bytes) -> tuple[int, ...]:
    """Return every ``Orientation`` that an XMP packet names, under whatever prefix and in any encoding."""
    found = _XMP.findall(packet.replace(b"\x00", b""))
    return tuple(
        int(value) if (value := text.strip()[:4]).isdigit() else UNREADABLE
        for closes, text in found
        if not closes
    )


def text_orientations(kind: bytes, body: bytes) -> tuple[int, ...]:
    """Return the orientations in a PNG's text chunk: XMP, or EXIF in hexadecimal as ImageMagick writes it.

    Parameters
    ----------
    kind : bytes
        ``tEXt``, ``zTXt`` or ``iTXt``.
    """
    keyword, _, rest = body.partition(b"\x00")
    profile = keyword.lower().removeprefix(b"raw profile type ").strip()
    if keyword != _XMP_KEYWORD and (profile == keyword.lower() or profile not in (b"exif", b"app1", b"xmp")):
        return ()
    text = _text(kind, rest)
    if text is None:
        return (UNREADABLE,)
    if keyword == _XMP_KEYWORD:
        return xmp_orientations(text)
    try:
        # Its name, its length, its bytes.
        content = bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except ValueError:
        return (UNREADABLE,)
    plain, odd = orientations(content.removeprefix(b"Exif\x00\x00"))
    return (*plain, *odd, *xmp_orientations(content))


def settle(plain: Sequence[int], odd: Sequence[int] = (), elsewhere: Sequence[int] = ()) -> tuple[int, bool]:
    """Choose one orientation and say whether another reader might choose differently.

    Parameters
    ----------
    plain : sequence of int
        What every reader finds.
    odd : sequence of int
        EXIF that only some readers find or take: of other types, in other places, a second block.
    elsewhere : sequence of int
        What XMP and other texts say, which most readers leave alone.

    Returns
    -------
    (int, bool)
        The first EXIF value when it is 1 to 8, else 1; and whether readers may differ: some value is another,
        or it is not 1 and stands where not all look.
    """
    first = next(iter(plain or odd), 1)
    chosen = first if 1 <= first <= 8 else 1
    differs = any(value != chosen for value in (*plain, *odd, *elsewhere))
    return chosen, differs or (chosen != 1 and not plain)


def minimal(orientation: int) -> bytes:
    """Return an EXIF block (``Exif\\0\\0`` and a TIFF directory) that says nothing but the orientation."""
    return b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + struct.pack("<HHHIHHI", 1, _TAG, 3, 1, orientation, 0, 0)


def _text(kind: bytes, rest: bytes) -> bytes | None:
    compressed = kind == b"zTXt"
    if kind == b"iTXt":
        compressed = rest[:1] == b"\x01"
        # The language and the translated keyword stand between.
        rest = b"\x00" + rest[2:].split(b"\x00", 2)[-1]
    if not compressed:
        return rest[1:] if kind == b"iTXt" else rest
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(rest[1:], _LARGEST_TEXT)
    except zlib.error:
        return None
    return text if unpacker.eof else None
