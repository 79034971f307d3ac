"""IDCardOCR: the text of an ID card, with crops, quality and warnings as its Config asks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from cardveil.card.model import PORTRAIT, Side
from cardveil_cloud.ci import image_quality
from cardveil_cloud.ci.errors import CiError
from cardveil_cloud.ci.id_card import check_readable, expired, id_cards, missing, values
from cardveil_cloud.ci.names import Language
from cardveil_cloud.ci.pictures import Picture, PictureRefusedError
from cardveil_cloud.ci.recognition import FoundCard
from cardveil_cloud.xml import Content

_OPTIONS: Final = frozenset(
    {
        "CropIdCard",
        "CropPortrait",
        "CopyWarn",
        "BorderCheckWarn",
        "ReshootWarn",
        "DetectPsWarn",
        "TempIdWarn",
        "InvalidDateWarn",
        "Quality",
        "MultiCardDetect",
    }
)
#: The option that asks for each warning.
_ASKED_BY: Final[Mapping[int, str]] = {
    9100: "InvalidDateWarn",
    9101: "BorderCheckWarn",
    9102: "CopyWarn",
    9103: "ReshootWarn",
    9104: "TempIdWarn",
    9105: "BorderCheckWarn",
    9106: "DetectPsWarn",
}
#: Quality below which a card with missing fields is called blurred rather than incomplete. A flat sample card
#: blurred with a sigma of 4 pixels has 24; sample photographs have 72 to 92, blurred ones 40 to 50.
BLURRED: Final = 25
#: Share of the outline outside the picture from which borders are called incomplete.
BORDER_OUTSIDE: Final = 0.02


def side_of(params: Mapping[str, str]) -> Side | None:
    """Return the side asked for, or None.

    Raises
    ------
    CiError
        ``InvalidParameterValue.InvalidParameterValueLimit`` for anything but FRONT and BACK.
    """
    text = params.get("CardSide", "")
    if text in {"FRONT", "BACK"}:
        return Side(text.lower())
    if text:
        raise CiError("InvalidParameterValue.InvalidParameterValueLimit")
    return None


def options_of(params: Mapping[str, str]) -> frozenset[str]:
    """Return the options that `Config` switches on.

    Raises
    ------
    CiError
        ``InvalidParameter.ConfigFormatError`` if it is not a JSON object of booleans.
    """
    text = params.get("Config", "")
    if not text:
        return frozenset()
    try:
        config: Any = json.loads(text)
    except ValueError:
        raise CiError("InvalidParameter.ConfigFormatError") from None
    if not isinstance(config, dict) or not all(isinstance(value, bool) for value in config.values()):
        raise CiError("InvalidParameter.ConfigFormatError")
    return frozenset(name for name, on in config.items() if on and name in _OPTIONS)


def contents(
    cards: Sequence[FoundCard],
    picture: Picture,
    side: Side | None,
    options: frozenset[str],
    *,
    texts: Language,
    today: date,
    ruled: frozenset[int] = frozenset(),
) -> list[tuple[str, Content]]:
    """Return `IdInfo` and, where asked for, `AdvancedInfo`.

    Raises
    ------
    PictureRefusedError
        ``ImageNoIdCard`` (also when only the other side is there), ``MultiCardError`` (only with
        MultiCardDetect; without it the largest card is read), ``ImageBlur``, ``IdCardInfoIllegal``.
    """
    found = [card for card in id_cards(cards) if side in {None, card.card.side}]
    if not found:
        raise PictureRefusedError("FailedOperation.ImageNoIdCard")
    if "MultiCardDetect" in options and len(found) > 1:
        raise PictureRefusedError("FailedOperation.MultiCardError")
    chosen = found[0]
    straight = image_quality.straighten(picture, chosen.outline)
    sharpness = image_quality.sharpness(straight)
    if missing(chosen.card) and sharpness < BLURRED:
        raise PictureRefusedError("FailedOperation.ImageBlur")
    check_readable(chosen.card)
    answer: list[tuple[str, Content]] = [("IdInfo", list(values(chosen.card, texts).items()))]
    advanced = _advanced(chosen, picture, straight, sharpness, options, today, ruled)
    return [*answer, ("AdvancedInfo", advanced)] if advanced else answer


def _advanced(
    chosen: FoundCard,
    picture: Picture,
    straight: image_quality.Pixels,
    sharpness: int,
    options: frozenset[str],
    today: date,
    ruled: frozenset[int],
) -> list[tuple[str, Content]]:
    found: list[tuple[str, Content]] = []
    if "CropIdCard" in options:
        found.append(("IdCard", image_quality.base64_jpeg(straight)))
    portrait = chosen.card.field(PORTRAIT)
    if "CropPortrait" in options and portrait is not None and portrait.polygon is not None:
        found.append(("Portrait", image_quality.base64_jpeg(image_quality.crop(picture, portrait.polygon))))
    if "Quality" in options:
        found.append(("Quality", sharpness))
    outside = image_quality.share_outside(picture, chosen.outline)
    if "BorderCheckWarn" in options:
        found.append(("BorderCodeValue", round(100 * outside)))
    codes = {*_warnings(chosen, straight, outside, options, today), *_wanted(ruled, options)}
    return [*found, *(("WarnInfos", code) for code in sorted(codes))]


def _wanted(ruled: frozenset[int], options: frozenset[str]) -> set[int]:
    """Those codes of a rule that the client asked for."""
    return {code for code in ruled if _ASKED_BY.get(code) in options}


def _warnings(
    chosen: FoundCard, straight: image_quality.Pixels, outside: float, options: frozenset[str], today: date
) -> list[int]:
    """Return the warning codes that the picture itself supports.

    9103 (photographed from a screen), 9104 (temporary card) and 9106 (doctored) are given by rule only:
    nothing that is measured here could tell them.
    """
    codes: list[int] = []
    if "InvalidDateWarn" in options and expired(chosen.card, today):
        codes.append(9100)
    if "BorderCheckWarn" in options:
        if outside > BORDER_OUTSIDE:
            codes.append(9101)
        elif missing(chosen.card):
            # The card is all there, and yet a field is not: something lies on it.
            codes.append(9105)
    if "CopyWarn" in options and image_quality.colourless(straight):
        codes.append(9102)
    return sorted(codes)
