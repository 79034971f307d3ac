"""Counts what published copies still show of personal ink, over pictures with more than one clean card."""

from __future__ import annotations

import sys

from tests.support.samples.mixed import MIXED_KINDS, make_mixed

from benchmarks.tally import command

if __name__ == "__main__":
    sys.exit(command(__doc__, MIXED_KINDS, make_mixed, pictures=104, expected=("single",)))
