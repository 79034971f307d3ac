"""One picture from its bytes to its verdict, wherever the bytes came from and whoever recognises them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Final

from cardveil.card import PORTRAIT, Card, Field
from cardveil.errors import Reject, Review
from cardveil.findings import Status, status_of
from cardveil.recognition.reading import Call, CardRecogniser, Hint, Image, Recognition, VendorWarning
from cardveil.redaction import (
    Limits,
    Picture,
    Policy,
    RedactedCopy,
    Region,
    forbidden_texts,
    inspect,
    kept_texts,
    place,
    plan,
    prove_unreadable,
    redact,
    upright_copy,
)
from cardveil.sidecar import RedactionDone, RegionDone, Sidecar, SourceFacts
from cardveil.stages import Stages

#: To be raised whenever the same source would be given another result; older results are then out of date.
PIPELINE_VERSION: Final = "1"
#: 7 MB after Base64 is the limit of every recognition API used (their pages, "Input Parameters").
_MAX_SENT_BYTES: Final = 7 * 1024 * 1024 * 3 // 4 - 1024


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides over a picture, apart from the picture.

    Attributes
    ----------
    proof : str
        ``geometry`` or ``recognise`` (see `Settings.proof`).
    review_warnings : frozenset of str
        Vendor warnings that send a card to review.
    """

    policy: Policy
    limits: Limits
    proof: str = "geometry"
    review_warnings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a picture; `copy` is there exactly when `status` is ``redacted``."""

    status: Status
    picture: Picture | None = None
    card: Card | None = None
    warnings: tuple[VendorWarning, ...] = ()
    findings: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    regions: tuple[Region, ...] = ()
    copy: RedactedCopy | None = None


def examine(
    data: bytes,
    hint: Hint,
    recogniser: CardRecogniser,
    rules: Rules,
    *,
    key: str | None = None,
    stages: Stages | None = None,
) -> Verdict:
    """Inspect, recognise, redact and prove one picture.

    Parameters
    ----------
    data : bytes
        The source.
    key : str, optional
        Where exactly these bytes stand in the bucket, for recognisers that read from there.

    Returns
    -------
    Verdict
        Never a copy that was not proven.

    Raises
    ------
    Retry, Halt
        When nothing can be said of this picture now.
    """
    stages = stages or Stages()
    picture: Picture | None = None
    recognition = Recognition()
    try:
        with stages("inspect"):
            picture = inspect(data, rules.limits)
        recognition = _recognise(picture, hint, recogniser, key, stages)
        findings = _all_findings(recognition, hint, rules)
        if recognition.refusal:
            raise recognition.refusal
        if recognition.card is None:
            raise Reject("no_card", "upload a picture of an ID card or of a licence's main page")
        if status_of(findings) is Status.NEEDS_REVIEW:
            return _without_copy(Status.NEEDS_REVIEW, picture, recognition, findings)
        regions, copy = cover(picture, recognition.card, recogniser, rules, stages)
    except (Reject, Review) as refusal:
        status = Status.REJECTED if isinstance(refusal, Reject) else Status.NEEDS_REVIEW
        findings = tuple(dict.fromkeys([refusal.code, *_all_findings(recognition, hint, rules)]))
        return _without_copy(status, picture, recognition, findings)
    verdict = _without_copy(Status.REDACTED, picture, recognition, findings)
    return replace(verdict, card=with_portrait(recognition.card), regions=regions, copy=copy)


def with_portrait(card: Card) -> Card:
    """Return the card with its portrait among the fields, where the other fields tell its place."""
    placement = place(card)
    box = placement.layout.portrait if placement else None
    if card.field(PORTRAIT) or placement is None or box is None or not placement.trusted(box):
        return card
    portrait = Field(PORTRAIT, polygon=placement.polygon(box), sources=("layout",))
    return replace(card, fields=(*card.fields, portrait))


def redact_places(
    data: bytes, regions: Sequence[Region], rules: Rules, *, stages: Stages | None = None
) -> Verdict:
    """Redact the places that the caller names, without recognising anything.

    Raises
    ------
    Reject, Review
        When the picture cannot be read or the copy cannot be proven.
    """
    stages = stages or Stages()
    with stages("inspect"):
        picture = inspect(data, rules.limits)
    with stages("redact"):
        copy = redact(picture, regions, fill=rules.policy.fill)
    return Verdict(Status.REDACTED, picture=picture, regions=tuple(regions), copy=copy)


def sent_copy(data: bytes, key: str, rules: Rules, stages: Stages) -> Image:
    """Return the picture as the APIs are sent it: upright, and small enough; `key` stays if it is the source.

    Raises
    ------
    Reject
        When the picture cannot be read.
    """
    with stages("inspect"):
        picture = inspect(data, rules.limits)
    with stages("upright"):
        upright = upright_copy(picture, max_bytes=_MAX_SENT_BYTES)
    return Image(upright.data, upright.width, upright.height, key if upright.data == data else None)


def sidecar_of(
    verdict: Verdict, source: SourceFacts, policy: Policy, output_key: str, *, now: datetime | None = None
) -> Sidecar:
    """Write a verdict down.

    Parameters
    ----------
    output_key : str
        Where the copy stands, or will; not told when there is none.
    """
    picture, copy = verdict.picture, verdict.copy
    if picture:
        source = replace(source, width=picture.width, height=picture.height, orientation=picture.orientation)
    done = None
    if copy:
        done = RedactionDone(
            policy=policy.name,
            regions=tuple(RegionDone(r.field, r.polygon, r.action) for r in verdict.regions),
            output_key=output_key,
            output_sha256=copy.sha256,
            path=copy.path,
            proof=copy.proof.as_dict(),
        )
    return Sidecar(
        source=source,
        status=verdict.status,
        card=verdict.card,
        warnings=verdict.warnings,
        findings=verdict.findings,
        redaction=done,
        calls=verdict.calls,
        pipeline_version=PIPELINE_VERSION,
        policy_digest=policy.digest,
        created_at=now or datetime.now(timezone.utc),
    )


def _recognise(
    picture: Picture, hint: Hint, recogniser: CardRecogniser, key: str | None, stages: Stages
) -> Recognition:
    """Recognise an upright copy that the APIs take, and put its polygons back into the picture's frame."""
    with stages("upright"):
        upright = upright_copy(picture, max_bytes=_MAX_SENT_BYTES)
        untouched = upright.data == picture.data
    image = Image(upright.data, upright.width, upright.height, key if untouched else None)
    with stages("recognise"):
        recognition = recogniser.recognise(image, hint)
    if recognition.card is None or (upright.width, upright.height) == (picture.width, picture.height):
        return recognition
    fx, fy = picture.width / upright.width, picture.height / upright.height
    fields = tuple(
        replace(field, polygon=field.polygon.scaled(fx, fy)) if field.polygon else field
        for field in recognition.card.fields
    )
    return replace(recognition, card=replace(recognition.card, fields=fields))


