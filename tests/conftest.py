"""What all tests of a session share."""

from __future__ import annotations

import os

import pytest
from tests.support import forked_python
from tests.support.drawn_once import draw_once


def pytest_configure(config: pytest.Config) -> None:
    """Have the clouds of this session, in whatever process they are, fork their functions."""
    os.environ[forked_python.VARIABLE] = "1"


@pytest.fixture
def drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember in this process how a picture was covered; see `tests.support.drawn_once`."""
    draw_once(monkeypatch)
