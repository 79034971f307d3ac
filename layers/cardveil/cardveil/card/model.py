"""The words everything else is written in: card types, fields and polygons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Final

from cardveil.core.frozen import dataclass

Point = tuple[float, float]

PORTRAIT: Final = "portrait"


class CardType(str, Enum):
    """Kind of card; the values are the vendor's own (`CardType` of `AILicenseRec`)."""

    ID_CARD = "IDCard"
    DRIVER_LICENSE = "DriverLicense"


class Side(str, Enum):
    """Side of a card: the front carries the portrait, the back the national emblem."""

    FRONT = "front"
    BACK = "back"


#: Canonical field names of each card, in reading order. A licence's main page counts as its front.
FIELDS: Final[Mapping[tuple[CardType, Side], tuple[str, ...]]] = MappingProxyType(
    {
        (CardType.ID_CARD, Side.FRONT): (
            "name",
            "sex",
            "ethnicity",
            "birth_date",
            "address",
            "id_number",
            PORTRAIT,
        ),
        (CardType.ID_CARD, Side.BACK): ("authority", "valid_period"),
        (CardType.DRIVER_LICENSE, Side.FRONT): (
            "licence_number",
            "name",
            "sex",
            "nationality",
            "address",
            "birth_date",
            "first_issue_date",
            "vehicle_class",
            "valid_period",
            "authority",
            PORTRAIT,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Polygon:
    """Four points in pixels of the upright picture, clockwise from the text's own top left.

    Raises
    ------
    ValueError
        If there are not four points or one of them is not finite.
    """

    points: tuple[Point, Point, Point, Point]

    def __post_init__(self) -> None:
        if len(self.points) != 4:
            raise ValueError("a polygon has four points")
        if not all(math.isfinite(value) for point in self.points for value in point):
            raise ValueError("a polygon's points are finite numbers")

    @classmethod
    def of(cls, points: Iterable[Sequence[float]]) -> Polygon:
        """Build a polygon from any iterable of four ``(x, y)`` pairs."""
        pairs = [(float(x), float(y)) for x, y in points]
        if len(pairs) != 4:
            raise ValueError("a polygon has four points")
        return cls((pairs[0], pairs[1], pairs[2], pairs[3]))

    @classmethod
    def box(cls, left: float, top: float, right: float, bottom: float) -> Polygon:
        """Build the upright rectangle between two corners."""
        return cls(((left, top), (right, top), (right, bottom), (left, bottom)))

    def bounds(self) -> tuple[float, float, float, float]:
        """Return ``(left, top, right, bottom)`` in pixels."""
        xs = [x for x, _ in self.points]
        ys = [y for _, y in self.points]
        return min(xs), min(ys), max(xs), max(ys)

    def scaled(self, fx: float, fy: float) -> Polygon:
        """Return the polygon with x multiplied by `fx` and y by `fy`."""
        return Polygon.of((x * fx, y * fy) for x, y in self.points)

    def as_lists(self) -> list[list[float]]:
        """Return ``[[x, y] × 4]``, rounded to a hundredth of a pixel, for JSON."""
        return [[round(x, 2), round(y, 2)] for x, y in self.points]

    def as_kept(self) -> Polygon:
        """Return the polygon as it is read again from what `as_lists` gave."""
        return Polygon.of(self.as_lists())


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one cross-check of a field, e.g. ``check_digit``."""

    name: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One named item of a card: what it says, how sure that is, and where it stands.

    Attributes
    ----------
    score : float or None
        Confidence from 0 to 100, as the vendor scales it.
    sources : tuple of str
        The APIs that contributed to the text or to the polygon.
    token, shown, sealed : str or None
        What is kept of a text that is not: see `pipeline.texts_at_rest`.
    """

    name: str
    text: str | None = None
    normalized: str | None = None
    score: float | None = None
    polygon: Polygon | None = None
    sources: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    token: str | None = None
    shown: str | None = None
    sealed: str | None = None


@dataclass(frozen=True, slots=True)
class SeenText:
    """A place where a witness saw text, and what that text is; never what it says.

    Attributes
    ----------
    role : str
        ``label``, ``field`` or ``other``.
    name : str
        The label as it is printed, or the field's name; empty for other text.
    slack : float
        Pixels in reading direction by which the ends of `polygon` are uncertain where it was parted from the
        rest of its line.
    start : int
        Index of its first character in the field's text without spaces, if the two agree to the letter;
        else -1.
    characters : tuple of Polygon
        The places of its characters, where the witness placed them.
    """

    role: str
    name: str
    polygon: Polygon
    slack: float = 0.0
    start: int = -1
    characters: tuple[Polygon, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """One side of one card with the fields found on it.

    Attributes
    ----------
    outline : Polygon or None
        The card's edge, clockwise from its own top left, as far as it is known; it may reach out of the
        picture.
    texts : tuple of SeenText or None
        What a witness saw on the card, and beside it where no other card is nearer; None when none looked.
    """

    type: CardType
    side: Side
    fields: tuple[Field, ...]
    outline: Polygon | None = None
    texts: tuple[SeenText, ...] | None = None

    def field(self, name: str) -> Field | None:
        """Return the field called `name`, or None."""
        return next((field for field in self.fields if field.name == name), None)


@dataclass(frozen=True, slots=True)
class VendorWarning:
    """A vendor's warning about a picture, by number and by name."""

    code: int
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """One paid call, as the sidecar remembers it; `region` is where it was answered, empty if not known."""

    api: str
    request_id: str
    elapsed_ms: float
    region: str = ""
