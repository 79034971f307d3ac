"""A full count of a random test takes longer than the few rounds that the suite has of it, and may."""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def give_time(config: pytest.Config, items: Iterable[pytest.Item], option: str, usual: int) -> None:
    """Let tests that use the fixture of an option take as many times their limit as they have rounds.

    Parameters
    ----------
    option : str
        The fixture's name and the option's.
    usual : int
        Rounds that fit into the limit of any test.
    """
    times = int(config.getoption(option, default=usual)) / usual
    if times <= 1:
        return
    limit = float(config.getini("timeout"))
    for item in items:
        if option in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(limit * times))
