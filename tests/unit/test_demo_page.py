"""The demo page tells work from waiting, explains codes, and outlines what is covered on sources alone."""

from __future__ import annotations

from typing import Any

from cardveil_cli.commands.demo_page import Shown, Times, meaning, page

BOX = [[10, 10], [60, 10], [60, 30], [10, 30]]


def sidecar(status: str, *findings: str) -> dict[str, Any]:
    field = {"name": "name", "text": "<b>郑", "normalized": "郑", "score": 99.4}
    regions = [{"field": "name", "polygon": BOX, "action": "mask"}]
    return {
        "status": status,
        "findings": list(findings),
        "source": {"width": 100, "height": 60},
        "redaction": {"regions": regions} if status == "redacted" else None,
        "cards": [{"fields": [field]}],
    }


def test_waiting_is_told_apart_from_work() -> None:
    times = Times(400.4, 100.0, 9000.0)
    assert times.as_text() == (
        "recognised in 400 ms, covered, proven and stored in 100 ms; 8500 ms of waiting"
    )
    assert Times(None, None, 9000.0).as_text() == "9000 ms from upload to result"


def test_outlines_stand_on_the_source_alone() -> None:
    shown = page([Shown("a.jpg", "a.copy.jpg", sidecar("redacted"), Times(1, 2, 3))])
    source, copy = shown.index('src="a.jpg"'), shown.index('src="a.copy.jpg"')
    assert source < shown.index("<polygon") < copy
    assert shown.count("<polygon") == 1
    assert "<b>" not in shown


def test_codes_are_explained_and_what_has_no_copy_says_why() -> None:
    items = [
        Shown("b.jpg", None, sidecar("needs_review", "birth_date_disagrees"), Times(1, 2, 3)),
        Shown("c.jpg", None, sidecar("rejected", "no_card"), Times(1, 2, 3)),
    ]
    shown = page(items)
    assert "<code>birth_date_disagrees</code>: birth date and ID number disagree" in shown
    assert "<code>no_card</code>: upload a picture of a card" in shown
    assert "a person must look first" in shown
    assert meaning("unheard_of") == ""
