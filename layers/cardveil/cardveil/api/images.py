"""What a person is shown of a picture: upright views, straightened crops, and how sharp it is."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from cardveil.api.cards import Found
from cardveil.api.context import RequestContext
from cardveil.api.problems import Problem
from cardveil.card.model import PORTRAIT, Card, Point, Polygon
from cardveil.core.errors import SourceGone
from cardveil.redaction import Placement, Watermark, is_purpose, mark_of, place, upright_copy
from cardveil.storage.keys import keys_of
from cardveil.storage.sidecar import cards_of

if TYPE_CHECKING:
    from PIL.Image import Image

#: Enough for any screen, and with `_MAX_VIEW_BYTES` less than the 6 MB of an answer after Base64.
_MAX_VIEW_PIXELS: Final = 4_000_000
_MAX_VIEW_BYTES: Final = 3_000_000
_LONGEST_CROP: Final = 1200
#: Sharpness is measured with the card 600 pixels wide, whatever the picture's size.
_MEASURED_WIDTH: Final = 600
#: Variance of the Laplacian at which the score is 50; only the order of scores means something.
_HALF_SHARP: Final = 180.0


def view(
    context: RequestContext,
    found: Found,
    kind: Literal["source", "redacted"],
    purpose: str = "",
    page: int | None = None,
) -> dict[str, Any]:
    """Return a picture, or a page of a document, to look at: upright and reduced to fit into an answer.

    Parameters
    ----------
    page : int, optional
        Which page, from 0; the first one where none is named.
    purpose : str
        What the copy is handed on for: it is written over it.

    Raises
    ------
    Problem
        404 ``picture_missing``, ``page_missing``; 422 when it cannot be read as a picture, or the purpose not
        be written.
    """
    if purpose and not is_purpose(purpose):
        raise Problem(422, "mark_refused", "give a purpose of up to 30 letters of ASCII or GB 2312")
    raw, pages = _bytes(context, found, kind), found.document.get("pages")
    if pages is not None and page is None:
        page = 0
    if page is not None:
        told = _page(found, kind, page)
        raw = _drawn(context, raw, page)
    width, height, data, media_type = _upright(context, found.key, raw)
    if page is not None:
        width, height = told or (width, height)  # of the copy's own page nothing else is known
    context.saw(found.key)
    if purpose:
        data, media_type = _for(context, data, purpose)
    with _opened(data) as image:
        shown = image.size
    return {
        "media_type": media_type,
        "base64": base64.b64encode(data).decode("ascii"),
        "width": width,
        "height": height,
        "shown_width": shown[0],
        "shown_height": shown[1],
        **({"pages": len(pages)} if pages is not None else {}),
    }


def crops(context: RequestContext, found: Found, wanted: Sequence[str]) -> list[dict[str, str]]:
    """Return each card and its portrait, straightened by the places that were found; those that are known."""
    cards = cards_of(found.document)
    if not cards or not found.document["source"]["width"]:
        return [{} for _ in cards]
    frame_width, _, data, _ = _upright(context, found.key, _bytes(context, found, "source"))
    with _opened(data) as image:
        return [_crops(image, image.width / frame_width, card, wanted) for card in cards]


def _crops(image: Image, scale: float, card: Card, wanted: Sequence[str]) -> dict[str, str]:
    placement = place(card)
    outlines = {"card": _card_outline(placement), "portrait": _portrait_outline(card, placement)}
    return {
        name: _jpeg(_straightened(image, outline.scaled(scale, scale)))
        for name in wanted
        if (outline := outlines[name]) is not None
    }


def quality(context: RequestContext, found: Found) -> dict[str, Any] | None:
    """Return how sharp the least sharp card is (0 to 100), and how many pixels wide that one is."""
    if not found.document["source"]["width"]:
        return None
    frame_width, _, data, _ = _upright(context, found.key, _bytes(context, found, "source"))
    outlines = [_card_outline(place(card)) for card in cards_of(found.document)]
    with _opened(data) as image:
        scale = image.width / frame_width
        scores = [
            (_sharpness(_straightened(image, outline.scaled(scale, scale)) if outline else image), outline)
            for outline in outlines or [None]
        ]
    score, outline = min(scores, key=lambda pair: pair[0])
    width = _length(outline.points[0], outline.points[1]) if outline else None
    return {"sharpness": score, "card_width": round(width, 1) if width else None}


def _for(context: RequestContext, data: bytes, purpose: str) -> tuple[bytes, str]:
    """Write over a copy what it is handed on for, in the words of the settings' policy or the usual ones."""
    from cardveil.redaction.watermark import marked_for

    policy = context.policy
    watermark = policy.watermark if policy.watermark and "{purpose}" in policy.watermark.text else Watermark()
    return marked_for(data, mark_of(watermark, context.now(), purpose))


