"""The package as a library: one call redacts a picture on this machine, without any service."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final

from cardveil.card.findings import Status
from cardveil.card.model import Card, CardType, Polygon, Side
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import ProcessingResult, examine_source, redact_places
from cardveil.recognition.interfaces import CardRecogniser, Hint
from cardveil.redaction import Limits, Picture, Policy, RedactedCopy, Region, load_policy, mark_of
from cardveil.redaction import inspect as inspect_bytes

#: A picture: its bytes, or the path of its file.
Source = bytes | bytearray | memoryview | str | PathLike[str]
#: A place to cover: a region, a polygon, four ``(x, y)`` pairs, or ``{"name": …, "polygon": …}``.
Place = Region | Polygon | Sequence[Sequence[float]] | Mapping[str, Any]

_LIMITS: Final = Limits()
_KEYS: Final = {"name", "polygon"}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a picture.

    Attributes
    ----------
    status : Status
        ``redacted``: there is a copy. ``needs_review``: a person must look. ``rejected``: this picture will
        never work.
    copy : RedactedCopy or None
        The proven copy (`copy.data` is the file); there exactly when `status` is ``redacted``.
    regions : tuple of Region
        What was covered because something stands there that must not be seen.
    findings : tuple of str
        Why, as codes; `FINDINGS` says what most of them mean, the runbook what all of them ask for.
    cards : tuple of Card
        What a recogniser found. They hold personal data.
    pages : tuple of Result
        Of a PDF or a TIFF of several pages: what became of each page, in pixels of the page as it was drawn.
    """

    status: Status
    copy: RedactedCopy | None = None
    regions: tuple[Region, ...] = ()
    findings: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()
    pages: tuple[Result, ...] = ()


def inspect(picture: Source, *, limits: Limits = _LIMITS) -> Picture:
    """Read what a picture's headers say: its format, its upright size, its orientation. Nothing is decoded.

    Raises
    ------
    Reject
        If it is no picture, a damaged one, or more than `limits` allow; its `code` says which.
    OSError
        If the file cannot be read.
    """
    return inspect_bytes(_bytes_of(picture, limits), limits)


def redact(
    picture: Source,
    places: Iterable[Place] | None = None,
    *,
    recogniser: CardRecogniser | None = None,
    policy: str | Path | Policy = "standard",
    card_type: str | CardType | None = None,
    side: str | Side | None = None,
    proof: str = "geometry",
    limits: Limits = _LIMITS,
) -> Result:
    """Make a redacted copy of a picture, proven to hold nothing of what it covers, or say why there is none.

    Parameters
    ----------
    picture : bytes or path
        A JPEG, PNG, TIFF, BMP or lossless WebP file; with a recogniser also a PDF (needs `pypdfium2`).
    places : iterable of Region, Polygon, four (x, y) pairs or {"name", "polygon"}, optional
        What to cover, in pixels of the upright picture. All else is shown: of the policy, only its colour is
        used.
    recogniser : CardRecogniser, optional
        Who finds the cards, where no places are given; the policy then decides what is covered.
    policy : str, Path or Policy
        ``strict``, ``standard``, ``minimal``, the path of a YAML file, or what `load_policy` gave.
    card_type, side : optional
        What the picture shows, where that is known: ``IDCard`` or ``DriverLicense``, ``front`` or ``back``.
        Only with a recogniser.
    proof : str
        ``geometry``, or ``recognise``: the recogniser then reads the copy again, and there is none if it
        finds a text that was to be covered.
    limits : Limits
        What the picture may cost.

    Raises
    ------
    TypeError, ValueError
        If the call itself is wrong: neither places nor recogniser, or both; a place that is no polygon.
    Halt
        ``policy_missing`` or ``policy_invalid``.
    Retry, Halt
        What a recogniser that calls a service raises.
    OSError
        If the file cannot be read.
    """
    if (places is None) == (recogniser is None):
        raise TypeError("give either the places to cover or a recogniser that finds them")
    if recogniser is None and (card_type is not None or side is not None or proof != "geometry"):
        raise TypeError("card_type, side and proof go with a recogniser")
    if proof not in ("geometry", "recognise"):
        raise ValueError("proof is either geometry or recognise")
    chosen = policy if isinstance(policy, Policy) else load_policy(policy)
    mark = mark_of(chosen.watermark, time.time()) if chosen.watermark and recogniser else None
    rules = RedactionRules(chosen, limits, proof=proof, mark=mark)
    hint = Hint(CardType(card_type) if card_type else None, Side(side) if side else None)
    regions = None if places is None else [_region(n, place) for n, place in enumerate(places, start=1)]
    try:
        data = _bytes_of(picture, limits)
        if regions is not None:
            return _result(redact_places(data, regions, rules))
        assert recogniser is not None  # noqa: S101 - one of the two was given
        return _result(examine_source(data, hint, recogniser, rules))
    except Reject as refusal:
        return Result(Status.REJECTED, findings=(refusal.code,))
    except Review as refusal:
        return Result(Status.NEEDS_REVIEW, findings=(refusal.code,))


def _result(done: ProcessingResult) -> Result:
    pages = tuple(_result(page) for page in done.pages)
    return Result(done.status, done.copy, done.regions, done.findings, done.cards, pages)


def _bytes_of(picture: Source, limits: Limits) -> bytes:
    """Return the file's bytes, never more of them than the limits need to refuse it."""
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    with Path(picture).open("rb") as file:
        return file.read(limits.max_bytes + 1)


def _region(number: int, place: Place) -> Region:
    if isinstance(place, Region):
        return place
    name = f"place {number}"
    polygon: Any = place  # whatever it is, it is read as points
    if isinstance(place, Mapping):
        if set(place) != _KEYS or not isinstance(place["name"], str):
            raise ValueError(f'place {number} must be {{"name": …, "polygon": [[x, y] × 4]}}')
        name, polygon = place["name"], place["polygon"]
    if not isinstance(polygon, Polygon):
        try:
            polygon = Polygon.of(polygon)
        except (TypeError, ValueError):
            raise ValueError(f"place {number} must be four points [x, y] of finite pixels") from None
    return Region(name, polygon, "mask")
