"""A sweep's rate holds in every second, and its budget before every call, over crashes too."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from cardveil.errors import Halt
from cardveil.sweep.pace import GUARD_S, Budget, SweepPace
from cardveil_local.chaos.memory import Instance, MemoryBucket


class Clock:
    """A clock that only sleeping moves; each thread would have its own, so it is used from one."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def budget(memory: MemoryBucket, run: int = 10**6, day: int = 10**6, now: float = 0.0) -> Budget:
    return Budget(Instance(memory), ".cardveil/sweeps/spent.json", run, day, lambda: now)


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.5, 20.0])
def test_no_second_holds_more_calls_than_the_rate(rate: float) -> None:
    clock = Clock()
    pace = SweepPace(rate, budget(MemoryBucket()), clock, clock.sleep)
    turns = []
    for number in range(200):
        if number % 37 == 0:
            clock.now += 3.0  # a stall: nothing may be saved up
        pace.wait(0.0, lambda: 1e9, "read")
        turns.append(clock.now)
    count = max(1, int(rate))
    for first, later in zip(turns, turns[count:], strict=False):
        assert later - first >= count / rate + GUARD_S - 1e-9
    steady = turns[38:73]
    assert (len(steady) - 1) / (steady[-1] - steady[0]) >= 0.95 * rate * min(1, 1 / (1 + GUARD_S))


def test_who_is_refused_gives_way_and_comes_back() -> None:
    clock = Clock()
    pace = SweepPace(10.0, budget(MemoryBucket()), clock, clock.sleep)

    def seconds(calls: int) -> float:
        began = clock.now
        for _ in range(calls):
            pace.wait(0.0, lambda: 1e9, "read")
        return clock.now - began

    seconds(50)
    usual = seconds(100)
    for _ in range(20):
        pace.refused("read")
    slower = seconds(100)
    assert 1.05 * usual < slower < 1.3 * usual
    seconds(1000)
    assert seconds(100) == pytest.approx(usual, rel=0.01)


def test_apis_are_paced_apart() -> None:
    clock = Clock()
    pace = SweepPace(1.0, budget(MemoryBucket()), clock, clock.sleep)
    pace.wait(0.0, lambda: 1e9, "locate")
    pace.wait(0.0, lambda: 1e9, "read")
    assert clock.now == 0.0


def test_a_run_never_pays_more_than_its_budget() -> None:
    memory = MemoryBucket()
    spending = budget(memory, run=25)
    made = []

    def spend() -> None:
        for _ in range(20):
            with suppress(Halt):
                spending.take()
                made.append(1)

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == spending.made == 25
    assert spending.spent


def test_a_days_budget_outlives_a_crash_and_ends_with_the_day() -> None:
    memory = MemoryBucket()
    killed = budget(memory, day=120)
    for _ in range(60):
        killed.take()  # and is killed: what it made is counted, and up to fifty more
    again = budget(memory, day=120)
    for _ in range(10):
        again.take()
    with pytest.raises(Halt, match="sweep_budget_spent"):
        again.take(111)
    tomorrow = budget(memory, day=120, now=86400.0)
    assert not tomorrow.spent
    orderly = budget(memory, day=120, now=86400.0)
    orderly.take(7)
    orderly.settle()
    assert budget(memory, day=8, now=86400.0).spent is False
    assert budget(memory, day=7, now=86400.0).spent is True


def test_nothing_is_paid_with_a_budget_of_nothing() -> None:
    nothing = budget(MemoryBucket(), run=0)
    assert nothing.spent
    with pytest.raises(Halt):
        nothing.take()
