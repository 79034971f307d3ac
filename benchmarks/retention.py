"""Retention over many objects: constant memory, nothing young or on hold removed, everything due removed.

Each removal is entered in the access ledger first, and what the ledger says is compared with what went.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import orjson
from tests.support.cloud_fixture import Bench, bench
from tests.support.sweep_fixture import environment

from cardveil.settings import from_environment
from cardveil.storage.holds import put_hold
from cardveil.storage.keys import source_digest
from cardveil.storage.ledger_check import chains_of, read_segment, verify
from cardveil.storage.retention import DAY_S

COUNT = int(os.environ.get("OBJECTS", "100000"))
#: One in so many is due; of those, one in `HELD` is on hold.
DUE, HELD = 50, 20
TERMS = "source=30d"
#: A tick ends after so many objects, as if its time were over.
TICK = 30_000
CHILD = """
import os, resource, sys, time
from collections import Counter
import orjson
from cardveil.core.context import Invocation
from cardveil.pipeline.factory import build_processor
from cardveil.pipeline.entering import Entering
from cardveil.pipeline.retaining import tick
from cardveil.storage.ledger import Ledger
from cardveil.settings import from_environment
told = orjson.loads(sys.argv[1]); limit = int(sys.argv[2])
settings = from_environment(told)
run = Invocation("r", "f", told["TENCENTCLOUD_REGION"], told["TENCENTCLOUD_APPID"], time.monotonic() + 3600)
processor = build_processor(settings, told, run, bucket=settings.bucket, region=run.region)
left = [limit]
def over():
    left[0] -= 1
    return left[0] < 0
pipeline = processor.pipeline
entering = Entering(Ledger(), pipeline.sources, pipeline.settings, "schedule", "schedule", "r")
counts = tick(processor, time.time(), over, entering=entering)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(orjson.dumps({"counts": dict(counts), "peak_mb": peak}).decode())
"""


def fill(found: Bench) -> tuple[set[str], set[str]]:
    """Put objects straight into the store; return the keys that are due, and those of them on hold."""
    store, now = found.cloud.store, time.time()
    real, due = store.now, set()
    for number in range(COUNT):
        key = f"inbox/{number % 97:02}/{number:06}.jpg"
        old = number % DUE == 0
        age_s = (31 if old else number % 29) * DAY_S
        store.now = lambda age_s=age_s: now - age_s  # type: ignore[misc]
        store.put(found.bucket, key, b"x")
        if old:
            due.add(key)
    store.now = real
    return due, set(sorted(due)[::HELD])


def main() -> None:
    logging.getLogger("cardveil_cloud").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder) / "cloud") as found:
        started = time.perf_counter()
        due, held = fill(found)
        seconds = time.perf_counter() - started
        print(f"{COUNT} sources, {len(due)} due, {len(held)} of them on hold; stored in {seconds:.0f} s")
        told = {
            **environment(found, retention=TERMS, ledger="strict"),
            "TENCENTCLOUD_REGION": found.endpoint.region,
        }
        told["TENCENTCLOUD_APPID"] = found.endpoint.app_id
        settings = from_environment(
            {name: text for name, text in told.items() if name.startswith("CARDVEIL_")}
        )
        from tests.support.sweep_fixture import context

        sources = context(found).processor.pipeline.sources
        for key in held:
            put_hold(sources, settings, key, "bench", "case:1", time.time())
        counts, number, peaks = Counter[str](), 0, []
        started = time.perf_counter()
        while True:
            done = subprocess.run(
                [sys.executable, "-c", CHILD, orjson.dumps(told).decode(), str(TICK)],
                capture_output=True, text=True, check=True, env={**os.environ, **told},
            )  # fmt: skip
            answer = orjson.loads(done.stdout.splitlines()[-1])
            if not answer["counts"]:
                break
            number += 1
            counts.update(answer["counts"])
            peaks.append(answer["peak_mb"])
        seconds = time.perf_counter() - started
        there = {entry.key for entry in sources.entries("inbox/")}
        young = COUNT - len(due)
        print(f"{number} ticks in processes of their own, {seconds:.0f} s: {dict(counts)}")
        print(f"peak memory of a tick: {min(peaks):.0f} to {max(peaks):.0f} MB")
        print(
            f"due and removed: {len(due - held - there)} of {len(due - held)}; "
            f"on hold and there: {len(held & there)} of {len(held)}; "
            f"young and there: {len(there - due)} of {young}"
        )
        entered = [
            card
            for _, keys in chains_of(sources, settings.state_prefix)
            for key in keys
            for entry in getattr(read_segment(sources, key), "entries", ())
            for card in entry["cards"]
        ]
        gone = sorted(source_digest(key) for key in due - held)
        agrees = sorted(entered) == gone
        print(f"entered in the ledger: {len(entered)}, all of what went and nothing else: {agrees}")
        if verify(sources, settings.state_prefix).faults or not agrees:
            raise RuntimeError("the ledger does not say what went")
        if due - held & there or held - there or len(there - due) != young:
            raise RuntimeError("something due is there, or something else is gone")


if __name__ == "__main__":
    main()
