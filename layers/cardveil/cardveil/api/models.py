"""What requests and answers look like: checked on the way in, described in the API's document."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

#: A code of a caller's own, which stays for years: no words, which might name the person, and not so many
#: digits in a row as the number of a telephone or of an ID card has.
CODE_FORM: Final = r"[A-Za-z][0-9]{0,8}([A-Za-z._:/#-][0-9]{0,8})*"
CODE_LENGTH: Final = 64
#: The synchronous event is at most 6 MB in all (SCF, "Limits"), so a picture in it is smaller still.
MAX_BASE64: Final = 6 * 1024 * 1024
#: An A4 copy takes six cards; a person may mark as many. Of a document, all pages' cards are counted through.
MOST_CARDS: Final = 6
_MOST_PAGES: Final = 50
_MOST_OF_ALL: Final = _MOST_PAGES * MOST_CARDS
_CODE: Final = "^[a-z][a-z0-9_]*$"
_NAME: Final = r"^[^\x00-\x1f\x7f/\\]{1,100}$"

CardTypeName = Literal["IDCard", "DriverLicense"]
SideName = Literal["front", "back"]
PolicyName = Literal["strict", "standard", "minimal"]
#: Those of `storage.erasure` that a person may give.
ErasureReason = Literal[
    "requested", "consent_withdrawn", "purpose_ended", "term_ended", "unlawful", "test_data"
]
StatusName = Literal["redacted", "needs_review", "rejected"]
FieldName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]


class _Fetched(BaseModel):
    """A part of a request: what it does not know is refused, so that no slip goes unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Told(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid")


def _finite(point: tuple[float, float]) -> tuple[float, float]:
    if not all(math.isfinite(value) and abs(value) <= 100_000 for value in point):
        raise ValueError("out of range")
    return point


Point = Annotated[tuple[float, float], AfterValidator(_finite)]
PolygonPoints = Annotated[list[Point], Field(min_length=4, max_length=4)]


class ObjectSource(_Fetched):
    """An object that stands in the inbox already."""

    kind: Literal["object"]
    key: Annotated[str, Field(min_length=1, max_length=850)]


class UrlSource(_Fetched):
    """A picture at a public URL; it is fetched once and put into the inbox."""

    kind: Literal["url"]
    detect_url: Annotated[str, Field(min_length=1, max_length=2048)]
    name: Annotated[str, Field(pattern=_NAME)] = "picture"


class ImageSource(_Fetched):
    """The picture itself, as Base64; it is put into the inbox."""

    kind: Literal["image"]
    base64: Annotated[str, Field(min_length=1, max_length=MAX_BASE64)]
    name: Annotated[str, Field(pattern=_NAME)] = "picture"


class SubmitRequest(_Fetched):
    """A card to be read and redacted now."""

    source: Annotated[ObjectSource | UrlSource | ImageSource, Field(discriminator="kind")]
    card_type: CardTypeName | None = None
    side: SideName | None = None
    policy: Annotated[
        PolicyName | None,
        Field(description="Instead of the configured one; a weaker one wants the role review."),
    ] = None
    crops: Annotated[
        list[Literal["card", "portrait"]], Field(max_length=2, description="Wants the role read_text.")
    ] = []
    warnings: Annotated[bool, Field(description="Whether the vendor's warnings are told.")] = True
    quality: Annotated[bool, Field(description="Whether the picture's sharpness is measured.")] = False


class FieldCorrection(_Fetched):
    """A field as a person sees it. What is not given stays; a field that was not found is added."""

    name: FieldName
    card: Annotated[
        int,
        Field(
            ge=0,
            lt=_MOST_OF_ALL,
            description="Which of the picture's cards it is of; of a document, counted through all pages.",
        ),
    ] = 0
    text: Annotated[str, Field(max_length=500)] | None = None
    polygon: PolygonPoints | None = None


class CardKind(_Fetched):
    """What a card is, as a person sees it. The number after the last adds a card that was not found."""

    card: Annotated[int, Field(ge=0, lt=_MOST_OF_ALL, description="Which card, as a field names it.")]
    card_type: CardTypeName
    side: SideName = "front"
    page: Annotated[
        int | None,
        Field(
            ge=0, lt=_MOST_PAGES, description="Of a document: the page, from 0, on which an added card is."
        ),
    ] = None


class RestoreRequest(_Fetched):
    """Sealed texts that are to be opened, and why."""

    reason: Annotated[
        str, Field(pattern=f"^{CODE_FORM}$", max_length=CODE_LENGTH, description="A code: kyc-check.")
    ]
    fields: Annotated[list[FieldName], Field(max_length=40, description="Only these; empty for all.")] = []


class ReviewRequest(_Fetched):
    """What a person has decided over a card."""

    decision: Annotated[
        Literal["accept", "correct", "reject", "reopen"],
        Field(description="`reopen` takes the last rejection back: the card waits for a person again."),
    ]
    reason: Annotated[str, Field(max_length=500)] = ""
    version: Annotated[
        str, Field(pattern="^[0-9a-f-]{1,80}$", description="The version that the person looked at.")
    ]
    fields: Annotated[list[FieldCorrection], Field(max_length=40 * MOST_CARDS)] = []
    card_type: Annotated[CardTypeName | None, Field(description="Of the first card.")] = None
    side: Annotated[SideName | None, Field(description="Of the first card.")] = None
    kinds: Annotated[list[CardKind], Field(max_length=MOST_CARDS)] = []
    policy: PolicyName | None = None


class UploadRequest(_Fetched):
    """A wish to upload a picture directly into the inbox."""

    name: Annotated[str, Field(pattern=_NAME)] = "picture"
    card_type: CardTypeName | None = None
    side: SideName | None = None


class JobRequest(_Fetched):
    """A card to be read and redacted later."""

    key: Annotated[str, Field(min_length=1, max_length=850)]
    card_type: CardTypeName


class Links(_Told):
    """Short-lived links to the objects themselves."""

    source: str | None = None
    redacted: str | None = None
    expires_at: str


class Crops(_Told):
    """Parts of the picture, straightened: JPEG as Base64."""

    card: str | None = None
    portrait: str | None = None


class Quality(_Told):
    """How well the picture was taken."""

    sharpness: Annotated[int, Field(ge=0, le=100)]
    card_width: Annotated[float, Field(description="Pixels along the card's long side.")] | None = None


class CardAnswer(_Told):
    """A card: its sidecar, as much of it as the caller may see."""

    ref: Annotated[str, Field(description="The card's key in a form that survives every proxy.")]
    version: Annotated[str, Field(description="Changes with every decision and every new result.")]
    decided: Annotated[bool, Field(description="Whether a person has decided over it.")]
    sidecar: dict[str, Any]
    masked: Annotated[
        list[list[str]],
        Field(
            description="For each card, of each page in turn, the fields whose text the caller may not see."
        ),
    ]
    restorable: Annotated[
        list[list[str]],
        Field(description="For each card, the fields whose sealed text the caller may have opened."),
    ]
    links: Links
    crops: Annotated[list[Crops] | None, Field(description="One for each card.")] = None
    quality: Quality | None = None


class ViewAnswer(_Told):
    """A picture to look at: upright, reduced to fit; `width` and `height` are the frame of all polygons."""

    media_type: Literal["image/jpeg", "image/png", "image/bmp"]
    base64: str
    width: int
    height: int
    shown_width: int
    shown_height: int
    pages: Annotated[int | None, Field(description="How many pages there are, of a document.")] = None


class ListedCard(_Told):
    """One source of the inbox and what became of it."""

    key: str
    ref: str
    status: StatusName | Literal["pending"]
    decided: bool
    size: int
    uploaded_at: str


class CardPage(_Told):
    """Some of the inbox's cards; `next` goes on, and is null at the end."""

    cards: list[ListedCard]
    next: str | None


class UploadAnswer(_Told):
    """How to upload: send the bytes by `method` to `url` with exactly these headers."""

    key: str
    ref: str
    method: Literal["PUT"]
    url: str
    headers: dict[str, str]
    expires_at: str


class JobAnswer(_Told):
    """A job, and where its card will be found."""

    id: str
    state: str
    key: str | None = None
    ref: str | None = None


class ErasureAnswer(_Told):
    """What became of an erasure; `removed` counts versions by what they were."""

    id: str
    source_sha256: str
    state: Literal["erasing", "erased", "dropped"]
    by: str
    reason: str
    at: str
    removed: dict[str, int]


class HoldRequest(_Fetched):
    """Why a card must stay as it is."""

    reason: Annotated[
        str, Field(pattern=f"^{CODE_FORM}$", max_length=CODE_LENGTH, description="A code: case:2026-17.")
    ]


class HoldAnswer(_Told):
    """A hold: whether it stands, who set it, why and when."""

    source_sha256: str
    held: bool
    by: str
    reason: str
    at: str


class RestoredText(_Told):
    """What one field says."""

    page: Annotated[int | None, Field(description="Which page of a document, from 0.")] = None
    card: Annotated[int, Field(ge=0, description="Which card of the picture or page, from 0.")]
    name: str
    text: str
    normalized: str | None


class RestoreAnswer(_Told):
    """The texts of a card that its sidecar keeps sealed."""

    ref: str
    version: str
    fields: list[RestoredText]


class HealthAnswer(_Told):
    """That the function answers."""

    status: Literal["ok"]
    version: str


class Fault(_Told):
    """Where in a request something is wrong."""

    where: list[str | int]
    what: str


class ProblemAnswer(_Told):
    """Why something was not done, and what to do about it (RFC 9457)."""

    type: str
    title: str
    status: int
    code: Annotated[str, Field(pattern=_CODE)]
    detail: str
    request_id: str
    faults: list[Fault] = []
