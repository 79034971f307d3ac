"""A document from its bytes to its verdict: every page a picture of its own, and one copy of them all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from cardveil.card.findings import Status, status_of
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass, replace
from cardveil.core.timing import Timings
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import ProcessingResult, examine
from cardveil.recognition.interfaces import CardRecogniser, Hint
from cardveil.redaction import Picture, Proof, RedactedCopy, redact
from cardveil.redaction.documents import MEDIA_TYPE, Page, PageLimits, Sheet, build_pdf, pages_of

_LIMITS: Final = PageLimits()
#: What is said of a page without a card, by the policy's `pages_without_card`.
_SAID: Final = {"mask": "page_masked", "keep": "page_kept", "review": "page_without_card"}


@dataclass(frozen=True, slots=True)
class _Done:
    """One page: what became of it, and its proven copy as a sheet of the whole."""

    verdict: ProcessingResult
    sheet: Sheet | None


def examine_document(
    data: bytes,
    hint: Hint,
    recogniser: CardRecogniser,
    rules: RedactionRules,
    *,
    page_limits: PageLimits = _LIMITS,
    timings: Timings | None = None,
) -> ProcessingResult:
    """Draw, recognise, redact and prove every page of a PDF or of a TIFF, and put the copies together.

    The copy is a PDF that is made of the pages' proven copies alone. There is one only when every page has
    one; a page without a card is covered whole, kept, or a person's, as the policy says.

    Raises
    ------
    Retry, Halt
        When nothing can be said of this document now.
    """
    timings = timings or Timings()
    done = list[_Done]()
    try:
        with timings("inspect"):
            pages = list(pages_of(data, rules.limits, page_limits))
        for page in pages:
            done.append(_examined(page, hint, recogniser, rules, timings))
    except (Reject, Review) as refusal:
        status = Status.REJECTED if isinstance(refusal, Reject) else Status.NEEDS_REVIEW
        return ProcessingResult(status, findings=(refusal.code,))
    return _whole([each.verdict for each in done], [each.sheet for each in done])


def _examined(
    page: Page, hint: Hint, recogniser: CardRecogniser, rules: RedactionRules, timings: Timings
) -> _Done:
    verdict = examine(page.data, hint, recogniser, rules, timings=timings)
    if verdict.findings[:1] == ("no_card",) and verdict.picture is not None:
        verdict = _without_card(verdict, verdict.picture, rules)
    if page.conflicting:
        findings = tuple(dict.fromkeys(("orientation_ambiguous", *verdict.findings)))
        verdict = replace(verdict, status=Status.NEEDS_REVIEW, findings=findings, copy=None)
    copy, picture = verdict.copy, verdict.picture
    if copy is None or picture is None:
        return _Done(verdict, None)
    # Where the policy crops, the page is as much smaller as its picture.
    scale = page.width / picture.width, page.height / picture.height
    return _Done(verdict, Sheet(copy.data, copy.width * scale[0], copy.height * scale[1]))


def _without_card(verdict: ProcessingResult, picture: Picture, rules: RedactionRules) -> ProcessingResult:
    what = rules.policy.pages_without_card
    findings = (_SAID[what], *verdict.findings[1:])
    if what == "review" or status_of(findings) is Status.NEEDS_REVIEW:
        return replace(verdict, status=Status.NEEDS_REVIEW, findings=findings)
    shown = None if what == "keep" else ()
    copy = redact(picture, [], shown=shown, fill=rules.policy.fill, allow_empty=True)
    if rules.mark is not None:
        from cardveil.redaction.watermark import marked  # few policies have one

        copy = marked(copy, rules.mark, rules.policy.fill)
    return replace(verdict, status=Status.REDACTED, findings=findings, copy=copy)


def _whole(pages: Sequence[ProcessingResult], sheets: Sequence[Sheet | None]) -> ProcessingResult:
    findings = tuple(dict.fromkeys(code for page in pages for code in page.findings))
    calls = tuple(call for page in pages for call in page.calls)
    warnings = tuple(dict.fromkeys(warning for page in pages for warning in page.warnings))
    statuses = {page.status for page in pages}
    status = Status.REDACTED
    if Status.REJECTED in statuses:
        status = Status.REJECTED
    elif Status.NEEDS_REVIEW in statuses:
        status = Status.NEEDS_REVIEW
    elif not any(page.cards for page in pages):
        status, findings = Status.REJECTED, ("no_card", *findings)
    whole = [sheet for sheet in sheets if sheet is not None]
    copy = None
    if status is Status.REDACTED and len(whole) == len(pages):
        copy = _copy(pages, whole)
    return ProcessingResult(
        status, warnings=warnings, findings=findings, calls=calls, copy=copy, pages=tuple(pages)
    )


def _copy(pages: Sequence[ProcessingResult], sheets: Sequence[Sheet]) -> RedactedCopy:
    proofs = [page.copy.proof for page in pages if page.copy is not None]
    data = build_pdf(sheets)
    proof = Proof(
        "reread",
        "pages",
        f"{len(proofs)} pages, each proven by itself",
        sum(proof.cells_planned for proof in proofs),
        sum(proof.cells_done for proof in proofs),
        ("PDF", *dict.fromkeys(name for proof in proofs for name in proof.structure)),
        1,
        "srgb",
        recognised=all(proof.recognised for proof in proofs),
    )
    size = round(sheets[0].width), round(sheets[0].height)
    mark = next((page.copy.mark for page in pages if page.copy is not None), "")
    return RedactedCopy(data, MEDIA_TYPE, hashlib.sha256(data).hexdigest(), "pages", proof, *size, mark=mark)
