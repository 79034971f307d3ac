"""Sweeps against the local cloud: what is missing or out of date is found, done once, within the budget."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from PIL import Image
from starlette.requests import Request

from cardveil.errors import Halt
from cardveil.events.context import Invocation
from cardveil.settings import from_environment
from cardveil.sweep import engine
from cardveil.sweep.assembling import assemble_means
from cardveil.sweep.means import Means
from cardveil.sweep.run import Run
from cardveil.sweep.selection import Selection, selection_of
from cardveil.sweep.sweeper import estimate, sweep
from cardveil_local.api3.errors import ApiError
from cardveil_local.ci.recognition import KnownPicture
from cardveil_local.faults import NoFaults
from cardveil_local.samples.kept import kept_pictures
from cardveil_local.testbench import Bench, kept, known
from cardveil_local.testbench import bench as local_cloud

Start = Callable[..., Bench]
TIMER = "every-five-minutes"


def environment(bench: Bench, **settings: str) -> dict[str, str]:
    """What a sweep in this process is told; `settings` without their prefix."""
    told = {
        "sweep_execution": "direct",
        "sweep_min_age_s": "0",
        "sweep_calls_per_second": "200",
        **settings,
    }
    return {
        "CARDVEIL_SCHEME": "http",
        "http_proxy": bench.endpoint.proxy,
        "TENCENTCLOUD_SECRETID": bench.endpoint.secret_id,
        "TENCENTCLOUD_SECRETKEY": bench.endpoint.secret_key,
        "CARDVEIL_BUCKET": bench.bucket,
        **{f"CARDVEIL_{name.upper()}": value for name, value in told.items()},
    }


def means(bench: Bench, stop: threading.Event | None = None, /, **settings: str) -> Means:
    told = environment(bench, **settings)
    invocation = Invocation(
        f"r{time.monotonic_ns()}", "f", bench.endpoint.region, bench.endpoint.app_id, time.monotonic() + 600
    )
    return assemble_means(from_environment(told), told, invocation, stop=(stop or threading.Event()).is_set)


def select(made: Means, **chosen: Any) -> Selection:
    return selection_of(chosen, made.settings)


def swept(bench: Bench, chosen: dict[str, Any] | None = None, **settings: str) -> Run:
    made = means(bench, **settings)
    run = sweep(made, select(made, **(chosen or {})))
    assert run is not None
    return run


def put(bench: Bench, name: str, data: bytes) -> None:
    """Put a source into the inbox that no event tells of."""
    bench.cloud.store.put(bench.bucket, f"inbox/{name}", data)


def calls(bench: Bench) -> int:
    return sum(bench.cloud.usage.by_operation().values())


def told_of_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hardly a card be done before an earlier one that takes longer.

    Cards are told of in their order: a busy machine that holds one of them up would else let many more be
    done before a sweep hears of it.
    """
    monkeypatch.setattr(engine, "_BEHIND", 1)


def within_one_day() -> None:
    """Wait, if need be, for the next day (UTC) to begin: a budget of a day must not end within the test."""
    left = 86400 - time.time() % 86400
    if left < 60:
        time.sleep(left + 1)


