"""HEIC and AVIF as their boxes describe them: size, turn and frames; their pixels are decoded elsewhere."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass
from cardveil.imaging import exif
from cardveil.imaging.limits import Limits, corrupt, truncated, unsupported
from cardveil.imaging.orientation import to_stored, upright_size

#: Brands of ISO/IEC 23008-12 and of AVIF 1.1; the last are of sequences.
_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"avif", b"hevc", b"hevx", b"msf1", b"avis"}
)
_MOST_BOXES: Final = 10_000
_CODINGS: Final = {b"hvc1": "heic", b"av01": "avif", b"grid": ""}


@dataclass(frozen=True, slots=True)
class Heif:
    """What the boxes say of the primary picture.

    Attributes
    ----------
    width, height : int
        Of the picture as it is shown, in pixels.
    coded_width, coded_height : int
        As it is coded, before anything is turned.
    orientation : int
        EXIF's number for how it is turned by the container (``irot``, ``imir``).
    conflicting : bool
        Whether EXIF or XMP beside it name another turn, so that viewers may differ.
    cropped : bool
        Whether a part of what is coded is not shown (``clap``).
    """

    width: int
    height: int
    coded_width: int
    coded_height: int
    orientation: int
    conflicting: bool
    cropped: bool


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Item:
    """One picture, or what is said of one: its type, its place in the file."""

    kind: bytes
    mime: bytes = b""


def is_heif(data: bytes) -> bool:
    """Say whether a file begins as a HEIC, an AVIF or a sequence of either."""
    if data[4:8] != b"ftyp" or len(data) < 16:
        return False
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    return any(data[at : at + 4] in _BRANDS for at in (8, *range(16, end - 3, 4)))


def read_heif(data: bytes, limits: Limits) -> Heif:
    """Read what a file's boxes say; nothing is decoded.

    Raises
    ------
    Reject
        ``picture_animated``, ``picture_too_large``, ``picture_corrupt``, ``picture_truncated`` or
        ``format_not_supported``.
    """
    try:
        return _read(data, limits)
    except struct.error:
        raise truncated() from None
    except (IndexError, ValueError, ZeroDivisionError):
        raise corrupt("a box of it is damaged") from None


def _read(data: bytes, limits: Limits) -> Heif:
    top = {box.kind: box for box in _boxes(data, 0, len(data))}
    if b"moov" in top and _frames(data, top[b"moov"]) > 1:
        raise Reject("picture_animated", "upload a still picture, not an animation")
    if b"meta" not in top:
        raise unsupported("a video")
    meta = {box.kind: box for box in _boxes(data, top[b"meta"].start + 4, top[b"meta"].end)}
    if not {b"pitm", b"iinf", b"iprp", b"iloc"} <= meta.keys():
        raise corrupt("it names no primary picture")
    primary = _primary(data, meta[b"pitm"])
    items = _items(data, meta[b"iinf"])
    if primary not in items or items[primary].kind not in _CODINGS:
        raise unsupported("a HEIF of this coding")
    properties = _properties(data, meta[b"iprp"], primary)
    size = next((body for kind, body in properties if kind == b"ispe"), None)
    if size is None:
        raise corrupt("its primary picture has no size")
    width, height = struct.unpack_from(">II", size, 4)
    limits.check_size(width, height)
    orientation = 1
    for kind, body in properties:
        if kind == b"irot":
            orientation = _then(orientation, {0: 1, 1: 8, 2: 3, 3: 6}[body[0] & 3])
        elif kind == b"imir":
            orientation = _then(orientation, 2 if body[0] & 1 else 4)
    named = tuple(_named(data, meta[b"iloc"], meta.get(b"idat"), items))
    cropped = any(kind == b"clap" for kind, _ in properties)
    return Heif(
        *upright_size(width, height, orientation),
        width,
        height,
        orientation,
        # Writers either name the container's own turn, which readers leave alone, or none.
        any(value not in {1, orientation} for value in named),
        cropped,
    )


def _then(first: int, second: int) -> int:
    """Return the one turn that two after each other make."""
    # Corners of a picture of 2 × 1, followed back through both.
    middle = upright_size(2, 1, first)
    shown = upright_size(*middle, second)
    corners = [
        to_stored(to_stored(point, *middle, second), 2, 1, first)
        for point in ((0.0, 0.0), (float(shown[0]), 0.0))
    ]
    return next(
        each
        for each in range(1, 9)
        if upright_size(2, 1, each) == shown
        and [to_stored(p, 2, 1, each) for p in ((0.0, 0.0), (float(shown[0]), 0.0))] == corners
    )


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    at = start
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, at + 8), 16
        elif size == 0:
            size = end - at
        if size < head:
            raise corrupt("a box of it is damaged")
        if at + size > end:
            raise truncated()
        yield _Box(kind, at + head, at + size)
        at += size
    raise corrupt("it has too many boxes")


def _inside(data: bytes, box: _Box, *path: bytes) -> Iterator[_Box]:
    for child in _boxes(data, box.start, box.end):
        if child.kind == path[0]:
            yield from [child] if len(path) == 1 else _inside(data, child, *path[1:])


def _frames(data: bytes, moov: _Box) -> int:
    """Return how many samples the longest track of a sequence has."""
    sizes = _inside(data, moov, b"trak", b"mdia", b"minf", b"stbl", b"stsz")
    return max((struct.unpack_from(">I", data, box.start + 8)[0] for box in sizes), default=0)


def _primary(data: bytes, box: _Box) -> int:
    wide = data[box.start] > 0
    number: int = struct.unpack_from(">I" if wide else ">H", data, box.start + 4)[0]
    return number


def _items(data: bytes, box: _Box) -> dict[int, _Item]:
    found = {}
    for entry in _boxes(data, box.start + (8 if data[box.start] else 6), box.end):
        version = data[entry.start]
        if entry.kind != b"infe" or version < 2:
            continue
        wide = version > 2
        (number,) = struct.unpack_from(">I" if wide else ">H", data, entry.start + 4)
        at = entry.start + (10 if wide else 8)
        _, _, rest = data[at + 4 : entry.end].partition(b"\x00")
        found[number] = _Item(data[at : at + 4], rest.partition(b"\x00")[0])
    return found


def _properties(data: bytes, box: _Box, primary: int) -> Sequence[tuple[bytes, bytes]]:
    """Return the properties of the primary picture, in the order in which they are applied."""
    parts = {each.kind: each for each in _boxes(data, box.start, box.end)}
    if b"ipco" not in parts:
        raise corrupt("its primary picture has no size")
    held = _boxes(data, parts[b"ipco"].start, parts[b"ipco"].end)
    known = [(each.kind, data[each.start : each.end]) for each in held]
    named = list[int]()
    for each in _inside(data, box, b"ipma"):
        named += _associated(data, each, primary)
    return [known[index - 1] for index in named if index]


def _associated(data: bytes, box: _Box, primary: int) -> list[int]:
    version, wide = data[box.start], data[box.start + 3] & 1
    (count,) = struct.unpack_from(">I", data, box.start + 4)
    at, found = box.start + 8, list[int]()
    for _ in range(count):
        (item,) = struct.unpack_from(">H" if version < 1 else ">I", data, at)
        at += 2 if version < 1 else 4
        several = data[at]
        at += 1
        for _ in range(several):
            if at >= box.end:
                raise corrupt("a box of it is damaged")
            index = struct.unpack_from(">H", data, at)[0] & 0x7FFF if wide else data[at] & 0x7F
            at += 2 if wide else 1
            if item == primary:
                found.append(index)
    return found


def _named(data: bytes, iloc: _Box, idat: _Box | None, items: dict[int, _Item]) -> Iterator[int]:
    """Yield the orientations that EXIF and XMP name."""
    for number, pieces in _places(data, iloc, idat):
        item = items.get(number)
        if item is None or (item.kind != b"Exif" and item.kind != b"mime"):
            continue
        body = b"".join(data[start : start + length] for start, length in pieces)
        if item.kind == b"mime":
            yield from exif.xmp_orientations(body) if item.mime == b"application/rdf+xml" else ()
        elif len(body) > 4:
            skipped = 4 + int.from_bytes(body[:4], "big")
            plain, odd = exif.orientations(body[skipped:])
            yield from (*plain, *odd)


def _places(data: bytes, box: _Box, idat: _Box | None) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield the number of each item, and where its bytes lie (offset, length)."""
    version = data[box.start]
    sizes, more = data[box.start + 4], data[box.start + 5]
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version in (1, 2) else 0
    at = box.start + 6

    def number(size: int) -> int:
        nonlocal at
        if at + size > box.end:
            raise corrupt("a box of it is damaged")
        value = int.from_bytes(data[at : at + size], "big")
        at += size
        return value

    for _ in range(number(2 if version < 2 else 4)):
        item = number(2 if version < 2 else 4)
        inside = number(2) & 15 if version in (1, 2) else 0
        number(2)
        base = number(base_size)
        pieces = list[tuple[int, int]]()
        for _ in range(number(2)):
            number(index_size)
            start, length = base + number(offset_size), number(length_size)
            if inside == 1 and idat is not None:
                pieces.append((idat.start + start, length))
            elif inside == 0:
                pieces.append((start, length or len(data)))
        yield item, pieces
