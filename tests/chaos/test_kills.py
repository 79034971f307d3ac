"""An instance is killed at every stage and at every request; what comes after ends as if nothing had been."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from tests.support.chaos.memory import Killed
from tests.support.notes import jobs_of
from tests.support.waiting import eventually

from cardveil.core.errors import Retry
from cardveil.core.timing import STAGES, Timings
from cardveil.pipeline.jobs import Arrival, CardProcessor
from cardveil.storage.job_store import JobNote
from cardveil.storage.keys import keys_of

MakeScene = Callable[..., Any]
#: What is in `STAGES` but not on the way of a picture with the usual settings.
NOT_PASSED = {"prove", "mark"}
#: Where the answers may still be on their way to being kept.
BEING_KEPT = {
    ("recognise", "after"),
    *((stage, when) for stage in ("plan", "redact", "confirm") for when in ("before", "after")),
    ("publish", "before"),
    ("publish", "after"),
}


class Killer:
    """Kills an instance at one of its requests; from then on none of them has any effect."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.requests = 0
        self.dead = False

    def __call__(self, request: str) -> None:
        if self.dead:
            raise Killed
        self.requests += 1
        if self.requests - 1 == self.at:
            self.dead = True
            raise Killed


class KillingStages(Timings):
    """Kills an instance before or after a stage."""

    def __init__(self, killer: Killer, stage: str, when: str) -> None:
        super().__init__()
        self._killer, self._stage, self._when = killer, stage, when
        self.passed: set[str] = set()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.passed.add(name)
        if (name, self._when) == (self._stage, "before") and not self._killer.dead:
            self._killer.dead = True
            raise Killed
        with super().__call__(name):
            yield
        if (name, self._when) == (self._stage, "after") and not self._killer.dead:
            self._killer.dead = True
            raise Killed


def finish_jobs(scene: Any, processor: CardProcessor) -> None:
    """Let the vendor finish all jobs and the schedule find them."""
    for job_id, job in list(scene.vendor.jobs.items()):
        if not job.finished:
            scene.vendor.end(job_id)
    notes: list[JobNote] = jobs_of(processor.notes)
    for note, job in processor.due(notes):
        processor.finish(note, job, Timings())


def undisturbed(scene: Any) -> Any:
    processor = scene.instance()
    processor.process(scene.source)
    finish_jobs(scene, processor)
    assert scene.left() == []
    return scene.result()


def redeliver(scene: Any) -> None:
    """Deliver again, later, by new instances; the killed one's lease has to run out first."""
    scene.now += 61.0
    processor = scene.instance()
    processor.process(scene.source)
    finish_jobs(scene, processor)


