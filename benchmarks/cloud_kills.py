"""The whole local cloud is killed again and again during uploads; exit code 0 only if every promise held."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.support.cloud_kills import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=400)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        # The last kill comes when all is uploaded and much of it is not done.
        tally = run(Path(folder), arguments.uploads, arguments.kills - 1, seed=arguments.seed)
    print(f"kills of the whole cloud   {tally.kills}")
    for end, count in sorted(tally.ends.items()):
        print(f"{end:26} {count} of {tally.uploads}")
    print(f"lost                       {tally.lost}")
    print(f"results committed twice    {tally.doubled}")
    print(f"left behind                {tally.left}")
    print(f"dead letters               {tally.dead_letters}")
    print(f"paid calls                 {tally.paid} of {tally.needed} needed")
    print(f"seconds                    {time.monotonic() - started:.0f}")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
