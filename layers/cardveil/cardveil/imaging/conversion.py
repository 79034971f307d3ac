"""HEIC and AVIF: decoded by whoever can, and looked at from then on as the JPEG that came of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cardveil.core.frozen import dataclass, replace
from cardveil.imaging.image import Picture, inspect
from cardveil.imaging.limits import Limits, memory_bounded, too_large, unsupported
from cardveil.imaging.orientation import SWAPS

if TYPE_CHECKING:
    from cardveil.imaging.heif import Heif


@dataclass(frozen=True, slots=True)
class Converted:
    """A JPEG of a file's primary picture.

    Attributes
    ----------
    upright : bool
        Whether its pixels are known to stand as they are shown.
    """

    data: bytes
    upright: bool


#: Makes a JPEG of a HEIC or an AVIF whose boxes say this.
Converter = Callable[[bytes, "Heif"], Converted]


def opened(data: bytes, limits: Limits, converter: Converter | None) -> Picture:
    """Inspect a file of any format that is taken; what is not decoded here is converted first.

    Parameters
    ----------
    converter : callable, optional
        Without one, HEIC and AVIF are refused.

    Returns
    -------
    Picture
        Its `data` are the file's, or those of the JPEG that was made of it.

    Raises
    ------
    Reject
        As `inspect`, and what the converter raises.
    """
    if data[4:8] != b"ftyp":
        return inspect(data, limits)
    from cardveil.imaging.heif import is_heif, read_heif

    if not is_heif(data):
        return inspect(data, limits)
    if len(data) > limits.max_bytes:
        raise too_large()
    facts = read_heif(data, limits)
    if converter is None:
        raise unsupported("HEIC or AVIF, which nothing here converts")
    return _upright(converter(data, facts), facts, limits)


@memory_bounded
def _upright(made: Converted, facts: Heif, limits: Limits) -> Picture:
    """Return the JPEG with one orientation, the container's; in doubt as a picture that is conflicting.

    EXIF is not asked: the container's turn is what viewers of HEIC go by, and which of both a converter has
    applied only the size of its picture tells.
    """
    from cardveil.imaging.jpeg_copy import with_orientation

    picture = inspect(made.data, limits)
    if picture.jpeg is None:
        raise unsupported("what it was converted to")
    size = picture.stored_width, picture.stored_height
    turned, coded = size == (facts.width, facts.height), size == (facts.coded_width, facts.coded_height)
    known = made.upright and (turned or facts.cropped)
    if known or (turned and facts.orientation == 1):
        orientation, doubt = 1, False
    elif facts.orientation in SWAPS and turned != coded:
        orientation, doubt = (1, False) if turned else (facts.orientation, False)
    else:
        orientation, doubt = 1, True
    data = with_orientation(made.data, picture.jpeg, orientation)
    return replace(inspect(data, limits), conflicting=doubt or facts.conflicting)
