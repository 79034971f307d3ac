"""JPEG's own structure, walked marker by marker, so that nothing is decoded before its limits are known."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from cardveil.core.frozen import dataclass
from cardveil.imaging.limits import Limits, corrupt, truncated, unsupported

SOI, EOI, SOS, DQT, DHT, DRI, APP0, APP1, APP2, APP14, COM = (
    0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
)  # fmt: skip
FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_REFUSED: Final = {
    0xC3: "a lossless JPEG",
    0xC9: "an arithmetic-coded JPEG",
    0xCA: "an arithmetic-coded JPEG",
}
_MOST_SEGMENTS: Final = 65_536
_MARKER: Final = re.compile(rb"\xff+[\x01-\xfe]")
#: Ends a scan: any marker but stuffing (00), restart (D0–D7) and fill bytes (FF).
SCAN_END: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
#: Luma samplings (horizontal, vertical) that libturbojpeg transforms when both chroma planes are (1, 1).
_TURBO_SAMPLINGS: Final = frozenset({(1, 1), (2, 1), (1, 2), (2, 2)})


@dataclass(frozen=True, slots=True)
class Component:
    """One colour plane of a frame: sampling factors, and 64 quantisation steps in zigzag order.

    The only plane of a grey JPEG counts as (1, 1) whatever the frame says: its scan is not interleaved, so
    that its MCUs are single blocks (ITU-T T.81, A.2.2).
    """

    id: int
    horizontal: int
    vertical: int
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the markers of a JPEG say. Sizes are stored pixels, offsets bytes.

    Attributes
    ----------
    colour : str
        ``grey``, ``ycc``, ``rgb`` or ``four`` (CMYK and YCCK), by libjpeg's rules.
    steady : bool
        Whether quantisation tables stay as they are once the first scan has begun.
    scan_start : int
        Where the first SOS marker begins.
    tidy : bool
        Whether nothing stands between the segments.
    """

    width: int
    height: int
    components: tuple[Component, ...]
    progressive: bool
    colour: str
    scans: int
    steady: bool
    scan_start: int
    tidy: bool = True

    @property
    def mcu(self) -> tuple[int, int]:
        """Width and height of an MCU in pixels."""
        return 8 * max(c.horizontal for c in self.components), 8 * max(c.vertical for c in self.components)

    @property
    def suits_turbo(self) -> bool:
        """Whether libturbojpeg's transform knows this arrangement of planes."""
        luma, *chroma = ((c.horizontal, c.vertical) for c in self.components)
        known = luma in _TURBO_SAMPLINGS and all(c == (1, 1) for c in chroma)
        return self.steady and known and len(chroma) in (0, 2)


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker before the first scan; `body` leaves out the length."""

    marker: int
    start: int
    end: int
    body: bytes


def segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments from after SOI up to and including the first SOS (whose body is its header).

    Raises
    ------
    Reject
        ``picture_corrupt`` or ``picture_truncated``.
    """
    at = 2
    for _ in range(_MOST_SEGMENTS):
        # What stands between two segments is passed over, as decoders do: no picture data lies there.
        found = _MARKER.search(data, at)
        if found is None:
            raise truncated()
        start, at = found.start(), found.end() - 1
        if at + 3 > len(data):
            raise truncated()
        marker = data[at]
        if marker in (0x01, SOI, EOI) or 0xD0 <= marker <= 0xD7:
            raise corrupt("a JPEG marker stands where it must not")
        (length,) = struct.unpack_from(">H", data, at + 1)
        end = at + 1 + length
        if length < 2:
            raise corrupt("a JPEG segment is too short")
        if end > len(data):
            raise truncated()
        yield Segment(marker, start, end, data[at + 3 : end])
        if marker == SOS:
            return
        at = end
    raise corrupt("there are too many JPEG segments")


