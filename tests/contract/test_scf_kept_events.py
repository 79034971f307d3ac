"""The queue on disk: what was accepted is run, whatever became of the process that accepted it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import requests
from qcloud_cos import CosClientError, CosConfig, CosS3Client
from tests.support.fixtures.scf import ScfRun
from tests.support.fixtures.toy import TOY, toy_cloud
from tests.support.killed_cloud import KilledCloud
from tests.support.waiting import eventually

from cardveil_cloud.faults import NoFaults, PlatformFault
from cardveil_cloud.scf.kept_events import KeptEvents, QueuedEvent
from cardveil_cloud.scf.service import ScfService

#: A cloud in a process of its own, which a test may kill.
PROGRAM = """
import json, sys
from pathlib import Path
from tests.contract.test_scf_kept_events import Throttled, dies
from tests.support.fixtures.toy import toy_cloud
from cardveil_cloud.scf.notifications import Notifier
faults = Throttled() if sys.argv[2:] == ["throttled"] else None
if sys.argv[2:] == ["dies"]:
    Notifier.__call__ = dies
cloud = toy_cloud(Path(sys.argv[1]), faults=faults)
cloud.run_forever(lambda ready: print(json.dumps(ready.as_dict()), flush=True))
"""


class Throttled(NoFaults):
    """Lets nothing run."""

    async def before_invoke(self, function: str, request_id: str) -> None:
        raise PlatformFault(432)


async def dies(*_: object) -> None:
    """Be killed between the commit of an upload and the queue."""
    os.kill(os.getpid(), signal.SIGKILL)


def started(data: Path, *how: str) -> KilledCloud:
    """Start a cloud with the toy functions."""
    return KilledCloud("-c", PROGRAM, str(data), *how)


def cos_of(cloud: KilledCloud) -> CosS3Client:
    """Return the official SDK's client."""
    config = CosConfig(
        Region=cloud.ready["region"],
        SecretId=cloud.ready["secret_id"],
        SecretKey=cloud.ready["secret_key"],
        Scheme="http",
        Proxies={"http": cloud.ready["proxy_url"]},
    )
    return CosS3Client(config, retry=0, session=requests.Session())


def keys_noted(data: Path) -> Counter[str]:
    """How often the toy was run for each uploaded key."""
    path = data / "notes"
    notes = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    urls = [note["event"]["Records"][0]["cos"]["cosObject"]["url"] for note in notes]
    return Counter(url.rpartition("/")[2] for url in urls)


def test_two_hundred_uploads_outlive_a_kill(tmp_path: Path) -> None:
    cloud = started(tmp_path, "throttled")
    client = cos_of(cloud)
    for number in range(200):
        client.put_object(Bucket=cloud.ready["bucket"], Key=f"inbox/{number}.jpg", Body=b"x")
    cloud.kill()
    assert keys_noted(tmp_path) == {}
    cloud = started(tmp_path)
    assert cloud.ready["found"] == ["200 event(s) of the last run were not done yet; they are taken up again"]
    assert eventually(lambda: len(keys_noted(tmp_path)) > 20)
    cloud.kill()
    before = keys_noted(tmp_path)
    again = toy_cloud(tmp_path)
    with again.running() as ready:
        left = int(ready.found[0].split()[0]) if ready.found else 0
        # What was run and not yet crossed out when the process died is run again.
        assert 200 - len(before) <= left <= 200 - len(before) + 2
        again.wait_idle(300)
        assert again.dead_letters == []
    ran = keys_noted(tmp_path)
    assert set(ran) == {f"{number}.jpg" for number in range(200)}
    assert ran.total() <= 202
    with toy_cloud(tmp_path).running() as ready:
        assert ready.found == ()


def test_an_upload_s_event_is_on_disk_before_the_upload_is_answered(tmp_path: Path) -> None:
    cloud = started(tmp_path)
    cos_of(cloud).put_object(Bucket=cloud.ready["bucket"], Key="inbox/a.jpg", Body=b"x")
    cloud.kill()
    noted = keys_noted(tmp_path)
    with toy_cloud(tmp_path).running():
        assert eventually(lambda: bool(keys_noted(tmp_path) or noted))


