"""A count that is asked for is given its time, and nothing else is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.counts import give_time


@pytest.mark.parametrize(("rounds", "limits"), [(4, []), (20, []), (200, [1800.0])])
def test_a_count_is_given_the_time_of_its_rounds(rounds: int, limits: list[float]) -> None:
    given: list[float] = []
    config: Any = SimpleNamespace(getoption=lambda name, default: rounds, getini=lambda name: "180")
    items: Any = [
        SimpleNamespace(fixturenames=names, add_marker=lambda mark: given.append(mark.args[0]))
        for names in (("interleavings",), ("tmp_path",))
    ]
    give_time(config, items, "interleavings", 20)
    assert given == limits
