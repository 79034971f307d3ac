"""An export of 100,000 cards: how long it takes of this process's time, and the most memory that it needs.

The bucket is made up as it is asked for and holds nothing, so that what is measured is the exporter's own:
the rows, their reading, their writing. Each size has a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from tests.support.chaos.memory import Instance, MemoryBucket
from tests.unit.test_export import document

from cardveil.pipeline.export import Export, Wish
from cardveil.redaction import load_policy
from cardveil.settings import Settings
from cardveil.storage.objects import Entry, Stored

_SETTINGS = Settings()
_SIZES = (1_000, 100_000)


class Endless(Instance):
    """A bucket with as many cards as are wanted."""

    def __init__(self, count: int) -> None:
        super().__init__(MemoryBucket())
        self._count = count

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]:  # noqa: ARG002 - see `Objects`
        for number in range(self._count):
            yield Entry(f"inbox/{number:06}.jpg", 1, "e" * 32, 1.0)

    def get(self, key: str, *, max_bytes: int) -> tuple[Stored, bytes | None]:  # noqa: ARG002
        name = key.removeprefix("sidecars/").removesuffix(".json")
        told: dict[str, Any] = document(f"inbox/{name}", "e" * 32)
        # As large as sidecars are, with all that a witness saw.
        data = orjson.dumps({**told, "pad": "x" * 8000})
        return Stored("e" * 32, len(data), {}), data


def one(count: int, form: str) -> None:
    bucket, began = Endless(count), time.process_time()
    export = Export(
        bucket, bucket, _SETTINGS, load_policy("standard"), Wish(form, texts="all", with_key=True)
    )
    written = rows = 0
    with Path(os.devnull).open("w", encoding="utf-8", newline="") as file:
        written += file.write(export.head())
        for _, line in export.rows():
            written += file.write(line)
            rows += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.process_time() - began
    print(
        f"{form:6} {rows:>7} rows {written / 1e6:7.1f} MB {seconds:6.1f} s of processor, peak {peak:5.0f} MB"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--format", default="csv")
    arguments = parser.parse_args()
    if arguments.rows:
        one(arguments.rows, arguments.format)
        return 0
    for form in ("csv", "jsonl"):
        for rows in _SIZES:
            command = [sys.executable, "-m", "benchmarks.export", "--rows", str(rows), "--format", form]
            subprocess.run(command, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
