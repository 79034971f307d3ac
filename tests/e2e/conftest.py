"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cardveil_local.testbench import Bench, bench, kept

Start = Callable[..., Bench]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a cloud that ends with the test; see `cardveil_local.testbench.bench`."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Bench:
            return stack.enter_context(bench(tmp_path / "cloud", **options))

        yield begin


@pytest.fixture
def front() -> bytes:
    """The flat front of an ID card."""
    return kept("id-front-flat.redacted.jpg")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("qcloud_cos").setLevel(logging.CRITICAL + 1)
