"""TIFF walked directory by directory: what a page is, and pages written anew with their pictures alone."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass
from cardveil.imaging import exif
from cardveil.imaging.containers import Contents
from cardveil.imaging.limits import Limits, corrupt, of_pages, truncated, unsupported

# TIFF 6.0, section 8 and appendix A; 338 and 339: section 18 and 19; 347: technical note 2.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_SAMPLES, _ROWS, _PLANAR, _PREDICTOR, _EXTRA, _FORMAT = 277, 278, 284, 317, 338, 339
_STRIPS, _STRIP_SIZES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES = 273, 279, 322, 323, 324, 325
_SUBFILE, _ORIENTATION, _XMP, _PROFILE, _DNG = 254, 274, 700, 34675, 50706
#: What decoding a page needs; all other tags, private ones among them, are left behind.
KEPT: Final = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, 266, _STRIPS, _SAMPLES, _ROWS, _STRIP_SIZES}
    | {_PLANAR, 292, 293, _PREDICTOR, 320, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES, _EXTRA, _FORMAT}
    | {347, 529, 530, 531, 532}
)
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_UNSIGNED: Final = {1: "B", 3: "H", 4: "I"}
#: Compressions by their number: none, three of fax, LZW, JPEG, two numbers of deflate, PackBits.
_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 7, 8, 32946, 32773})
_JPEG: Final = 7
#: (photometric, bits, samples): black on white and the reverse, RGB, a palette, CMYK, YCbCr.
_LAYOUTS: Final = frozenset(
    {(p, bits, 1) for p in (0, 1) for bits in (1, 2, 4, 8)}
    | {(1, 16, 1), (1, 8, 2), (2, 8, 3), (2, 8, 4), (2, 16, 3), (2, 16, 4), (5, 8, 4), (6, 8, 3)}
    | {(3, bits, 1) for bits in (1, 2, 4, 8)}
)
_MOST_ENTRIES: Final = 1024
#: More than any scan has; also ends a chain of directories that bites its tail.
MOST_PAGES: Final = 2000
#: NewSubfileType: a smaller copy of another picture, or its mask. They are no pages.
_BESIDE: Final = 1 | 4

Entry = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class Directory:
    """One page: its tags as they are stored (type, count, value), and its strips or tiles.

    Attributes
    ----------
    order : str
        ``<`` or ``>``: of its numbers, and of samples of sixteen bits.
    """

    order: str
    entries: Mapping[int, Entry]
    parts: tuple[bytes, ...] = ()

    def numbers(self, tag: int, default: Sequence[int] = ()) -> tuple[int, ...]:
        """Return a tag's unsigned numbers; raises Reject ``picture_corrupt`` for other types."""
        if tag not in self.entries:
            return tuple(default)
        kind, count, value = self.entries[tag]
        if kind not in _UNSIGNED:
            raise corrupt("a tag of the TIFF has the wrong type")
        return struct.unpack(f"{self.order}{count}{_UNSIGNED[kind]}", value)

    def number(self, tag: int, default: int = 0) -> int:
        """Return a tag's first number."""
        return next(iter(self.numbers(tag)), default)


def directories(data: bytes) -> list[Directory]:
    """Read the directories of all pages, in order, without their pictures; thumbnails and masks are no pages.

    Raises
    ------
    Reject
        ``picture_corrupt``, ``picture_truncated`` or ``format_not_supported``.
    """
    if data[2] == 43 or data[3] == 43:
        raise unsupported("a BigTIFF")
    order = "<" if data[:2] == b"II" else ">"
    found, seen = list[Directory](), set[int]()
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    while at:
        if at in seen or len(seen) >= MOST_PAGES:
            raise corrupt("the TIFF's directories have no end")
        seen.add(at)
        directory, at = _directory(data, order, at)
        if not directory.number(_SUBFILE) & _BESIDE:
            found.append(directory)
    if not found:
        raise corrupt("the TIFF holds no picture")
    return found


