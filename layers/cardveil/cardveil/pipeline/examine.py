"""One picture from its bytes to its verdict, wherever the bytes came from and whoever recognises them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Final

from cardveil.card.findings import Status, status_of
from cardveil.card.model import Call, Card, Polygon, VendorWarning
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass, replace
from cardveil.core.timing import Timings
from cardveil.pipeline.covering import MAX_SENT_BYTES, Covered, RedactionRules, Redactor
from cardveil.recognition.interfaces import CardRecogniser, Hint, Image, Recognition, TextLine
from cardveil.redaction import (
    Picture,
    Policy,
    RedactedCopy,
    Region,
    as_document,
    may_have_pages,
    place,
    redact,
    upright_copy,
)
from cardveil.storage.sidecar import PageDone, RedactionDone, RegionDone, Sidecar, SourceFacts

#: To be raised whenever the same source would be given another result; older results are then out of date.
PIPELINE_VERSION: Final = "2"


@dataclass(frozen=True, slots=True)
class ProcessingResult:
    """What became of a picture; `copy` is there exactly when `status` is ``redacted``.

    Attributes
    ----------
    pages : tuple of ProcessingResult
        Of a document: what became of each page; places are in pixels of the page as it was drawn.
    """

    status: Status
    picture: Picture | None = None
    cards: tuple[Card, ...] = ()
    warnings: tuple[VendorWarning, ...] = ()
    findings: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    regions: tuple[Region, ...] = ()
    copy: RedactedCopy | None = None
    pages: tuple[ProcessingResult, ...] = ()


def examine(
    data: bytes,
    hint: Hint,
    recogniser: CardRecogniser,
    rules: RedactionRules,
    *,
    key: str | None = None,
    timings: Timings | None = None,
) -> ProcessingResult:
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
    timings = timings or Timings()
    picture: Picture | None = None
    recognition = Recognition()
    try:
        with timings("inspect"):
            picture = rules.opened(data)
        covering = Redactor(picture, rules)
        if picture.data is not data:
            key = None  # what stands there is not what was made of it
        recognition = _recognise(picture, hint, recogniser, key, timings, covering)
        findings = _all_findings(recognition, hint, rules)
        if recognition.refusal:
            raise recognition.refusal
        _require_one_frame(picture)
        if not recognition.cards:
            raise Reject("no_card", "upload a picture of an ID card or of a licence's main page")
        with timings("plan"):
            recognition = replace(recognition, cards=covering.witnessed(recognition.cards, recognition.lines))
            if len(recognition.cards) > 1:  # where each ends is known only now
                findings = _all_findings(recognition, hint, rules)
        if status_of(findings) is Status.NEEDS_REVIEW:
            return _without_copy(Status.NEEDS_REVIEW, picture, recognition, findings)
        done = covering.cover(recognition.cards, recogniser, timings)
    except (Reject, Review) as refusal:
        status = Status.REJECTED if isinstance(refusal, Reject) else Status.NEEDS_REVIEW
        findings = tuple(dict.fromkeys([refusal.code, *_all_findings(recognition, hint, rules)]))
        return _without_copy(status, picture, recognition, findings)
    return with_copy(_without_copy(Status.REDACTED, picture, recognition, findings), done)


def examine_source(
    data: bytes,
    hint: Hint,
    recogniser: CardRecogniser,
    rules: RedactionRules,
    *,
    key: str | None = None,
    timings: Timings | None = None,
) -> ProcessingResult:
    """Examine a picture, or every page of a document; see `examine` and `document.examine_document`."""
    if may_have_pages(data):
        from cardveil.pipeline.document import examine_document  # pictures need none of it
        from cardveil.redaction.documents import is_document

        if is_document(data):
            return examine_document(data, hint, recogniser, rules, timings=timings)
    return examine(data, hint, recogniser, rules, key=key, timings=timings)


def with_copy(verdict: ProcessingResult, done: Covered) -> ProcessingResult:
    """Return the verdict with a proven copy; without it where covering has shown that a person must look."""
    findings = tuple(dict.fromkeys((*verdict.findings, *done.findings)))
    if status_of(done.findings) is Status.NEEDS_REVIEW:
        return replace(verdict, status=Status.NEEDS_REVIEW, findings=findings)
    return replace(verdict, cards=done.cards, findings=findings, regions=done.regions, copy=done.copy)


def redact_places(
    data: bytes, regions: Sequence[Region], rules: RedactionRules, *, timings: Timings | None = None
) -> ProcessingResult:
    """Redact the places that the caller names, without recognising anything.

    Raises
    ------
    Reject, Review
        When the picture cannot be read or the copy cannot be proven.
    """
    timings = timings or Timings()
    with timings("inspect"):
        picture = rules.opened(data)
    _require_one_frame(picture)
    with timings("redact"):
        copy = redact(picture, regions, fill=rules.policy.fill)
    return ProcessingResult(Status.REDACTED, picture=picture, regions=tuple(regions), copy=copy)


def sent_copy(data: bytes, key: str, rules: RedactionRules, timings: Timings) -> Image:
    """Return the picture as the APIs are sent it: upright, and small enough; `key` stays if it is the source.

    Raises
    ------
    Reject
        When the picture cannot be read.
    """
    with timings("inspect"):
        picture = rules.opened(data)
    with timings("upright"):
        upright = upright_copy(picture, max_bytes=MAX_SENT_BYTES)
    return Image(upright.data, upright.width, upright.height, key if upright.data == data else None)


def sidecar_of(
    verdict: ProcessingResult,
    source: SourceFacts,
    policy: Policy,
    output_key: str,
    *,
    now: datetime | None = None,
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
            crop=copy.crop,
            mark=copy.mark,
        )
    return Sidecar(
        pages=tuple(_page_done(page) for page in verdict.pages),
        source=source,
        status=verdict.status,
        cards=verdict.cards,
        warnings=verdict.warnings,
        findings=verdict.findings,
        redaction=done,
        calls=verdict.calls,
        pipeline_version=PIPELINE_VERSION,
        policy_digest=policy.digest,
        policy=as_document(policy),
        created_at=now or datetime.now(timezone.utc),
    )


def _page_done(page: ProcessingResult) -> PageDone:
    picture, copy = page.picture, page.copy
    return PageDone(
        picture.width if picture else None,
        picture.height if picture else None,
        page.status,
        page.findings,
        page.cards,
        tuple(RegionDone(r.field, r.polygon, r.action) for r in page.regions),
        copy.crop if copy else None,
    )


def _require_one_frame(picture: Picture) -> None:
    if picture.conflicting:
        raise Review(
            "orientation_ambiguous", "save the picture upright: viewers differ in which way up it is shown"
        )


def _recognise(
    picture: Picture,
    hint: Hint,
    recogniser: CardRecogniser,
    key: str | None,
    timings: Timings,
    covering: Redactor,
) -> Recognition:
    """Recognise an upright copy that the APIs take, and put its polygons back into the picture's frame."""
    with timings("upright"):
        upright = upright_copy(picture, max_bytes=MAX_SENT_BYTES)
        untouched = upright.data == picture.data
    image = Image(upright.data, upright.width, upright.height, key if untouched else None)
    fx, fy = picture.width / upright.width, picture.height / upright.height
    with timings("recognise"):
        recognition = recogniser.recognise(
            image,
            hint,
            lambda cards, lines: covering.ahead(_scaled(cards, fx, fy), _scaled_lines(lines, fx, fy)),
        )
    cards = _scaled(recognition.cards, fx, fy)
    return replace(recognition, cards=cards, lines=_scaled_lines(recognition.lines, fx, fy))