def read_header(data: bytes, limits: Limits) -> JpegHeader:
    """Read a JPEG's markers to the end, without decoding anything.

    Raises
    ------
    Reject
        If the file is corrupt, truncated, larger than `limits`, or of a process that is not supported.
    """
    frame: Segment | None = None
    steps: dict[int, tuple[int, ...]] = {}
    jfif, adobe = False, -1
    scan: Segment | None = None
    tidy, at = True, 2
    for part in segments(data):
        tidy, at = tidy and part.start == at, part.end
        if part.marker in FRAMES:
            if frame is not None:
                raise corrupt("the JPEG has two frames")
            frame = part
        elif part.marker == DQT:
            steps.update(_tables(part.body))
        elif part.marker == APP0 and part.body[:5] == b"JFIF\x00":
            jfif = True
        elif part.marker == APP14 and part.body[:5] == b"Adobe" and len(part.body) >= 12:
            adobe = part.body[11]
        elif part.marker == SOS:
            scan = part
    if frame is None or scan is None:
        raise corrupt("the JPEG has no frame")
    if frame.marker not in (0xC0, 0xC1, 0xC2):
        raise unsupported(_REFUSED.get(frame.marker, "this kind of JPEG"))
    width, height, components = _frame(frame.body, steps)
    limits.check_size(width, height)
    scans, steady = _scans(data, scan, frame.marker == 0xC2, len(components))
    limits.check_scans(scans, width, height)
    return JpegHeader(
        width,
        height,
        components,
        frame.marker == 0xC2,
        _colour(components, jfif, adobe),
        scans,
        steady,
        scan.start,
        tidy,
    )


def _tables(body: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    at = 0
    while at < len(body):
        wide, slot = body[at] >> 4, body[at] & 15
        size = 128 if wide else 64
        if wide > 1 or slot > 3 or at + 1 + size > len(body):
            raise corrupt("a quantisation table is damaged")
        steps = struct.unpack_from(">64H" if wide else "64B", body, at + 1)
        if 0 in steps:
            raise corrupt("a quantisation table holds a zero")
        yield slot, steps
        at += 1 + size


def _frame(body: bytes, steps: dict[int, tuple[int, ...]]) -> tuple[int, int, tuple[Component, ...]]:
    if len(body) < 6:
        raise corrupt("the JPEG's frame is too short")
    precision, height, width, count = struct.unpack_from(">BHHB", body)
    if precision != 8:
        raise unsupported(f"a JPEG of {precision} bits")
    if count not in (1, 3, 4) or len(body) != 6 + 3 * count:
        raise corrupt("the JPEG's frame names an odd number of planes")
    components = []
    for index in range(count):
        identity, sampling, slot = body[6 + 3 * index : 9 + 3 * index]
        horizontal, vertical = sampling >> 4, sampling & 15
        if not (1 <= horizontal <= 4 and 1 <= vertical <= 4) or slot not in steps:
            raise corrupt("a plane of the JPEG's frame is damaged")
        if count == 1:
            horizontal = vertical = 1
        components.append(Component(identity, horizontal, vertical, steps[slot]))
    return width, height, tuple(components)


def _scans(data: bytes, first: Segment, progressive: bool, planes: int) -> tuple[int, bool]:
    """Count the scans: ``(scans, whether the tables stay as they are)``."""
    if not progressive and first.body[:1] == bytes([planes]):
        # One interleaved scan. Looking for its end costs a pass over the file, which only `ending` needs.
        if data.rfind(b"\xff\xd9", first.end) < 0:
            raise truncated()
        return 1, True
    scans, steady, at = 1, True, first.end
    for _ in range(_MOST_SEGMENTS):
        found = SCAN_END.search(data, at)
        if found is None:
            raise truncated()
        marker, at = data[found.start() + 1], found.end()
        if marker == EOI:
            return scans, steady
        if marker not in (SOS, DQT, DHT, DRI, COM) and not 0xE0 <= marker <= 0xEF:
            raise corrupt("a JPEG marker stands where it must not")
        scans += marker == SOS
        steady = steady and marker != DQT
        if at + 2 > len(data):
            raise truncated()
        at += int.from_bytes(data[at : at + 2], "big")
    raise corrupt("there are too many JPEG segments")


def _colour(components: tuple[Component, ...], jfif: bool, adobe: int) -> str:
    if len(components) == 1:
        return "grey"
    if len(components) == 4:
        return "four"
    if jfif:
        return "ycc"
    if adobe >= 0:
        return "rgb" if adobe == 0 else "ycc"
    return "rgb" if tuple(c.id for c in components) == (0x52, 0x47, 0x42) else "ycc"
