"""The ways of a sweep: by invoked functions, by jobs, at a timer, from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.cloud_fixture import Bench
from tests.support.sweep_fixture import calls, put, small, swept

from cardveil.core.errors import Halt
from cardveil_cloud.ci.recognition import KnownPicture
from cardveil_cloud.fault_rules import FaultRules, Rule

pytestmark = pytest.mark.usefixtures("drawn_once")

Start = Callable[..., Bench]
TIMER = "every-five-minutes"


def test_the_upload_function_does_the_cards_when_it_is_invoked(start: Start, front: bytes) -> None:
    bench = start(scf_api=True, ocr_rate=None)
    for name in ("a.jpg", "证件 b.jpg"):
        put(bench, name, front)
    run = swept(bench, sweep_execution="invoke", sweep_function="cardveil-on-upload")
    assert (run.state, dict(run.counts), run.paid_calls) == ("finished", {"redacted": 2}, 6)
    assert calls(bench) == 6
    put(bench, "c.jpg", front)
    with pytest.raises(Halt):
        swept(bench, sweep_execution="invoke", sweep_function="no-such-function")


def test_jobs_do_the_cards(start: Start, front: bytes) -> None:
    secret = {"CARDVEIL_JOB_SECRETS": "s" * 32}
    bench = start(environment={**secret, "CARDVEIL_JOB_OVERDUE_S": "1"})
    put(bench, "a.jpg", front)
    run = swept(bench, sweep_execution="job", job_secrets="s" * 32)
    assert dict(run.counts) == {"submitted": 1}
    time.sleep(1.2)
    bench.settle()
    bench.cloud.fire_timer(TIMER)
    bench.settle()
    assert (bench.sidecar("a.jpg") or {})["status"] == "redacted"


def test_as_shipped_the_timer_finishes_what_three_tries_could_not(start: Start, front: bytes) -> None:
    faults = FaultRules([Rule("error", "ci", "AILicenseRec", code="InternalError")])
    bench = start(environment={"CARDVEIL_SWEEP_MIN_AGE_S": "0"}, faults=faults)
    bench.upload("inbox/a.jpg", front)
    bench.settle()
    assert len(bench.cloud.dead_letters) == 1
    assert bench.sidecar("a.jpg") is None
    faults.rules = []
    for _ in range(2):
        bench.cloud.fire_timer(TIMER)
        bench.settle()
    assert (bench.sidecar("a.jpg") or {})["status"] == "redacted"
    assert calls(bench) == 3
    put(bench, "b.jpg", front)
    event = {"Type": "Timer", "TriggerName": TIMER, "Time": "2026-11-20T06:45:00Z"}
    spoilt = bench.cloud.invoke("on_schedule", {**event, "Message": "{SECRET"}, wait_s=60.0)
    assert not spoilt.ok
    assert "timer_message_unreadable" in str(spoilt.trace)
    assert "SECRET" not in str(spoilt.trace)
    chosen = bench.cloud.invoke(
        "on_schedule", {**event, "Message": '{"states": ["missing"], "suffix": "b.jpg"}'}, wait_s=60.0
    )
    assert chosen.ok, chosen.trace
    assert (bench.sidecar("b.jpg") or {})["status"] == "redacted"
    assert "a.jpg" not in bench.logs()


def test_the_command_stops_at_ctrl_c_and_goes_on(start: Start, tmp_path: Path) -> None:
    bench = start(pictures={small(999): KnownPicture()})
    for number in range(30):
        put(bench, f"{number:03}.png", small(number))
    folder = tmp_path / "endpoint"
    folder.mkdir()
    (folder / "endpoint.json").write_bytes(bench.endpoint.to_line())
    command = [sys.executable, "-m", "cardveil_cli", "sweep", "--data", str(folder), "--json"]
    # So slow that it cannot be done before a busy machine has told it to stop.
    slow = [*command, "--set", "CARDVEIL_SWEEP_CALLS_PER_SECOND=4"]
    command += ["--set", "CARDVEIL_SWEEP_CALLS_PER_SECOND=12"]
    dry = subprocess.run([*command, "--dry-run"], capture_output=True, check=True, timeout=60)
    assert json.loads(dry.stdout)["cards"] == 30
    with subprocess.Popen(
        slow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as running:
        assert running.stdout
        assert json.loads(running.stdout.readline())["of"] == 30
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    first = json.loads(rest.splitlines()[-1])["report"]
    assert first["state"] == "stopped"
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])["report"]
    assert (last["run_id"], last["counts"]) == (first["run_id"], {"rejected": 30})
    refused = subprocess.run(
        [*command, "--prefix", "redacted/"], capture_output=True, check=False, timeout=60
    )
    assert refused.returncode == 2
