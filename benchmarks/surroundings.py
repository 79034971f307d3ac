"""Counts how one clean card ends by its surroundings: marked, copied, cropped, in a sleeve, on a screen."""

from __future__ import annotations

import sys

from tests.support.samples.surroundings import SURROUNDINGS, make_surrounded

from benchmarks.tally import command

if __name__ == "__main__":
    sys.exit(command(__doc__, SURROUNDINGS, make_surrounded, pictures=130, expected=SURROUNDINGS))