def read_page(data: bytes, directory: Directory, limits: Limits) -> Contents:
    """Read what a page's tags say; its `clean` is a TIFF of this page alone.

    Raises
    ------
    Reject
        If the page is corrupt, of a kind that is not supported, or larger than `limits`.
    """
    width, height = directory.number(_WIDTH), directory.number(_HEIGHT)
    limits.check_size(width, height)
    bits = _checked_layout(directory)
    whole = Directory(directory.order, directory.entries, _parts(data, directory, width, height))
    _check_scans(whole, limits)
    plain, odd = exif.orientations(_alone(directory))
    orientation, conflicting = exif.settle(
        plain, odd, exif.xmp_orientations(directory.entries.get(_XMP, (0, 0, b""))[2])
    )
    return Contents(
        width,
        height,
        write([whole]),
        orientation,
        conflicting,
        directory.entries.get(_PROFILE, (0, 0, None))[2],
        bits,
        alpha=bool(set(directory.numbers(_EXTRA)) & {1, 2}),
        cost=_cost(directory),
    )


def read_tiff(data: bytes, limits: Limits) -> Contents:
    """Read a TIFF of one page.

    Raises
    ------
    Reject
        ``document_of_pages``; else as `read_page`.
    """
    pages = directories(data)
    if len(pages) > 1:
        raise of_pages()
    return read_page(data, pages[0], limits)


def parsed(data: bytes) -> list[Directory]:
    """Return the pages of a TIFF with their pictures, whatever else it holds."""
    return [
        Directory(each.order, each.entries, _parts(data, each, each.number(_WIDTH), each.number(_HEIGHT)))
        for each in directories(data)
    ]


def write(pages: Sequence[Directory], profile: bytes | None = None) -> bytes:
    """Write pages as a TIFF of the tags that decoding needs and, if given, a profile: always the same bytes.

    Raises
    ------
    Reject
        ``picture_too_large`` if it would be more than a TIFF holds.
    """
    order = pages[0].order
    out = bytearray((b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(f"{order}I", 8))
    for index, page in enumerate(pages):
        entries = {tag: entry for tag, entry in page.entries.items() if tag in KEPT}
        if profile is not None:
            entries[_PROFILE] = (7, len(profile), profile)
        places, sizes = (_TILES, _TILE_SIZES) if _TILES in entries else (_STRIPS, _STRIP_SIZES)
        lengths = [len(part) for part in page.parts]
        entries[sizes] = (4, len(lengths), struct.pack(f"{order}{len(lengths)}I", *lengths))
        entries[places] = (4, len(lengths), bytes(4 * len(lengths)))
        # The directory, its longer values, the picture: one after the other.
        end = len(out) + 2 + 12 * len(entries) + 4
        values_end = end + sum(_even(len(v)) for _, _, v in entries.values() if len(v) > 4)
        starts = [values_end + sum(map(_even, lengths[:number])) for number in range(len(lengths))]
        total = values_end + sum(map(_even, lengths))
        if total > 0xFFFFFFFF:
            raise Reject("picture_too_large", "upload fewer or smaller pages")
        entries[places] = (4, len(lengths), struct.pack(f"{order}{len(lengths)}I", *starts))
        out += struct.pack(f"{order}H", len(entries))
        longer = bytearray()
        for tag, (kind, count, value) in sorted(entries.items()):
            out += struct.pack(f"{order}HHI", tag, kind, count)
            if len(value) <= 4:
                out += value.ljust(4, b"\x00")
            else:
                out += struct.pack(f"{order}I", end + len(longer))
                longer += value.ljust(_even(len(value)), b"\x00")
        out += struct.pack(f"{order}I", total if index + 1 < len(pages) else 0)
        out += longer
        for part in page.parts:
            out += part.ljust(_even(len(part)), b"\x00")
    return bytes(out)


def profile_of(page: Directory) -> bytes | None:
    """Return the profile that a page names."""
    return page.entries[_PROFILE][2] if _PROFILE in page.entries else None


def size_of(page: Directory) -> tuple[int, int]:
    """Return a page's width and height in stored pixels."""
    return page.number(_WIDTH), page.number(_HEIGHT)


def _even(length: int) -> int:
    return length + (length & 1)


def _directory(data: bytes, order: str, at: int) -> tuple[Directory, int]:
    (count,) = struct.unpack_from(f"{order}H", data, at)
    if count > _MOST_ENTRIES or not count:
        raise corrupt("a directory of the TIFF is damaged")
    entries: dict[int, Entry] = {}
    for start in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, start)
        size = _SIZES.get(kind, 0) * values
        place = start + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, start + 8)[0]
        if place + size > len(data):
            raise truncated()
        if kind in _SIZES:
            # Readers differ in which of two they take.
            if tag in entries and tag in KEPT:
                raise corrupt("a tag of the TIFF stands twice")
            entries[tag] = (kind, values, data[place : place + size])
    (following,) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)
    return Directory(order, MappingProxyType(entries)), following


