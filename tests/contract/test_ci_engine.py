"""The engine behind CI and the OCR API: one recognition a picture, bounded in number, failures not kept."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cardveil_cloud.ci.engine import Recognised, RecognitionEngine
from cardveil_cloud.ci.pictures import Picture, PictureRefusedError, decode
from cardveil_cloud.ci.recognition import TableRecogniser

Scenario = Callable[[RecognitionEngine], Awaitable[None]]


def _picture(shade: int) -> bytes:
    target = io.BytesIO()
    Image.new("L", (32, 32), shade).save(target, "PNG")
    return target.getvalue()


def _run(recogniser: Any, scenario: Scenario, *, parallel: int | None = None) -> None:
    engine = RecognitionEngine(lambda: recogniser, parallel=parallel)
    try:
        asyncio.run(scenario(engine))  # type: ignore[arg-type]
    finally:
        engine.close()


def test_calls_for_one_picture_share_its_recognition() -> None:
    table = TableRecogniser({}, delay_s=0.05)

    async def scenario(engine: RecognitionEngine) -> None:
        answers = await asyncio.gather(*(engine.cards(_picture(1)) for _ in range(5)))
        assert len({id(answer) for answer in answers}) == 1
        assert (answers[0].width, answers[0].height) == (32, 32)
        await engine.cards(_picture(1))
        assert table.recognitions == 1

    _run(table, scenario)


def test_caller_that_goes_away_takes_nothing_from_the_others() -> None:
    table = TableRecogniser({}, delay_s=0.1)

    async def scenario(engine: RecognitionEngine) -> None:
        impatient = asyncio.ensure_future(engine.cards(_picture(1)))
        patient = asyncio.ensure_future(engine.cards(_picture(1)))
        await asyncio.sleep(0.02)
        impatient.cancel()
        assert (await patient).cards == ()
        assert table.recognitions == 1

    _run(table, scenario)


def test_what_follows_from_a_picture_is_worked_out_once_for_each_question() -> None:
    asked: list[str] = []

    def work(word: str) -> Callable[[Recognised, Picture], str]:
        def look(found: Recognised, picture: Picture) -> str:
            assert (found.width, found.height) == (picture.width, picture.height) == (32, 32)
            asked.append(word)
            if word == "bad":
                raise PictureRefusedError("FailedOperation.ImageBlur")
            return word.upper()

        return look

    async def scenario(engine: RecognitionEngine) -> None:
        answers = await asyncio.gather(
            *(engine.derived(_picture(1), word, work(word)) for word in ("a", "b", "a"))
        )
        assert answers == ["A", "B", "A"]
        assert await engine.derived(_picture(2), "a", work("a")) == "A"
        assert sorted(asked) == ["a", "a", "b"]
        for _ in range(2):
            with pytest.raises(PictureRefusedError):
                await engine.derived(_picture(1), "bad", work("bad"))
        assert asked.count("bad") == 2

    _run(TableRecogniser({}), scenario)


class _Counting:
    """Notes how many recognitions ran at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self.most = 0

    def recognise(self, picture: Any, *, card_type: Any = None) -> tuple[()]:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        time.sleep(0.02)
        with self._lock:
            self._running -= 1
        return ()

    def read_text(self, picture: Any) -> tuple[()]:
        return self.recognise(picture)


def test_no_more_recognitions_run_at_a_time_than_allowed() -> None:
    counting = _Counting()

    async def scenario(engine: RecognitionEngine) -> None:
        await asyncio.gather(*(engine.cards(_picture(n)) for n in range(6)), engine.lines(_picture(0)))

    _run(counting, scenario, parallel=1)
    assert counting.most == 1


class _Failing(TableRecogniser):
    def recognise(self, picture: Any, *, card_type: Any = None) -> Any:
        if self.recognitions == 0:
            self.recognitions += 1
            raise RuntimeError("text read from a card")
        return super().recognise(picture, card_type=card_type)


def test_failure_is_the_vendors_code_and_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    failing = _Failing({})

    async def scenario(engine: RecognitionEngine) -> None:
        with pytest.raises(PictureRefusedError) as caught:
            await engine.cards(_picture(1))
        assert caught.value.code == "FailedOperation.OcrFailed"
        assert (await engine.cards(_picture(1))).cards == ()

    _run(failing, scenario)
    assert "RuntimeError" in caplog.text
    assert "text read from a card" not in caplog.text


def test_models_are_loaded_at_the_first_picture() -> None:
    made: list[TableRecogniser] = []

    def factory() -> TableRecogniser:
        made.append(TableRecogniser({}))
        return made[-1]

    engine = RecognitionEngine(factory, parallel=1)

    async def scenario() -> None:
        assert made == []
        for shade in range(3):
            await engine.cards(_picture(shade))
        assert len(made) == 1

    asyncio.run(scenario())
    engine.close()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_decoded_to_rgb(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 8), 40000, np.uint16))
    else:
        image = Image.new("RGB", (8, 8), (200, 200, 200)).convert(mode)
    target = io.BytesIO()
    image.save(target, "PNG")
    pixels = decode(target.getvalue()).pixels
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    # The web palette has 204 for it, and the upper byte of 40000 is 156.
    assert int(np.median(pixels)) == {"1": 255, "P": 204, "I;16": 156}.get(mode, 200)
