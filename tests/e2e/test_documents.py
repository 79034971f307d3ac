"""PDFs and TIFFs of several pages in the cloud: by event, HTTP, sweep and job, and by a person's word."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pypdfium2
import pytest
from PIL import Image
from tests.support.api_fixture import api_bench
from tests.support.cloud_fixture import Bench
from tests.support.documents import table, three_pages
from tests.support.papers_with_cards import BACK, FRONT, sheet
from tests.support.pdf import CANARY, pages, scan
from tests.support.sweep_fixture import calls, context, put, select, swept

from cardveil.core.errors import RETRY_HINT, Retry
from cardveil.recognition.page_by_page import PageByPage
from cardveil.storage.sidecar import schema
from cardveil.sweep.sweep import estimate

Start = Callable[..., Bench]
JOBS = {
    "CARDVEIL_EXECUTION": "job",
    "CARDVEIL_JOB_SECRETS": "an-invented-secret-for-this-test",
    "CARDVEIL_JOB_CALLBACK": "https://1250000000-on-callback.ap-shanghai.tencentscf.com/",
}
#: Paid calls of the three pages: a front's and a back's, and those that find no card on the one between.
PAID = 10


def _looks(copy: bytes | None) -> list[Any]:
    assert copy is not None
    return [
        np.asarray(page.render(scale=300 / 72).to_pil().convert("RGB"))
        for page in pypdfium2.PdfDocument(copy)
    ]


def _check(
    sidecar: dict[str, Any] | None,
    copy: bytes | None,
    wanted: Sequence[Sequence[str]] = (["front"], [], ["back"]),
) -> None:
    """The right cards stand on the right pages, and the copy hides what it must."""
    assert sidecar is not None
    jsonschema.validate(sidecar, schema())
    sides = [[card["side"] for card in page["cards"]] for page in sidecar["pages"]]
    assert (sidecar["status"], sidecar["cards"], sides) == ("redacted", [], list(wanted))
    looks = _looks(copy)
    for page, look in zip(sidecar["pages"], looks, strict=True):
        scale = look.shape[1] / page["width"]
        for region in page["regions"]:
            (left, top), (right, bottom) = region["polygon"][0], region["polygon"][2]
            inside = [round(scale * value) for value in (top + 3, bottom - 3, left + 3, right - 3)]
            assert look[inside[0] : inside[1], inside[2] : inside[3]].max() <= 4
    for look, cards in zip(looks, wanted, strict=True):
        assert look.max() > 100 if cards else look.max() <= 4, (
            "something of a card is shown, and no other page"
        )


def test_documents_are_redacted_by_their_upload_and_again_by_another_policy(start: Start) -> None:
    """Another policy needs no recognition."""
    pdf, tiff, one = three_pages(), three_pages(tiff=True), scan(sheet(FRONT))
    bench = start(
        pictures={**table(pdf), **table(tiff), **table(one, [FRONT])},
        environment={"CARDVEIL_POLICY": "standard"},
    )
    for name, data in {"a.pdf": pdf, "b.tif": tiff}.items():
        _check(bench.run(name, data), bench.get(f"redacted/{name}"))
        head = bench.client.head_object(Bucket=bench.bucket, Key=f"redacted/{name}")
        assert head["Content-Type"] == "application/pdf"
    assert CANARY in one
    assert bench.run("c.pdf", one)["status"] == "redacted"
    assert CANARY not in (bench.get("redacted/c.pdf") or CANARY)
    assert bench.listing(".cardveil/staged/") == bench.listing(".cardveil/answers/") == []
    assert "CANARY" not in bench.logs()
    paid = calls(bench)
    run = swept(bench, policy="minimal")
    assert run.counts["redacted"] == 3
    assert calls(bench) == paid, "from the places that are known"
    sidecar = bench.sidecar("a.pdf")
    _check(sidecar, bench.get("redacted/a.pdf"))
    assert sidecar is not None
    assert (sidecar["redaction"]["policy"], len(sidecar["calls"])) == ("minimal", PAID)


def test_a_document_is_found_by_a_sweep_and_is_no_job(start: Start) -> None:
    data = three_pages()
    bench = start(pictures=table(data), environment={**JOBS, "CARDVEIL_SWEEP_EXECUTION": "off"})
    put(bench, "a.pdf", data)
    told = {name.removeprefix("CARDVEIL_").lower(): text for name, text in JOBS.items()}
    run = swept(bench, None, sweep_execution="job", **told)
    assert run.counts["redacted"] == 1
    _check(bench.sidecar("a.pdf"), bench.get("redacted/a.pdf"))
    # What asks for jobs is recognised at once: a job takes one picture.
    _check(bench.run("b.pdf", data), bench.get("redacted/b.pdf"))
    assert bench.listing(".cardveil/jobs/") == []


def test_what_is_interrupted_goes_on_where_it_was_and_waits_for_its_decoder(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Pages that were paid for are not paid for again; nothing is lost where pdfium is not installed."""
    data, recognise, seen = three_pages(), PageByPage.recognise, list[int]()
    bench = start(pictures=table(data), environment={"CARDVEIL_SWEEP_EXECUTION": "off"})
    put(bench, "a.pdf", data)

    def interrupted(*told: Any) -> Any:
        seen.append(1)
        if len(seen) == 3:
            raise Retry("out_of_time", RETRY_HINT)
        return recognise(*told)

    monkeypatch.setattr(PageByPage, "recognise", interrupted)
    assert swept(bench).counts["failed"] == 1
    assert (bench.sidecar("a.pdf"), bench.listing("redacted/")) == (None, [])
    script = tmp_path / "child.py"
    script.write_text("def work(*_): import pdfium_that_is_not_there")
    with monkeypatch.context() as without:
        without.setattr("cardveil.imaging.pages._CHILD", script)
        assert swept(bench).counts["unread"] == 1
    waiting = bench.sidecar("a.pdf")
    assert waiting is not None
    assert (waiting["status"], waiting["findings"]) == ("needs_review", ["decoder_missing"])
    assert swept(bench).counts["redacted"] == 1
    _check(bench.sidecar("a.pdf"), bench.get("redacted/a.pdf"))
    assert (len(seen), calls(bench)) == (6, PAID)
    assert bench.listing(".cardveil/answers/") == bench.listing(".cardveil/unread/") == []


