"""Many things a few at a time: told in order, none begun far ahead, and ended in order when told to."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from cardveil_cli.commands.side_by_side import side_by_side


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_they_are_told_in_order_and_done_side_by_side(at_once: int) -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.03 if number % 3 == 0 else 0.01)
        with lock:
            under_way -= 1
        return number

    assert list(side_by_side(work, range(12), at_once)) == list(range(12))
    assert most == at_once


def test_none_is_begun_long_before_it_is_told() -> None:
    begun: list[int] = []
    with closing(side_by_side(begun.append, iter(range(1000)), 2)) as told:
        next(told)
        time.sleep(0.05)
        assert len(begun) <= 4
    assert len(begun) <= 4, "what nobody asks for any more is not begun"


def test_what_is_under_way_when_it_is_interrupted_is_told_and_nothing_more_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise KeyboardInterrupt
        return number

    told: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        told.extend(side_by_side(work, range(100), 2))
    assert told == [0, 1]
    assert len(begun) < 12
