"""Counts how pictures of several cards end: cards found, published by themselves, leaks, damaged fields."""

from __future__ import annotations

import sys
from itertools import chain

from tests.support.samples.several import FRONT_AND_BACK, SEVERAL_KINDS, make_all_several

from benchmarks.tally import count, counting
from cardveil.redaction import load_policy
from cardveil_ocr.adapter import embedded_recogniser


def main() -> int:
    """Print a row for each kind, and what went wrong by the picture's name; 1 if there was a leak."""
    parser = counting(__doc__, 60)
    parser.add_argument("--others", type=int, default=30, help="pictures of other combinations")
    parser.add_argument("--kind", choices=SEVERAL_KINDS)
    options = parser.parse_args()
    others = tuple(kind for kind in SEVERAL_KINDS if kind not in FRONT_AND_BACK)
    wanted = [(FRONT_AND_BACK, options.count), (others, options.others)]
    if options.kind:
        wanted = [((options.kind,), options.count)]
    pictures = chain.from_iterable(
        make_all_several(number, kinds, options.seed, part=options.part) for kinds, number in wanted
    )
    policy, recogniser = load_policy(options.policy), embedded_recogniser(2)
    return 1 if count(pictures, policy, recogniser, expected=SEVERAL_KINDS, keep=options.keep) else 0


if __name__ == "__main__":
    sys.exit(main())
