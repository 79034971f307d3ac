"""The one place that touches libturbojpeg's memory, so that pointers and callbacks have one owner."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from cardveil.core.frozen import dataclass
from cardveil.imaging.turbojpeg_library import FILTER, Region, Transform, library_or_none

#: Reads or changes one row of blocks: ``(address, blocks, row, component)``. Blocks are 64 int16.
RowFilter = Callable[[int, int, int, int], None]

# turbojpeg.h, unchanged since 1.2: TJXOPT_CROP, TJXOPT_NOOUTPUT, TJXOPT_COPYNONE.
_CROP, _NO_OUTPUT, _COPY_NONE = 4, 16, 64
# TJFLAG_STOPONWARNING (corrupt input is refused, never repaired) and TJFLAG_LIMITSCANS.
_FLAGS = 8192 | 32768
_BLOCK: Final = 8


class TurboError(Exception):
    """libturbojpeg refused the file; `reason` is its own message, which never quotes the file's contents."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Step:
    """One pass over the coefficients of a file that is decoded once for all passes.

    Attributes
    ----------
    row_filter : callable or None
        Called for every block row of every component, in order; what it raises stops everything.
    output : bool
        Whether this pass writes a JPEG.
    crop : (left, top) or None
        Keep only what lies right of and below this corner (multiples of the MCU, in pixels).
    use : callable or None
        Takes what this step wrote, before the filter of a later step is called for the first time.
    """

    row_filter: RowFilter | None = None
    output: bool = True
    crop: tuple[int, int] | None = None
    use: Callable[[bytes], None] | None = None


def transform(data: bytes, steps: Sequence[Step]) -> list[bytes]:
    """Decode a JPEG's coefficients once and run `steps` over them, one after the other.

    A step without a crop works on the coefficients in place, so that later steps see what it changed.

    Parameters
    ----------
    data : bytes
        A whole JPEG file.
    steps : sequence of Step
        What to do; each gets one result, ``b""`` where it writes nothing.

    Raises
    ------
    TurboError
        If the library cannot be loaded or refuses the file, warnings included.
    Exception
        Whatever a filter raised. Without this the library would go on as if nothing had happened, because
        ctypes swallows what a callback raises.
    """
    library = library_or_none()
    if library is None:
        raise TurboError("libturbojpeg is not available")
    count = len(steps)
    raised: list[BaseException] = []
    given: list[int | None] = []
    transforms, buffers, sizes = (
        (Transform * count)(),
        (ctypes.c_void_p * count)(),
        (ctypes.c_ulong * count)(),
    )
    used: set[int] = set()

    def use_before(index: int) -> None:
        for done, step in enumerate(steps[:index]):
            if step.use is not None and done not in used:
                used.add(done)
                step.use(ctypes.string_at(buffers[done] or 0, sizes[done]))

    callbacks = [
        None
        if step.row_filter is None
        else FILTER(_guard(step.row_filter, raised, partial(use_before, index)))
        for index, step in enumerate(steps)
    ]
    handle = library.tjInitTransform()
    if not handle:
        raise TurboError("libturbojpeg cannot allocate its state")
    try:
        for index, (step, callback) in enumerate(zip(steps, callbacks, strict=True)):
            part = transforms[index]
            part.options = _COPY_NONE
            if step.crop is not None:
                part.options |= _CROP
                part.r = Region(step.crop[0], step.crop[1], 0, 0)
            if not step.output:
                part.options |= _NO_OUTPUT
            if callback is not None:
                part.custom_filter = ctypes.cast(callback, ctypes.c_void_p).value
            if step.output and step.crop is None:
                # Room for the result from the start: the library would otherwise grow it by doubling and
                # copying.
                room = len(data) + 65536
                buffers[index], sizes[index] = library.tjAlloc(room), room
                given.append(buffers[index])
        failed = library.tjTransform(handle, data, len(data), count, buffers, sizes, transforms, _FLAGS)
        if raised:
            raise raised[0]
        if failed:
            raise TurboError(library.tjGetErrorStr2(handle).decode("latin-1"))
        return [
            ctypes.string_at(buffers[index] or 0, sizes[index]) if step.output else b""
            for index, step in enumerate(steps)
        ]
    finally:
        # A buffer that was too small has been replaced in `buffers`, and the library does not free the first.
        for address in {*given, *buffers} - {None}:
            library.tjFree(address)
        library.tjDestroy(handle)


def decode_planes(data: bytes, samplings: Sequence[tuple[int, int]]) -> list[tuple[bytes, int]]:
    """Decode a small JPEG to its planes as stored, without upsampling or colour conversion.

    Parameters
    ----------
    data : bytes
        A JPEG whose size is a multiple of its MCU.
    samplings : sequence of (horizontal, vertical)
        Sampling factors of its components.

    Returns
    -------
    list of (samples, stride)
        One byte a sample, `stride` bytes a row.

    Raises
    ------
    TurboError
        If the library refuses the file.
    """
    library = library_or_none()
    handle = library.tjInitDecompress()
    if not handle:
        raise TurboError("libturbojpeg cannot allocate its state")
    try:
        width, height, sub, space = (ctypes.c_int() for _ in range(4))
        head = [ctypes.byref(v) for v in (width, height, sub, space)]
        if library.tjDecompressHeader3(handle, data, len(data), *head):
            raise TurboError(library.tjGetErrorStr2(handle).decode("latin-1"))
        widest, tallest = max(h for h, _ in samplings), max(v for _, v in samplings)
        sizes = [(width.value * h // widest, height.value * v // tallest) for h, v in samplings]
        planes = [ctypes.create_string_buffer(w * h) for w, h in sizes]
        pointers = (ctypes.c_void_p * 3)(*(ctypes.addressof(plane) for plane in planes))
        if library.tjDecompressToYUVPlanes(handle, data, len(data), pointers, 0, None, 0, _FLAGS):
            raise TurboError(library.tjGetErrorStr2(handle).decode("latin-1"))
        return [(plane.raw, w) for plane, (w, _) in zip(planes, sizes, strict=True)]
    finally:
        library.tjDestroy(handle)


def _guard(
    row_filter: RowFilter, raised: list[BaseException], before: Callable[[], None]
) -> Callable[..., int]:
    begun = False

    def call(address: int, part: Any, _plane: Any, component: int, _index: int, _transform: int) -> int:
        nonlocal begun
        if raised:
            return -1
        try:
            if not begun:
                begun = True
                before()
            row_filter(address, part.w // _BLOCK, part.y // _BLOCK, component)
        except BaseException as error:  # noqa: BLE001 - kept, and raised again by transform()
            raised.append(error)
            return -1
        return 0

    return call
