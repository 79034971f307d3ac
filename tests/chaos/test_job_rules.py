"""Jobs: paid for once, believed only where CI's own word and our note agree in everything, never lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.notes import jobs_of

from cardveil.core.errors import Halt
from cardveil.core.frozen import replace
from cardveil.core.timing import Timings
from cardveil.pipeline.jobs import Arrival

MakeScene = Callable[..., Any]


def submitted(here: Any) -> Any:
    assert here.instance().process(here.source).kind == "submitted"
    (job,) = here.vendor.jobs.values()
    return job


@pytest.mark.parametrize("other", [{"object_key": "inbox/other.jpg"}, {"user_data": "another's"}])
def test_a_job_that_ci_knows_otherwise_in_one_thing_is_not_ours(
    scene: MakeScene, other: dict[str, str]
) -> None:
    here = scene(job=True)
    job = submitted(here)
    here.vendor.jobs[job.job_id] = replace(here.vendor.end(job.job_id), **other)
    assert here.instance().arrived(job.user_data, job.job_id, Timings()) == (Arrival.UNKNOWN, None)
    assert here.memory.keys("sidecars/") == []


def test_a_submission_that_was_cut_short_is_asked_for_before_it_is_paid_again(scene: MakeScene) -> None:
    """The instance was killed between CI's answer and the note of it."""
    here = scene(job=True)
    job = submitted(here)
    processor = here.instance()
    (note,) = jobs_of(processor.notes)
    processor.notes.put(replace(note, job_id="", state="Submitting"))
    assert here.instance().process(here.source).kind == "submitted"
    assert here.vendor.paid == {"locate": 1}
    (again,) = jobs_of(here.instance().notes)
    assert again.job_id == job.job_id


@pytest.mark.parametrize(("code", "raised"), [("request_refused", False), ("permission_missing", True)])
def test_a_job_that_ended_before_it_was_cancelled_stops_nobody(
    scene: MakeScene, code: str, raised: bool
) -> None:
    here = scene(job=True)
    submitted(here)

    def refuse(_: str) -> None:
        raise Halt(code, "…", api="CancelMediaJob")

    here.vendor.cancel = refuse
    here.now += here.settings.job_patience_s + 1
    processor = here.instance()
    notes = jobs_of(processor.notes)
    if raised:
        with pytest.raises(Halt, match=code):
            processor.due(notes)
    else:
        assert processor.due(notes) == [(notes[0], None)]
