"""Print and writing on a card that nobody read: dark strokes where no label and no value stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from cardveil.card.layout import Box, CardLayout
from cardveil.redaction.flat_card import REACH, SCALE, FlatCard, rows_of

#: Strokes up to twice as many pixels wide are told from larger dark things.
_STROKE: Final = 3
#: Grey levels by which ink is darker than the ground, as a share of the ground's own, and at the least.
_CONTRAST, _LEAST = 0.045, 5.0
#: Of a square millimetre, this share (of 255) is dark where print is.
_INKED: Final = 44
#: Square millimetres of ink one below the other, and in all, that are text: a rule is thinner, dust is less.
_TALL, _TEXT = 2, 5
#: Millimetres from the layout's edge within which the edge itself and its shadow lie.
_EDGE: Final = 2.5

Cells = set[tuple[int, int]]


def unexplained_ink(flat: FlatCard, layout: CardLayout, explained: Iterable[Box]) -> list[list[Box]]:
    """Find ink that stands nowhere where something is known to stand.

    Parameters
    ----------
    explained : iterable of Box
        Places (mm) in which ink is known: labels, values, all that is covered anyway.

    Returns
    -------
    list of list of Box
        For each patch of such ink the boxes (mm) that hold it.
    """
    width, height = int(layout.width), int(layout.height)
    cells = _inked(flat, width, height)
    for box in explained:
        cells -= {
            (x, y)
            for y in range(max(int(box.y), 0), min(int(box.bottom) + 1, height))
            for x in range(max(int(box.x), 0), min(int(box.right) + 1, width))
        }
    tall = {cell for cell in cells if _run(cells, cell, -1) + _run(cells, cell, 1) + 1 >= _TALL}
    return [_boxes(patch) for patch in _patches(tall) if len(patch) >= _TEXT]


def _inked(flat: FlatCard, width: int, height: int) -> Cells:
    """Return the square millimetres of the card that hold dark strokes."""
    from PIL import Image, ImageChops, ImageFilter, ImageStat

    ground = flat.grey
    for filter_ in [ImageFilter.MaxFilter(3)] * _STROKE + [ImageFilter.MinFilter(3)] * _STROKE:
        ground = ground.filter(filter_)
    strokes = ImageChops.subtract(ground, flat.grey)
    light = float(ImageStat.Stat(ground, flat.inside).mean[0])
    # Grain and a coarse JPEG are dark and light everywhere: ink is darker than most of that.
    grain = float(ImageStat.Stat(strokes, flat.inside).median[0])
    least = grain + max(_LEAST, _CONTRAST * light)
    dark = strokes.point([255 if level > least else 0 for level in range(256)])
    dark = ImageChops.multiply(dark, flat.inside)
    small = dark.resize((dark.width // SCALE, dark.height // SCALE), Image.Resampling.BOX)
    off = int(REACH)
    return {
        (x, y)
        for y, row in enumerate(rows_of(small)[off : off + height])
        for x, share in enumerate(row[off : off + width])
        if share >= _INKED and _EDGE <= x < width - _EDGE and _EDGE <= y < height - _EDGE
    }


def _run(cells: Cells, cell: tuple[int, int], step: int) -> int:
    x, y = cell
    count = 0
    while (x, y + step * (count + 1)) in cells:
        count += 1
    return count


def _patches(cells: Cells) -> list[Cells]:
    """Part cells into patches; a gap of a millimetre, as between characters, does not part them."""
    left, patches = set(cells), []
    while left:
        patch, edge = set[tuple[int, int]](), [left.pop()]
        while edge:
            x, y = edge.pop()
            patch.add((x, y))
            near = {(x + dx, y + dy) for dx in range(-2, 3) for dy in range(-2, 3)} & left
            left -= near
            edge += near
        patches.append(patch)
    return patches


def _boxes(patch: Cells) -> list[Box]:
    """Return a box for each row of a patch, grown by what its strokes may exceed its cells by."""
    rows: dict[int, list[int]] = {}
    for x, y in patch:
        rows.setdefault(y, []).append(x)
    return [
        Box(float(min(xs)), float(y), float(max(xs) - min(xs) + 1), 1.0).grown(1.0) for y, xs in rows.items()
    ]


def touches(box: Box, others: Sequence[Box]) -> bool:
    """Say whether a box has anything in common with one of the others."""
    return any(
        box.x < other.right and other.x < box.right and box.y < other.bottom and other.y < box.bottom
        for other in others
    )