def test_a_dry_run_counts_pages(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few documents; all others are taken to have as many."""
    bench = start(environment={"CARDVEIL_SWEEP_EXECUTION": "off"})
    for number in range(4):
        put(bench, f"{number}.pdf", three_pages(seed=number))
    put(bench, "4.jpg", b"a picture")
    monkeypatch.setattr("cardveil.sweep.sweep._COUNTED", 2)
    made = context(bench)
    told = estimate(made, select(made)).as_dict()
    assert (told["cards"], told["documents"], told["pages"]) == (5, 4, 12)
    assert told["calls"] == {"AILicenseRec": 5 + 2 * 8, "IDCardOCR": 5 + 8, "OCR": 5 + 8}


def test_what_cannot_be_drawn_says_so(start: Start) -> None:
    bench = start()
    for name, data, code in (
        ("cut.pdf", three_pages()[:4000], "picture_corrupt"),
        ("long.pdf", pages([sheet(size=(30, 30))] * 51), "document_too_long"),
        ("blank.pdf", pages([sheet(size=(300, 200))] * 2), "no_card"),
    ):
        sidecar = bench.run(name, data)
        assert (name, sidecar["status"], sidecar["findings"][0]) == (name, "rejected", code)
    assert bench.listing("redacted/") == []
    assert bench.cloud.dead_letters == []


def test_a_document_comes_by_http_and_is_decided_over(tmp_path: Path) -> None:
    data = three_pages()
    with api_bench(tmp_path, pictures=table(data)) as api:
        told = api.submitted(data)
        ref = told["ref"]
        _check(told["sidecar"], api.bench.get(told["sidecar"]["redaction"]["output"]["key"]))
        assert [len(names) for names in told["masked"]] == [0, 0]
        # Who reads no texts is told which there are.
        masked = api.call("GET", f"/v1/cards/{ref}", roles=("read",)).json()
        assert "id_number" in masked["masked"][0]
        fields = masked["sidecar"]["pages"][0]["cards"][0]["fields"]
        assert all(field["text"] is None for field in fields if field["name"] == "id_number")
        for kind in ("source", "redacted"):
            view = api.call("GET", f"/v1/cards/{ref}/pictures/{kind}?page=2").json()
            shown = Image.open(io.BytesIO(base64.b64decode(view["base64"])))
            page = told["sidecar"]["pages"][2]
            assert (view["pages"], view["width"], view["height"]) == (3, page["width"], page["height"])
            assert shown.width > shown.height
            assert api.call("GET", f"/v1/cards/{ref}/pictures/{kind}?page=3").status_code == 404
        # A person puts right what stands on the third page: the second card of all.
        corrected = _review(
            api, ref, "correct", fields=[{"card": 1, "name": "authority", "text": "某市公安局"}]
        )
        assert corrected.status_code == 200, corrected.text
        sidecar = corrected.json()["sidecar"]
        _check(sidecar, api.bench.get(sidecar["redaction"]["output"]["key"]))
        (field,) = [f for f in sidecar["pages"][2]["cards"][0]["fields"] if f["name"] == "authority"]
        assert (field["text"], sidecar["history"][-1]["cards"]) == ("某市公安局", [1])
        outside = {"card": 0, "name": "name", "polygon": [[5000, 1], [5001, 1], [5001, 2], [5000, 2]]}
        assert _review(api, ref, "correct", fields=[outside]).json()["code"] == "polygon_outside"
        rejected = _review(api, ref, "reject").json()["sidecar"]
        assert [len(page["cards"]) for page in rejected["pages"]] == [1, 0, 1]
        assert api.bench.listing("redacted/") == []
        again = _review(api, ref, "accept").json()["sidecar"]
        _check(again, api.bench.get(again["redaction"]["output"]["key"]))


def test_a_person_adds_a_card_that_was_not_found_on_a_page(tmp_path: Path) -> None:
    """Nobody has seen the front on the second page, which was covered whole."""
    data = three_pages(names=(BACK, FRONT, BACK))
    (front,) = table(three_pages(names=(FRONT,)), (FRONT,)).values()
    seen = front.cards[0].card.fields
    with api_bench(tmp_path, pictures=table(data, (BACK, None, BACK))) as api:
        told = api.submitted(data)
        ref = told["ref"]
        assert "page_masked" in told["sidecar"]["findings"]
        # Cards are numbered through all pages; what is added comes last until it is written.
        fields = [{"card": 1, "name": "authority", "text": "某市公安局"}]
        fields += [
            {"card": 2, "name": each.name, "text": each.text, "polygon": each.polygon.points}
            for each in seen
            if each.polygon
        ]
        kind = {"card": 2, "card_type": "IDCard", "side": "front"}
        refused = [{**kind, "page": 3}, kind, {**kind, "card": 0, "page": 1}, {**kind, "card": 3, "page": 1}]
        codes = [_review(api, ref, "correct", fields=fields, kinds=[each]).json()["code"] for each in refused]
        assert codes == ["page_missing", "page_missing", "page_missing", "card_number_unknown"]
        added = {**kind, "page": 1}
        missing = _review(api, ref, "correct", fields=fields[:2], kinds=[added])
        assert (missing.status_code, missing.json()["code"]) == (409, "fields_missing")
        done = _review(api, ref, "correct", fields=fields, kinds=[added])
        assert done.status_code == 200, done.text
        sidecar = done.json()["sidecar"]
        copy = api.bench.get(sidecar["redaction"]["output"]["key"])
        _check(sidecar, copy, [["back"], ["front"], ["back"]])
        assert sidecar["history"][-1]["cards"] == [2] + [1] * (len(fields) - 1)
        texts = [
            {field["name"]: field["text"] for field in page["cards"][0]["fields"]}
            for page in sidecar["pages"]
        ]
        assert texts[2]["authority"] == "某市公安局"
        assert texts[1] == {each.name: each.text for each in seen if each.polygon}
        told_of_pages = [sidecar["findings"], *(page["findings"] for page in sidecar["pages"])]
        assert not any("page_masked" in findings for findings in told_of_pages)
        look = _looks(copy)[1]
        scale = look.shape[1] / sidecar["pages"][1]["width"]
        (number,) = (each.polygon for each in seen if each.name == "id_number" and each.polygon)
        left, top, right, bottom = (round(scale * value) for value in number.bounds())
        assert look[top:bottom, left:right].max() <= 4


def _review(api: Any, ref: str, decision: str, **told: Any) -> Any:
    version = api.call("GET", f"/v1/cards/{ref}").json()["version"]
    return api.call(
        "POST", f"/v1/cards/{ref}/review", {"decision": decision, "version": version, "reason": "x", **told}
    )
