"""What is carried from one JPEG into another: the picture, and a JFIF mark that says nothing."""

from __future__ import annotations

from typing import Final

from cardveil.imaging import exif
from cardveil.imaging.jpeg import (
    APP0,
    APP2,
    APP14,
    DHT,
    DQT,
    DRI,
    EOI,
    FRAMES,
    SCAN_END,
    JpegHeader,
    segments,
)
from cardveil.imaging.limits import truncated

_ICC: Final = b"ICC_PROFILE\x00"


def without_metadata(data: bytes, header: JpegHeader) -> bytes:
    """Return the JPEG with nothing but what decoding needs: no APPn but the colour marks, no trailer."""
    return _rebuilt(data, header, profile=False)


def with_orientation(data: bytes, header: JpegHeader, orientation: int) -> bytes:
    """Return the JPEG with its profile and this EXIF orientation (1 to 8), and no other metadata."""
    body = b"" if orientation == 1 else exif.minimal(orientation)
    said = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body if body else b""
    return _rebuilt(data, header, said, profile=True)


def _rebuilt(data: bytes, header: JpegHeader, said: bytes = b"", *, profile: bool) -> bytes:
    kept = [b"\xff\xd8", said]
    kept_markers = FRAMES | {DQT, DHT, DRI}
    for part in segments(data):
        coloured = profile and part.marker == APP2
        if part.marker == APP0 and part.body[:5] == b"JFIF\x00":
            kept.append(JFIF)
        elif part.marker == APP14 and part.body[:5] == b"Adobe" and len(part.body) >= 12:
            kept.append(b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + part.body[11:12])
        elif part.marker in kept_markers or (coloured and part.body.startswith(_ICC)):
            kept.append(data[part.start : part.end])
    kept.append(data[header.scan_start : ending(data, header.scan_start)])
    return b"".join(kept)


def ending(data: bytes, scan_start: int) -> int:
    """Return the offset after the EOI that closes the picture itself, whatever follows it.

    Raises
    ------
    Reject
        ``picture_truncated`` if there is none.
    """
    at = scan_start
    while found := SCAN_END.search(data, at):
        at = found.end()
        if data[at - 1] == EOI:
            return at
        at += int.from_bytes(data[at : at + 2], "big")
    raise truncated()


def next_marker(data: bytes, at: int) -> int:
    """Return where the first marker in entropy-coded data from `at` on begins, or -1."""
    found = SCAN_END.search(data, at)
    return -1 if found is None else found.start()


#: JFIF 1.01 without density: the source's density is metadata too.
JFIF: Final = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
