"""Every page of a document is a picture of its own, and the copy is made of proven pictures alone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pypdfium2
import pytest
from PIL import Image
from tests.support.command import InProcess
from tests.support.papers_with_cards import BACK, FRONT, PLACE, SheetRecogniser, sheet
from tests.support.pdf import CANARY, pages, pdf, scan

from cardveil import redact
from cardveil.card.findings import Status
from cardveil.core.errors import Halt, Reject, Retry, Review
from cardveil.core.frozen import replace
from cardveil.core.timing import Timings
from cardveil.imaging.children import ChildLimits
from cardveil.imaging.pages import Page, PageLimits, is_document, page_limits_of, pages_of
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.document import examine_document
from cardveil.pipeline.document_renewal import covered_document, re_redact_document
from cardveil.pipeline.examine import ProcessingResult, sidecar_of
from cardveil.recognition.interfaces import Hint
from cardveil.recognition.interfaces import Image as Picture
from cardveil.recognition.page_by_page import PageByPage
from cardveil.redaction import Limits, inspect, load_policy, memory_of
from cardveil.storage.sidecar import SourceFacts, schema, to_json

STANDARD = load_policy("standard")


def _examined(data: bytes, policy: Any = STANDARD, **options: Any) -> ProcessingResult:
    return examine_document(data, Hint(), SheetRecogniser(), RedactionRules(policy, Limits()), **options)


def _policy(pages_without_card: str) -> Any:
    text = f"pages_without_card: {pages_without_card}\nrest: keep\ncards:\n  IDCard: {{name: mask}}\n"
    return load_policy(text)


def _tiff(images: list[Image.Image], **options: Any) -> bytes:
    out = io.BytesIO()
    images[0].save(out, "TIFF", save_all=True, append_images=images[1:], **options)
    return out.getvalue()


def _all_pages(data: bytes, limits: PageLimits) -> list[Page]:
    with pages_of(data, Limits(), limits) as (_, pages):
        return list(pages)


def _drawn(data: bytes, number: int) -> Any:
    return np.asarray(pypdfium2.PdfDocument(data)[number].render(scale=300 / 72).to_pil().convert("RGB"))


def test_ten_pages_with_cards_on_two_of_them() -> None:
    """Of several sizes, turned in the file so that all are shown upright."""
    sheets = [sheet(size=(900 + 40 * number, 1300)) for number in range(10)]
    sheets[1], sheets[6] = sheet(FRONT), sheet(BACK, (1500, 1000))
    turns = [0, 90, 180, 270, 0, 0, 180, 90, 0, 270]
    ways = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
    stored = [each.transpose(ways[turn]) if turn else each for each, turn in zip(sheets, turns, strict=True)]
    done = _examined(pages(stored, turns))
    assert (done.status, len(done.pages)) == (Status.REDACTED, 10)
    assert [len(page.cards) for page in done.pages] == [0, 1, 0, 0, 0, 0, 1, 0, 0, 0]
    assert [page.cards[0].side.value for page in done.pages if page.cards] == ["front", "back"]
    assert done.copy is not None
    assert done.copy.media_type == "application/pdf"
    copy = pypdfium2.PdfDocument(done.copy.data)
    assert len(copy) == 10
    for number, each in enumerate(sheets):
        # As large on paper as it was, and upright.
        width, height = copy[number].get_size()
        assert (round(width * 300 / 72), round(height * 300 / 72)) == each.size
        shown = _drawn(done.copy.data, number)
        if number not in (1, 6):
            assert shown.max() <= 4, "covered whole"
    shown = _drawn(done.copy.data, 1)
    number_field = done.pages[1].cards[0].field("id_number")
    assert number_field is not None
    assert number_field.polygon is not None
    left, top, right, bottom = map(int, number_field.polygon.bounds())
    assert shown[top:bottom, left:right].max() <= 4
    assert shown[PLACE[1] :, PLACE[0] :].max() > 100, "something of the card is shown"


@pytest.mark.parametrize("policy", ["mask", "keep", "review"])
def test_pages_without_a_card(policy: str) -> None:
    done = _examined(pages([sheet(FRONT), sheet()]), _policy(policy))
    if policy == "review":
        assert (done.status, done.copy) == (Status.NEEDS_REVIEW, None)
        assert "page_without_card" in done.findings
        return
    assert done.status is Status.REDACTED
    assert done.copy is not None
    assert {"mask": "page_masked", "keep": "page_kept"}[policy] in done.findings
    shown = _drawn(done.copy.data, 1)
    assert shown.max() <= 4 if policy == "mask" else shown.min() > 200


def test_a_document_without_any_card_is_rejected() -> None:
    done = _examined(pages([sheet(), sheet()]), _policy("keep"))
    assert (done.status, done.copy, done.findings[0]) == (Status.REJECTED, None, "no_card")


def test_one_page_that_needs_a_person_holds_back_the_whole() -> None:
    class Doubtful(SheetRecogniser):
        def recognise(self, image: Any, hint: Hint, located: Any = None) -> Any:
            from cardveil.core.frozen import replace

            found = super().recognise(image, hint, located)
            back = found.cards and found.cards[0].side.value == "back"
            return replace(found, findings=("picture_blurred",)) if back else found

    data = pages([sheet(FRONT), sheet(BACK)])
    done = examine_document(data, Hint(), Doubtful(), RedactionRules(STANDARD, Limits()))
    assert (done.status, done.copy) == (Status.NEEDS_REVIEW, None)
    assert [page.status for page in done.pages] == [Status.REDACTED, Status.NEEDS_REVIEW]


@pytest.mark.parametrize("options", [{"compression": "tiff_lzw"}, {"compression": "jpeg", "quality": 95}])
def test_a_tiff_of_several_pages_is_a_document(options: dict[str, Any]) -> None:
    data = _tiff([sheet(), sheet(FRONT), sheet()], tiffinfo={270: CANARY.decode()}, **options)
    assert is_document(data)
    assert not is_document(_tiff([sheet(FRONT)]))
    done = _examined(data)
    assert done.status is Status.REDACTED
    assert done.copy is not None
    assert len(pypdfium2.PdfDocument(done.copy.data)) == 3
    assert CANARY not in done.copy.data


def test_nothing_of_the_source_is_in_the_copy_but_what_is_shown() -> None:
    """Text beneath the scan, a hidden layer, an annotation, an attachment, a script, XMP, history."""
    first = scan(sheet(FRONT))
    # An incremental update, and what it replaced.
    data = first + b"12 0 obj\n<</Title(%b)>>\nendobj\n" % CANARY
    assert data.count(CANARY) >= 11
    source = pypdfium2.PdfDocument(data)
    assert source.count_attachments() == 1
    assert CANARY.decode() in source[0].get_textpage().get_text_range()
    done = _examined(data)
    assert done.status is Status.REDACTED
    assert done.copy is not None
    assert CANARY not in done.copy.data
    copy = pypdfium2.PdfDocument(done.copy.data)
    assert copy.count_attachments() == 0
    assert not any(copy.get_metadata_dict().values())
    assert copy[0].get_textpage().get_text_range() == ""
    # The pictures are the proven ones, byte by byte.
    page = done.pages[0].copy
    assert page is not None
    assert done.copy.data.count(page.data) == 1
    names = {
        b"/Annots",
        b"/Metadata",
        b"/Info",
        b"/Names",
        b"/OCProperties",
        b"/OpenAction",
        b"/ID",
        b"/Font",
    }
    assert not [name for name in names if name in done.copy.data.replace(page.data, b"")]


def test_what_no_viewer_shows_is_not_drawn_either() -> None:
    """Text beneath the scan, a hidden layer, and a note that is hidden."""
    paper = sheet(FRONT)
    (page,) = _all_pages(scan(paper), PageLimits())
    shown = np.asarray(Image.open(io.BytesIO(page.data)).convert("RGB")).astype(int)
    assert np.abs(shown - np.asarray(paper)).max() < 60
    assert np.abs(shown - np.asarray(paper)).mean() < 1


@pytest.mark.parametrize("policy", ["strict", "minimal"])
def test_another_policy_needs_no_recognition(policy: str) -> None:
    """What comes of the places in the sidecar is what a full examination would say, byte by byte."""
    data = pages([sheet(FRONT), sheet(), sheet(BACK)])
    source, rules = SourceFacts("", "a.pdf", "0", 1), RedactionRules(load_policy(policy), Limits())
    document = json.loads(to_json(sidecar_of(_examined(data), source, STANDARD, "a.redacted.pdf")))
    afresh = _examined(data, rules.policy)
    again = re_redact_document(document, data, SheetRecogniser(), rules, Timings())
    assert again is not None
    assert again.copy is not None
    assert afresh.copy is not None
    assert again.copy.data == afresh.copy.data
    covered = [[[region.field for region in page.regions] for page in each.pages] for each in (again, afresh)]
    assert covered[0] == covered[1]
    # Drawn otherwise, no place of theirs holds.
    document["pages"][2]["width"] += 1
    assert re_redact_document(document, data, SheetRecogniser(), rules, Timings()) is None
    del document["pages"][2]
    assert re_redact_document(document, data, SheetRecogniser(), rules, Timings()) is None


def test_a_person_s_word_over_a_document() -> None:
    """What holds no card is covered, whatever it was held back for; what asked for a person is settled."""
    data, policy = pages([sheet(FRONT), sheet()]), _policy("review")
    done, rules = _examined(data, policy), RedactionRules(policy, Limits())
    assert (done.status, done.copy) == (Status.NEEDS_REVIEW, None)
    decided = covered_document(done, data, rules, SheetRecogniser())
    assert decided.copy is not None
    assert "page_without_card" not in decided.findings
    assert _drawn(decided.copy.data, 1).max() <= 4
    with pytest.raises(Review, match="pages_differ"):
        covered_document(done, pages([sheet(FRONT)]), rules, SheetRecogniser())
    with pytest.raises(Review, match="pages_differ"):
        covered_document(done, pages([sheet(FRONT), sheet(size=(700, 500))]), rules, SheetRecogniser())


def test_documents_and_their_copies_fit_into_a_function() -> None:
    """What is drawn shares the memory; and copies are held until the last is made."""
    assert page_limits_of(Limits()).child.memory == 2 * 2**30
    small = page_limits_of(Limits(memory=memory_of(512)))
    assert small.child.memory + 12 * small.max_pixels <= memory_of(512)
    done = _examined(pages([sheet(FRONT), sheet()]), page_limits=replace(small, max_copies=40_000))
    assert (done.status, done.findings) == (Status.REJECTED, ("picture_too_large",))


def test_a_page_is_begun_only_with_time_for_it() -> None:
    left = iter([20.0, 3.0])
    pages_of_it = PageByPage(SheetRecogniser, lambda: next(left))
    paper = io.BytesIO()
    sheet(FRONT).save(paper, "JPEG")
    image = Picture(paper.getvalue(), 1300, 900)
    assert pages_of_it.recognise(image, Hint()).cards
    with pytest.raises(Retry, match="out_of_time"):
        pages_of_it.recognise(image, Hint())


def test_the_sidecar_tells_of_pages() -> None:
    done = _examined(pages([sheet(FRONT), sheet()]))
    sidecar = sidecar_of(done, SourceFacts("", "a.pdf", "0", 1), STANDARD, "a.redacted.pdf")
    document = json.loads(to_json(sidecar))
    jsonschema.validate(document, schema())
    assert document["cards"] == []
    assert [len(page["cards"]) for page in document["pages"]] == [1, 0]
    assert document["pages"][0]["regions"]
    assert document["redaction"]["path"] == "pages"
    assert (document["source"]["width"], document["pages"][0]["width"]) == (None, 1300)


ENCRYPTED = (
    b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<" + b"41" * 32 + b">/U<" + b"42" * 32 + b">>>/ID[<41><41>]"
)
ENDLESS = pdf(
    [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</XObject<</A 5 0 R>>>>>>",
        b"<</Length 5>>\nstream\n/A Do\nendstream",
        *(
            b"<</Type/XObject/Subtype/Form/BBox[0 0 600 800]/Length %d/Resources<</XObject<</A %d 0 R>>>>>>\n"
            b"stream\n%b\nendstream" % (6 * 40, number + 1, b"/A Do " * 40)
            for number in range(5, 12)
        ),
        b"<</Type/XObject/Subtype/Form/BBox[0 0 600 800]/Length 18>>\nstream\n0 0 m 600 800 l S \nendstream",
    ]
)  # fmt: skip
CATALOG = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 0/Kids[]>>"]
BAD: dict[str, tuple[Any, str]] = {
    "encrypted": (lambda: pdf(CATALOG, ENCRYPTED), "document_encrypted"),
    "damaged": (lambda: b"%PDF-1.7\n" + bytes(300), "picture_corrupt"),
    "without pages": (lambda: pages([]), "picture_corrupt"),
    "too many pages": (lambda: pages([sheet(size=(30, 30))] * 51), "document_too_long"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_drawn_ends_in_an_outcome(name: str) -> None:
    make, code = BAD[name]
    done = _examined(make())
    assert (done.status, done.copy, done.findings) == (Status.REJECTED, None, (code,))


def test_a_page_that_is_drawn_without_end_is_stopped() -> None:
    limits = PageLimits(child=ChildLimits(seconds=2))
    with pytest.raises(Reject, match="decoding_too_costly"):
        _all_pages(ENDLESS, limits)


def test_a_page_of_any_size_is_drawn_within_bounds() -> None:
    huge = pages([sheet()]).replace(b"/MediaBox[0 0 312.00 216.00]", b"/MediaBox[0 0 14000 14000.]")
    limits = PageLimits(max_pixels=500_000)
    (page,) = _all_pages(huge, limits)
    # Each side is rounded up.
    assert inspect(page.data).width * inspect(page.data).height <= 500_000 + 2 * 708


def test_with_places_a_document_is_refused_by_its_name() -> None:
    for data in (pages([sheet()]), _tiff([sheet(), sheet()])):
        with pytest.raises(Reject, match="document_of_pages"):
            inspect(data)
        assert redact(data, [[[1, 1], [9, 1], [9, 9], [1, 9]]]).findings == ("document_of_pages",)


def test_the_library_takes_documents() -> None:
    result = redact(pages([sheet(FRONT), sheet()]), recogniser=SheetRecogniser())
    assert result.status is Status.REDACTED
    assert [len(page.cards) for page in result.pages] == [1, 0]


def test_a_policy_says_what_becomes_of_pages_without_a_card() -> None:
    from cardveil.redaction import as_document, covers_as_much, from_document, stricter

    mask, keep, review = (_policy(name) for name in ("mask", "keep", "review"))
    assert len({mask.digest, keep.digest, review.digest}) == 3
    pairs = ((mask, keep), (review, mask), (keep, mask), (mask, review))
    assert [covers_as_much(one, other) for one, other in pairs] == [True, True, False, False]
    assert stricter(keep, review).pages_without_card == "review"
    for each in (mask, keep, review):
        assert from_document(as_document(each)).digest == each.digest
    with pytest.raises(Halt, match="policy_invalid"):
        _policy("show")


def test_the_command_redacts_a_pdf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.pdf").write_bytes(scan(sheet(FRONT)))
    Path("b.tif").write_bytes(_tiff([sheet(FRONT), sheet()]))
    run = InProcess(monkeypatch)
    run.recogniser = SheetRecogniser()  # type: ignore[assignment]
    ended = run("redact", "a.pdf", "b.tif", "--out", "out", "--json")
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert [line["status"] for line in lines] == ["redacted", "redacted"]
    assert [line["pages"] for line in lines] == [1, 2]
    copies = sorted(path.name for path in Path("out").glob("*.redacted.*"))
    assert copies == ["a.redacted.pdf", "b.redacted.pdf"]
    assert CANARY not in Path("out/a.redacted.pdf").read_bytes()
