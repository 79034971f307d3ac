"""Counts what copies still show of a name that was written across a card, of any strength and anywhere."""

from __future__ import annotations

import sys

from tests.support.samples.written_over import WAYS, make_written_over

from benchmarks.tally import command

if __name__ == "__main__":
    sys.exit(command(__doc__, WAYS, make_written_over, pictures=100))
