"""A document from its bytes to its verdict: every page a picture of its own, and one copy of them all."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from cardveil.card.findings import Status, status_of
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass, replace
from cardveil.core.timing import Timings
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import ProcessingResult, examine
from cardveil.recognition.interfaces import CardRecogniser, Hint
from cardveil.redaction import Picture, Proof, RedactedCopy, inspect, redact
from cardveil.redaction.documents import (
    MEDIA_TYPE,
    Page,
    PageLimits,
    Sheet,
    build_pdf,
    count_pages,
    page_limits_of,
    pages_of,
    too_large,
)

#: What is said of a page without a card, by the policy's `pages_without_card`.
SAID_OF_PAGES: Final = {"mask": "page_masked", "keep": "page_kept", "review": "page_without_card"}


@dataclass(frozen=True, slots=True)
class PageResult:
    """What became of one page, and its proven copy as a sheet of the whole."""

    verdict: ProcessingResult
    sheet: Sheet | None


def examine_document(
    data: bytes,
    hint: Hint,
    recogniser: CardRecogniser,
    rules: RedactionRules,
    *,
    page_limits: PageLimits | None = None,
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

    def examined(_: int, page: Page) -> ProcessingResult:
        return examine(page.data, hint, recogniser, rules, timings=timings)

    done = list[PageResult]()
    try:
        done.extend(each_page(data, rules, page_limits, timings, examined))
    except (Reject, Review) as refusal:
        paid = tuple(call for each in done for call in each.verdict.calls)
        return replace(refused(refusal), calls=paid)
    return whole_of(done)


def page_count(data: bytes, rules: RedactionRules) -> int:
    """Count the pages of a source without drawing them, one of a picture; raises as `count_pages`."""
    return count_pages(data, rules.limits)


def each_page(
    data: bytes,
    rules: RedactionRules,
    page_limits: PageLimits | None,
    timings: Timings,
    work: Callable[[int, Page], ProcessingResult],
    *,
    asked: bool = False,
) -> Iterator[PageResult]:
    """Do the work of each page while the next one is drawn; a page's source is held no longer than that.

    Parameters
    ----------
    asked : bool
        Whether a person has said which way up pages are that viewers turn differently.
    """
    limits, held = page_limits or page_limits_of(rules.limits), 0
    with pages_of(data, rules.limits, limits) as (_, pages):
        for number, page in enumerate(_timed(pages, timings)):
            done = _with_sheet(work(number, page), page, rules, asked=asked)
            held += len(done.sheet.jpeg) if done.sheet else 0
            if limits.max_copies is not None and held > limits.max_copies:
                raise too_large()
            yield done


def _timed(pages: Iterator[Page], timings: Timings) -> Iterator[Page]:
    while True:
        with timings("inspect"):
            page = next(pages, None)
        if page is None:
            return
        yield page


def _with_sheet(verdict: ProcessingResult, page: Page, rules: RedactionRules, *, asked: bool) -> PageResult:
    picture = verdict.picture
    if verdict.findings[:1] == ("no_card",) and picture is not None:
        verdict = _without_card(verdict, picture, rules)
    if page.conflicting and not asked:
        findings = tuple(dict.fromkeys(("orientation_ambiguous", *verdict.findings)))
        verdict = replace(verdict, status=Status.NEEDS_REVIEW, findings=findings, copy=None)
    copy = verdict.copy
    if picture is not None:
        verdict = replace(verdict, picture=replace(picture, data=b"", clean=b""))
    if copy is None or picture is None:
        return PageResult(verdict, None)
    # Where the policy crops, the page is as much smaller as its picture.
    scale = page.width / picture.width, page.height / picture.height
    return PageResult(verdict, Sheet(copy.data, copy.width * scale[0], copy.height * scale[1]))


def _without_card(verdict: ProcessingResult, picture: Picture, rules: RedactionRules) -> ProcessingResult:
    what = rules.policy.pages_without_card
    findings = (SAID_OF_PAGES[what], *verdict.findings[1:])
    if what == "review" or status_of(findings) is Status.NEEDS_REVIEW:
        return replace(verdict, status=Status.NEEDS_REVIEW, findings=findings)
    return shown_whole(replace(verdict, findings=findings), picture, rules, what)


def shown_whole(
    verdict: ProcessingResult, picture: Picture, rules: RedactionRules, what: str
) -> ProcessingResult:
    """Return the verdict of a page without a card with its copy: covered whole, or kept (`what`)."""
    if what != "keep" and rules.mark is None:
        # Nothing of the page is needed to make one that shows nothing of it.
        copy = redact(_blank(), [], shown=(), fill=rules.policy.fill, allow_empty=True)
        copy = replace(copy, width=picture.width, height=picture.height)
        return replace(verdict, status=Status.REDACTED, picture=picture, copy=copy)
    shown = None if what == "keep" else ()
    copy = redact(picture, [], shown=shown, fill=rules.policy.fill, allow_empty=True)
    if rules.mark is not None:
        from cardveil.redaction.watermark import marked  # few policies have one

        copy = marked(copy, rules.mark, rules.policy.fill)
    return replace(verdict, status=Status.REDACTED, picture=picture, copy=copy)


def _blank() -> Picture:
    """Return a small picture of no page, to be covered in place of one: on paper it is as large."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG", quality=95, subsampling=0)
    return inspect(out.getvalue())


def whole_of(done: Sequence[PageResult]) -> ProcessingResult:
    """Return a document's verdict from its pages'; there is a copy only where each page has one."""
    pages = [each.verdict for each in done]
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
    sheets = sheets_of(done)
    copy = copy_of(pages, sheets) if status is Status.REDACTED and len(sheets) == len(pages) else None
    return ProcessingResult(
        status, warnings=warnings, findings=findings, calls=calls, copy=copy, pages=tuple(pages)
    )


def refused(refusal: Reject | Review) -> ProcessingResult:
    """Return the verdict of a document that cannot be drawn."""
    status = Status.REJECTED if isinstance(refusal, Reject) else Status.NEEDS_REVIEW
    return ProcessingResult(status, findings=(refusal.code,))


def sheets_of(done: Sequence[PageResult]) -> list[Sheet]:
    """Return the sheets of the pages that have one."""
    return [each.sheet for each in done if each.sheet is not None]


def is_without_card(findings: Sequence[str]) -> bool:
    """Say whether a page was seen to hold no card."""
    return any(code in findings for code in SAID_OF_PAGES.values())


def copy_of(pages: Sequence[ProcessingResult], sheets: Sequence[Sheet]) -> RedactedCopy:
    """Put the pages' proven copies together."""
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
