"""Documents redacted anew from their pages' places: by another policy, or by a person's word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cardveil.card.findings import Status, status_of
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import replace
from cardveil.core.timing import Timings
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.document import (
    SAID_OF_PAGES,
    copy_of,
    each_page,
    is_without_card,
    refused,
    sheets_of,
    shown_whole,
    whole_of,
)
from cardveil.pipeline.examine import ProcessingResult
from cardveil.pipeline.renewal import covered, re_redact, stored_pages, stored_verdict
from cardveil.recognition.interfaces import CardRecogniser
from cardveil.redaction import Picture
from cardveil.redaction.documents import Page, PageLimits


def re_redact_document(
    document: Mapping[str, Any],
    data: bytes,
    recogniser: CardRecogniser,
    rules: RedactionRules,
    timings: Timings,
) -> ProcessingResult | None:
    """Say what `examine_document` would under other rules, from what the sidecar knows; see `re_redact`.

    Returns
    -------
    ProcessingResult or None
        None where the pages are not drawn as they were, so that no place of theirs holds.
    """

    before = stored_pages(document)

    def renewed(number: int, page: Page) -> ProcessingResult:
        if number >= len(before):
            raise _differs()
        stored = {**document["pages"][number], "warnings": [], "calls": []}
        verdict = re_redact(stored, page.data, recogniser, rules, timings)
        _require_same(verdict.picture, before[number].picture)
        if is_without_card(verdict.findings):
            rest = (code for code in verdict.findings if code not in SAID_OF_PAGES.values())
            return replace(verdict, findings=("no_card", *rest))
        return verdict

    try:
        done = list(each_page(data, rules, None, timings, renewed))
    except (Reject, Review) as refusal:
        return None if refusal.code == "pages_differ" else refused(refusal)
    if len(done) != len(before):
        return None
    whole = whole_of(done)
    known = stored_verdict(document, whole.status, (), ())
    return replace(whole, warnings=known.warnings, calls=known.calls)


def covered_document(
    verdict: ProcessingResult,
    data: bytes,
    rules: RedactionRules,
    recogniser: CardRecogniser,
    *,
    page_limits: PageLimits | None = None,
) -> ProcessingResult:
    """Return a person's verdict of a document with a copy that was made from the places on its pages.

    What holds no card is covered whole, unless the policy keeps pages without one.

    Raises
    ------
    Reject, Review
        As `renewal.covered`; ``pages_differ`` where the pages are not drawn as they were.
    """

    def decided(number: int, page: Page) -> ProcessingResult:
        if number >= len(verdict.pages):
            raise _differs()
        before = verdict.pages[number]
        keeps = rules.policy.pages_without_card == "keep" and is_without_card(before.findings)
        settled = replace(before, status=Status.REDACTED, findings=_settled(before.findings))
        if before.cards:
            # Also one that a person has found there.
            settled = replace(settled, findings=_with_card(settled.findings))
            done = covered(settled, page.data, rules, recogniser)
        else:
            done = shown_whole(settled, rules.opened(page.data), rules, "keep" if keeps else "mask")
        _require_same(done.picture, before.picture)
        return done

    done = list(each_page(data, rules, page_limits, Timings(), decided, asked=True))
    if len(done) != len(verdict.pages):
        raise _differs()
    pages = tuple(each.verdict for each in done)
    told = (*_with_card(verdict.findings), *(code for page in pages for code in page.findings))
    findings = _settled(dict.fromkeys(told))
    return replace(verdict, findings=findings, pages=pages, copy=copy_of(pages, sheets_of(done)))


def _settled(findings: Iterable[str]) -> tuple[str, ...]:
    return tuple(code for code in findings if status_of([code]) is not Status.NEEDS_REVIEW)


def _with_card(findings: Iterable[str]) -> tuple[str, ...]:
    return tuple(code for code in findings if code not in SAID_OF_PAGES.values())


def _require_same(picture: Picture | None, before: Picture | None) -> None:
    """Refuse a page that is drawn otherwise than when its places were found: by another version of pdfium."""
    sizes = [(each.width, each.height) if each else None for each in (picture, before)]
    if sizes[0] != sizes[1]:
        raise _differs()


def _differs() -> Review:
    return Review(
        "pages_differ", "submit the document again: its pages are drawn otherwise than when it was read"
    )
