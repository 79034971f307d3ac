"""A few good cards among hostile objects; `python -m benchmarks.hostile` is the same with five hundred."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.hostile import KINDS, run


@pytest.mark.timeout(300)
def test_no_hostile_object_stops_another(tmp_path: Path) -> None:
    pairs = len(KINDS) + 1  # the archived one comes twice: with an event, and without
    tally = run(tmp_path, pairs)
    assert not tally.broken, tally
    assert tally.good == pairs
    assert {kind for kind, _ in tally.ends} == set(KINDS)
