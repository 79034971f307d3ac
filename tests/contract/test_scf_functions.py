"""One invocation of a function in the local SCF: instances, context, limits, and what they end in."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.fixtures.scf import ScfRun
from tests.support.waiting import eventually, gone

from cardveil_cloud.scf.results import Status
from cardveil_cloud.scf.service import ScfService


def _json(payload: str | None) -> Any:
    assert payload is not None
    return json.loads(payload)


def test_first_invocation_is_cold_and_the_second_warm(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        first = await scf.invoke("probe", {"n": 1})
        second = await scf.invoke("probe", {"n": 2})
        assert (first.cold, second.cold) == (True, False)
        one, two = _json(first.payload), _json(second.payload)
        assert one["pid"] == two["pid"]
        assert (one["calls"], two["calls"]) == (1, 2)
        assert one["event"] == {"n": 1}
        assert scf.runtimes["probe"].cold_starts == 1

    scf_run(scenario)


def test_context_is_a_dict_with_every_key_that_scf_gives(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        result = await scf.invoke("probe", {})
        context = _json(result.payload)["context"]
        assert set(context) == {
            "memory_limit_in_mb",
            "time_limit_in_ms",
            "request_id",
            "environment",
            "environ",
            "function_version",
            "function_name",
            "namespace",
            "tencentcloud_region",
            "tencentcloud_appid",
            "tencentcloud_uin",
        }
        assert context["function_name"] == "contract-test-toy-probe"
        assert context["request_id"] == result.request_id
        assert (context["memory_limit_in_mb"], context["time_limit_in_ms"]) == (128, 60000)
        assert (context["tencentcloud_region"], context["tencentcloud_appid"]) == (
            "ap-shanghai",
            "1250000000",
        )
        assert json.loads(context["environment"])["TOY_SHARED"] == "shared"
        assert "TOY_SHARED=shared;" in context["environ"]

    scf_run(scenario)


def test_environment_is_the_functions_own(scf_run: ScfRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_ONLY", "must not be inherited")

    async def scenario(scf: ScfService) -> None:
        report = _json((await scf.invoke("probe", {})).payload)
        environ = report["environ"]
        assert "SERVER_ONLY" not in environ
        assert environ["TOY_SHARED"] == "shared"
        assert environ["TOY_STAGE"] == "test"
        assert environ["TENCENTCLOUD_REGION"] == "ap-shanghai"
        assert environ["TENCENTCLOUD_APPID"] == "1250000000"
        assert environ["http_proxy"] == environ["HTTP_PROXY"] == "http://127.0.0.1:9"
        assert not {"NO_PROXY", "no_proxy"} & set(environ)
        assert report["cwd"].endswith("/toy/probe")
        assert report["layer"] == "toy layer"
        # The worker brings no package of the server's into the function.
        assert report["packages"] == []

    scf_run(scenario)


def test_role_credentials_are_minted_and_renewed_in_a_warm_instance(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        names = ("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN")
        first = _json((await scf.invoke("probe", {})).payload)
        again = _json((await scf.invoke("probe", {})).payload)
        scf_run.clock.now += 7200 * 0.75
        later = _json((await scf.invoke("probe", {})).payload)
        assert first["pid"] == later["pid"]
        assert all(first["environ"][name] for name in names)
        assert [first["environ"][name] for name in names] == [again["environ"][name] for name in names]
        assert not {first["environ"][name] for name in names} & {later["environ"][name] for name in names}
        known = scf_run.credentials.find(later["environ"]["TENCENTCLOUD_SECRETID"])
        assert known is not None
        assert known.token == later["environ"]["TENCENTCLOUD_SESSIONTOKEN"]

    scf_run(scenario)


def test_handler_that_raises_gives_the_documented_error_form(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        result = await scf.invoke("probe", {"do": "fail"})
        form = result.error_form()
        trace = form.pop("stackTrace")
        assert form == {
            "errorCode": -1,
            "errorMessage": "user code exception caught",
            "requestId": result.request_id,
            "statusCode": 430,
        }
        assert trace.startswith("Traceback (most recent call last):")
        assert trace.endswith("ValueError: a toy that fails")
        assert "worker.py" not in trace
        # The instance is as good as before.
        assert not (await scf.invoke("probe", {})).cold

    scf_run(scenario)


def test_result_that_is_not_json_is_the_functions_error(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        assert (await scf.invoke("probe", {"do": "odd"})).status is Status.USER_CODE_EXCEPTION

    scf_run(scenario)


def test_time_limit_kills_the_process_and_what_it_started(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        runtime = scf.runtimes["hasty"]
        hasty, runtime.spec = runtime.spec, replace(runtime.spec, timeout_s=60)
        # A second may be too short to start a process on a busy machine: the limit is for what comes after.
        spawned = _json((await scf.invoke("hasty", {"do": "spawn"})).payload)
        runtime.spec = hasty
        started = time.monotonic()
        result = await scf.invoke("hasty", {"do": "sleep", "seconds": 50})
        assert 1.0 <= time.monotonic() - started < 25.0
        assert not result.cold
        assert result.status is Status.TIME_LIMIT
        assert result.error_form() == {
            "errorCode": -1,
            "errorMessage": "Invoking task timed out after 1 seconds",
            "requestId": result.request_id,
            "statusCode": 433,
        }
        assert gone(spawned["pid"])
        assert gone(spawned["child"])
        assert (await scf.invoke("hasty", {"do": "sleep", "seconds": 0})).cold

    scf_run(scenario)


def test_process_that_exits_is_an_error_and_is_replaced(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        result = await scf.invoke("probe", {"do": "leave"})
        assert result.status is Status.PROCESS_EXIT
        assert result.error_form()["errorMessage"] == "User process exit when running"
        assert (await scf.invoke("probe", {})).ok

    scf_run(scenario)


@pytest.mark.parametrize("action", ["exhaust", "exhaust_in_a_child"])
def test_memory_limit_kills_the_process(scf_run: ScfRun, action: str) -> None:
    async def scenario(scf: ScfService) -> None:
        assert (await scf.invoke("probe", {"do": action})).status is Status.MEMORY_LIMIT

    scf_run(scenario)


def test_prints_cannot_corrupt_the_channel_and_reach_the_log(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        result = await scf.invoke("probe", {"do": "noise"})
        assert _json(result.payload) == {"quiet": True}
        assert (await scf.invoke("probe", {})).ok

    scf_run(scenario)
    log = (scf_run.data / "logs" / "probe.log").read_bytes()
    for line in (b"hello", b"raw bytes on standard output", b"raw bytes on standard error", b"from a child"):
        assert line in log
    assert b"START RequestId: " in log
    assert b"END RequestId: " in log
    assert b"Memory: 128MB" in log


@pytest.mark.parametrize(
    ("function", "status", "trace"),
    [
        ("broken", Status.USER_CODE_EXCEPTION, "RuntimeError: a toy that cannot be imported"),
        ("absent", Status.HANDLER_NOT_FOUND, "the entry file is not at the root of the function's folder"),
    ],
)
def test_function_that_cannot_be_loaded(scf_run: ScfRun, function: str, status: Status, trace: str) -> None:
    async def scenario(scf: ScfService) -> None:
        result = await scf.invoke(function, {})
        assert result.status is status
        assert result.trace.endswith(trace)
        assert scf.runtimes[function].instances == 0

    scf_run(scenario)


def test_no_such_function(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        assert (await scf.invoke("nothing", {})).status is Status.FUNCTION_NOT_FOUND

    scf_run(scenario)


def test_no_more_run_at_a_time_than_there_may_be_instances(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        event = {"do": "sleep", "seconds": 0.4}
        results = await asyncio.gather(*(scf.invoke("probe", event) for _ in range(4)))
        statuses = sorted(result.status for result in results)
        assert statuses == [Status.SUCCESS] * 2 + [Status.RESOURCE_LIMIT] * 2
        assert len({_json(result.payload)["pid"] for result in results if result.ok}) == 2
        waited = await asyncio.gather(*(scf.invoke("probe", event, wait_s=60.0) for _ in range(3)))
        assert all(result.ok for result in waited)
        assert scf.runtimes["probe"].cold_starts == 2

    scf_run(scenario)


def test_idle_instances_are_ended(scf_run: ScfRun) -> None:
    async def scenario(scf: ScfService) -> None:
        pid = _json((await scf.invoke("probe", {})).payload)["pid"]
        await asyncio.sleep(0.5)
        assert scf.runtimes["probe"].instances == 0
        assert gone(pid)
        assert (await scf.invoke("probe", {})).cold

    scf_run(scenario, idle_s=0.2)


def test_event_and_reply_sizes(scf_run: ScfRun) -> None:
    megabytes = 1024 * 1024

    async def scenario(scf: ScfService) -> None:
        large = await scf.invoke("probe", {"do": "answer", "answer": 1, "ballast": "x" * 5 * megabytes})
        assert large.ok
        assert (
            await scf.invoke("probe", {"ballast": "x" * 6 * megabytes})
        ).status is Status.REQUEST_TOO_LARGE
        assert (await scf.invoke("probe", {"do": "big", "size": 5 * megabytes})).ok
        reply = await scf.invoke("probe", {"do": "big", "size": 6 * megabytes})
        assert reply.status is Status.RESPONSE_TOO_LARGE

    scf_run(scenario)


def test_no_process_is_left_when_the_service_stops(scf_run: ScfRun) -> None:
    others = set(_children(os.getpid()))  # of a cloud that other tests share
    pids: list[int] = []

    async def scenario(scf: ScfService) -> None:
        pids.append(_json((await scf.invoke("probe", {})).payload)["pid"])
        busy = asyncio.ensure_future(scf.invoke("probe", {"do": "sleep", "seconds": 30}))
        await asyncio.sleep(0.1)
        await scf.stop()
        assert not (await busy).ok

    scf_run(scenario)
    assert all(gone(pid) for pid in pids)
    assert eventually(lambda: set(_children(os.getpid())) <= others)


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        # Threads and processes may end between one look and the next.
        with suppress(FileNotFoundError, ProcessLookupError):
            found += [int(child) for child in (task / "children").read_text().split()]
    workers = []
    for child in found:
        with suppress(FileNotFoundError, ProcessLookupError):
            workers += [child] if b"scf.worker" in Path(f"/proc/{child}/cmdline").read_bytes() else []
    return workers
