"""An answer that was paid for is recalled as it was given, places of characters included."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import orjson
import pytest
from tests.support.chaos.memory import Instance, MemoryBucket

from cardveil.card.model import Polygon
from cardveil.core.errors import Retry
from cardveil.core.rate_limit import RateLimiter
from cardveil.core.retry import RetryPolicy
from cardveil.core.threads import background_tasks
from cardveil.recognition.interfaces import Image, Reading, TextLine
from cardveil.recognition.paid_calls import CachedRecognizers, PaidCalls
from cardveil.storage.circuit_breaker import BreakerGuard
from cardveil.storage.response_cache import ResponseCache, look

LINES = (
    TextLine(
        "张三", 99.0, Polygon.box(0, 0, 20, 10), (Polygon.box(0, 0, 9.5, 10), Polygon.box(10.25, 0, 20, 10))
    ),
    TextLine("", 0.0, Polygon.box(0, 20, 20, 30)),
)
IMAGE = Image(b"picture", 30, 40, "inbox/a.jpg")


class Once:
    """General OCR that answers once."""

    def __init__(self) -> None:
        self.paid = 0

    def lines(self, image: Image) -> tuple[tuple[TextLine, ...], Reading]:
        self.paid += 1
        return LINES, Reading("OCR", request_id="r")


def recognisers(general: Once, objects: Instance, pool: Any, remaining_s: float = 60.0) -> CachedRecognizers:
    closed: Future[Any] = Future()
    closed.set_result(None)
    kept: Future[Any] = Future()
    kept.set_result(look(objects, "answers"))
    guard = BreakerGuard(None, closed)  # type: ignore[arg-type]  # a closed breaker is not asked
    calls = PaidCalls(RetryPolicy(1, lambda: remaining_s), RateLimiter(), 0.0, guard)
    answers = ResponseCache(objects, "answers", kept, 60.0, pool)
    return CachedRecognizers(answers, calls, None, None, general, None)  # type: ignore[arg-type]


def test_lines_are_recalled_in_full_and_not_paid_again() -> None:
    general, objects = Once(), Instance(MemoryBucket(False))
    with background_tasks() as pool:
        first = recognisers(general, objects, pool)
        assert first.lines(IMAGE) == (LINES, Reading("OCR", request_id="r"))
        first.answers.settle()
        assert recognisers(general, objects, pool).lines(IMAGE) == (LINES, Reading("OCR", request_id="r"))
    assert general.paid == 1


def test_lines_that_an_earlier_version_kept_have_no_characters() -> None:
    general, objects = Once(), Instance(MemoryBucket(False))
    with background_tasks() as pool:
        first = recognisers(general, objects, pool)
        first.lines(IMAGE)
        first.answers.settle()
        note = orjson.loads(objects.get("answers", max_bytes=10**6)[1] or b"")
        for answer in note["answers"].values():
            for line in answer["content"]["lines"]:
                del line["characters"]
        objects.put("answers", orjson.dumps(note), media_type="application/json", meta={})
        lines, _ = recognisers(general, objects, pool).lines(IMAGE)
    assert [line.characters for line in lines] == [(), ()]
    assert general.paid == 1


def test_without_the_time_to_use_it_nothing_is_paid() -> None:
    general, objects = Once(), Instance(MemoryBucket(False))
    with background_tasks() as pool, pytest.raises(Retry, match="out_of_time"):
        recognisers(general, objects, pool, remaining_s=1.0).lines(IMAGE)
    assert general.paid == 0


def test_a_line_is_scaled_with_its_characters() -> None:
    scaled = LINES[0].scaled(2.0, 3.0)
    assert scaled.polygon == Polygon.box(0, 0, 40, 30)
    assert scaled.characters[1] == Polygon.box(20.5, 0, 40, 30)
