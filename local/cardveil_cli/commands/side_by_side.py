"""Does many things a few at a time, and tells what became of each in the order in which they were named."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], things: Iterable[T], at_once: int) -> Generator[R, None, None]:
    """Yield what `work` makes of each thing, in their order, with `at_once` of them under way.

    No more is begun than is told soon after: twice as many as are under way. Where the wait for the next one
    is interrupted, what is under way is ended and told, as far as all before it is; nothing more is begun.
    """
    if at_once == 1:
        yield from map(work, things)
        return
    with ThreadPoolExecutor(at_once, "cardveil-picture") as pool:
        begun: deque[Future[R]] = deque()
        try:
            for thing in things:
                begun.append(pool.submit(work, thing))
                if len(begun) >= 2 * at_once:
                    yield begun[0].result()
                    begun.popleft()
            while begun:
                yield begun[0].result()
                begun.popleft()
        except KeyboardInterrupt:
            pool.shutdown(wait=True, cancel_futures=True)
            while begun and not begun[0].cancelled() and begun[0].exception() is None:
                yield begun.popleft().result()
            raise
        finally:
            # Also where whoever asks has had enough.
            pool.shutdown(wait=True, cancel_futures=True)
