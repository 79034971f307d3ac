"""A bill in arrears stops paid calls everywhere at once; a probe that succeeds lets them go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from cardveil.core.errors import Halt, Retry
from cardveil.core.timing import Timings
from cardveil.storage.circuit_breaker import BreakerGuard, Open

MakeScene = Callable[..., Any]
ARREARS = Halt("account_in_arrears", "settle the account or buy a resource package", api="AILicenseRec")


def test_one_refusal_stops_all_instances(scene: MakeScene) -> None:
    here = scene()
    here.vendor.refuse = ARREARS
    with pytest.raises(Halt, match="account_in_arrears"):
        here.instance().process(here.source)
    assert ".cardveil/breaker.json" in here.left()
    here.vendor.refuse = None  # settled, but nobody knows yet
    here.now += 200.0
    with pytest.raises(Halt, match="account_in_arrears: settle the account"):
        here.instance().process(here.source)
    assert not here.vendor.paid
    assert here.told == ["BreakerOpened", "PaidCallsStopped"]


def test_a_job_is_stopped_too(scene: MakeScene) -> None:
    here = scene(job=True)
    here.instance().pipeline.breaker.open("service_not_open")
    with pytest.raises(Halt, match="service_not_open"):
        here.instance().process(here.source)
    assert not here.vendor.jobs


def test_a_probe_that_succeeds_closes_it(scene: MakeScene) -> None:
    here = scene()
    here.instance().pipeline.breaker.open("account_in_arrears")
    here.now += 301.0
    assert here.instance().process(here.source).kind == "finished"
    assert here.told == ["BreakerOpened", "BreakerClosed"]
    assert here.left() == []


def test_a_call_beside_the_probe_does_not_probe_again(scene: MakeScene) -> None:
    """A picture's other call may have learnt that the breaker is open just before the probe closes it."""
    here = scene()
    breaker = here.instance().pipeline.breaker
    breaker.open("account_in_arrears")
    here.now += 301.0
    background_tasks: list[Callable[[], None]] = []

    class Looking(Future[Open | None]):
        def result(self, timeout: float | None = None) -> Open | None:
            found = super().result(timeout)
            while background_tasks:
                background_tasks.pop()()
            return found

    looking = Looking()
    looking.set_result(breaker.look())
    guard = BreakerGuard(breaker, looking)

    def probe() -> None:
        guard.enter()
        guard.answered()

    background_tasks.append(probe)
    guard.enter()
    guard.answered()
    assert here.told == ["BreakerOpened", "BreakerClosed"]
    assert here.left() == []


def test_a_probe_that_fails_keeps_it_open(scene: MakeScene) -> None:
    here = scene()
    here.instance().pipeline.breaker.open("account_in_arrears")
    here.now += 301.0
    here.vendor.refuse = ARREARS
    with pytest.raises(Halt):
        here.instance().process(here.source)
    here.vendor.refuse = None
    here.now += 299.0
    with pytest.raises(Halt, match="stopped"):
        here.instance().process(here.source)
    assert [key for key in here.left() if "breaker-probe" in key] == []


def test_only_one_probes(scene: MakeScene) -> None:
    here = scene()
    breaker = here.instance().pipeline.breaker
    breaker.open("account_in_arrears")
    here.now += 301.0
    assert breaker.leases.take(breaker.probe_prefix, 60.0)
    with pytest.raises(Halt, match="stopped"):
        here.instance().process(here.source)
    assert not here.vendor.paid
    here.now += 70.0  # the prober was killed: its lease has run out
    assert here.instance().process(here.source).kind == "finished"


def test_a_probe_without_an_answer_leaves_the_next_one_its_turn(scene: MakeScene) -> None:
    here = scene()
    here.instance().pipeline.breaker.open("account_in_arrears")
    here.now += 301.0
    here.vendor.refuse = Retry("network", "…", api="AILicenseRec")
    with pytest.raises(Retry):
        here.instance().process(here.source)
    here.vendor.refuse = None
    assert here.instance().process(here.source).kind == "finished"


@pytest.mark.parametrize("code", ["request_refused", "vendor_code_unknown", "clock_wrong"])
def test_what_is_one_request_s_own_fault_stops_nobody_else(scene: MakeScene, code: str) -> None:
    here = scene()
    here.vendor.refuse = Halt(code, "…", api="AILicenseRec")
    with pytest.raises(Halt):
        here.instance().process(here.source)
    assert here.told == []


def test_what_was_paid_for_before_is_not_stopped(scene: MakeScene) -> None:
    """Only half of the calls were refused; the other half's answer is kept until the account works again."""
    here = scene()
    processor = here.instance()
    with processor.pipeline.claim(here.source, Timings()):
        pass
    read = here.vendor.read

    def refuse(*_: Any) -> Any:
        raise ARREARS

    here.vendor.read = refuse
    with pytest.raises(Halt):
        here.instance().process(here.source)
    here.vendor.read = read
    here.now += 301.0
    assert here.instance().process(here.source).kind == "finished"
    assert here.vendor.paid == {"locate": 1, "read": 1}


def test_a_card_that_lacks_the_witness_alone_is_finished_while_paid_calls_are_stopped(
    scene: MakeScene,
) -> None:
    here = scene(witness=True)
    see, both = here.vendor.lines, threading.Barrier(3, timeout=60.0)

    def together(call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*arguments: Any) -> Any:
            both.wait()
            return call(*arguments)

        return made

    def refuse(*_: Any) -> Any:
        both.wait()  # refused any earlier, it would stop the calls that are to be paid
        raise ARREARS

    locate, read = here.vendor.locate, here.vendor.read
    here.vendor.locate, here.vendor.read = together(locate), together(read)
    here.vendor.lines = refuse
    with pytest.raises(Halt):
        here.instance().process(here.source)
    here.vendor.locate, here.vendor.read, here.vendor.lines = locate, read, see
    assert here.instance().process(here.source).kind == "finished", "from what was paid for before"
    assert here.vendor.paid == {"locate": 1, "read": 1}
    assert "witness_missing" in here.result()[0]["findings"]


def test_a_breaker_that_cannot_be_read_is_open_and_probed(scene: MakeScene) -> None:
    here = scene()
    here.memory.content[".cardveil/breaker.json"] = b"{", {}
    assert here.instance().process(here.source).kind == "finished"
    assert here.left() == []