def small(number: int) -> bytes:
    """A picture of its own that holds no card."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (number % 256, number // 256, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def test_what_is_missing_is_done_once_and_what_changed_again(start: Start, front: bytes) -> None:
    bench = start(environment={"CARDVEIL_SWEEP_EXECUTION": "off"})
    for name in ("a", "a-1.jpg", "仲/b.jpg", "c.txt"):
        put(bench, name, front)
    plan = estimate(made := means(bench, prices="AILicenseRec=1;RecognizeMainlandIDCardOCR=2"), select(made))
    assert plan.as_dict()["cards"] == 3
    assert plan.as_dict()["money"] == 9
    assert calls(bench) == 0
    assert bench.listing(".cardveil/") == [], "a plan writes nothing"
    first = swept(bench)
    assert (first.state, dict(first.counts), first.paid_calls) == ("finished", {"redacted": 3}, 6)
    again = swept(bench)
    assert (again.done, again.paid_calls) == (0, 0)
    put(bench, "a-1.jpg", kept("licence-flat.redacted.jpg"))
    third = swept(bench)
    assert dict(third.reasons) == {"source": 1}
    sidecar = bench.sidecar("a-1.jpg")
    assert sidecar is not None
    assert sidecar["card"]["type"] == "DriverLicense"
    assert calls(bench) == first.paid_calls + third.paid_calls


def test_a_changed_policy_is_applied_without_paying(start: Start, front: bytes) -> None:
    back = kept("id-back-flat.redacted.png")
    bench = start(ocr_rate=None)
    for name, data in {"a.jpg": front, "b.png": back, "none.png": small(1)}.items():
        bench.upload(f"inbox/{name}", data)
    bench.settle()
    before, paid = {name: bench.get(f"redacted/{name}") for name in ("a.jpg", "b.png")}, calls(bench)
    plan = estimate(made := means(bench, policy="strict"), select(made))
    assert plan.as_dict()["by_reason"] == {"policy": 3}
    assert plan.as_dict()["paid_calls"] == 0
    run = swept(bench, policy="strict", sweep_calls_per_run="0")
    assert dict(run.counts) == {"redacted": 2, "rejected": 1}
    assert calls(bench) == paid, "nothing was recognised again"
    for name, old in before.items():
        sidecar = bench.sidecar(name)
        assert sidecar is not None
        assert sidecar["redaction"]["policy"] == "strict"
        copy = bench.get(f"redacted/{name}") or b""
        assert copy != old
        assert hashlib.sha256(copy).hexdigest() == sidecar["redaction"]["output"]["sha256"]
    # The very copy that a whole examination under this policy makes.
    fresh = start_again(bench, front)
    assert fresh == bench.get("redacted/a.jpg")
    back_again = swept(bench)
    assert dict(back_again.reasons) == {"policy": 3}
    assert bench.get("redacted/a.jpg") == before["a.jpg"]
    verified = swept(bench)
    assert verified.looked == 3, "written since: asked for once more"


def start_again(bench: Bench, front: bytes) -> bytes | None:
    put(bench, "fresh/a.jpg", front)
    swept(bench, {"prefix": "inbox/fresh/"}, policy="strict")
    copy = bench.get("redacted/fresh/a.jpg")
    for key in ("inbox/fresh/a.jpg", "redacted/fresh/a.jpg", "sidecars/fresh/a.jpg.json"):
        bench.client.delete_object(Bucket=bench.bucket, Key=key)
    return copy


def test_the_upload_function_renews_too(start: Start, front: bytes) -> None:
    bench = start(ocr_rate=None)
    bench.run("a.jpg", front)
    swept(bench, policy="strict")
    paid = calls(bench)
    assert bench.deliver("inbox/a.jpg") == {"redacted": 1}
    assert calls(bench) == paid
    assert (bench.sidecar("a.jpg") or {})["redaction"]["policy"] == "standard"


def test_a_budget_holds_and_what_is_free_goes_on(start: Start, front: bytes) -> None:
    within_one_day()
    bench = start(ocr_rate=None)
    bench.run("old.jpg", front)
    for number in range(4):
        put(bench, f"{number}.jpg", front)
    paid = calls(bench)
    run = swept(bench, policy="strict", sweep_calls_per_run="0")
    assert dict(run.counts) == {"redacted": 1, "over_budget": 4}
    assert calls(bench) == paid
    run = swept(bench, sweep_calls_per_run="5", sweep_in_flight="1", policy="strict")
    assert run.counts["over_budget"] == 2, "two cards of two calls each, and half of the third"
    assert calls(bench) - paid == 5
    run = swept(bench, sweep_calls_per_day="5", policy="strict")
    assert calls(bench) - paid == 5, "the day's budget is spent"
    run = swept(bench, policy="strict")
    assert run.counts == {"redacted": 2}
    assert calls(bench) - paid == 8, "the answer that was paid for was kept"


class Refusing(NoFaults):
    """Answers every recognition with an error for as long as it is set."""

    code: str | None = None
    refused = 0

    async def before(self, service: str, operation: str, request: Request) -> None:
        if service == "ocr" and self.code:
            self.refused += 1
            raise ApiError(self.code)


def refused(start: Start, front: bytes, cards: int, code: str) -> tuple[Bench, Refusing]:
    """Return a cloud with so many cards in the inbox, whose OCR API refuses every call."""
    faults = Refusing()
    bench = start(faults=faults, ocr_rate=None)
    for number in range(cards):
        put(bench, f"{number:02}.jpg", front)
    faults.code = code
    return bench, faults


def test_a_refused_account_stops_the_sweep_and_it_goes_on_afterwards(start: Start, front: bytes) -> None:
    bench, faults = refused(start, front, 30, "ResourceUnavailable.InArrears")
    with pytest.raises(Halt, match="account_in_arrears"):
        swept(bench, sweep_in_flight="2")
    assert faults.refused <= 2
    with pytest.raises(Halt, match="account_in_arrears"):
        swept(bench)
    assert faults.refused <= 2, "the breaker is open: nobody asked again"
    faults.code = None
    time.sleep(1.1)  # until a probe is due
    run = swept(bench, breaker_probe_s="1", sweep_in_flight="4")
    assert (run.state, dict(run.counts), run.ticks) == ("finished", {"redacted": 30}, 3)
    assert run.errors["account_in_arrears"] >= 2


def test_when_everything_fails_it_is_not_the_cards(
    start: Start, front: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_of_at_once(monkeypatch)
    bench, faults = refused(start, front, 60, "FailedOperation.OcrFailed")
    run = swept(bench, call_attempts="1", sweep_in_flight="2")
    assert run.state == "stalled"
    assert 20 <= run.counts["failed"] <= 24
    faults.code = None
    again = swept(bench)
    assert again.run_id == run.run_id
    assert again.counts["redacted"] + again.counts["failed"] == 60, "every card once, and none a second time"
    redacted = again.counts["redacted"]
    # What was left over is for the next run; on a quick machine the API's rate refuses a few more of them.
    for _ in range(3):
        last = swept(bench)
        assert last.run_id != run.run_id
        redacted += last.counts["redacted"]
    assert redacted == 60


def test_only_one_sweeps_at_a_time(start: Start, front: bytes) -> None:
    bench = start(ocr_rate=None)
    for number in range(6):
        put(bench, f"{number}.jpg", front)
    runs: list[Run | None] = []
    ended = threading.Event()

    def held(_run: Run) -> None:
        # Whoever has the bucket is held at its first card until the other has ended: that one might else come
        # only afterwards, on a busy machine. Were both let in, neither would wait for ever.
        ended.wait(30)
        ended.set()

    def work(made: Means) -> None:
        object.__setattr__(made, "tell", held)
        runs.append(sweep(made, select(made)))
        ended.set()

    made = [means(bench, sweep_in_flight="1") for _ in range(2)]
    threads = [threading.Thread(target=work, args=(one,)) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run is None for run in runs) == [False, True]
    assert calls(bench) == 12
    assert not [key for key in bench.listing(".cardveil/") if "lease" in key]


def test_a_stopped_run_goes_on_where_it_stopped(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    told_of_at_once(monkeypatch)
    bench = start(ocr_rate=None)
    for number in range(40):
        put(bench, f"{number:03}.png", small(number))
    stop = threading.Event()
    made = means(bench, stop, sweep_in_flight="2")
    runs: list[Run] = []

    def tell(run: Run) -> None:
        if run.done >= 10:
            stop.set()

    object.__setattr__(made, "tell", tell)
    first = sweep(made, select(made))
    assert first is not None
    assert first.state == "stopped"
    assert 10 <= first.done <= 14
    runs.append(first)
    second = swept(bench, sweep_in_flight="2")
    assert (second.run_id, second.state, second.ticks) == (first.run_id, "finished", 2)
    assert second.done == 40
    assert max(bench.cloud.usage.by_operation().values()) <= 80
    assert all(sum(n.values()) <= 3 for n in bench.cloud.usage.by_picture().values())
    report = json.loads(bench.get(f".cardveil/sweeps/reports/{second.run_id}.json") or b"")
    assert report["counts"] == {"rejected": 40}
    page = (bench.get(f".cardveil/sweeps/reports/{second.run_id}.html") or b"").decode()
    assert "no_card" in page
    assert ".png" not in page


def inventory(bench: Bench, lines: list[str], **changes: Any) -> str:
    """Store an inventory report and return its manifest's key."""
    data = gzip.compress("".join(line + "\r\n" for line in lines).encode())
    name = "cos_bucket_inventory/1250000000/cards/list/data/1.csv.gz"
    bench.cloud.store.put(bench.bucket, name, data)
    manifest = {
        "sourceAppId": "1250000000",
        "sourceBucket": "cards-1250000000",
        "fileFormat": "CSV",
        "fileSchema": "Appid, Bucket, Key, Size, LastModifiedDate, ETag, StorageClass",
        "files": [{"key": name, "size": str(len(data)), "md5Checksum": hashlib.md5(data).hexdigest()}],
        **changes,
    }
    bench.cloud.store.put(bench.bucket, "inventory/manifest.json", orjson.dumps(manifest))
    return "inventory/manifest.json"


