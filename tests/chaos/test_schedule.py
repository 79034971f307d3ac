"""What the timer's sweeps find and take away, and what they leave alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError, Halt, Retry
from cardveil.core.telemetry import Telemetry
from cardveil.core.timing import Timings
from cardveil.handlers.timer import (
    TimerRun,
    expire_answers,
    finish_overdue,
    process_timer,
    tidy_after_the_killed,
)
from cardveil.storage.keys import keys_of

MakeScene = Callable[..., Any]
INVOCATION = Invocation("r", "f", "ap-shanghai", "1250000000", 60.0, clock=lambda: 0.0)


def shift(here: Any, until_s: float = 15.0) -> TimerRun:
    return TimerRun(
        here.instance(), here.settings, Telemetry(INVOCATION), INVOCATION, until_s, now=lambda: here.now
    )


def swept(here: Any, sweep: Any, **options: Any) -> tuple[dict[str, int], list[CardveilError]]:
    counts: Counter[str] = Counter()
    failures: list[CardveilError] = []
    sweep(shift(here, **options), counts, failures)
    return dict(counts), failures


def test_a_job_is_left_alone_until_it_is_overdue(scene: MakeScene) -> None:
    here = scene(job=True)
    here.instance().process(here.source)
    here.vendor.end("j0")
    assert swept(here, finish_overdue) == ({}, [])
    here.now += 901.0
    assert swept(here, finish_overdue) == ({"overdue": 1}, [])
    assert here.left() == []


def test_no_work_is_begun_that_does_not_fit(scene: MakeScene) -> None:
    here = scene(job=True)
    here.instance().process(here.source)
    here.vendor.end("j0")
    here.now += 901.0
    assert swept(here, finish_overdue, until_s=61.0) == ({}, [])
    assert here.left()


def test_a_failure_is_told_and_the_note_stays_for_the_next_run(scene: MakeScene) -> None:
    here = scene(job=True)
    here.instance().process(here.source)
    here.vendor.end("j0")
    here.now += 901.0
    read = here.vendor.read

    def fails(*_: Any) -> Any:
        raise Retry("network", "…", api="Reader")

    here.vendor.read = fails
    counts, failures = swept(here, finish_overdue)
    assert (counts, [failure.code for failure in failures]) == ({}, ["network"])
    here.vendor.read = read
    assert swept(here, finish_overdue) == ({"overdue": 1}, [])


def test_answers_that_nobody_came_back_for_are_deleted(scene: MakeScene) -> None:
    import time

    here = scene()
    here.now = time.time()

    def fails(*_: Any) -> Any:
        raise Retry("network", "…", api="Reader")

    here.vendor.read = fails
    with suppress(Retry):
        here.instance().process(here.source)
    assert len(here.left()) == 1
    assert swept(here, expire_answers) == ({}, [])
    # The answer was kept by the real clock, and some time after the scene was set.
    here.now = time.time() + here.settings.answers_kept_s + 1
    assert swept(here, expire_answers) == ({"answers_expired": 1}, [])
    assert here.left() == []


def test_nothing_is_kept_where_that_is_set(scene: MakeScene) -> None:
    here = scene(answers_kept_s=0.0)
    read = here.vendor.read

    def fails(*_: Any) -> Any:
        raise Retry("network", "…", api="Reader")

    here.vendor.read = fails
    with suppress(Retry):
        here.instance().process(here.source)
    assert here.left() == []
    here.vendor.read = read
    here.instance().process(here.source)
    assert here.vendor.paid == {"locate": 2, "read": 1}


def test_what_a_killed_instance_left_is_tidied_once_its_lease_is_over(scene: MakeScene) -> None:
    here = scene()
    keys = keys_of(here.shown.key, here.settings)
    processor = here.instance()
    processor.pipeline.leases.take(keys.lease_prefix, 65.0)
    here.memory.content[f"{keys.staged_prefix}copy"] = b"x", {}
    assert swept(here, tidy_after_the_killed) == ({}, []), "it may be living"
    here.now += 71.0
    assert swept(here, tidy_after_the_killed) == ({"tidied": 1}, [])
    assert here.left() == []


@pytest.mark.parametrize("versioned", [False, True])
def test_the_living_are_left_alone(scene: MakeScene, versioned: bool) -> None:
    here = scene(versioned=versioned)
    keys = keys_of(here.shown.key, here.settings)
    with here.instance().pipeline.claim(here.source, Timings()):
        here.memory.content[f"{keys.staged_prefix}copy"] = b"x", {}
        assert swept(here, tidy_after_the_killed) == ({}, [])
        assert f"{keys.staged_prefix}copy" in here.left()


def test_a_job_s_copy_stays_while_the_job_is_under_way(scene: MakeScene) -> None:
    here = scene(job=True, turned=True)
    here.instance().process(here.source)
    swept(here, tidy_after_the_killed)
    (job,) = here.vendor.jobs.values()
    assert job.object_key in here.left()


def test_a_schedule_without_a_bucket_says_so() -> None:
    with pytest.raises(Halt, match="CARDVEIL_BUCKET"):
        process_timer(INVOCATION, {})


def test_what_another_works_on_is_not_waited_for(scene: MakeScene) -> None:
    here = scene(job=True)
    here.instance().process(here.source)
    here.vendor.end("j0")
    here.now += 901.0
    with here.instance().pipeline.claim(here.source, Timings()):
        before = here.now
        assert swept(here, finish_overdue) == ({"busy": 1}, [])
        assert here.now == before
    assert swept(here, finish_overdue) == ({"overdue": 1}, [])
