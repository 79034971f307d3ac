"""How long the local COS takes to list a bucket of a million objects, and in how much memory."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cardveil_cloud.cos import ObjectStore

BUCKET = "cards-1250000000"
FOLDERS = 1000


def rows(count: int) -> Iterator[tuple[object, ...]]:
    """Rows of objects in ``FOLDERS`` folders, put into the index directly: their bytes are not listed."""
    for number in range(count):
        key = f"inbox/{number % FOLDERS:04}/证件 {number:09}.jpg".encode()
        headers = '{"content-type": "image/jpeg", "x-cos-meta-card-type": "IDCard"}'
        yield BUCKET, key, 700_000, '"00"', "0", 0.0, "STANDARD", headers, "{}", f"{number:032x}"


def main() -> None:
    """Fill a bucket, page through it, fold its folders, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    count = parser.parse_args().objects
    with tempfile.TemporaryDirectory() as folder, ObjectStore(Path(folder)) as store:
        store.create_bucket(BUCKET)
        with store.change() as (db, _):
            db.executemany("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows(count))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        times: list[float] = []
        listed, marker = 0, ""
        while True:
            started = time.perf_counter()
            page = store.list(BUCKET, marker=marker)
            times.append(time.perf_counter() - started)
            listed += len(page.entries)
            if page.next_marker is None:
                break
            marker = page.next_marker.decode()
        started = time.perf_counter()
        folded = store.list(BUCKET, prefix="inbox/", delimiter="/")
        folding = time.perf_counter() - started
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    times_ms = sorted(1000 * seconds for seconds in times)
    print(f"{listed} objects in {len(times)} pages: {sum(times):.1f} s")
    print(f"a page: median {times_ms[len(times) // 2]:.1f} ms, slowest {times_ms[-1]:.1f} ms")
    print(f"{len(folded.prefixes)} folders of {count // FOLDERS} objects each: {1000 * folding:.1f} ms")
    print(f"memory grew by {grown / 1024:.1f} MiB while listing")


if __name__ == "__main__":
    main()
