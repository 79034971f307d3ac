"""Pacing: one second's worth at once, then evenly, over all invocations of an instance."""

from __future__ import annotations

import pytest

from cardveil.core.errors import Retry
from cardveil.core.rate_limit import RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_a_burst_then_evenly() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(clock, clock.sleep)
    for _ in range(25):
        rate_limiter.wait(5, lambda: 60.0)
    # Five at once, twenty at five a second.
    assert clock.now == pytest.approx(100.0 + 20 / 5)


def test_a_slow_rate_still_lets_the_first_call_through() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(clock, clock.sleep)
    rate_limiter.wait(0.5, lambda: 60.0)
    assert clock.slept == []
    rate_limiter.wait(0.5, lambda: 60.0)
    assert clock.slept == [pytest.approx(2.0)]


def test_zero_is_no_limit() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(clock, clock.sleep)
    for _ in range(1000):
        rate_limiter.wait(0, lambda: 0.0)
    assert clock.slept == []


def test_a_turn_after_the_end_is_refused_and_not_taken() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(clock, clock.sleep)
    rate_limiter.wait(1, lambda: 60.0)
    with pytest.raises(Retry, match="out_of_time"):
        rate_limiter.wait(1, lambda: 0.5)
    clock.now += 1.0
    rate_limiter.wait(1, lambda: 0.5)
    assert clock.slept == []
