"""Every state of a job leads somewhere, and no callback is believed further than CI itself confirms it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.notes import jobs_of

from cardveil.card.model import CardType
from cardveil.core.errors import Retry
from cardveil.core.timing import Timings
from cardveil.pipeline.jobs import Arrival
from cardveil.pipeline.signing import Reference

MakeScene = Callable[..., Any]


def submitted(here: Any) -> Any:
    """Submit the scene's picture and return its job."""
    assert here.instance().process(here.source).kind == "submitted"
    (job,) = here.vendor.jobs.values()
    return job


def arrive(here: Any, job: Any, **change: Any) -> Arrival:
    told = {"user_data": job.user_data, "job_id": job.job_id, **change}
    arrival: Arrival = here.instance().arrived(told["user_data"], told["job_id"], Timings())[0]
    return arrival


def sweep(here: Any) -> list[Any]:
    processor = here.instance()
    due = processor.due([note for note in jobs_of(processor.notes) if processor.overdue(note)])
    return [processor.finish(note, job, Timings()) for note, job in due]


def test_a_job_s_positions_go_the_usual_way(scene: MakeScene) -> None:
    here = scene(job=True)
    job = submitted(here)
    here.vendor.end(job.job_id)
    assert arrive(here, job) is Arrival.ACCEPTED
    sidecar, copy = here.result()
    assert sidecar["status"] == "redacted"
    assert sidecar["calls"] == ["ImageLicenseRec", "Reader"]
    assert copy
    assert here.left() == []
    assert here.vendor.paid == {"locate": 1, "read": 1}


def test_deliveries_while_a_job_is_under_way_submit_nothing(scene: MakeScene) -> None:
    here = scene(job=True)
    submitted(here)
    assert here.instance().process(here.source).kind == "submitted"
    assert here.vendor.paid == {"locate": 1}


def test_an_upload_may_choose_for_itself(scene: MakeScene) -> None:
    here = scene(job=True)
    data, meta = here.memory.content[here.shown.key]
    here.memory.content[here.shown.key] = data, {**meta, "x-cos-meta-execution": "direct"}
    assert here.instance().process(here.source).kind == "finished"
    assert not here.vendor.jobs


@pytest.mark.parametrize(
    ("number", "data"), [(9, None), (0, b"not a picture")], ids=["a back", "not a picture"]
)
def test_what_a_job_is_no_good_for_goes_the_direct_way(scene: MakeScene, number: int, data: Any) -> None:
    here = scene(number, job=True)
    if data:
        here.memory.content[here.shown.key] = data, here.memory.content[here.shown.key][1]
    assert here.instance().process(here.source).kind == "finished"
    assert not here.vendor.jobs
    assert here.left() == []


@pytest.mark.parametrize("state", ["Submitted", "Running", "Pause"])
def test_a_job_that_is_not_finished_is_waited_for_then_cancelled(scene: MakeScene, state: str) -> None:
    here = scene(job=True, job_overdue_s=900.0, job_patience_s=3600.0)
    job = submitted(here)
    here.vendor.jobs[job.job_id] = replace(job, state=state)
    assert arrive(here, job) is Arrival.UNFINISHED
    here.now += 1000.0
    assert sweep(here) == []
    (note,) = jobs_of(here.instance().notes)
    assert note.state == state
    here.now += 3000.0
    (outcome,) = sweep(here)
    assert outcome.kind == "finished"
    assert here.vendor.cancelled == [job.job_id]
    assert here.left() == []


@pytest.mark.parametrize(
    ("state", "code", "status", "paid"),
    [
        ("Success", "Success", "redacted", 1),
        ("Failed", "InternalError", "redacted", 2),
        ("Failed", "FailedOperation.ImageDecodeFailed", "rejected", 1),
        ("Failed", "FailedOperation.ImageBlur", "needs_review", 1),
        ("Cancel", "Success", "redacted", 2),
    ],
)
def test_a_job_that_has_ended_is_finished(
    scene: MakeScene, state: str, code: str, status: str, paid: int
) -> None:
    here = scene(job=True)
    job = submitted(here)
    here.vendor.end(job.job_id, state, code)
    assert arrive(here, job) is Arrival.ACCEPTED
    assert here.result()[0]["status"] == status
    assert here.vendor.paid["locate"] == paid, "what says nothing of the picture is asked again, directly"
    assert here.left() == []


def test_a_job_that_ci_does_not_know_is_finished_directly(scene: MakeScene) -> None:
    here = scene(job=True)
    job = submitted(here)
    del here.vendor.jobs[job.job_id]
    assert arrive(here, job) is Arrival.UNKNOWN
    assert sweep(here) == [], "it is not overdue yet"
    here.now += 901.0
    (outcome,) = sweep(here)
    assert outcome.kind == "finished"
    assert here.left() == []


