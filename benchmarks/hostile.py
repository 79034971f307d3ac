"""Good cards among as many hostile objects, by event and by sweep; exit code 0 only if every promise held."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.support.hostile import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=500, help="good cards, and hostile objects")
    pairs: int = parser.parse_args().pairs
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = run(Path(folder), pairs)
    print(f"good cards final         {tally.good} of {pairs}")
    for (kind, status), count in sorted(tally.ends.items()):
        print(f"{kind:20} {status:14} {count}")
    print(f"hostile, unaccounted for {sum(tally.unaccounted.values())}")
    print(f"alarms of the account    {tally.alarms}")
    print(f"dead letters             {tally.dead_letters}")
    print(f"sweep's exit code        {tally.sweep_exit}")
    print(f"seconds                  {time.monotonic() - started:.0f}")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
