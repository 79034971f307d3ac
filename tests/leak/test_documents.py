"""A few damaged documents and phones' pictures; ``python -m benchmarks.formats`` tries two thousand."""

from __future__ import annotations

import random

from benchmarks.format_files import damaged, iphone_picture
from benchmarks.formats import holds_canary, look
from PIL import Image
from tests.support.papers_with_cards import FRONT, sheet
from tests.support.pdf import CANARY, pages, scan


def test_damaged_documents_end_in_an_outcome_and_their_copies_hold_nothing() -> None:
    small = Image.new("RGB", (160, 120), "white")
    files = [scan(sheet(FRONT)), scan(small), pages([small, small]), iphone_picture(5)[0]]
    assert CANARY in files[0]
    rng, seen = random.Random(3), set()
    for data in files + [damaged(files, rng) for _ in range(5)]:
        outcome, copy = look(data)
        seen.add(outcome)
        assert not (copy and holds_canary(copy))
    # Nothing is learned where all is refused, or all is taken.
    assert {"redacted", "no_card"} < seen
