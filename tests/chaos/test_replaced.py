"""A source that changes while it is worked on: what was found of one picture is never used for another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.waiting import eventually

from cardveil.core.errors import Reject, Retry

MakeScene = Callable[..., Any]
#: The calls that read the source where it stands: which picture shows which card says `scene`.
CALLS = [(0, "locate"), (0, "read"), (8, "locate"), (9, "read"), (9, "lines")]


def during(here: Any, call: str, happens: Callable[[], None]) -> None:
    """Let something happen, once, while a call is under way: what it answers was seen before."""
    honest = getattr(here.vendor, call)

    def called(*given: Any) -> Any:
        answer = honest(*given)
        setattr(here.vendor, call, honest)
        happens()
        return answer

    setattr(here.vendor, call, called)


def replaced_by(here: Any, other: Any) -> None:
    """Put another card of the same kind under the scene's key."""
    here.memory.content[here.shown.key] = other.data, here.memory.content[here.shown.key][1]
    here.vendor.shown = other.shown


@pytest.mark.parametrize(("number", "call"), CALLS)
def test_places_of_a_picture_that_was_replaced_meanwhile_are_put_on_no_other(
    scene: MakeScene, number: int, call: str
) -> None:
    here, other = scene(number), scene(number + 10)
    during(here, call, lambda: replaced_by(here, other))
    with pytest.raises(Retry, match="source_changed"):
        here.instance().process(here.source)
    assert here.memory.keys() == [here.shown.key], "no result, and no answer about a picture that is gone"
    assert here.instance().process(here.source).kind == "finished"
    other.instance().process(other.source)
    assert here.result()[1] == other.result()[1]


@pytest.mark.parametrize(("number", "call"), CALLS)
def test_nothing_is_written_about_a_picture_that_was_deleted_meanwhile(
    scene: MakeScene, number: int, call: str
) -> None:
    here = scene(number)
    during(here, call, lambda: here.memory.content.pop(here.shown.key) and None)
    outcome = here.instance().process(here.source)
    assert outcome.kind == "gone"
    assert outcome.paid_calls == sum(here.vendor.paid.values()), "what was paid for is told all the same"
    assert here.memory.keys() == []


def test_the_last_of_several_readings_decides_which_picture_was_read(scene: MakeScene) -> None:
    """A look that was answered after one reading tells nothing of the next."""
    here, other = scene(9), scene(19)
    looks: list[str] = []

    def replaced_after_a_look() -> None:
        # The result's own look, and the source's once its text has been read.
        assert eventually(lambda: looks.count("after head") >= 2)
        replaced_by(here, other)

    during(here, "lines", replaced_after_a_look)
    with pytest.raises(Retry, match="source_changed"):
        here.instance(looks.append).process(here.source)
    assert here.memory.keys("redacted/") == []


def test_a_kept_answer_is_of_use_for_the_very_same_picture_only(scene: MakeScene) -> None:
    here, other = scene(0), scene(10)

    def fails(*_: Any) -> Any:
        raise Retry("network", "…", api="Reader")

    read, here.vendor.read = here.vendor.read, fails
    with pytest.raises(Retry):
        here.instance().process(here.source)
    assert len(here.left()) == 1, "what was located is kept"
    here.vendor.read = read
    replaced_by(here, other)
    here.instance().process(here.source)
    assert here.vendor.paid == {"locate": 2, "read": 1}
    other.instance().process(other.source)
    assert here.result()[1] == other.result()[1]


def test_a_kept_answer_is_of_no_use_after_its_time(scene: MakeScene) -> None:
    here = scene(answers_kept_s=1e-6)

    def fails(*_: Any) -> Any:
        raise Retry("network", "…", api="Reader")

    read, here.vendor.read = here.vendor.read, fails
    with pytest.raises(Retry):
        here.instance().process(here.source)
    here.vendor.read = read
    here.instance().process(here.source)
    assert here.vendor.paid == {"locate": 2, "read": 1}


def test_a_staged_copy_that_is_gone_says_nothing_of_its_source(scene: MakeScene) -> None:
    here = scene(turned=True, answers_kept_s=0.0)
    here.vendor.refuse = Reject("source_gone", "…", api="AILicenseRec")
    with pytest.raises(Retry, match="staged_copy_gone"):
        here.instance().process(here.source)
    assert here.memory.keys("sidecars/") == []
    here.vendor.refuse = None
    assert here.instance().process(here.source).kind == "finished"


def test_a_mark_that_an_uploader_has_set_hides_no_picture(scene: MakeScene) -> None:
    """Only its place tells that an object is ours: metadata are anybody's who may upload."""
    here = scene()
    data, meta = here.memory.content[here.shown.key]
    here.memory.content[here.shown.key] = data, {**meta, "x-cos-meta-cardveil": "redacted"}
    assert here.instance().process(here.source).kind == "finished"
    assert here.result()[0]["status"] == "redacted"
