"""Sweeps measured: planning a million keys, 2,000 cards at the quota beside live uploads, 20 kills."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from tests.support.chaos.pictures import picture
from tests.support.cloud_fixture import Bench, bench

from cardveil.core.context import Invocation
from cardveil.pipeline.examine import PIPELINE_VERSION
from cardveil.settings import from_environment
from cardveil.sweep.context import SweepContext
from cardveil.sweep.decide import UpToDateMark
from cardveil.sweep.listing import Position
from cardveil.sweep.selection import selection_of
from cardveil.sweep.sweep import build_context, sweep
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cloud.ci.recognition import KnownLine, KnownPicture
from cardveil_cloud.faults import NoFaults
from cardveil_cloud.tencent_api.ocr.ratelimit import RateLimit


def means_of(line: str, lease_s: float = 60.0, **settings: str) -> SweepContext:
    """Build a sweep's means for the local cloud at an endpoint."""
    endpoint = Endpoint.from_line(line)
    told = {"sweep_execution": "direct", "sweep_min_age_s": "0", "sweep_calls_per_run": "1000000",
            "sweep_calls_per_day": "1000000", **settings}  # fmt: skip
    environment = {
        **endpoint.environment(),
        **{f"CARDVEIL_{name.upper()}": value for name, value in told.items()},
    }
    invocation = Invocation(
        f"bench-{os.getpid()}", "sweep", endpoint.region, endpoint.app_id, time.monotonic() + 1e6
    )
    return build_context(from_environment(environment), environment, invocation, lease_s=lease_s)


def child_plan(line: str, heads: int) -> None:
    """Plan the whole inbox by its listings, then ask for some of the sidecars one by one."""
    context = means_of(line)
    selection = selection_of({}, context.settings)
    verified = UpToDateMark(context.policy_digest, PIPELINE_VERSION, time.time() + 1e6)
    detector = context.change_detector(selection, time.time(), verified)
    first = next(context.plan(selection, Position(), lambda: None))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    listed = missing = 0
    for pair in context.plan(selection, Position(), lambda: None):
        listed += 1
        missing += detector.by_listing(pair) is not None
    took = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    relative = first.source.key.removeprefix("inbox/")
    results = context.processor.pipeline.results.objects
    with ThreadPoolExecutor(8) as pool:
        began = time.perf_counter()
        list(pool.map(lambda _: results.head(f"sidecars/{relative}.json"), range(heads)))
        headed = time.perf_counter() - began
    print(json.dumps({"listed": listed, "missing": missing, "took": took, "grown": grown,
                      "heads": heads, "headed": headed}))  # fmt: skip


def child_sweep(line: str, lease_s: float, settings: dict[str, str]) -> None:
    """Sweep once, waiting for the lease of one that was killed; print the run."""
    context = means_of(line, lease_s, **settings)
    selection = selection_of({"prefix": "inbox/cards/"}, context.settings)
    while (run := sweep(context, selection)) is None:
        time.sleep(0.2)
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {"counts": run.counts, "paid": run.paid_calls, "errors": run.errors, "state": run.state}
    print(json.dumps({**told, "cpu": used.ru_utime + used.ru_stime}))


def child(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "benchmarks.sweep", *arguments], stdout=subprocess.PIPE)


def answer(process: subprocess.Popen[bytes]) -> Any:
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("a sweep failed")
    return json.loads(output.splitlines()[-1])