KINDS = [
    {"number": 0},
    {"number": 8},
    {"number": 9},
    {"number": 0, "turned": True},
    {"number": 0, "witness": True},
    {"number": 9, "witness": True},
    {"number": 0, "versioned": True},
    {"number": 0, "job": True},
    {"number": 8, "job": True},
    {"number": 0, "job": True, "turned": True},
]
IDS = ["-".join(f"{name}={value}" for name, value in kind.items()) for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_a_kill_at_each_stage_changes_nothing(scene: MakeScene, kind: dict[str, Any]) -> None:
    expected_scene = scene(**kind)
    expected = undisturbed(expected_scene)
    passed: set[str] = set()
    for stage in STAGES:
        for when in ("before", "after"):
            here = scene(**kind)
            killer = Killer()
            timings = KillingStages(killer, stage, when)
            with suppress(Killed):
                here.instance(killer).process(here.source, timings)
            passed |= timings.passed
            redeliver(here)
            assert here.result() == expected, (stage, when)
            assert here.left() == [], (stage, when)
            # What was paid for is kept beside the stages that follow, and surely before the commit is over.
            for api, paid in here.vendor.paid.items():
                once = expected_scene.vendor.paid[api]
                assert once <= paid <= once + ((stage, when) in BEING_KEPT), (stage, when, api)
    if not kind.get("job"):
        assert passed == set(STAGES) - NOT_PASSED, "every stage was met"


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_a_kill_at_each_request_changes_nothing(scene: MakeScene, kind: dict[str, Any]) -> None:
    """Before and after each request to the bucket: also between the copy and the sidecar."""
    expected_scene = scene(**kind)
    expected = undisturbed(expected_scene)
    counter = Killer()
    counted = scene(**kind)
    counted.instance(counter).process(counted.source)
    assert counter.requests > 10
    for at in range(counter.requests):
        here = scene(**kind)
        killer = Killer(at)
        with suppress(Killed):
            here.instance(killer).process(here.source)
        redeliver(here)
        assert here.result() == expected, at
        assert here.left() == [], at
        for api, paid in here.vendor.paid.items():
            # At most what was under way at the kill is paid for again.
            assert paid <= expected_scene.vendor.paid[api] + 1, (at, api)


@pytest.mark.parametrize("turned", [False, True])
def test_a_kill_while_a_callback_is_taken_changes_nothing(scene: MakeScene, turned: bool) -> None:
    kind = {"number": 0, "job": True, "turned": turned}
    expected = undisturbed(scene(**kind))
    requests, at = 1, 0
    while at < requests:
        here = scene(**kind)
        here.instance().process(here.source)
        (job,) = here.vendor.jobs.values()
        here.vendor.end(job.job_id)
        killer = Killer(at)
        with suppress(Killed):
            here.instance(killer).arrived(job.user_data, job.job_id, Timings())
        requests = max(requests, killer.requests)
        here.now += 61.0
        processor = here.instance()
        arrival, _ = processor.arrived(job.user_data, job.job_id, Timings())
        assert arrival in {Arrival.ACCEPTED, Arrival.DUPLICATE}, at
        finish_jobs(here, processor)
        assert here.result() == expected, at
        processor.process(here.source)
        assert [key for key in here.left() if "/leases/" not in key] == [], at
        at += 1
        requests = max(requests, at + (0 if not killer.dead else 1))
    assert at > 10


def test_while_the_living_work_nobody_else_does(scene: MakeScene) -> None:
    here = scene()
    first = here.instance()
    with first.pipeline.claim(here.source, Timings()):
        before = here.now
        second = here.instance()
        with pytest.raises(Retry, match="taken_by_another"):
            # An invocation without any time left does not wait.
            _without_time(second).process(here.source)
        assert here.now == before
        assert not here.vendor.paid


def _without_time(processor: CardProcessor) -> CardProcessor:
    invocation = replace(processor.pipeline.invocation, deadline=0.5)
    return replace(processor, pipeline=replace(processor.pipeline, invocation=invocation))


@pytest.mark.parametrize("job", [False, True])
def test_a_look_that_was_too_early_pays_for_nothing(scene: MakeScene, job: bool) -> None:
    """Source and result are looked at while the lease is taken; another may commit between the two."""
    here = scene(job=job)
    held: list[Any] = []
    requests: list[str] = []

    def check(request: str) -> None:
        requests.append(request)
        # The second instance has looked, and before its lease is created the first does all its work.
        if request == "before create" and not held:
            held.append(request)
            # At the result, the source, the breaker and the kept answers, all beside the lease.
            assert eventually(lambda: "after head" in requests and requests.count("after get") >= 3)
            undisturbed(here)

    second = here.instance(check)
    outcome = second.process(here.source)
    assert held
    assert outcome.kind == "already"
    assert here.vendor.paid == {"locate": 1, "read": 1}
    assert here.left() == []


def test_nothing_is_paid_for_without_the_time_to_use_it(scene: MakeScene) -> None:
    here = scene()
    processor = here.instance()
    retry_policy = replace(processor.retry_policy, remaining_s=lambda: 1.9)
    recogniser = replace(processor.pipeline.recogniser, retry_policy=retry_policy)
    with pytest.raises(Retry, match="out_of_time"):
        replace(processor.pipeline, recogniser=recogniser).process(here.source)
    assert not here.vendor.paid


@pytest.mark.parametrize("lease_alone", [False, True])
def test_who_waits_leaves_time_for_the_work(scene: MakeScene, lease_alone: bool) -> None:
    here = scene()
    with here.instance().pipeline.claim(here.source, Timings()):
        clock = [0.0]
        processor = here.instance()
        invocation = replace(processor.pipeline.invocation, clock=lambda: clock[0])

        def sleep(seconds: float) -> None:
            clock[0] += seconds

        pipeline = replace(processor.pipeline, invocation=invocation, sleep=sleep)
        keys = keys_of(here.source.key, pipeline.settings)
        ways = pipeline.held(keys) if lease_alone else pipeline.claim(here.source, Timings())
        with pytest.raises(Retry, match="taken_by_another"), ways:
            pytest.fail("another holds it")
    assert 20.0 < clock[0] <= 30.0, "half of a minute"
