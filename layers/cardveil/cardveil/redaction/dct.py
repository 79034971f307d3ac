"""JPEG redacted without decoding it: covered blocks get one flat value, all other coefficients stay."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from cardveil.core.errors import Reject, proof_failed
from cardveil.core.frozen import dataclass
from cardveil.imaging import jpeg_copy, turbojpeg
from cardveil.imaging.jpeg import Component, JpegHeader
from cardveil.imaging.limits import corrupt, too_large
from cardveil.imaging.turbojpeg import Step, TurboError
from cardveil.redaction.grid import Cover
from cardveil.redaction.hidden import Edges, edge_blocks

#: Bytes of one block: 64 coefficients of two bytes, the first of them the block's mean (DC).
BLOCK: Final = 128
_ZEROS: Final = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")


@dataclass(frozen=True, slots=True)
class _Plane:
    """What is planned for one plane: runs ``(first block, blocks)`` by block row, and the flat value.

    `blocks` and `rows` are those of the picture; `rows_seen` counts the block rows that libturbojpeg walks
    over: whole MCUs, so one may lie below the last that belongs to the picture and is ever written.
    """

    blocks: int
    rows: int
    rows_seen: int
    runs: Mapping[int, Sequence[tuple[int, int]]]
    flat: bytes

    @property
    def planned(self) -> int:
        return sum(count for runs in self.runs.values() for _, count in runs)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which blocks of which plane get which value."""

    planes: tuple[_Plane, ...]

    @property
    def blocks(self) -> int:
        """Blocks to cover, all planes together."""
        return sum(plane.planned for plane in self.planes)

    def leaves_bottom(self) -> bool:
        """Say whether a block of a plane's last row stays as it is."""
        return any(sum(n for _, n in p.runs.get(p.rows - 1, ())) < p.blocks for p in self.planes)

    def leaves_right(self) -> bool:
        """Say whether a block of a plane's last column stays as it is."""
        ends = ((p, p.runs.get(row)) for p in self.planes for row in range(p.rows))
        return any(not runs or sum(runs[-1]) < plane.blocks for plane, runs in ends)


@dataclass(frozen=True, slots=True)
class Redacted:
    """A redacted JPEG as libturbojpeg wrote it.

    Attributes
    ----------
    data : bytes
        The file, without orientation or profile.
    blocks_done : int
        Blocks overwritten.
    """

    data: bytes
    blocks_done: int


