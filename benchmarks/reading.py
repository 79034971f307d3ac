"""Tries the way from characters to values: ``python -m benchmarks.reading --cases 100000``."""

from __future__ import annotations

import argparse
import time

from hypothesis import HealthCheck, given, settings
from tests.support.readings import Reading, assert_told, readings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    cases = parser.parse_args().cases
    tried = 0

    @settings(max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(readings())
    def try_all(reading: Reading) -> None:
        nonlocal tried
        tried += 1
        assert_told(reading)

    started = time.monotonic()
    try_all()
    print(f"{tried} readings in {time.monotonic() - started:.0f} s: each ended in values or findings")


if __name__ == "__main__":
    main()
