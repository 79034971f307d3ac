"""A source that is claimed: nobody else works on it for as long as its holder may live, and all is tidied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.chaos.memory import Instance
from tests.support.notes import jobs_of

from cardveil.core.errors import Retry
from cardveil.core.frozen import replace
from cardveil.core.timing import Timings
from cardveil.storage.keys import keys_of

MakeScene = Callable[..., Any]


def busy(here: Any) -> bool:
    """Say whether an instance without the time to wait finds the source taken."""
    processor = here.instance()
    invocation = replace(processor.pipeline.invocation, deadline=0.5)
    try:
        with replace(processor.pipeline, invocation=invocation).claim(here.source, Timings()):
            return False
    except Retry as refused:
        return bool(refused.code == "taken_by_another")


def test_a_claim_holds_until_its_instance_s_end_is_surely_over(scene: MakeScene) -> None:
    here = scene()
    began = here.now
    processor = here.instance()
    with processor.pipeline.claim(here.source, Timings()):
        for after_s in (0.0, 30.0, 60.0):  # the platform ends it after sixty seconds
            here.now = began + after_s
            assert busy(here)
        here.now = began + 75.0
        assert not busy(here)


def test_who_takes_over_from_the_killed_leaves_the_copy_that_a_job_reads(scene: MakeScene) -> None:
    here = scene(turned=True, job=True)
    here.instance().process(here.source)
    (job,) = here.vendor.jobs.values()
    keys = keys_of(here.shown.key, here.settings)
    here.instance().pipeline.leases.take(keys.lease_prefix, 60.0)
    here.memory.content[f"{keys.staged_prefix}left-by-the-killed"] = b"x", {}
    here.now += 70.0
    assert here.instance().process(here.source).kind == "submitted"
    assert here.memory.keys(keys.staged_prefix) == [job.object_key]


@dataclass
class Unforgetting(Instance):
    """Fails once to delete what is kept of the answers."""

    failed: list[str] = field(default_factory=list)

    def delete(self, key: str) -> None:
        if "/answers/" in key and not self.failed:
            self.failed.append(key)
            raise Retry("network", "…")
        super().delete(key)


@pytest.mark.parametrize("job", [False, True], ids=["direct", "job"])
def test_answers_that_could_not_be_deleted_are_no_success_and_go_with_the_next_try(
    scene: MakeScene, job: bool
) -> None:
    """They hold what the card says: they must not stay behind a result that looks finished."""
    here = scene(job=job)

    def finish(objects: Instance) -> str:
        processor = here.instance()
        processor = replace(processor, pipeline=replace(processor.pipeline, sources=objects))
        if not job:
            return str(processor.process(here.source).kind)
        (note,) = jobs_of(processor.notes)
        return str(processor.finish(note, here.vendor.jobs[note.job_id], Timings()).kind)

    if job:
        here.instance().process(here.source)
        (job_id,) = here.vendor.jobs
        here.vendor.end(job_id)
    with pytest.raises(Retry, match="network"):
        finish(Unforgetting(here.memory))
    assert here.memory.keys("sidecars/"), "the result was committed"
    assert here.memory.keys(".cardveil/answers/")
    assert finish(Instance(here.memory)) == "already"
    assert here.left() == []
