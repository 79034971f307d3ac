"""What a sample picture truly shows, so that a reading can be held against it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cardveil.card.model import CardType, Polygon, Side

Picture = NDArray[np.uint8]

#: Ink maps give each field of each card a number of its own: this many numbers a card.
INK_NUMBERS = 16


@dataclass(frozen=True, slots=True)
class FieldTruth:
    """One field: what is printed, its normal form, and the box of its ink in the upright picture."""

    name: str
    text: str | None
    normalized: str | None
    polygon: Polygon
    ink_number: int

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "text": self.text,
            "normalized": self.normalized,
            "polygon": self.polygon.as_lists(),
            "ink_number": self.ink_number,
        }


@dataclass(frozen=True, slots=True)
class CardTruth:
    """One card in a picture; `corners` run clockwise from the card's own top left."""

    type: CardType
    side: Side
    corners: Polygon
    fields: tuple[FieldTruth, ...]
    rare: bool

    def field(self, name: str) -> FieldTruth:
        return next(field for field in self.fields if field.name == name)

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.type.value,
            "side": self.side.value,
            "corners": self.corners.as_lists(),
            "rare": self.rare,
            "fields": [field.as_json() for field in self.fields],
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture with its truth.

    Attributes
    ----------
    picture
        ``(H, W, 3)`` RGB, upright.
    ink
        ``(H, W)``; the number of the field whose ink a pixel holds (`FieldTruth.ink_number`), else 0.
    orientation
        EXIF orientation, 1 to 8, that the stored file carries.
    quality
        JPEG quality of the stored file; 0 means PNG.
    verdict
        The status that it should come to, where it was chosen for that.
    """

    name: str
    condition: str
    picture: Picture
    ink: Picture
    cards: tuple[CardTruth, ...]
    orientation: int = 1
    quality: int = 90
    verdict: str | None = None

    @property
    def suffix(self) -> str:
        return ".jpg" if self.quality else ".png"

    def encode(self) -> bytes:
        """Return the stored file: pixels turned as the orientation tag says, then JPEG or PNG."""
        image = Image.fromarray(_stored(self.picture, self.orientation))
        exif = Image.Exif()
        if self.orientation != 1:
            exif[0x0112] = self.orientation
        tag = exif.tobytes() if len(exif) else b""
        out = io.BytesIO()
        if self.quality:
            image.save(out, "JPEG", quality=self.quality, exif=tag)
        else:
            image.save(out, "PNG", optimize=True, exif=tag)
        return out.getvalue()

    def as_json(self) -> dict[str, Any]:
        height, width = self.picture.shape[:2]
        return {
            "name": self.name,
            "file": self.name + self.suffix,
            "verdict": self.verdict,
            "condition": self.condition,
            "width": width,
            "height": height,
            "orientation": self.orientation,
            "cards": [card.as_json() for card in self.cards],
        }


def _stored(upright: Picture, orientation: int) -> Picture:
    """Undo what a viewer does for an EXIF orientation (CIPA DC-008, tag 274)."""
    undone = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation](upright)
    return np.ascontiguousarray(undone)
