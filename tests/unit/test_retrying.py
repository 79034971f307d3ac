"""Trying again: only what may be, only as often as set, only while there is time."""

from __future__ import annotations

import pytest

from cardveil.core.errors import CardveilError, Halt, Reject, Retry, Review
from cardveil.core.retry import RetryPolicy


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.slept: list[float] = []

    def remaining(self) -> float:
        return max(0.0, self.left)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.left -= seconds


def retry_policy(clock: Clock, attempts: int = 5) -> RetryPolicy:
    return RetryPolicy(attempts, clock.remaining, clock.sleep, lambda low, high: high)


class Failing:
    def __init__(self, error: CardveilError, times: int) -> None:
        self.error, self.times, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "done"


def test_a_retry_succeeds_later_with_doubling_pauses() -> None:
    clock, action = Clock(60), Failing(Retry("throttled", "…"), 3)
    assert retry_policy(clock).call(action) == "done"
    assert clock.slept == [0.2, 0.4, 0.8]


def test_the_last_failure_is_raised() -> None:
    action = Failing(Retry("throttled", "…"), 99)
    with pytest.raises(Retry, match="throttled"):
        retry_policy(Clock(60), 3).call(action)
    assert action.calls == 3


@pytest.mark.parametrize("leaf", [Reject, Review, Halt])
def test_no_other_leaf_is_tried_again(leaf: type[CardveilError]) -> None:
    action = Failing(leaf("x", "…"), 99)
    with pytest.raises(leaf):
        retry_policy(Clock(60)).call(action)
    assert action.calls == 1


def test_no_pause_is_begun_that_does_not_fit() -> None:
    clock, action = Clock(0.5), Failing(Retry("throttled", "…"), 99)
    with pytest.raises(Retry):
        retry_policy(clock).call(action)
    assert sum(clock.slept) < 0.5


def test_zero_time_left_is_zero() -> None:
    action = Failing(Retry("x", "…"), 0)
    with pytest.raises(Retry, match="out_of_time"):
        retry_policy(Clock(0)).call(action)
    assert action.calls == 0


def test_a_policy_within_a_time_ends_with_it_or_with_the_invocation() -> None:
    now = [100.0]
    clock = Clock(10.0)
    soon = retry_policy(clock).within(4.0, lambda: now[0])
    assert soon.remaining_s() == 4.0
    now[0] += 3.0
    assert soon.remaining_s() == 1.0
    clock.left = 0.5
    assert soon.remaining_s() == 0.5
    clock.left = 10.0
    now[0] += 2.0
    failing = Failing(Retry("throttled", "…"), 1)
    with pytest.raises(Retry, match="out_of_time"):
        soon.call(failing)
    assert failing.calls == 0
    assert retry_policy(clock).call(failing) == "done"
