"""RecognizeMainlandIDCardOCR: parameters in, the text of both sides, crops and warnings out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cardveil.card.model import PORTRAIT, Side
from cardveil_cloud.ci import image_quality
from cardveil_cloud.ci.id_card import check_readable, id_cards, missing, values
from cardveil_cloud.ci.id_card_ocr import BLURRED, BORDER_OUTSIDE
from cardveil_cloud.ci.names import Language
from cardveil_cloud.ci.pictures import BASE64_LIMIT, Picture, PictureRefusedError
from cardveil_cloud.ci.recognition import FoundCard
from cardveil_cloud.ci.warning_rules import API_CODES
from cardveil_cloud.tencent_api.errors import ApiError

ACTION: Final = "RecognizeMainlandIDCardOCR"
VERSION: Final = "2018-11-19"
#: "This API only supports: ap-singapore."
REGION: Final = "ap-singapore"

_TEXTS: Final = ("Name", "Sex", "Nation", "Birth", "Address", "IdNum", "Authority", "ValidDate")
_TYPES: Final[Mapping[str, type]] = {
    "ImageBase64": str,
    "ImageUrl": str,
    "CardSide": str,
    "CropPortrait": bool,
    "CropIdCard": bool,
}
#: Ours: a card whose longer side has fewer pixels than this is called too small; digits are 6 pixels high.
SMALLEST_CARD: Final = 220
#: Quality recommended as a threshold by IDCardOCR's page.
BLURRY: Final = 50
#: Ours: `image_quality.glare` above which a card is called reflective. On sample pictures it is above for 5
#: of 6 with a reflection and 1 of 24 without.
REFLECTIVE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Parameters:
    """The action's own parameters, checked."""

    image_base64: str | None
    image_url: str | None
    side: Side | None
    crop_portrait: bool
    crop_card: bool


def parameters(body: Mapping[str, Any]) -> Parameters:
    """Read the request's parameters.

    Raises
    ------
    ApiError
        ``UnknownParameter``, ``InvalidParameter`` (wrong type), ``MissingParameter`` (no picture), or
        ``InvalidParameterValue.InvalidParameterValueLimit`` (CardSide).
    """
    for name, value in body.items():
        if name not in _TYPES:
            raise ApiError("UnknownParameter")
        if value is not None and not isinstance(value, _TYPES[name]):
            raise ApiError("InvalidParameter", f"The value type of parameter `{name}` is not valid.")
    image, url = body.get("ImageBase64"), body.get("ImageUrl")
    if image is None and url is None:
        raise ApiError("MissingParameter", "One of ImageUrl and ImageBase64 must be provided.")
    side = body.get("CardSide") or ""
    if side not in {"", "FRONT", "BACK"}:
        raise ApiError("InvalidParameterValue.InvalidParameterValueLimit")
    return Parameters(
        image_base64=image,
        image_url=url,
        side=Side(side.lower()) if side else None,
        crop_portrait=bool(body.get("CropPortrait")),
        crop_card=bool(body.get("CropIdCard")),
    )


def decode_base64(text: str) -> bytes:
    """Return the picture in `ImageBase64`.

    Raises
    ------
    PictureRefusedError
        ``LimitExceeded.TooLargeFileError``, or ``FailedOperation.ImageDecodeFailed`` if it is not Base64.
    """
    if len(text) > BASE64_LIMIT:
        raise PictureRefusedError("LimitExceeded.TooLargeFileError")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PictureRefusedError("FailedOperation.ImageDecodeFailed") from None


def answer(
    cards: Sequence[FoundCard],
    picture: Picture,
    asked: Parameters,
    *,
    texts: Language,
    ruled: frozenset[int] = frozenset(),
) -> dict[str, Any]:
    """Return the answer's elements but `RequestId`.

    A picture may hold one front and one back; the texts of both are then given.

    Raises
    ------
    PictureRefusedError
        ``ImageNoIdCard``, ``CardSideError``, ``MultiCardError``, ``IdCardTooSmall``, ``ImageBlur``,
        ``IdCardInfoIllegal``.
    """
    chosen = _choose(id_cards(cards), asked.side)
    found: dict[str, Any] = dict.fromkeys((*_TEXTS, "PortraitImage", "IdCardImage"), "")
    codes: set[int] = {code for code in ruled if code in API_CODES}
    for card in chosen:
        if max(image_quality.crop(picture, card.outline).shape[:2]) < SMALLEST_CARD:
            raise PictureRefusedError("FailedOperation.IdCardTooSmall")
        straight = image_quality.straighten(picture, card.outline)
        sharpness = image_quality.sharpness(straight)
        if missing(card.card) and sharpness < BLURRED:
            raise PictureRefusedError("FailedOperation.ImageBlur")
        check_readable(card.card)
        found |= values(card.card, texts)
        codes |= _warnings(card, picture, straight, sharpness)
        portrait = card.card.field(PORTRAIT)
        if asked.crop_portrait and portrait is not None and portrait.polygon is not None:
            found["PortraitImage"] = image_quality.base64_jpeg(image_quality.crop(picture, portrait.polygon))
    if asked.crop_card:
        found["IdCardImage"] = image_quality.base64_jpeg(image_quality.straighten(picture, chosen[0].outline))
    return {**found, "WarnCardInfos": sorted(codes, reverse=True)}


def _choose(cards: Sequence[FoundCard], side: Side | None) -> list[FoundCard]:
    sides = [card.card.side for card in cards]
    if any(sides.count(each) > 1 for each in Side):
        raise PictureRefusedError("FailedOperation.MultiCardError")
    chosen = [card for card in cards if side in {None, card.card.side}]
    if not chosen:
        raise PictureRefusedError("FailedOperation.CardSideError")
    return chosen


def _warnings(card: FoundCard, picture: Picture, straight: image_quality.Pixels, sharpness: int) -> set[int]:
    """Return the codes that the picture supports.

    -9103 (re-photographed), -9104 (altered) and -9109 are given by rule only: nothing that is measured here
    could tell.
    """
    signs = {
        -9101: image_quality.share_outside(picture, card.outline) > BORDER_OUTSIDE,
        -9102: image_quality.colourless(straight),
        -9107: image_quality.glare(straight) > REFLECTIVE,
        -9108: sharpness < BLURRY,
    }
    return {code for code, holds in signs.items() if holds}
