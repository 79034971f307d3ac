"""Counts what is published of papers that look like a card and are none, and whether findings name them."""

from __future__ import annotations

import sys

from tests.support.samples.neighbours import NEIGHBOUR_KINDS, make_neighbour

from benchmarks.tally import command

if __name__ == "__main__":
    sys.exit(command(__doc__, NEIGHBOUR_KINDS, make_neighbour, pictures=200))