def _checked_layout(directory: Directory) -> int:
    """Return the bits of a sample; refuse what is not among the kinds that are tested."""
    if _DNG in directory.entries or directory.number(_PHOTOMETRIC) in (32803, 34892):
        raise unsupported("a raw photograph")
    samples = directory.number(_SAMPLES, 1)
    bits = set(directory.numbers(_BITS, (1,)))
    kinds = set(directory.numbers(_FORMAT, (1,)))
    extra = directory.numbers(_EXTRA)
    compression, photometric = directory.number(_COMPRESSION, 1), directory.number(_PHOTOMETRIC, -1)
    layout = (photometric, next(iter(bits)), samples)
    known = compression in _COMPRESSIONS and kinds == {1} and len(bits) == 1 and layout in _LAYOUTS
    if photometric == 6 and compression != _JPEG:
        known = False
    colours = {1: 1, 2: 3, 5: 4}.get(photometric, samples)
    if not known or samples - colours != len(extra) or directory.number(_PLANAR, 1) not in (1, 2):
        raise unsupported("a TIFF of this kind")
    return layout[1]


def _parts(data: bytes, directory: Directory, width: int, height: int) -> tuple[bytes, ...]:
    tiled = _TILES in directory.entries
    places = directory.numbers(_TILES if tiled else _STRIPS)
    sizes = directory.numbers(_TILE_SIZES if tiled else _STRIP_SIZES)
    if tiled:
        across, down = directory.number(_TILE_WIDTH), directory.number(_TILE_HEIGHT)
        if not across or not down or across % 16 or down % 16 or max(across, down) > 65_536:
            raise corrupt("the tiles of the TIFF are damaged")
    else:
        across, down = width, min(directory.number(_ROWS, height), height)
    planes = directory.number(_SAMPLES, 1) if directory.number(_PLANAR, 1) == 2 else 1
    wanted = -(-width // across) * -(-height // max(down, 1)) * planes
    if len(places) != wanted or len(sizes) != wanted or 0 in sizes:
        raise corrupt("the strips of the TIFF are damaged")
    if any(start + size > len(data) for start, size in zip(places, sizes, strict=True)):
        raise truncated()
    if sum(sizes) > len(data):
        raise corrupt("the strips of the TIFF lie over each other")
    return tuple(data[start : start + size] for start, size in zip(places, sizes, strict=True))


def _check_scans(page: Directory, limits: Limits) -> None:
    """Hold the scans of a page's JPEGs to the limits, as those of a JPEG are."""
    if page.number(_COMPRESSION, 1) == _JPEG:
        scans = max(part.count(b"\xff\xda") for part in page.parts)
        limits.check_scans(scans, page.number(_WIDTH), page.number(_HEIGHT))


def _alone(directory: Directory) -> bytes:
    """Return a directory without its longer values, for whoever looks for an orientation in it."""
    order = directory.order
    head = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(f"{order}I", 8)
    short = {
        tag: entry for tag, entry in directory.entries.items() if len(entry[2]) <= 4 or tag == _ORIENTATION
    }
    body = b"".join(
        struct.pack(f"{order}HHI", tag, kind, count) + value[:4].ljust(4, b"\x00")
        for tag, (kind, count, value) in sorted(short.items())
    )
    return head + struct.pack(f"{order}H", len(short)) + body + bytes(4)


def _cost(directory: Directory) -> float:
    """Return the bytes a pixel that its copies take, see `image.Picture.cost`."""
    grey = directory.number(_PHOTOMETRIC) in (0, 1) and directory.number(_SAMPLES, 1) == 1
    return 16.0 if not grey else 10.5 if directory.number(_BITS, 1) > 8 else 6.0
