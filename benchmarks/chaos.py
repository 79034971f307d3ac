"""The long chaos run, with its table; exit code 0 only if every promise held."""

from __future__ import annotations

import argparse
import sys
import time

from tests.support.chaos.plan import Plan
from tests.support.chaos.run import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--instances", type=int, default=3, help="of each function, at most")
    arguments = parser.parse_args()
    started = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - started:6.0f} s] {text}", file=sys.stderr, flush=True)

    plan = Plan(arguments.pictures, arguments.deliveries, arguments.seed, instances=arguments.instances)
    found = run(plan, tell)
    print(found.table(), flush=True)
    return 0 if found.kept else 1


if __name__ == "__main__":
    sys.exit(main())
