"""The access ledger: what an entry adds to a look, and whether looks beside each other lose any."""

from __future__ import annotations

import logging
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
from tests.support.api_fixture import SECRET, Api, api_bench
from tests.support.chaos.memory import Instance, MemoryBucket
from tests.support.cloud_fixture import kept
from tests.support.looks import all_kinds
from tests.support.sweep_fixture import context

from cardveil.core.context import read_context
from cardveil.core.rate_limit import RateLimiter
from cardveil.handlers.http import answer
from cardveil.storage.ledger import Ledger
from cardveil.storage.ledger_check import Verdict, chains_of, read_segment, verify

STATE, ALONE, BESIDE, WORKERS, INSTANCES = ".cardveil/", 300, 1000, 16, 4
STRICT = {"CARDVEIL_LEDGER": "strict", "CARDVEIL_GENERAL_OCR": "off"}


def objects(api: Api) -> Any:
    return context(api.bench).processor.pipeline.sources


def verified(api: Api) -> Verdict:
    found = verify(objects(api), STATE)
    if found.faults:
        raise RuntimeError(f"{len(found.faults)} faults: {Counter(fault.kind for fault in found.faults)}")
    return found


def looker(api: Api, mode: str, ledger: Ledger) -> Callable[[], float]:
    """Return one look in this process, which gives its milliseconds."""
    endpoint = api.bench.endpoint
    environment = {
        **endpoint.environment(),
        "CARDVEIL_TOKEN_SECRETS": SECRET,
        "CARDVEIL_LOG_LEVEL": "ERROR",
        "CARDVEIL_LEDGER": mode,
    }
    headers = {"authorization": f"Bearer {api.token(lifetime_s=3600)}"}
    event = {"httpMethod": "GET", "path": "/v1/cards/inbox/a.jpg", "headers": headers, "body": ""}
    run = {"request_id": "r", "time_limit_in_ms": 60_000, "tencentcloud_region": endpoint.region}
    pace = RateLimiter()

    def once() -> float:
        started = time.perf_counter()
        done = answer(event, read_context(run), environment, pace, None, ledger)
        if done["statusCode"] != 200:
            raise RuntimeError(done["body"])
        return (time.perf_counter() - started) * 1000

    return once


def cost(api: Api) -> None:
    """Print what a look takes without a ledger and with one, turn by turn, and the entry alone."""
    off, strict = looker(api, "off", Ledger()), looker(api, "strict", Ledger())
    for warm in (off, strict):
        for _ in range(20):
            warm()
    taken = [(off(), strict()) for _ in range(ALONE)]
    without, within = (sorted(times) for times in zip(*taken, strict=True))
    ledger, where, alone = Ledger(), objects(api), []
    for _ in range(ALONE):
        started = time.perf_counter()
        ledger.enter(where, STATE, [{"look": "text"}])
        alone.append((time.perf_counter() - started) * 1000)
    memory, own, of_processor = Instance(MemoryBucket()), Ledger(), []
    for _ in range(ALONE):
        started = time.process_time()
        own.enter(memory, STATE, [{"look": "text"}])
        of_processor.append((time.process_time() - started) * 1000)
    print(f"{'milliseconds, in one process':50}{'n':>6}{'p50':>9}{'p99':>9}")
    for name, times in (
        ("a look without a ledger", without),
        ("a look, strict", within),
        ("the entry alone", sorted(alone)),
        ("its own processor time, a bucket in memory", sorted(of_processor)),
    ):
        print(f"{name:50}{len(times):6}{statistics.median(times):9.2f}{times[int(len(times) * 0.99)]:9.2f}")
    print(
        f"own time of an entry, p50 of the differences: {statistics.median(b - a for a, b in taken):.2f} ms"
    )


def beside(api: Api, versioned: bool) -> None:
    """Enter looks from many threads of several processes' ledgers, and count what is there."""
    if versioned:
        api.bench.client.put_bucket_versioning(api.bench.bucket, "Enabled")
    before = verified(api)
    ledgers, where, lock, told = [Ledger() for _ in range(INSTANCES)], objects(api), threading.Lock(), []

    def look(number: int) -> None:
        ledgers[number % INSTANCES].enter(where, STATE, [{"look": "text", "number": number}])
        with lock:
            told.append(number)

    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(look, range(BESIDE)))
    seconds = time.perf_counter() - started
    after = verified(api)
    there = Counter(
        entry["number"]
        for _, keys in chains_of(where, STATE)
        for key in keys
        for entry in _entries(where, key)
        if "number" in entry
    )
    lost = [number for number in told if not there[number]]
    kind = "versioned" if versioned else "plain"
    print(
        f"{BESIDE} entries by {WORKERS} threads of {INSTANCES} ledgers, {kind} bucket: {len(lost)} lost, "
        f"{after.segments - before.segments} segments, {BESIDE / seconds:.0f} a second"
    )


def _entries(where: Any, key: str) -> tuple[Any, ...]:
    segment = read_segment(where, key)
    return segment.entries if segment else ()


def over_http(api: Api) -> None:
    """Look over HTTP from many clients at once, through instances of the function."""
    before, first = verified(api).entries, api.call("GET", "/v1/cards/inbox/a.jpg")
    if first.status_code != 200:
        raise RuntimeError(first.text)
    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = list(
            pool.map(lambda _: api.call("GET", "/v1/cards/inbox/a.jpg").status_code, range(BESIDE))
        )
    seconds = time.perf_counter() - started
    after = verified(api)
    print(
        f"{BESIDE} looks over HTTP by {WORKERS} clients: {Counter(answers)[200]} answered, "
        f"{after.entries - before - 1} entered, {after.chains} chains, {BESIDE / seconds:.0f} a second"
    )


def kinds(api: Api) -> None:
    """Take a hundred looks, of all kinds that need no sealed text."""
    before = verified(api).entries
    taken = [look for n in range(10) for look in all_kinds(api, kept("id-front-flat.jpg"), f"kind{n}")]
    count = len({look.kind for look in taken})
    print(f"{len(taken)} looks of {count} kinds: {verified(api).entries - before} entries")


def main() -> None:
    logging.getLogger("cardveil_cloud").setLevel(logging.ERROR)
    with (
        tempfile.TemporaryDirectory() as folder,
        api_bench(Path(folder) / "cloud", environment=STRICT) as api,
    ):
        api.upload("a.jpg", kept("id-front-flat.jpg"))
        cost(api)
        kinds(api)
        over_http(api)
        beside(api, versioned=False)
        beside(api, versioned=True)
        started = time.perf_counter()
        found = verified(api)
        print(f"verify: {found.segments} segments in {time.perf_counter() - started:.1f} s")
        print(orjson.dumps({"entries": found.entries, "chains": found.chains}).decode())


if __name__ == "__main__":
    main()