def line(key: str) -> str:
    return f'"1250000000","cards","{key}","10","2026-11-01T00:00:00.000Z","""00""","STANDARD"'


def test_an_inventory_is_read_and_its_broken_lines_are_passed_over(start: Start) -> None:
    bench = start(ocr_rate=None)
    put(bench, "a b.png", small(1))
    put(bench, "c.png", small(2))
    put(bench, "unlisted.png", small(3))
    lines = [
        line("inbox/a%20b.png"),
        '"broken',
        line("inbox/%ff.png"),
        line("other/x.png"),
        "",
        line("inbox/c.png"),
    ]
    lines.append(line("inbox/gone.png"))
    run = swept(bench, {"inventory": inventory(bench, lines)})
    assert (run.state, dict(run.counts)) == ("finished", {"rejected": 2})
    assert run.errors == {"inventory_line_broken": 3}
    assert bench.sidecar("unlisted.png") is None


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"fileFormat": "ORC"}, "inventory_schema_unknown"),
    ({"fileSchema": "Appid, Bucket, Size"}, "inventory_schema_unknown"),
    ({"files": "x"}, "inventory_schema_unknown"),
    ({"sourceBucket": "others-1250000000"}, "inventory_schema_unknown"),
    ({"files": [{"key": "inventory/nowhere.csv.gz"}]}, "inventory_missing"),
    ({"files": [{"key": "inventory/manifest.json", "md5Checksum": "0" * 32}]}, "inventory_damaged"),
]