def _bytes(context: RequestContext, found: Found, kind: str) -> bytes:
    objects, key = context.pipeline.sources, found.key
    if kind == "redacted":
        objects, key = context.pipeline.results.objects, keys_of(found.key, context.settings).redacted
    try:
        stored, data = objects.get(key, max_bytes=context.settings.max_bytes)
    except SourceGone:
        raise Problem(404, "picture_missing", "look at the card's status: there is no such picture") from None
    if kind == "source" and stored.etag != found.document["source"]["etag"]:
        raise Problem(
            409, "source_changed", "wait for its result: another picture was uploaded under this key"
        )
    if data is None:
        raise Problem(422, "picture_too_large", "read it by its link")
    return data


def _upright(context: RequestContext, key: str, data: bytes) -> tuple[int, int, bytes, str]:
    picture = context.pipeline.converting(context.pipeline.rules, key).opened(data)
    copy = upright_copy(picture, max_bytes=_MAX_VIEW_BYTES, max_pixels=_MAX_VIEW_PIXELS)
    return picture.width, picture.height, copy.data, copy.media_type


def _page(found: Found, kind: str, number: int) -> tuple[int, int] | None:
    """Return the size that a page has in the sidecar: the frame of its places, or what was cut of it."""
    pages = found.document.get("pages", ())
    if number >= len(pages):
        raise Problem(404, "page_missing", "look at the card: it has no such page")
    page = pages[number]
    if kind == "redacted" and page.get("crop"):
        left, top, right, bottom = page["crop"]
        return right - left, bottom - top
    return (page["width"], page["height"]) if page["width"] else None


def _drawn(context: RequestContext, data: bytes, number: int) -> bytes:
    from cardveil.redaction.documents import pages_of  # pictures need none of it

    with pages_of(data, context.pipeline.rules.limits, only=number) as (_, pages):
        page = next(pages, None)
    if page is None:
        raise Problem(404, "page_missing", "look at the card: it has no such page")
    return page.data


def _opened(data: bytes) -> Image:
    from PIL import Image as Pillow

    return Pillow.open(io.BytesIO(data))


def _card_outline(placement: Placement | None) -> Polygon | None:
    return placement.polygon(placement.layout.outline) if placement else None


def _portrait_outline(card: Card, placement: Placement | None) -> Polygon | None:
    found = card.field(PORTRAIT)
    if found and found.polygon:
        return found.polygon
    box = placement.layout.portrait if placement else None
    return placement.polygon(box) if placement and box and placement.trusted(box) else None


def _straightened(image: Image, outline: Polygon) -> Image:
    """Return what lies inside an outline (pixels of `image`) as an upright rectangle."""
    from PIL import Image as Pillow

    a, b, c, d = outline.points
    width, height = max(_length(a, b), _length(d, c)), max(_length(a, d), _length(b, c))
    factor = min(1.0, _LONGEST_CROP / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    corners = (*a, *d, *c, *b)  # as QUAD wants them: counter-clockwise from the top left
    return image.convert("RGB").transform(size, Pillow.Transform.QUAD, corners, Pillow.Resampling.BICUBIC)


def _sharpness(image: Image) -> int:
    """Return 0 to 100 from the variance of the Laplacian; the score only orders pictures of cards."""
    from PIL import ImageFilter, ImageStat

    height = max(3, round(image.height * _MEASURED_WIDTH / image.width))
    grey = image.convert("L").resize((_MEASURED_WIDTH, height))
    laplacian = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
    variance = ImageStat.Stat(grey.filter(laplacian)).var[0]
    return round(100 * variance / (variance + _HALF_SHARP))


def _jpeg(image: Image) -> str:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return base64.b64encode(out.getvalue()).decode("ascii")


def _length(a: Point, b: Point) -> float:
    return math.dist(a, b)
