"""Makes a JPEG of the primary picture of a HEIC or an AVIF, upright as its container says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cardveil.imaging.children import ChildLimits, run_child
from cardveil.imaging.conversion import Converted
from cardveil.imaging.heif import Heif

_CHILD: Final = Path(__file__).with_name("child.py")
#: Twelve megapixels take a second and 150 MB.
_LIMITS: Final = ChildLimits()
#: Nearly no loss, and all samples of colour.
QUALITY: Final = 95


def to_jpeg(data: bytes, facts: Heif, *, limits: ChildLimits = _LIMITS, quality: int = QUALITY) -> Converted:
    """Convert a file in a child process; see `cardveil.imaging.conversion.Converter`.

    Raises
    ------
    Reject
        As `run_child`.
    """
    arguments = {"orientation": facts.orientation, "quality": quality, "avif": _is_avif(data)}
    return Converted(run_child(_CHILD, arguments, data, limits), upright=True)


def _is_avif(data: bytes) -> bool:
    return b"avif" in data[8:256] or b"avis" in data[8:256]
