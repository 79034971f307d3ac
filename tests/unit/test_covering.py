"""From a recognised card to a copy and a sidecar, and from the sidecar to another copy."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from PIL import Image
from tests.support.laid_cards import ID_BACK, ID_FRONT, laid_card, line_on, lines_of, matrix_of

from cardveil.card.findings import Status
from cardveil.card.layout import Box, layout_of
from cardveil.card.model import Card
from cardveil.core.timing import Timings
from cardveil.pipeline.covering import RedactionRules, Redactor
from cardveil.pipeline.examine import ProcessingResult, examine, sidecar_of
from cardveil.pipeline.renewal import re_redact
from cardveil.recognition.interfaces import Hint, Located, Recognition, TextLine
from cardveil.recognition.interfaces import Image as Sent
from cardveil.redaction import Limits, Policy, inspect, load_policy
from cardveil.storage.sidecar import SourceFacts, to_json

STANDARD, MINIMAL = load_policy("standard"), load_policy("minimal")
NOTE = Box(20.0, 42.0, 20.0, 1.5)


class Scripted:
    """A recogniser that answers what it is given."""

    def __init__(self, card: Card, lines: tuple[TextLine, ...] | None) -> None:
        self.answer = Recognition((card,), lines=lines)

    def recognise(self, image: Sent, hint: Hint, located: Located | None = None) -> Recognition:
        del image, hint, located
        return self.answer

    def texts(self, image: Sent) -> tuple[str, ...]:
        del image
        return ()


def _picture() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((1200, 1600, 3), 220, np.uint8)).save(out, "PNG")
    return out.getvalue()


def _done(card: Card, lines: tuple[TextLine, ...] | None, policy: Policy) -> ProcessingResult:
    return examine(_picture(), Hint(), Scripted(card, lines), RedactionRules(policy, Limits()))


def _document(result: ProcessingResult, policy: Policy) -> dict[str, Any]:
    source = SourceFacts("b", "inbox/a.png", "e", 1)
    document: dict[str, Any] = orjson.loads(to_json(sidecar_of(result, source, policy, "redacted/a.png")))
    return document


def test_a_copy_on_which_nothing_is_covered_says_so() -> None:
    card = laid_card(ID_BACK, "flat")
    lines = lines_of(card, "flat")
    keeping = replace(STANDARD, outside="keep")
    result = _done(card, lines, keeping)
    assert result.status is Status.REDACTED
    assert "nothing_covered" in result.findings
    assert "nothing_covered" not in _done(card, lines, STANDARD).findings
    assert "nothing_covered" not in _done(card, lines, replace(keeping, rest="mask")).findings


def test_text_beside_a_card_whose_surroundings_are_kept_asks_for_a_person() -> None:
    card = laid_card(ID_FRONT, "flat")
    beside = line_on(matrix_of(layout_of(*ID_FRONT), "flat"), Box(10.0, 60.0, 30.0, 4.0), "13800000000")
    result = _done(card, (*lines_of(card, "flat"), beside), replace(STANDARD, outside="keep"))
    assert (result.status, result.copy) == (Status.NEEDS_REVIEW, None)
    assert "text_outside" in result.findings


def test_what_a_witness_saw_is_covered_again_by_another_policy() -> None:
    card = laid_card(ID_FRONT, "flat")
    note = line_on(matrix_of(layout_of(*ID_FRONT), "flat"), NOTE, "13800000000")
    first = _done(card, (*lines_of(card, "flat"), note), STANDARD)
    document = _document(first, STANDARD)
    assert not any("1380" in text for text in _strings(document["cards"][0]["texts"]))
    rules = RedactionRules(MINIMAL, Limits())
    again = re_redact(document, _picture(), Scripted(card, None), rules, Timings())
    at_once = _done(card, (*lines_of(card, "flat"), note), MINIMAL)
    assert again.status is at_once.status is Status.REDACTED
    assert {r.field for r in again.regions} == {r.field for r in at_once.regions} >= {"unexplained"}
    assert again.copy is not None
    assert at_once.copy is not None
    assert again.copy.data == at_once.copy.data
    assert again.cards[0].texts is not None


def test_a_sidecar_without_a_witness_gives_windows_only() -> None:
    card = laid_card(ID_FRONT, "flat")
    document = _document(_done(card, lines_of(card, "flat"), STANDARD), STANDARD)
    del document["cards"][0]["texts"]
    again = re_redact(
        document, _picture(), Scripted(card, None), RedactionRules(MINIMAL, Limits()), Timings()
    )
    assert again.status is Status.REDACTED
    assert "witness_missing" in again.findings


def test_a_card_for_a_person_keeps_what_the_witness_saw() -> None:
    card = laid_card(ID_FRONT, "flat", without=("name",))
    result = _done(card, lines_of(card, "flat"), STANDARD)
    assert result.status is Status.NEEDS_REVIEW
    covering = Redactor(inspect(_picture(), Limits()), RedactionRules(STANDARD, Limits()))
    assert result.cards == covering.witnessed((card,), lines_of(card, "flat"))
    assert result.cards[0].texts


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in _strings(each)]
    return [value] if isinstance(value, str) else []
