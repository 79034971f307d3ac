"""Every final state is told at least once, and nothing that was not one, wherever an instance is killed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import chain, repeat
from typing import Any

import pytest
from tests.support.chaos.memory import Killed
from tests.support.chaos.receiver import MemoryReceiver, recording

from cardveil.pipeline.options import ProcessOptions

MakeScene = Callable[..., Any]
HOOK = {"webhook": "https://hooks.example.com/", "webhook_secret": ("s" * 32,), "webhook_attempts": 4}
#: Later than any pause between two tries.
LATER_S = 7 * 3600.0


class Killer:
    """Kills an instance at one of its requests."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.requests, self.dead = at, 0, False

    def __call__(self, request: str) -> None:
        if self.dead:
            raise Killed
        self.requests += 1
        if self.requests - 1 == self.at:
            self.dead = True
            raise Killed


def schedule(here: Any, receiver: MemoryReceiver, check: Callable[[str], None] = lambda _: None) -> Any:
    """Run the schedule's part: tell what is due."""
    processor = here.instance(check)
    return receiver.teller(processor.pipeline, lambda: here.now).tell_due(lambda: False)


def notes(here: Any) -> list[str]:
    return [key for key in here.left() if key.startswith(".cardveil/webhooks/")]


@pytest.mark.parametrize("force", [False, True], ids=["first", "replaced"])
@pytest.mark.parametrize("number", [0, 9], ids=["front", "back"])
def test_a_kill_at_each_request_loses_no_state_and_invents_none(
    scene: MakeScene, number: int, force: bool
) -> None:
    """With `force` the card has a state already, that nobody was told, and is brought to another."""
    at, requests = 0, 1
    while at < requests:
        here, killer, receiver = scene(number, **HOOK), Killer(at), MemoryReceiver()
        commits = recording(here.memory)
        if force:
            here.instance().process(here.source)
        with suppress(Killed):
            here.instance(killer).process(here.source, options=ProcessOptions(force=force))
        requests = max(requests, killer.requests + 1)
        # While its lease holds nobody can tell whether the killed one is at work.
        schedule(here, receiver)
        assert set(receiver.heard) <= set(commits.marks), at
        here.now += 61.0
        schedule(here, receiver)
        here.instance().process(here.source)
        here.now += 61.0
        schedule(here, receiver)
        assert receiver.states == commits.marks, at
        assert notes(here) == [], at
        at += 1
    assert at > 20
    assert killer.dead is False, "the last run was not killed"


def test_a_kill_at_each_request_of_the_schedule_tells_all_the_same(scene: MakeScene) -> None:
    at, requests = 0, 1
    while at < requests:
        here, killer, receiver = scene(**HOOK), Killer(at), MemoryReceiver()
        commits = recording(here.memory)
        here.instance().process(here.source)
        with suppress(Killed):
            schedule(here, receiver, killer)
        requests = max(requests, killer.requests + 1)
        here.now += 61.0
        schedule(here, receiver)
        assert receiver.states == commits.marks, at
        assert notes(here) == [], at
        at += 1
    assert at > 5


def test_what_is_told_in_vain_is_told_later_under_the_same_id_until_it_is_a_dead_letter(
    scene: MakeScene,
) -> None:
    here, receiver = scene(**HOOK), MemoryReceiver(lambda _: "refused")
    here.instance().process(here.source)
    assert schedule(here, receiver) == {"webhooks_failed": 1}
    assert schedule(here, receiver) == {}, "not before its pause is over"
    here.now += 60.0
    assert schedule(here, receiver) == {"webhooks_failed": 1}
    here.now += 60.0
    assert schedule(here, receiver) == {}, "the pause has doubled"
    for _ in range(4):
        here.now += LATER_S
        schedule(here, receiver)
    ((only, times),) = receiver.heard.items()
    assert (times, receiver.attempts[only]) == (4, [1, 2, 3, 4])
    assert len(notes(here)) == 2, "the note, and that it is dead"
    processor = here.instance()
    notices = processor.pipeline.results.notices
    (dead,) = notices.waiting()
    assert dead.tries.dead
    notices.revive(dead)
    receiver.became = lambda _: "told"
    assert schedule(here, receiver) == {"webhooks_told": 1}
    assert receiver.attempts[only][-1] == 1
    assert notes(here) == []


def test_a_dead_letter_is_dropped_after_thirty_days(scene: MakeScene) -> None:
    here, receiver = scene(**{**HOOK, "webhook_attempts": 1}), MemoryReceiver(lambda _: "unreachable")
    here.instance().process(here.source)
    schedule(here, receiver)
    here.now += 29 * 86400.0
    assert schedule(here, receiver) == {}
    assert len(notes(here)) == 2
    here.now += 2 * 86400.0
    assert schedule(here, receiver) == {"webhooks_dropped": 1}
    assert notes(here) == []


def test_a_receiver_that_takes_nothing_is_not_asked_for_every_card(scene: MakeScene) -> None:
    here, receiver = scene(**HOOK), MemoryReceiver(lambda _: "unreachable")
    for _ in range(40):
        here.instance().process(here.source, options=ProcessOptions(force=True))
    assert schedule(here, receiver) == {"webhooks_failed": 8}
    assert receiver.heard.total() == 8
    # One that does not take a single one does not keep the others waiting.
    poisoned = set(receiver.heard)
    receiver.became = lambda id: "refused" if id in poisoned else "told"
    here.now += LATER_S
    for _ in range(3):
        schedule(here, receiver)
        here.now += LATER_S
    assert len(receiver.heard) == 40


def test_the_time_of_the_schedule_is_kept(scene: MakeScene) -> None:
    here, receiver = scene(**HOOK), MemoryReceiver()
    for _ in range(20):
        here.instance().process(here.source, options=ProcessOptions(force=True))
    left = chain([False], repeat(True))
    processor = here.instance()
    receiver.teller(processor.pipeline, lambda: here.now).tell_due(lambda: next(left))
    assert receiver.heard.total() == 8


def test_without_a_receiver_nothing_is_noted(scene: MakeScene) -> None:
    here = scene()
    here.instance().process(here.source)
    assert here.left() == []
    assert not any("notice" in meta for _, meta in here.memory.content.values())