def test_an_upload_s_event_outlives_a_kill_between_commit_and_queue(tmp_path: Path) -> None:
    cloud = started(tmp_path, "dies")
    with pytest.raises(CosClientError):
        cos_of(cloud).put_object(Bucket=cloud.ready["bucket"], Key="inbox/a.jpg", Body=b"x")
    assert cloud.ended() == -signal.SIGKILL
    with toy_cloud(tmp_path).running() as ready:
        assert ready.found == ("1 change(s) of the last run were not told to functions yet; they are now",)
        assert eventually(lambda: keys_noted(tmp_path) == {"a.jpg": 1})
    with toy_cloud(tmp_path).running() as ready:
        assert ready.found == ()


def test_what_a_stop_leaves_is_run_at_the_next_start(scf_run: ScfRun) -> None:
    async def submit(scf: ScfService) -> None:
        for n in range(5):
            scf.invoke_async("probe", {"n": n})

    async def finish(scf: ScfService) -> None:
        assert scf.notices == ["5 event(s) of the last run were not done yet; they are taken up again"]
        assert scf.queue.pending == 5
        assert await _idle(scf)

    async def nothing(scf: ScfService) -> None:
        assert (scf.notices, scf.queue.pending) == ([], 0)

    scf_run(submit, faults=Throttled(), retry_interval_s=0.01)
    scf_run(finish)
    assert sorted(note["event"]["n"] for note in scf_run.notes()) == list(range(5))
    scf_run(nothing)


async def _idle(scf: ScfService) -> bool:
    deadline = time.monotonic() + 60
    while scf.queue.pending and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    return not scf.queue.pending


def test_tries_are_counted_over_a_restart(scf_run: ScfRun) -> None:
    """Two failed tries before the stop leave one: an event is tried three times in all."""
    kept = KeptEvents(scf_run.data / "queue.sqlite")
    kept.add(QueuedEvent("probe", b'{"do": "fail"}', "API", "the-request", time.time(), failures=2))
    kept.close()

    async def scenario(scf: ScfService) -> None:
        assert await _idle(scf)
        assert [letter["RequestId"] for letter in scf.dead_letters.all()] == ["the-request"]

    scf_run(scenario)
    assert [note["request_id"] for note in scf_run.notes()] == ["the-request"]


def test_a_failed_try_is_on_disk(scf_run: ScfRun) -> None:
    def kept() -> list[QueuedEvent]:
        events = KeptEvents(scf_run.data / "queue.sqlite")
        try:
            return events.all()
        finally:
            events.close()

    async def scenario(scf: ScfService) -> None:
        scf.invoke_async("probe", {"do": "fail"})
        deadline = time.monotonic() + 60
        while kept()[0].failures == 0 and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    scf_run(scenario, retry_interval_s=3600)
    (event,) = kept()
    assert event.failures == 1
    assert event.due > event.queued_at + 3000


def test_a_pause_goes_on_after_a_restart(scf_run: ScfRun) -> None:
    kept = KeptEvents(scf_run.data / "queue.sqlite")
    now = time.time()
    kept.add(QueuedEvent("probe", b'{"n": 1}', "API", "late", now, due=now + 3600))
    kept.add(QueuedEvent("probe", b'{"n": 2}', "API", "soon", now, due=now))
    kept.close()

    async def scenario(scf: ScfService) -> None:
        assert await _until_one(scf)

    scf_run(scenario)
    assert [note["request_id"] for note in scf_run.notes()] == ["soon"]


async def _until_one(scf: ScfService) -> bool:
    deadline = time.monotonic() + 60
    while scf.queue.pending > 1 and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    return scf.queue.pending == 1


def test_events_of_a_function_that_is_gone_wait_for_it(scf_run: ScfRun) -> None:
    kept = KeptEvents(scf_run.data / "queue.sqlite")
    kept.add(QueuedEvent("gone", b"{}", "API", "the-request", time.time()))
    kept.close()

    async def scenario(scf: ScfService) -> None:
        assert scf.queue.pending == 0

    scf_run(scenario)
    kept = KeptEvents(scf_run.data / "queue.sqlite")
    assert [event.request_id for event in kept.all()] == ["the-request"]
    kept.close()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_queue_is_told_of_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "queue.sqlite"
    path.write_bytes(content)
    with toy_cloud(tmp_path).running() as ready:
        assert bool(ready.found) is bool(content)
    assert TOY.is_dir()
    if content:
        assert (tmp_path / "queue.sqlite.damaged").read_bytes() == content