def cover(
    picture: Picture, card: Card, recogniser: CardRecogniser, rules: Rules, stages: Stages
) -> tuple[tuple[Region, ...], RedactedCopy]:
    """Cover a located card by the policy, and prove the copy as the rules want it proven.

    Raises
    ------
    Reject, Review
        When there is no copy.
    """
    with stages("plan"):
        regions = plan(card, rules.policy, picture)
    with stages("redact"):
        # No regions: the policy keeps every field of this side, and each of them was located.
        copy = redact(picture, regions, fill=rules.policy.fill, allow_empty=True)
    if rules.proof == "recognise":
        with stages("prove"):

            def read_text(data: bytes) -> Sequence[str]:
                shown = upright_copy(inspect(data, rules.limits), max_bytes=_MAX_SENT_BYTES)
                return recogniser.texts(Image(shown.data, shown.width, shown.height))

            copy = prove_unreadable(
                copy, forbidden_texts(card, rules.policy), read_text, kept=kept_texts(card, rules.policy)
            )
    return regions, copy


def _all_findings(recognition: Recognition, hint: Hint, rules: Rules) -> tuple[str, ...]:
    findings = list(recognition.findings)
    if any(warning.name in rules.review_warnings for warning in recognition.warnings):
        findings.append("warned")
    card = recognition.card
    if card and hint.card_type and card.type is not hint.card_type:
        findings.append("wrong_card_type")
    elif card and hint.side and card.side is not hint.side:
        findings.append("wrong_side")
    return tuple(dict.fromkeys(findings))


def _without_copy(
    status: Status, picture: Picture | None, recognition: Recognition, findings: tuple[str, ...]
) -> Verdict:
    return Verdict(
        status,
        picture=picture,
        card=recognition.card,
        warnings=recognition.warnings,
        findings=findings,
        calls=recognition.calls,
    )
