"""What redaction is asked for and what it gives back."""

from __future__ import annotations

from typing import Any

from cardveil.card.model import Polygon
from cardveil.core.frozen import dataclass, fields


@dataclass(frozen=True, slots=True)
class Region:
    """One place to cover.

    Attributes
    ----------
    field : str
        What stands there.
    polygon : Polygon
        Pixels of the upright picture: what the policy decided to cover, before snapping.
    action : str
        ``mask`` or ``partial``.
    """

    field: str
    polygon: Polygon
    action: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked of a copy before it was handed out; there is no proof of a copy that failed.

    Attributes
    ----------
    level : str
        ``reread``: the written file was decoded again.
    cells_planned, cells_done : int
        Cells (blocks of all planes, on the coefficient path) planned and found flat.
    reason : str
        Why this path was taken.
    structure : tuple of str
        Every segment or chunk of the copy.
    recognised : bool
        Whether a recogniser looked for the covered texts and found none.
    """

    level: str
    path: str
    reason: str
    cells_planned: int
    cells_done: int
    structure: tuple[str, ...]
    orientation: int
    colour: str
    recognised: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            **{each.name: getattr(self, each.name) for each in fields(self)},
            "structure": list(self.structure),
        }


@dataclass(frozen=True, slots=True)
class RedactedCopy:
    """A copy that passed its proof.

    Attributes
    ----------
    width, height : int
        Upright size in pixels.
    path : str
        ``coefficients`` or ``pixels``.
    sha256 : str
        Of `data`, in hex.
    crop : (left, top, right, bottom) or None
        Which part of the upright source the copy shows, where it does not show all of it.
    mark : str
        What is written over it, empty for nothing.
    """

    data: bytes
    media_type: str
    sha256: str
    path: str
    proof: Proof
    width: int
    height: int
    crop: tuple[int, int, int, int] | None = None
    mark: str = ""
