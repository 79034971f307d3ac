"""HEIC files as phones write them: turned by the container, with EXIF that agrees or not, pictures beside."""

from __future__ import annotations

import io
import struct
from typing import Any

from PIL import Image

from cardveil.imaging.exif import minimal


def heic(image: Image.Image, *, orientation: int = 1, exif: int | None = None, **options: Any) -> bytes:
    """Encode a picture whose coded pixels are `image`, turned by ``irot`` and ``imir`` as EXIF would say it.

    Parameters
    ----------
    exif : int, optional
        Orientation that an EXIF block names.
    """
    import pillow_heif

    out = io.BytesIO()
    if exif is not None:
        # The encoder turns by what it is told, and tells another thing: so it is put right afterwards.
        options["exif"] = minimal(1)
    pillow_heif.from_pillow(image).save(out, quality=90, **options)
    data = bytearray(out.getvalue())
    if exif is not None:
        at = data.index(minimal(1)[6:24])
        data[at + 18 : at + 20] = struct.pack("<H", exif)
    return with_turn(bytes(data), orientation)


#: EXIF's numbers as steps of the container: quarters anti-clockwise, then a mirror's axis.
STEPS = {1: (0, None), 2: (0, 1), 3: (2, None), 4: (0, 0), 5: (1, 0), 6: (3, None), 7: (3, 0), 8: (1, None)}


def with_turn(data: bytes, orientation: int) -> bytes:
    """Put ``irot`` and ``imir`` boxes into a HEIC and associate them with its primary picture."""
    quarters, axis = STEPS[orientation]
    new = []
    if quarters:
        new.append(struct.pack(">I4sB", 9, b"irot", quarters))
    if axis is not None:
        new.append(struct.pack(">I4sB", 9, b"imir", axis))
    if not new:
        return data
    out = bytearray(data)
    primary = struct.unpack_from(">H", data, data.index(b"pitm") + 8)[0]
    at = data.index(b"ipco")
    size = struct.unpack_from(">I", data, at - 4)[0]
    known, place = 0, at + 4
    while place < at - 4 + size:
        known += 1
        place += struct.unpack_from(">I", data, place)[0]
    ipma = data.index(b"ipma")
    entry = ipma + 12
    for _ in range(struct.unpack_from(">I", data, ipma + 8)[0]):
        item, count = struct.unpack_from(">HB", data, entry)
        if item == primary:
            break
        entry += 3 + count
    assert data[ipma + 4] == 0
    assert not data[ipma + 7] & 1
    end = entry + 3 + data[entry + 2]
    out[end:end] = bytes(0x80 | (known + index + 1) for index in range(len(new)))
    out[entry + 2] += len(new)
    out[place:place] = b"".join(new)
    grown = {
        b"ipco": 9 * len(new), b"ipma": len(new), b"iprp": 10 * len(new), b"meta": 10 * len(new)
    }  # fmt: skip
    for kind, more in grown.items():
        start = out.index(kind) - 4
        struct.pack_into(">I", out, start, struct.unpack_from(">I", out, start)[0] + more)
    return _moved(bytes(out), 10 * len(new))


def _moved(data: bytes, by: int) -> bytes:
    """Add to the places of all items that lie behind the ``meta`` box."""
    out, at = bytearray(data), data.index(b"iloc") + 4
    version, sizes = data[at], data[at + 4]
    assert (sizes, version) in {(0x44, 0), (0x44, 1)}
    base = data[at + 5] >> 4
    (count,) = struct.unpack_from(">H", data, at + 6)
    at += 8
    for _ in range(count):
        method = struct.unpack_from(">H", data, at + 2)[0] if version else 0
        at += (6 if version else 4) + base
        (extents,) = struct.unpack_from(">H", data, at)
        at += 2
        for _ in range(extents):
            if method & 15 == 0:
                struct.pack_into(">I", out, at, struct.unpack_from(">I", data, at)[0] + by)
            at += 8
    return bytes(out)