def planning(count: int) -> None:
    """Fill an index by rule, sources and sidecars, with every thousandth sidecar missing; then plan."""

    def rows() -> Iterator[tuple[object, ...]]:
        for kind, ending, modified in (("inbox", "", 1e9), ("sidecars", ".json", 1e9 + 60)):
            for number in range(count):
                if kind == "sidecars" and number % 1000 == 0:
                    continue
                key = f"{kind}/{number // 1000:05}/证件-{number:09}.jpg{ending}".encode()
                yield "cards-1250000000", key, 700, '"00"', "0", modified, "STANDARD", "{}", "{}", "0"

    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as running:
        with running.cloud.store.change() as (db, _):
            db.executemany("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows())
        found = answer(child("plan", running.endpoint.to_line().decode(), "3000"))
    listing, heads = found["listed"] / found["took"], found["heads"] / found["headed"]
    print(f"planning {found['listed']:,} keys, {found['missing']:,} of them without a result")
    print(f"  by listings in step    {listing:9,.0f} keys/s   {found['took']:7.0f} s   "
          f"memory grew by {found['grown']:.1f} MiB")  # fmt: skip
    print(f"  by a HEAD for each     {heads:9,.0f} keys/s   {count / heads:7.0f} s   "
          f"(8 at a time; from {found['heads']:,})", flush=True)  # fmt: skip


@contextmanager
def counted() -> Iterator[list[tuple[float, bool]]]:
    """Note when the OCR API was called, and whether it granted the call."""
    calls: list[tuple[float, bool]] = []
    grant = RateLimit.grant

    def noted(self: RateLimit, key: Any) -> bool:
        granted = grant(self, key)
        calls.append((time.monotonic(), granted))
        return granted

    RateLimit.grant = noted  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        RateLimit.grant = grant  # type: ignore[method-assign]


class Slow(NoFaults):
    """Lets each recognition take a while, as the real ones do, without taking any processor time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def before(self, service: str, operation: str, request: Request) -> None:  # noqa: ARG002
        if service == "ocr" or operation == "AILicenseRec":
            await asyncio.sleep(self._seconds)


def _known(data: bytes) -> dict[bytes, KnownPicture]:
    card = picture(0).card
    lines = tuple(KnownLine(f.text, 99.0, f.polygon) for f in card.card.fields if f.text and f.polygon)
    return {data: KnownPicture((card,), lines)}


def live(running: Bench, data: bytes, stop: threading.Event, pause_s: float) -> list[float]:
    """Upload a card now and then, and return how long each took from PUT to sidecar."""
    took = []
    client, number = running.endpoint.cos_client(), 0
    while not stop.is_set():
        name = f"live/{time.monotonic_ns()}-{number}.jpg"
        started = time.monotonic()
        client.put_object(Bucket=running.bucket, Key=f"inbox/{name}", Body=data)
        while not running.there(f"sidecars/{name}.json"):
            time.sleep(0.01)
        took.append(time.monotonic() - started)
        number += 1
        stop.wait(pause_s)
    return took


def filled(running: Bench, data: bytes, count: int) -> None:
    for number in range(count):
        running.cloud.store.put(running.bucket, f"inbox/cards/{number:06}.jpg", data)


def at_quota(cards: int, quota: int, share: float, delay_s: float, uploads: bool) -> None:
    """Sweep at a share of the quota and print what of it was used, and what live uploads felt."""
    data, rate = picture(0).data(), quota * share
    with (
        tempfile.TemporaryDirectory() as folder,
        counted() as calls,
        bench(Path(folder), ocr_rate=quota, pictures=_known(data), faults=Slow(delay_s)) as running,
    ):
        filled(running, data, cards)
        quiet = _uploads_alone(running, data) if uploads else []
        calls.clear()
        settings = {
            "sweep_calls_per_second": str(rate),
            "sweep_in_flight": str(max(4, round(rate * (delay_s + 1.5)))),
        }
        stop, felt = threading.Event(), []
        visitor = threading.Thread(target=lambda: felt.extend(live(running, data, stop, 0.8)))
        clouds = time.process_time()
        process = child("sweep", running.endpoint.to_line().decode(), "60", json.dumps(settings))
        if uploads:
            visitor.start()
        done = answer(process)
        clouds = time.process_time() - clouds
        stop.set()
        if uploads:
            visitor.join()
    first = calls[0][0]
    steady = [at for at, granted in calls if granted and first + 3 <= at]
    last = max(at for at, granted in calls if granted) - 3
    steady = [at for at in steady if at <= last]
    used = (len(steady) - 1) / (steady[-1] - steady[0])
    late = [at for at, granted in calls if not granted and at > first + 1]
    print(f"{cards} cards at {rate:g}/s, the API grants {quota}/s, a recognition takes {delay_s:g} s: "
          f"{done['counts']}")  # fmt: skip
    print(f"  steady state: {used:.2f} calls/s, {100 * used / quota:.1f}% of the quota; refused after the "
          f"first second: {len(late)} of {len(calls)}")  # fmt: skip
    print(f"  processor time a card: {1000 * done['cpu'] / cards:.0f} ms for our own work, "
          f"{1000 * clouds / cards:.0f} ms for the local cloud")  # fmt: skip
    if uploads:
        alone, beside = statistics.median(quiet), statistics.median(felt)
        print(f"  live uploads: median {alone:.2f} s alone, {beside:.2f} s ({beside / alone:.2f}x) beside "
              f"it, slowest {max(felt):.2f} s of {len(felt)}")  # fmt: skip
    sys.stdout.flush()


def _uploads_alone(running: Bench, data: bytes) -> list[float]:
    stop = threading.Event()
    quiet: list[float] = []
    visitor = threading.Thread(target=lambda: quiet.extend(live(running, data, stop, 0.5)))
    visitor.start()
    time.sleep(12)
    stop.set()
    visitor.join()
    return quiet[1:]  # the first pays for the cold start


def kills(cards: int, times: int, seed: int) -> None:
    """Kill a sweep again and again, and compare what is there at the end with what must be."""
    data, chance = picture(0).data(), random.Random(seed)
    settings = json.dumps({"sweep_calls_per_second": "1000", "sweep_in_flight": "2"})
    with (
        tempfile.TemporaryDirectory() as folder,
        bench(Path(folder), ocr_rate=None, pictures=_known(data)) as running,
    ):
        filled(running, data, cards)
        line = running.endpoint.to_line().decode()
        killed, started = 0, time.monotonic()
        while killed < times:
            process = child("sweep", line, "1", settings)
            before = len(running.listing("sidecars/cards/"))
            while process.poll() is None and _done(running) <= before:
                time.sleep(0.02)  # the last one's lease is waited for: that is no moment of work
            try:
                process.wait(chance.uniform(0.05, cards / times / 25))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
                continue
            break
        answer(child("sweep", line, "1", settings))
        took = time.monotonic() - started
        paid = sum(running.cloud.usage.by_operation().values())
        states = {_state(running, number) for number in range(cards)}
        left = [key for key in running.listing(".cardveil/") if "/sweeps/" not in key]
        undisturbed = _undisturbed(data)
    twice = paid - 2 * cards
    print(f"{cards} cards, killed {killed} times at random moments of work, {took:.0f} s in all")
    print(f"  final states: {len(states)} ({'the same as' if states == {undisturbed} else 'NOT those of'} an "
          f"undisturbed run); left behind: {len(left)}")  # fmt: skip
    print(f"  paid calls: {paid} for {2 * cards} needed, {100 * twice / (2 * cards):.2f}% twice", flush=True)


def _done(running: Bench) -> int:
    return sum(1 for _ in _all(running, "sidecars/cards/"))


def _all(running: Bench, prefix: str) -> Iterator[str]:
    marker = ""
    while True:
        page = running.cloud.store.list(running.bucket, prefix=prefix, marker=marker)
        yield from (item.key for item in page.entries)
        if page.next_marker is None:
            return
        marker = page.next_marker.decode()


def _state(running: Bench, number: int) -> str:
    sidecar = orjson.loads(running.cloud.store.get(running.bucket, f"sidecars/cards/{number:06}.jpg.json")[1])
    copy = running.cloud.store.get(running.bucket, f"redacted/cards/{number:06}.jpg")[1]
    for name in ("created_at", "calls"):
        sidecar.pop(name)
    sidecar["source"].pop("key")
    sidecar["redaction"]["output"].pop("key")
    return hashlib.sha256(orjson.dumps(sidecar) + copy).hexdigest()


def _undisturbed(data: bytes) -> str:
    with (
        tempfile.TemporaryDirectory() as folder,
        bench(Path(folder), ocr_rate=None, pictures=_known(data)) as running,
    ):
        filled(running, data, 1)
        answer(child("sweep", running.endpoint.to_line().decode(), "1", "{}"))
        return _state(running, 0)


def main() -> None:
    if sys.argv[1:2] == ["plan"]:
        child_plan(sys.argv[2], int(sys.argv[3]))
        return
    if sys.argv[1:2] == ["sweep"]:
        child_sweep(sys.argv[2], float(sys.argv[3]), json.loads(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["planning", "quota", "live", "kills"])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--cards", type=int, default=2000)
    parser.add_argument("--quota", type=int, default=20, help="calls a second that the local API grants")
    parser.add_argument("--delay", type=float, default=0.3, help="seconds that a recognition takes")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if "planning" in chosen.parts:
        planning(chosen.keys)
    if "quota" in chosen.parts:
        at_quota(chosen.cards, chosen.quota, 1.0, chosen.delay, uploads=False)
    if "live" in chosen.parts:
        # A call a second is left to uploads, of which each makes one and waits for its end.
        at_quota(chosen.cards, chosen.quota, 1.0 - 1.0 / chosen.quota, chosen.delay, uploads=True)
    if "kills" in chosen.parts:
        kills(chosen.cards, chosen.kills, chosen.seed)


if __name__ == "__main__":
    main()
