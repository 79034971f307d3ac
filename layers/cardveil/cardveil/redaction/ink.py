"""Print and writing on a card that nobody read: dark strokes where no label and no value stands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from cardveil.card.layout import Box, CardLayout
from cardveil.card.model import Point
from cardveil.redaction.flat_card import REACH, SCALE, FlatCard, rows_of

if TYPE_CHECKING:
    from PIL import Image

#: Strokes up to twice as many pixels wide are told from larger dark things.
_STROKE: Final = 3
#: Grey levels by which ink is darker than the ground, as a share of the ground's own, and at the least.
_CONTRAST, _LEAST = 0.045, 5.0
#: Cells in a millimetre.
_FINE: Final = 2
#: How many times as dark as most of a card's fine lines ink is, but no darker than that share of the ground's
#: light; and what share of a cell (of 255) is as dark: one pixel of four, or two.
_ON_LINES: Final = ((2.0, 0.2), (1.3, 0.13))
_INKED: Final = (44, 110)
#: Cells of ink one below the other, and in all, that are text: a printed rule is thinner, dust is less.
_TALL, _TEXT = 3, 10
#: The same of ink that may be a text's end beside print: rows of it, and cells in all.
_ROWS, _END = 3, 6
#: A printed rule is no thicker, in cells, and of so many cells to each side so many in all are its own.
_THIN, _ALONG, _RULE = 2, 12, 9
#: The darkest share of a text's place, and the share of their darkness from which strokes are the text's own.
_DARKEST, _OWN = 0.03, 0.5
#: Grey levels that the strokes of a text have at the least, or its place is not looked at closely.
_FAINT: Final = 20
#: Cells between strokes of one text at the most.
_GAP: Final = 3
#: Cells that writing has at the least.
WRITTEN: Final = 24
#: The sine of a slanted text's turn, its length in millimetres, and how many times as long as wide it is, at
#: the least: of a shorter piece nobody knows where the rest runs.
_TURNED, _LONG, _SLENDER = 0.08, 20.0, 2.0
#: Millimetres.
_FAR: Final = 150.0
#: Millimetres: no line of text on a card is so tall; what is runs across lines.
_TALLEST: Final = 5.0
#: Millimetres by which strokes may exceed the cells in which they were found.
_ROOM: Final = 1.0
#: Millimetres from the layout's edge within which the edge itself and its shadow lie.
_EDGE: Final = 2.5

Cells = set[tuple[int, int]]


def inked_cells(flat: FlatCard, layout: CardLayout, *, fine_lines: bool = False) -> Cells:
    """Return the cells of a card that hold dark strokes, `_FINE` a millimetre, edges apart.

    Parameters
    ----------
    fine_lines : bool
        Whether the lines count that makes of a card have all over their ground, against forgery.
    """
    return _inked(flat, int(layout.width * _FINE), int(layout.height * _FINE), fine_lines)


def unexplained_ink(inked: Cells, explained: Iterable[Box]) -> list[Cells]:
    """Find ink that stands nowhere where something is known to stand.

    Parameters
    ----------
    inked : set of cells
        See `inked_cells`.
    explained : iterable of Box
        Places (mm) in which ink is known: labels, values, what is covered anyway.

    Returns
    -------
    list of sets of cells
        A set for each patch of such ink.
    """
    cells = _outside(inked, explained)
    tall = {cell for cell in cells if _run(cells, cell, -1) + _run(cells, cell, 1) + 1 >= _TALL}
    return [patch for patch in _patches(tall) if len(patch) >= _TEXT]


def beside_print(inked: Cells, explained: Iterable[Box]) -> list[Cells]:
    """Find ink beside print that is no printed rule's: the ends of strokes of what runs through it.

    Parameters
    ----------
    explained : iterable of Box
        Places (mm) in which ink is known, close around the strokes; see `close_around`.

    Returns
    -------
    list of sets of cells
        A set for each patch of such ink.
    """
    cells = {cell for cell in _outside(inked, explained) if not _of_a_rule(inked, cell)}
    found = []
    for patch in _patches(cells, gap=1):  # grain is dark here and there, and never in a stroke's length
        rows = [y for _, y in patch]
        if len(patch) >= _END and max(rows) - min(rows) >= _ROWS - 1:
            found.append(patch)
    return found


def close_around(flat: FlatCard, places: Iterable[Box]) -> list[Box]:
    """Return the places (mm) of texts as close around their strokes as these are dark.

    Boxes of recognisers are larger than what they read, and faint writing beside it is in them.
    """
    strokes, found = _strokes(flat)[0], []
    for place in places:
        left, top, right, bottom = (
            round((value + REACH) * SCALE) for value in (place.x, place.y, place.right, place.bottom)
        )
        part = strokes.crop((left, top, right, bottom))
        level = _darkest(part.histogram())
        own = part.point([255 if grey > _OWN * level else 0 for grey in range(256)]).getbbox()
        if level < _FAINT or own is None:
            found.append(place)
            continue
        x0, y0, x1, y1 = (value / SCALE for value in own)
        found.append(Box(left / SCALE - REACH + x0, top / SCALE - REACH + y0, x1 - x0, y1 - y0))
    return found


def is_whole(patch: Cells, explained: Iterable[Box]) -> bool:
    """Say whether a patch is a line of text, and all of it: nothing near hides where it goes on.

    Parameters
    ----------
    explained : iterable of Box
        Places (mm) in which ink was not looked at.
    """
    rows = [y for _, y in patch]
    around = (place.grown((_GAP + 1) / _FINE) for place in explained)
    return max(rows) - min(rows) < _TALLEST * _FINE and not any(reaches(patch, place) for place in around)


def reaches(patch: Cells, box: Box) -> bool:
    """Say whether a patch of ink has a cell in a box (mm)."""
    return any(box.contains((x + 0.5) / _FINE, (y + 0.5) / _FINE) for x, y in patch)


def writing_across(patches: Iterable[Cells]) -> tuple[Point, Point, Point, Point] | None:
    """Return the band (mm) in which a text runs slantwise across the card, as watermarks do; else None.

    All patches together are one such text if they lie along one line that is none of the card's own.
    """
    points = [((x + 0.5) / _FINE, (y + 0.5) / _FINE) for patch in patches for x, y in patch]
    if len(points) < WRITTEN:
        return None
    mx, my = (sum(point[axis] for point in points) / len(points) for axis in (0, 1))
    xx = sum((x - mx) ** 2 for x, _ in points)
    yy = sum((y - my) ** 2 for _, y in points)
    xy = sum((x - mx) * (y - my) for x, y in points)
    turn = math.atan2(2 * xy, xx - yy) / 2
    ux, uy = math.cos(turn), math.sin(turn)
    along = [(x - mx) * ux + (y - my) * uy for x, y in points]
    half = max(abs((y - my) * ux - (x - mx) * uy) for x, y in points)
    if min(abs(ux), abs(uy)) < _TURNED or max(along) - min(along) < max(_LONG, _SLENDER * 2 * half):
        return None
    half += _ROOM
    # As far as any card reaches.
    return tuple(  # type: ignore[return-value]
        (mx + far * ux - side * uy, my + far * uy + side * ux)
        for far, side in ((-_FAR, -half), (_FAR, -half), (_FAR, half), (-_FAR, half))
    )


def _outside(inked: Cells, explained: Iterable[Box]) -> Cells:
    """Return the cells that lie in none of some places (mm)."""
    wide, high = (max((cell[axis] for cell in inked), default=-1) + 1 for axis in (0, 1))
    open_ = [bytearray(b"\1" * wide) for _ in range(high)]
    for box in explained:
        left, right = (
            min(max(x, 0), wide) for x in (math.floor(box.x * _FINE), math.ceil(box.right * _FINE))
        )
        for y in range(max(math.floor(box.y * _FINE), 0), min(math.ceil(box.bottom * _FINE), high)):
            open_[y][left:right] = bytes(right - left)
    return {(x, y) for x, y in inked if open_[y][x]}


def _of_a_rule(inked: Cells, cell: tuple[int, int]) -> bool:
    """Say whether a cell is part of a level line, which may change over to the next row on its way."""
    if _run(inked, cell, -1) + _run(inked, cell, 1) + 1 > _THIN:
        return False
    count = 0
    for step in (-1, 1):
        y = cell[1]
        for at in range(1, _ALONG + 1):
            x = cell[0] + step * at
            y = next((row for row in (y, y - 1, y + 1) if (x, row) in inked and abs(row - cell[1]) <= 1), y)
            count += (x, y) in inked
    return count >= _RULE


def _darkest(histogram: Sequence[int]) -> int:
    """Return the level that the darkest share of strokes has."""
    left = _DARKEST * sum(histogram)
    for level in range(255, 0, -1):
        left -= histogram[level]
        if left <= 0:
            return level
    return 0


def _inked(flat: FlatCard, width: int, height: int, fine_lines: bool) -> Cells:
    """Return the cells of the card that hold dark strokes."""
    from PIL import Image, ImageChops, ImageFilter, ImageStat

    strokes, ground = _strokes(flat)
    light = float(ImageStat.Stat(ground, flat.inside).mean[0])
    # Grain and a coarse JPEG are dark and light everywhere: ink is darker than most of that.
    grain = float(ImageStat.Stat(strokes, flat.inside).median[0])
    least = grain + max(_LEAST, _CONTRAST * light)
    # What is written over fine lines is darker than they are, or as dark and broader.
    margin = round((REACH + _EDGE) * SCALE)
    card = (margin, margin, strokes.width - margin, strokes.height - margin)
    lines = float(ImageStat.Stat(strokes.filter(ImageFilter.MaxFilter(3)).crop(card)).median[0])
    on_lines = [0.0 if fine_lines else min(times * lines, most * light) for times, most in _ON_LINES]
    side = SCALE // _FINE
    shares = []
    for threshold, share in zip([max(least, each) for each in on_lines], _INKED, strict=True):
        dark = strokes.point([255 if level > threshold else 0 for level in range(256)])
        dark = ImageChops.multiply(dark, flat.inside)
        small = dark.resize((dark.width // side, dark.height // side), Image.Resampling.BOX)
        shares.append(small.point([255 if each >= share else 0 for each in range(256)]))
    small = ImageChops.lighter(*shares)
    off, edge = int(REACH * _FINE), _EDGE * _FINE
    return {
        (x, y)
        for y, row in enumerate(rows_of(small)[off : off + height])
        for x, share in enumerate(row[off : off + width])
        if share and edge <= x < width - edge and edge <= y < height - edge
    }


def _strokes(flat: FlatCard) -> tuple[Image.Image, Image.Image]:
    """Return by how much each pixel is darker than the ground around it, and the ground."""
    from PIL import ImageChops, ImageFilter

    ground = flat.grey
    for filter_ in [ImageFilter.MaxFilter(3)] * _STROKE + [ImageFilter.MinFilter(3)] * _STROKE:
        ground = ground.filter(filter_)
    return ImageChops.subtract(ground, flat.grey), ground


def _run(cells: Cells, cell: tuple[int, int], step: int) -> int:
    x, y = cell
    count = 0
    while (x, y + step * (count + 1)) in cells:
        count += 1
    return count


def _patches(cells: Cells, gap: int = _GAP) -> list[Cells]:
    """Part cells into patches; a gap as between characters, or another one, does not part them."""
    left, patches, around = set(cells), [], range(-gap, gap + 1)
    while left:
        patch, edge = set[tuple[int, int]](), [left.pop()]
        while edge:
            x, y = edge.pop()
            patch.add((x, y))
            near = {(x + dx, y + dy) for dx in around for dy in around} & left
            left -= near
            edge += near
        patches.append(patch)
    return patches


def boxes_of_patch(patch: Cells) -> list[Box]:
    """Return a box (mm) for each row of a patch of ink."""
    rows: dict[int, list[int]] = {}
    for x, y in patch:
        rows.setdefault(y, []).append(x)
    return [
        Box(min(xs) / _FINE, y / _FINE, (max(xs) - min(xs) + 1) / _FINE, 1 / _FINE).grown(_ROOM)
        for y, xs in rows.items()
    ]


def touches(box: Box, others: Sequence[Box]) -> bool:
    """Say whether a box has anything in common with one of the others."""
    return any(
        box.x < other.right and other.x < box.right and box.y < other.bottom and other.y < box.bottom
        for other in others
    )
