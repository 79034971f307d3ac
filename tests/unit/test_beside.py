"""Work beside the work: ended with its block, on threads that stay for the next one."""

from __future__ import annotations

import threading
from concurrent.futures import Executor

import pytest

from cardveil.core.threads import background_tasks


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("beside")}


def test_a_block_ends_when_its_work_has_ended() -> None:
    go, done = threading.Event(), []

    def work() -> None:
        assert go.wait(60)
        done.append(True)

    with background_tasks() as pool:
        pool.submit(work)
        pool.submit(go.set)
        assert not done or go.is_set()
    assert done


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_waits_too(failure: type[BaseException]) -> None:
    go, done = threading.Event(), []

    def work() -> None:
        assert go.wait(60)
        done.append(True)

    def fail() -> None:
        with background_tasks() as pool:
            pool.submit(work)
            pool.submit(go.set)
            raise failure

    with pytest.raises(failure):
        fail()
    assert done


def test_what_work_begins_is_waited_for() -> None:
    done = []

    def begins(pool: Executor, left: int) -> None:
        if left:
            pool.submit(begins, pool, left - 1)
        else:
            done.append(True)

    with background_tasks() as pool:
        pool.submit(begins, pool, 20)
    assert done


def test_one_block_does_not_wait_for_another_s_work() -> None:
    go = threading.Event()
    with background_tasks() as slow:
        held = slow.submit(go.wait, 60)
        with background_tasks() as quick:
            quick.submit(int)
        assert not held.done()
        go.set()


def test_threads_stay_and_some_are_ready() -> None:
    with background_tasks() as pool:
        pool.submit(int)
    before = threads()
    assert len(before) >= 6
    with background_tasks() as pool:
        pool.submit(int)
    assert before <= threads()


def test_failures_are_the_asker_s() -> None:
    def fail() -> None:
        raise LookupError

    with background_tasks() as pool:
        future = pool.submit(fail)
    with pytest.raises(LookupError):
        future.result()
