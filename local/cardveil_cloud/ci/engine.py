"""Recognises each picture once, off the event loop, and not more at a time than the machine has cores for."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from cardveil_cloud.ci.pictures import Picture, PictureRefusedError, check_size, decode
from cardveil_cloud.ci.recognition import CardRecogniser, FoundCard, TextLine

_log = logging.getLogger(__name__)

#: How many pictures' answers are kept; an answer is some kilobytes.
_CAPACITY: Final = 256

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was found in one picture, and its size in pixels."""

    cards: tuple[FoundCard, ...]
    width: int
    height: int


class RecognitionEngine:
    """A recogniser behind a cache: calls for the same bytes share one recognition.

    Parameters
    ----------
    factory
        Makes a recogniser; called at the first recognition, once for each that may run at a time, since
        loading models takes seconds that a start without pictures should not pay.
    parallel
        How many recognitions run at a time; by default one for every two cores, since each uses two threads,
        and two at most, since each holds models of its own.
    """

    def __init__(self, factory: Callable[[], CardRecogniser], *, parallel: int | None = None) -> None:
        self._factory = factory
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(
            max_workers=parallel or min(2, max(1, (os.cpu_count() or 2) // 2)),
            thread_name_prefix="recognise",
        )
        self._cards: _SingleFlight[Recognised] = _SingleFlight()
        self._lines: _SingleFlight[tuple[TextLine, ...]] = _SingleFlight()
        self._derived: _SingleFlight[Any] = _SingleFlight()

    async def cards(self, data: bytes) -> Recognised:
        """Find and read the cards in an encoded picture.

        Raises
        ------
        PictureRefusedError
            If the picture cannot be decoded, or the recogniser failed (``FailedOperation.OcrFailed``).
        """
        check_size(data)
        return await self._cards.get(data, lambda: self._in_pool(self._find, data))

    async def lines(self, data: bytes) -> tuple[TextLine, ...]:
        """Read all text in an encoded picture; raises as `cards` does."""
        check_size(data)
        return await self._lines.get(data, lambda: self._in_pool(self._read, data))

    async def picture(self, data: bytes) -> Picture:
        """Decode a picture off the event loop; raises as `decode` does."""
        return await asyncio.get_running_loop().run_in_executor(None, decode, data)

    async def derived(
        self, data: bytes, what: Hashable, work: Callable[[Recognised, Picture], Answer]
    ) -> Answer:
        """Work something out from a picture and what was found in it, once for the same bytes.

        Looking at sharpness, glare and borders takes fifty times as long as answering a request; done again
        for each call it would be this machine that bounds the rate of calls, not the quota.

        Parameters
        ----------
        what
            Tells apart what is worked out from the same picture.
        work
            Called off the event loop; raises as `decode` does.
        """
        found = await self.cards(data)

        async def look() -> Answer:
            picture = await self.picture(data)
            return await asyncio.to_thread(work, found, picture)

        answer: Answer = await self._derived.get(data, look, what)
        return answer

    def close(self) -> None:
        """Let go of the threads; a recognition that runs is waited for."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _in_pool(self, work: Callable[[bytes], Answer], data: bytes) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, data)

    def _find(self, data: bytes) -> Recognised:
        picture = decode(data)
        found = self._guarded(lambda recogniser: recogniser.recognise(picture.pixels))
        return Recognised(tuple(found), picture.width, picture.height)

    def _read(self, data: bytes) -> tuple[TextLine, ...]:
        picture = decode(data)
        return tuple(self._guarded(lambda recogniser: recogniser.read_text(picture.pixels)))

    def _guarded(self, work: Callable[[CardRecogniser], Sequence[Answer]]) -> Sequence[Answer]:
        if not hasattr(self._local, "recogniser"):
            self._local.recogniser = self._factory()
        recogniser: CardRecogniser = self._local.recogniser
        try:
            return work(recogniser)
        except Exception as error:  # noqa: BLE001 - whatever it raises becomes the vendor's code
            # The kind only: an exception of the recogniser may quote what it read.
            _log.error("the recogniser failed with %s", type(error).__name__)
            raise PictureRefusedError("FailedOperation.OcrFailed") from None


class _SingleFlight(Generic[Answer]):
    """Answers by the picture's digest, the least recently used forgotten first; failures are not kept."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[Hashable, asyncio.Task[Answer]] = OrderedDict()

    async def get(
        self, data: bytes, work: Callable[[], Coroutine[Any, Any, Answer]], what: Hashable = None
    ) -> Answer:
        key = (hashlib.sha256(data).digest(), what)
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.ensure_future(work())
            task.add_done_callback(lambda done: self._forget_failure(key, done))
            while len(self._tasks) > _CAPACITY:
                self._tasks.popitem(last=False)
        self._tasks.move_to_end(key)
        # Shielded: a caller that goes away must not cancel what the others wait for.
        return await asyncio.shield(task)

    def _forget_failure(self, key: Hashable, done: asyncio.Task[Answer]) -> None:
        if (done.cancelled() or done.exception() is not None) and self._tasks.get(key) is done:
            del self._tasks[key]
