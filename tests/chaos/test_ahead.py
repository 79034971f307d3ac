"""What is done beside something else changes no result: claims beside another's, copies ahead of the text."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.support.chaos.memory import Instance

from cardveil.card.model import CardType, Side
from cardveil.core.timing import Timings
from cardveil.pipeline import covering
from cardveil.pipeline.jobs import CardProcessor
from cardveil.recognition.interfaces import Image, Reading
from cardveil.redaction import redact
from cardveil.storage.objects import Stored
from cardveil.storage.source import Source

MakeScene = Callable[..., Any]


@dataclass
class Delayed(Instance):
    """Another commits and is gone right before our lease; a look at the result from before it sees none."""

    commit: Callable[[], None] = lambda: None
    looked: threading.Event = field(default_factory=threading.Event)

    def head(self, key: str) -> Stored | None:
        found = super().head(key)
        if key.startswith("sidecars/"):
            self.looked.set()
        return found

    def create(self, key: str, data: bytes) -> bool:
        assert self.looked.wait(60)
        self.commit()
        return super().create(key, data)


def test_who_commits_right_before_our_lease_is_not_paid_for_twice(scene: MakeScene) -> None:
    here = scene()
    other = here.instance()
    processor = here.instance()
    objects = Delayed(here.memory, commit=lambda: other.process(here.source) and None)
    pipeline = replace(
        processor.pipeline,
        sources=objects,
        results=replace(processor.pipeline.results, objects=objects),
        leases=replace(processor.pipeline.leases, objects=objects),
    )
    assert pipeline.process(here.source).kind == "already"
    assert max(here.vendor.paid.values()) == 1
    assert here.left() == []


def finish(processor: CardProcessor, source: Source) -> None:
    assert processor.process(source).kind == "finished"


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often a copy is made."""
    made: list[int] = []

    def counted(*arguments: Any, **more: Any) -> Any:
        made.append(len(made))
        return redact(*arguments, **more)

    monkeypatch.setattr(covering, "redact", counted)
    return made


def test_the_copy_that_was_made_ahead_is_the_one(scene: MakeScene, copies: list[int]) -> None:
    here = scene()
    here.instance().process(here.source)
    assert len(copies) == 1
    assert here.result()


def test_a_copy_that_was_made_ahead_is_dropped_when_the_text_changes_what_is_covered(
    scene: MakeScene, copies: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its text an ID number is covered whole; with it, the policy keeps its first characters."""
    told = [_without_numbers_text(scene(policy="minimal", witness=True)) for _ in range(2)]
    told[0].instance().process(told[0].source)
    assert len(copies) == 2
    monkeypatch.setattr(covering.Redactor, "ahead", lambda _self, _card, _lines: None)
    told[1].instance().process(told[1].source)
    assert len(copies) == 3
    assert told[0].result() == told[1].result()
    assert "partial" in {region["action"] for region in told[0].result()[0]["redaction"]["regions"]}


def _without_numbers_text(here: Any) -> Any:
    honest = here.vendor.locate

    def silent(image: Image, card_type: CardType) -> Reading:
        reading: Reading = honest(image, card_type)
        fields = tuple(replace(f, text=None) if f.name == "id_number" else f for f in reading.fields)
        return replace(reading, fields=fields)

    here.vendor.locate = silent
    return here


def test_what_was_made_ahead_is_not_published_when_the_text_asks_for_a_person(
    scene: MakeScene, copies: list[int]
) -> None:
    here = scene()
    honest = here.vendor.read

    def other_number(image: Image, side: Side | None) -> Reading:
        reading: Reading = honest(image, side)
        fields = tuple(replace(f, text="0000") if f.name == "id_number" else f for f in reading.fields)
        return replace(reading, fields=fields)

    here.vendor.read = other_number
    here.instance().process(here.source, Timings())
    sidecar, copy = here.result()
    assert (len(copies), sidecar["status"], copy) == (1, "needs_review", None)
    assert here.memory.keys("redacted/") == []
