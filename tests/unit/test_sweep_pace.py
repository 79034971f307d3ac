"""A sweep's rate holds in every second, and its budget before every call, over crashes too."""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import pytest
from tests.support.chaos.memory import Instance, MemoryBucket

from cardveil.core.errors import Halt
from cardveil.sweep.budget import Budget
from cardveil.sweep.rate_limit import FIRST_GUARD_S, GUARD_S, SweepRateLimiter
from cardveil_cloud.tencent_api.ocr.ratelimit import RateLimit


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


class World(Clock):
    """Calls on their way to the API, while whoever waits for a turn sleeps.

    Parameters
    ----------
    stall : callable
        Seconds from a turn to the arrival, beyond those that every call takes.
    oversleep : callable
        Seconds by which a sleep is too long.
    """

    def __init__(self, stall: Callable[[], float], oversleep: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__()
        self.rate_limiter = SweepRateLimiter(20.0, budget(MemoryBucket()), self, self.sleep)
        self.granted: list[float] = []
        self.refused: list[float] = []
        self._limit = RateLimit(20, self)
        self._stall, self._oversleep = stall, oversleep
        self._number = count()
        self._coming: list[tuple[float, int, Callable[[], None]]] = []

    def sleep(self, seconds: float) -> None:
        until = self.now + seconds + self._oversleep()
        while self._coming and self._coming[0][0] <= until:
            self.now, _, happen = heapq.heappop(self._coming)
            happen()
        self.now = until

    def call(self) -> None:
        self.rate_limiter.wait(0.0, lambda: 1e9, "read")

        def arrive() -> None:
            if self._limit.grant("read"):
                self.granted.append(self.now)
            else:
                self.refused.append(self.now)
                self.rate_limiter.refused("read")

        self._later(0.002 + self._stall(), arrive)

    def _later(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._coming, (self.now + seconds, next(self._number), happen))

    def run(self, calls: int) -> None:
        for _ in range(calls):
            self.call()
        self.sleep(10.0)

    @property
    def share_refused(self) -> float:
        return len(self.refused) / (len(self.refused) + len(self.granted))

    def rate(self, begin: float = 3.0) -> float:
        """Calls a second between the third second and the last three."""
        steady = [at for at in self.granted if self.granted[0] + begin <= at <= self.granted[-1] - 3]
        return (len(steady) - 1) / (steady[-1] - steady[0])


@pytest.mark.parametrize("seed", range(20))
def test_nearly_the_whole_quota_is_used_and_next_to_nothing_refused(seed: int) -> None:
    """Stalls of a machine that has some room: of a few ms, one in two hundred up to a quarter of a second."""
    chance = random.Random(seed)

    def stall() -> float:
        return chance.expovariate(1 / 0.003) % 0.02 + (
            chance.uniform(0, 0.25) if chance.random() < 0.005 else 0
        )

    world = World(stall, lambda: chance.uniform(0, 0.004))
    world.run(2000)
    assert world.share_refused <= 0.005
    assert world.rate() >= 0.95 * 20


@pytest.mark.parametrize("seed", range(20))
def test_a_slow_start_has_no_call_refused(seed: int) -> None:
    """The first calls build connections."""
    chance = random.Random(seed)

    def stall() -> float:
        return chance.uniform(0, 0.15) if len(world.granted) < 20 else chance.expovariate(1 / 0.004)

    world = World(stall)
    world.run(600)
    assert world.refused == []
    assert world.rate() >= 0.95 * 20


@pytest.mark.parametrize("seed", range(20))
def test_no_stall_below_the_guard_has_a_call_refused(seed: int) -> None:
    chance = random.Random(seed)
    world = World(lambda: chance.uniform(0, GUARD_S), lambda: chance.expovariate(1 / 0.01))
    world.run(1500)
    assert world.refused == []
    assert world.rate() >= 0.93 * 20


def test_a_call_is_counted_from_when_it_went_not_from_when_it_was_to_go() -> None:
    """A thread that slept too long holds its place for a second from then."""
    late = iter([0.0] * 29 + [0.6])
    world = World(lambda: 0.0, lambda: next(late, 0.0))
    world.run(60)
    assert world.refused == []


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.5, 20.0])
def test_no_second_holds_more_calls_than_the_rate(rate: float) -> None:
    clock = Clock()
    rate_limiter = SweepRateLimiter(rate, budget(MemoryBucket()), clock, clock.sleep)
    turns = []
    for number in range(200):
        if number % 37 == 0:
            clock.now += 3.0  # a stall: nothing may be saved up
        rate_limiter.wait(0.0, lambda: 1e9, "read")
        turns.append(clock.now)
    count = max(1, int(rate))
    for first, later in zip(turns, turns[count:], strict=False):
        assert later - first >= count / rate + GUARD_S - 1e-9
    steady = turns[38:73]
    assert (len(steady) - 1) / (steady[-1] - steady[0]) >= 0.95 * rate / (1 + FIRST_GUARD_S)


def test_who_is_refused_gives_way_by_a_call_each_time() -> None:
    clock = Clock()
    rate_limiter = SweepRateLimiter(10.0, budget(MemoryBucket()), clock, clock.sleep)

    def seconds(calls: int) -> float:
        began = clock.now
        for _ in range(calls):
            rate_limiter.wait(0.0, lambda: 1e9, "read")
        return clock.now - began

    seconds(400)
    usual = seconds(100)
    began = clock.now
    for _ in range(5):
        rate_limiter.refused("read")
        seconds(20)
    assert 1.02 * usual < clock.now - began < 1.06 * usual
    assert seconds(100) == pytest.approx(usual, rel=0.01)


def test_apis_are_paced_apart() -> None:
    clock = Clock()
    rate_limiter = SweepRateLimiter(1.0, budget(MemoryBucket()), clock, clock.sleep)
    rate_limiter.wait(0.0, lambda: 1e9, "locate")
    rate_limiter.wait(0.0, lambda: 1e9, "read")
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