def test_an_inventory_that_cannot_be_used_halts_with_nothing_done(start: Start) -> None:
    bench = start(ocr_rate=None)
    put(bench, "a.png", small(1))
    for changes, code in UNUSABLE:
        manifest = inventory(bench, [line("inbox/a.png")], **changes)
        with pytest.raises(Halt, match=code):
            swept(bench, {"inventory": manifest})
    with pytest.raises(Halt, match="inventory_missing"):
        swept(bench, {"inventory": "inventory/none.json"})
    assert calls(bench) == 0


def test_keys_and_statuses_choose(start: Start, front: bytes) -> None:
    bench = start(ocr_rate=None)
    bench.run("good.jpg", front)
    bench.run("none.png", small(1))
    put(bench, "other.png", small(2))
    paid = calls(bench)
    named = swept(bench, {"keys": ["inbox/other.png", "inbox/not-there.png"]})
    assert dict(named.counts) == {"rejected": 1}
    time.sleep(1.1)  # a status is not redone when it was written by this very run
    anew = swept(bench, {"states": ["redacted"]})
    assert dict(anew.reasons) == {"redacted": 1}
    assert bench.cloud.usage.of_picture(front) == {"AILicenseRec": 2, "RecognizeMainlandIDCardOCR": 2}
    assert calls(bench) > paid


def test_the_upload_function_does_the_cards_when_it_is_invoked(start: Start, front: bytes) -> None:
    bench = start(scf_api=True, ocr_rate=None)
    for name in ("a.jpg", "证件 b.jpg"):
        put(bench, name, front)
    run = swept(bench, sweep_execution="invoke", sweep_function="cardveil-on-upload")
    assert (run.state, dict(run.counts), run.paid_calls) == ("finished", {"redacted": 2}, 4)
    assert calls(bench) == 4
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


def test_a_timer_sweeps_and_an_unreadable_message_is_told(start: Start, front: bytes) -> None:
    bench = start(environment={"CARDVEIL_SWEEP_EXECUTION": "direct", "CARDVEIL_SWEEP_MIN_AGE_S": "0"})
    put(bench, "a.jpg", front)
    for _ in range(2):
        bench.cloud.fire_timer(TIMER)
        bench.settle()
    assert (bench.sidecar("a.jpg") or {})["status"] == "redacted"
    assert calls(bench) == 2
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


def test_the_sweep_never_passes_its_rate_and_is_never_throttled(tmp_path: Path, front: bytes) -> None:
    pictures = {front: known(next(p for p in kept_pictures() if p.file == "id-front-flat.redacted.jpg"))}
    paid: list[int] = []
    # A call that is refused is made again. Beside a stall of this machine, which the server shares, that may
    # happen to more than two of them; with a wrong pace it happens each time.
    while not paid or (paid[-1] > 82 and len(paid) < 4):
        with local_cloud(tmp_path / str(len(paid)), pictures=pictures, ocr_rate=8) as bench:
            for number in range(40):
                put(bench, f"{number:03}.jpg", front)
            began = time.monotonic()
            run = swept(bench, sweep_calls_per_second="8", sweep_in_flight="4")
            took = time.monotonic() - began
        assert dict(run.counts) == {"redacted": 40}
        assert took >= (40 - 8) / 8
        paid.append(run.paid_calls)
    assert min(paid) <= 82


def test_the_command_stops_at_ctrl_c_and_goes_on(start: Start, tmp_path: Path) -> None:
    bench = start(pictures={small(999): KnownPicture()})
    for number in range(30):
        put(bench, f"{number:03}.png", small(number))
    folder = tmp_path / "endpoint"
    folder.mkdir()
    (folder / "endpoint.json").write_bytes(bench.endpoint.to_line())
    command = [sys.executable, "-m", "cardveil_local.cli", "sweep", "--data", str(folder), "--json"]
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
    assert running.returncode == 4
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