def make_plan(header: JpegHeader, cover: Cover, fill: tuple[int, int, int]) -> Plan:
    """Translate covered cells into block runs of every plane.

    Parameters
    ----------
    header : JpegHeader
        Of the source.
    cover : Cover
        On a grid whose cells are whole MCUs of the source.
    fill : (red, green, blue)
        0 to 255; reached to within a quantisation step of a flat block.
    """
    widest = max(c.horizontal for c in header.components)
    tallest = max(c.vertical for c in header.components)
    levels = _levels(header.colour, fill)
    planes = []
    for component, level in zip(header.components, levels, strict=True):
        blocks = -(-header.width * component.horizontal // (8 * widest))
        block_rows = -(-header.height * component.vertical // (8 * tallest))
        runs: dict[int, list[tuple[int, int]]] = {}
        # Blocks of this plane in a cell.
        wide = cover.grid.cell_width * component.horizontal // (8 * widest)
        high = cover.grid.cell_height * component.vertical // (8 * tallest)
        for index, spans in enumerate(cover.rows):
            scaled = [(first * wide, min(last * wide, blocks) - first * wide) for first, last in spans]
            for row in range(index * high, min((index + 1) * high, block_rows)):
                if scaled:
                    runs[row] = scaled
        rows_seen = -(-header.height // (8 * tallest)) * component.vertical
        planes.append(_Plane(blocks, block_rows, rows_seen, runs, _flat(component, level) * blocks))
    return Plan(tuple(planes))


def redact(data: bytes, header: JpegHeader, plan: Plan) -> Redacted:
    """Overwrite the planned blocks.

    One decoding serves all passes: cutting out the last row and the last column of MCUs where the picture
    ends within one, and overwriting. Blocks that reach beyond the picture's edge are made anew
    from what is shown of them (see `hidden`); all others stay as they are, bit by bit.

    Raises
    ------
    Reject
        ``picture_corrupt`` if libturbojpeg refuses or even doubts the file.
    Review
        ``proof_failed`` if a pass saw other blocks than it expected.
    """
    done = [0]
    anew: Edges = {}
    mcu_width, mcu_height = header.mcu

    def rebuild(strip: bytes) -> None:
        try:
            anew.update(edge_blocks(strip, header))
        except TurboError:
            # Coefficients out of range decode, and what is encoded from them does not.
            raise corrupt("its picture data is damaged") from None

    cuts = []
    if header.height % mcu_height and plan.leaves_bottom():
        cuts.append(Step(crop=(0, header.height // mcu_height * mcu_height), use=rebuild))
    if header.width % mcu_width and plan.leaves_right():
        cuts.append(Step(crop=(header.width // mcu_width * mcu_width, 0), use=rebuild))
    cover_up = _walk(plan, done, _overwrite)

    def write(address: int, blocks: int, row: int, component: int) -> None:
        for first, content in anew.get((component, row), ()):
            ctypes.memmove(address + BLOCK * first, content, min(len(content), BLOCK * (blocks - first)))
        cover_up(address, blocks, row, component)

    results = _run(tidied(data, header), [*cuts, Step(write)])
    return Redacted(results[-1], done[0])


def validate(data: bytes) -> None:
    """Decode a JPEG's coefficients only to see whether they are sound.

    A file whose arrangement of planes libturbojpeg does not know passes unseen.

    Raises
    ------
    Reject
        ``picture_corrupt``.
    """
    try:
        _transformed(data, [Step(output=False)])
    except TurboError as error:
        if "subsampling" not in error.reason:
            raise _refusal(error) from None


def count_flat(data: bytes, plan: Plan) -> int:
    """Decode a written copy and count the planned blocks that hold the planned value: all must.

    Raises
    ------
    Reject
        ``picture_corrupt`` if the copy cannot be read.
    Review
        ``proof_failed`` if a block differs.
    """
    seen = [0]
    _run(data, [Step(_walk(plan, seen, _memcmp(), compare=True), output=False)])
    return seen[0]


def tidied(data: bytes, header: JpegHeader) -> bytes:
    """Return a JPEG without what stands between its segments, which libturbojpeg takes for damage."""
    return data if header.tidy else jpeg_copy.without_metadata(data, header)


def _run(data: bytes, steps: Sequence[Step]) -> list[bytes]:
    try:
        return _transformed(data, steps)
    except TurboError as error:
        raise _refusal(error) from None


def _refusal(error: TurboError) -> Reject:
    return too_large() if "memory" in error.reason.lower() else corrupt("its picture data is damaged")


def _transformed(data: bytes, steps: Sequence[Step]) -> list[bytes]:
    """Transform a JPEG, without the zeros that may stand before its end.

    No picture data lies there: the file is read again without them, and must then be sound.
    """
    try:
        return turbojpeg.transform(data, steps)
    except TurboError as error:
        zeros = _ZEROS.fullmatch(error.reason)
        end = data.rfind(b"\xff\xd9")
        count = int(zeros[1]) if zeros else 0
        if not 0 < count <= end or any(data[end - count : end]):
            raise
        return turbojpeg.transform(data[: end - count] + data[end:], steps)


#: Takes the address of the first block of a run, the flat blocks that stand there or are to, and their bytes.
Touch = Callable[[int, bytes, int], Any]


def _walk(plan: Plan, counter: list[int], touch: Touch, *, compare: bool = False) -> turbojpeg.RowFilter:
    """Return a filter that calls `touch` for every planned run; a result that is not 0 fails a comparison."""
    planes = plan.planes

    def row_filter(address: int, blocks: int, row: int, component: int) -> None:
        plane = planes[component]
        if blocks != plane.blocks or row >= plane.rows_seen:
            raise proof_failed("the file has other blocks than its header says")
        runs, flat = plane.runs.get(row, ()), plane.flat
        # Thousands of times for each picture: nothing of Python stands between a run and the C library.
        for first, count in runs:
            if touch(address + BLOCK * first, flat, BLOCK * count) and compare:
                raise proof_failed("a covered block is not flat")
            counter[0] += count

    return row_filter


_overwrite: Touch = ctypes.memmove


@lru_cache(maxsize=1)
def _memcmp() -> Any:
    compare = ctypes.CDLL(None).memcmp
    compare.restype = ctypes.c_int
    compare.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    return compare


def _levels(colour: str, fill: tuple[int, int, int]) -> tuple[float, ...]:
    red, green, blue = fill
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601, as JFIF has it
    if colour == "grey":
        return (luma,)
    if colour == "rgb":
        return (red, green, blue)
    return (luma, 128 + 0.564334 * (blue - luma), 128 + 0.713267 * (red - luma))


def _flat(component: Component, level: float) -> bytes:
    # A block whose samples all equal s has DC = 8 (s − 128) / step and no other coefficient.
    value = max(-1023, min(1023, round(8 * (level - 128) / component.steps[0])))
    return value.to_bytes(2, "little", signed=True) + bytes(BLOCK - 2)