def test_a_job_whose_callback_never_comes_is_found(scene: MakeScene) -> None:
    here = scene(job=True)
    job = submitted(here)
    here.vendor.end(job.job_id)
    here.now += 901.0
    (outcome,) = sweep(here)
    assert outcome.kind == "finished"
    assert here.result()[0]["calls"] == ["ImageLicenseRec", "Reader"]


def test_a_submission_whose_answer_was_lost_is_found_and_not_paid_again(scene: MakeScene) -> None:
    here = scene(job=True)
    submit = here.vendor.submit

    def lossy(*given: Any) -> Any:
        submit(*given)
        here.vendor.submit = submit
        raise Retry("network", "…")

    here.vendor.submit = lossy
    submitted(here)
    assert here.vendor.paid == {"locate": 1}
    (note,) = jobs_of(here.instance().notes)
    assert note.job_id


def test_a_callback_may_come_before_the_submission_s_answer_was_noted(scene: MakeScene) -> None:
    here = scene(job=True)
    job = submitted(here)
    processor = here.instance()
    (note,) = jobs_of(processor.notes)
    processor.notes.put(replace(note, job_id="", state="Submitting"))
    here.vendor.end(job.job_id)
    assert arrive(here, job) is Arrival.ACCEPTED
    assert here.left() == []


def test_a_result_for_another_picture_is_of_no_use(scene: MakeScene) -> None:
    """The source was replaced while its job ran: the old picture's positions would cover wrong places."""
    here = scene(job=True)
    job = submitted(here)
    other = scene(1)
    here.memory.content[here.shown.key] = other.data, {}
    here.vendor.end(job.job_id)
    assert arrive(here, job) is Arrival.ACCEPTED
    assert here.result()[0]["calls"] == ["AILicenseRec", "Reader"]


def test_a_source_that_is_gone_leaves_nothing(scene: MakeScene) -> None:
    here = scene(job=True, turned=True)
    job = submitted(here)
    del here.memory.content[here.shown.key]
    here.vendor.end(job.job_id)
    assert arrive(here, job) is Arrival.ACCEPTED
    assert here.memory.keys() == []


class TestStrangers:
    """None of these leads to any work, whatever it is answered."""

    def test_a_replay_is_a_duplicate(self, scene: MakeScene) -> None:
        here = scene(job=True)
        job = submitted(here)
        here.vendor.end(job.job_id)
        assert arrive(here, job) is Arrival.ACCEPTED
        before, paid = here.result(), dict(here.vendor.paid)
        for _ in range(5):
            assert arrive(here, job) is Arrival.DUPLICATE
        assert (here.result(), here.vendor.paid) == (before, paid)

    def test_another_s_reference_is_no_use(self, scene: MakeScene) -> None:
        here = scene(job=True)
        job = submitted(here)
        here.vendor.end(job.job_id)
        signer = here.instance().signer
        later = here.now + 1000.0
        for reference, expected in (
            (Reference.to("other-1250000000", here.shown.key, later), Arrival.UNKNOWN),
            (Reference.to("cards-1250000000", "inbox/else.jpg", later), Arrival.DUPLICATE),
            (Reference.to("cards-1250000000", here.shown.key, later), Arrival.SUPERSEDED),
            (Reference.to("cards-1250000000", here.shown.key, here.now), Arrival.EXPIRED),
        ):
            assert arrive(here, job, user_data=signer.sign(reference)) is expected
        assert arrive(here, job, user_data=None) is Arrival.MISSING
        assert arrive(here, job, user_data=job.user_data[:-1]) is Arrival.FORGED
        assert here.vendor.paid == {"locate": 1}

    @pytest.mark.parametrize("job_id", ["", "j9", "j0/../../other", "j0,j1", "j0?x=y", "x" * 65])
    def test_another_job_s_id_is_no_use(self, scene: MakeScene, job_id: str) -> None:
        here = scene(job=True)
        job = submitted(here)
        here.vendor.end(job.job_id)
        assert arrive(here, job, job_id=job_id) is Arrival.UNKNOWN
        assert here.vendor.paid == {"locate": 1}

    def test_a_job_of_somebody_else_s_is_not_taken_for_ours(self, scene: MakeScene) -> None:
        """Before the id is noted, the id of the body is asked for; CI then says whose it is."""
        here = scene(job=True)
        job = submitted(here)
        processor = here.instance()
        (note,) = jobs_of(processor.notes)
        processor.notes.put(replace(note, job_id=""))
        theirs = here.vendor.submit("inbox/other.jpg", CardType.ID_CARD, "their data")
        here.vendor.end(theirs.job_id)
        assert arrive(here, job, job_id=theirs.job_id) is Arrival.UNKNOWN

    def test_an_old_submission_s_callback_comes_too_late(self, scene: MakeScene) -> None:
        here = scene(job=True)
        job = submitted(here)
        here.memory.content[here.shown.key] = scene(1).data, {}
        here.instance().process(here.source)
        assert len(here.vendor.jobs) == 2
        here.vendor.end(job.job_id)
        assert arrive(here, job) is Arrival.SUPERSEDED
