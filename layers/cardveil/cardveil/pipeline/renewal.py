"""Redacts a card anew from its stored places: another policy, or a person's word, needs no recognition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cardveil.card.findings import Status, status_of
from cardveil.card.model import PORTRAIT, Card, VendorWarning
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import replace
from cardveil.core.timing import Timings
from cardveil.pipeline.covering import RedactionRules, Redactor
from cardveil.pipeline.examine import ProcessingResult, with_copy
from cardveil.recognition.interfaces import CardRecogniser
from cardveil.redaction import Picture
from cardveil.storage.sidecar import calls_of, cards_of

#: Findings that come of the policy or of the covering. All others speak of the picture or of its recognition,
#: which another policy does not change.
_OF_THE_POLICY: Final = frozenset(
    {
        "fields_missing",
        "nothing_covered",
        "nothing_to_cover",
        "partial_not_located",
        "proof_failed",
        "text_outside",
    }
)


def stored_verdict(
    document: Mapping[str, Any],
    status: Status,
    cards: Sequence[Card],
    findings: Sequence[str],
    places: Sequence[int] = (),
) -> ProcessingResult:
    """Return a verdict that keeps a sidecar's warnings and calls, and says the rest anew.

    Parameters
    ----------
    cards : sequence of Card
        As `storage.sidecar.all_cards_of` orders them; a document's come to stand on its pages again.
    places : sequence of int
        The page of each card, where these are more than the sidecar knows.
    """
    pages, left = list[ProcessingResult](), tuple(cards)
    for number, page in enumerate(stored_pages(document)):
        count = places.count(number) if places else len(page.cards)
        pages.append(replace(page, cards=left[:count]))
        left = left[count:]
    return ProcessingResult(
        status,
        cards=left,
        warnings=tuple(VendorWarning(w["code"], w["name"]) for w in document["warnings"]),
        findings=tuple(dict.fromkeys(findings)),
        calls=calls_of(document),
        pages=tuple(pages),
    )


def stored_pages(document: Mapping[str, Any]) -> tuple[ProcessingResult, ...]:
    """Return what a sidecar tells of a document's pages; their pictures are sizes alone."""
    return tuple(
        ProcessingResult(
            Status(page["status"]),
            picture=_frame(page["width"], page["height"]),
            cards=cards_of(page),
            findings=tuple(page["findings"]),
        )
        for page in document.get("pages", ())
    )


def _frame(width: int | None, height: int | None) -> Picture | None:
    if width is None or height is None:
        return None
    return Picture(b"", "jpeg", width, height, 1, False, width, height, "srgb")


def covered(
    verdict: ProcessingResult, data: bytes, rules: RedactionRules, recogniser: CardRecogniser
) -> ProcessingResult:
    """Return a person's verdict with a copy that was made by the rules from the places of its cards.

    Of a document, see `document_renewal.covered_document`.

    Raises
    ------
    Reject, Review
        When the picture cannot be read, a place is missing, or the copy cannot be proven.
    """
    if verdict.pages:
        from cardveil.pipeline.document_renewal import covered_document  # pictures need none of it

        return covered_document(verdict, data, rules, recogniser)
    picture = rules.opened(data)
    done = Redactor(picture, rules).cover(verdict.cards, recogniser, Timings())
    # A person has looked already: what asks for one is settled.
    told = (code for code in done.findings if status_of([code]) is not Status.NEEDS_REVIEW)
    findings = tuple(dict.fromkeys((*verdict.findings, *told)))
    cards = tuple(
        replace(card, outline=known.outline) for card, known in zip(verdict.cards, done.cards, strict=True)
    )
    return replace(
        verdict, picture=picture, cards=cards, findings=findings, regions=done.regions, copy=done.copy
    )


def re_redact(
    document: Mapping[str, Any],
    data: bytes,
    recogniser: CardRecogniser,
    rules: RedactionRules,
    timings: Timings,
) -> ProcessingResult:
    """Say what a full examination under other rules would, from what the sidecar knows.

    Parameters
    ----------
    document : mapping
        The sidecar of the same picture, written by this version of the pipeline.
    recogniser : CardRecogniser
        Asked for the proof by recognition only, where `rules` want one: that is paid for.

    Raises
    ------
    Retry, Halt
        When nothing can be said now.
    """
    before = tuple(document["findings"])
    findings = tuple(code for code in before if code not in _OF_THE_POLICY)
    stored = cards_of(document)
    status = Status(document["status"])
    try:
        with timings("inspect"):
            picture = rules.opened(data)
    except (Reject, Review):
        return stored_verdict(document, status, stored, before)  # its findings say so already
    if not stored or status is Status.REJECTED or status_of(findings) is Status.NEEDS_REVIEW:
        return replace(stored_verdict(document, status, stored, before), picture=picture)
    # A portrait's place that was derived from the other fields' is derived again.
    cards = tuple(
        replace(card, fields=tuple(f for f in card.fields if (f.name, f.sources) != (PORTRAIT, ("layout",))))
        for card in stored
    )
    try:
        done = Redactor(picture, rules).cover(cards, recogniser, timings)
    except (Reject, Review) as refusal:
        status = Status.REJECTED if isinstance(refusal, Reject) else Status.NEEDS_REVIEW
        verdict = stored_verdict(document, status, cards, (refusal.code, *findings))
        return replace(verdict, picture=picture)
    verdict = stored_verdict(document, Status.REDACTED, done.cards, findings)
    return replace(with_copy(verdict, done), picture=picture)