def _scaled_lines(lines: tuple[TextLine, ...] | None, fx: float, fy: float) -> tuple[TextLine, ...] | None:
    return None if lines is None else tuple(line.scaled(fx, fy) for line in lines)


def _scaled(cards: tuple[Card, ...], fx: float, fy: float) -> tuple[Card, ...]:
    if (fx, fy) == (1.0, 1.0):
        return cards

    def scaled(polygon: Polygon | None) -> Polygon | None:
        return polygon.scaled(fx, fy) if polygon else None

    return tuple(
        replace(
            card,
            fields=tuple(replace(field, polygon=scaled(field.polygon)) for field in card.fields),
            outline=scaled(card.outline),
        )
        for card in cards
    )


def _all_findings(recognition: Recognition, hint: Hint, rules: RedactionRules) -> tuple[str, ...]:
    findings = list(recognition.findings)
    if any(warning.name not in rules.harmless_warnings for warning in recognition.warnings):
        findings.append("warned")
    cards = recognition.cards
    # Of several cards one may be the expected one: front and back often come together.
    if cards and hint.card_type not in {None, *(card.type for card in cards)}:
        findings.append("wrong_card_type")
    elif cards and hint.side not in {None, *(card.side for card in cards)}:
        findings.append("wrong_side")
    if len(cards) == 1 and _overlapped(cards[0], recognition):
        findings.append("cards_overlap")
    if len(cards) > 1 and recognition.lines is not None:
        findings += _among_several(cards, recognition.lines)
    return tuple(dict.fromkeys(findings))


def _among_several(cards: tuple[Card, ...], lines: tuple[TextLine, ...]) -> list[str]:
    """Return what each card's own share of the text says of other papers and cards."""
    from cardveil.recognition.sharing import shared  # few pictures have several cards
    from cardveil.recognition.witness import findings_of

    parts = shared(cards, lines)
    return [
        code for card, own in zip(cards, parts, strict=True) for code in findings_of(card, own, card.outline)
    ]


def _overlapped(card: Card, recognition: Recognition) -> bool:
    """Say whether another card's text stands within this one's outline, or the outline is not known."""
    if "other_card" not in recognition.findings:
        return False
    from cardveil.recognition.witness import findings_of  # only a picture with another card needs it

    placement = place(card)
    outline = placement.polygon(placement.layout.outline) if placement else None
    return outline is None or "cards_overlap" in findings_of(card, recognition.lines or (), outline)


def _without_copy(
    status: Status,
    picture: Picture | None,
    recognition: Recognition,
    findings: tuple[str, ...],
) -> ProcessingResult:
    return ProcessingResult(
        status,
        picture=picture,
        cards=recognition.cards,
        warnings=recognition.warnings,
        findings=findings,
        calls=recognition.calls,
    )
