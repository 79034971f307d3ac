"""Other makes of the cards: the same items, up to 3 mm elsewhere, as printers and years differ."""

from __future__ import annotations

from random import Random
from types import MappingProxyType
from typing import Final

from cardveil.card.layout import Box, CardLayout

#: Millimetres by which an item may stand elsewhere.
FARTHEST: Final = 3.0


def another_make(layout: CardLayout, random: Random) -> CardLayout:
    """Return a layout whose rows, columns and portrait stand elsewhere, each by up to `FARTHEST` mm.

    Rows keep their order: what moves them changes evenly from the card's top to its foot.
    """
    top, foot = random.uniform(-2.6, 2.6), random.uniform(-2.6, 2.6)
    labels_x, values_x = random.uniform(-2.0, 2.0), random.uniform(-1.5, 1.5)

    def moved(box: Box, dx: float) -> Box:
        dy = top + (foot - top) * box.centre[1] / layout.height
        x = min(max(box.x + dx, 1.5), layout.width - box.width - 1.5)
        y = min(max(box.y + dy, 1.5), layout.height - box.height - 1.0)
        return Box(x, y, box.width, box.height)

    fields = {name: moved(box, values_x) for name, box in layout.fields.items()}
    # Signs within a value (年, 月, 日) go with the value; labels before it with their column.
    labels = {
        text: moved(box, values_x if len(text) == 1 else labels_x) for text, box in layout.labels.items()
    }
    portrait = layout.portrait
    if portrait is not None:
        dx, dy = random.uniform(-1.0, FARTHEST), random.uniform(-FARTHEST, FARTHEST)
        x = min(portrait.x + dx, layout.width - portrait.width - 1.0)
        portrait = Box(
            x, min(portrait.y + dy, layout.height - portrait.height - 1.0), portrait.width, portrait.height
        )
    seal = fields["authority"] if layout.seal is not None else None
    return CardLayout(
        layout.type, layout.side, layout.width, layout.height,
        MappingProxyType(fields), MappingProxyType(labels), layout.label_fields, portrait, seal,
    )  # fmt: skip
