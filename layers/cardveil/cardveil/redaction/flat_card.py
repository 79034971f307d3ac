"""A small grey copy of a card, flattened by its placement: what is looked at for edges and for ink."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Final

from cardveil.card.geometry import Matrix, multiply
from cardveil.card.model import Point
from cardveil.core.frozen import dataclass
from cardveil.imaging.image import Picture
from cardveil.imaging.orientation import to_stored
from cardveil.redaction.card_pose import Placement

if TYPE_CHECKING:
    from PIL import Image

#: Millimetres around the layout's outline that are flattened as well: makes of one card differ by 3 mm in
#: where they print, and the edge lies as far off again from the outermost text.
REACH: Final = 6.0
#: Pixels per millimetre: a stroke of print is about two wide.
SCALE: Final = 4
#: Pixels of the source that a pixel of the flattened copy is made of at the least, where it has them.
_FINER: Final = 1.5
#: A card may be seen this much smaller than the one for which a picture was decoded.
_AS_FINE: Final = 1.2


@dataclass(frozen=True, slots=True)
class FlatCard:
    """The card and `REACH` around it, `SCALE` pixels a millimetre, mode ``L``.

    Attributes
    ----------
    inside : Image
        255 where the picture is, 0 beyond its edges.
    """

    grey: Image.Image
    inside: Image.Image


class GreyPicture:
    """A picture that is decoded when it is first flattened, and again only for a card seen smaller."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._grey: Image.Image | None = None
        self._share = 0.0

    def flattened(self, placement: Placement) -> FlatCard | None:
        """Flatten a card; None if the picture cannot be decoded, which `redact` then says."""
        from PIL import Image as Pillow

        layout = placement.layout
        grey = self._decoded(placement)
        if grey is None:
            return None
        to_grey = multiply(_to_stored(self._picture, grey.width, grey.height), placement.to_picture)
        start: Matrix = (1 / SCALE, 0.0, -REACH, 0.0, 1 / SCALE, -REACH, 0.0, 0.0, 1.0)
        matrix = multiply(to_grey, start)
        size = (round((layout.width + 2 * REACH) * SCALE), round((layout.height + 2 * REACH) * SCALE))
        coefficients = tuple(value / matrix[8] for value in matrix[:8])
        way = Pillow.Transform.PERSPECTIVE
        inside = Pillow.new("L", grey.size, 255).transform(size, way, coefficients, Pillow.Resampling.NEAREST)
        return FlatCard(grey.transform(size, way, coefficients, Pillow.Resampling.BILINEAR), inside)

    def _decoded(self, placement: Placement) -> Image.Image | None:
        from PIL import Image as Pillow

        try:
            x, y = placement.polygon(placement.layout.outline).points[0]
            fine = max(placement.scale_at((x, y)), placement.scale_at(_middle(placement)))
            share = min(1.0, _FINER * SCALE / fine)
            if self._grey is None or share > _AS_FINE * self._share:
                with Pillow.open(io.BytesIO(self._picture.data)) as opened:
                    opened.draft("L", (math.ceil(opened.width * share), math.ceil(opened.height * share)))
                    self._grey, self._share = opened.convert("L"), share
        except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
            return None
        return self._grey


def rows_of(image: Image.Image) -> tuple[bytes, ...]:
    """Return the rows of an image of one byte a pixel."""
    data, width = image.tobytes(), image.width
    return tuple(data[at : at + width] for at in range(0, len(data), width))


def _middle(placement: Placement) -> Point:
    points = placement.polygon(placement.layout.outline).points
    return sum(x for x, _ in points) / 4, sum(y for _, y in points) / 4


def _to_stored(picture: Picture, width: int, height: int) -> Matrix:
    """Return the mapping from the upright picture to a copy of the stored one, which orientations turn."""

    def mapped(x: float, y: float) -> Point:
        sx, sy = to_stored((x, y), picture.stored_width, picture.stored_height, picture.orientation)
        return sx * width / picture.stored_width, sy * height / picture.stored_height

    (ox, oy), (ax, ay), (bx, by) = mapped(0, 0), mapped(1, 0), mapped(0, 1)
    return (ax - ox, bx - ox, ox, ay - oy, by - oy, oy, 0.0, 0.0, 1.0)
