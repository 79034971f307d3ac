"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.api_fixture import Api, api_bench
from tests.support.cloud_fixture import DEMANDED, ROOT, Bench, bench, kept
from tests.support.counts import give_time
from tests.support.once import once, session_folder
from tests.support.recognised_once import RecognisedOnce

from cardveil_cli.package.build import Package, build, rehearsal_minor

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from tests.support.console_fixture import Desk

Start = Callable[..., Bench]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run have every bucket refuse what is not encrypted: ``--encryption AES256`` or ``kms``."""
    parser.addoption("--encryption", choices=["AES256", "kms"], default="")
    parser.addoption("--interleavings", type=int, default=4, help="of erasure with all else; 200 for a count")
    parser.addoption("--console-browser", choices=["chromium", "firefox"], default="chromium")
    parser.addoption("--walks", type=int, default=3, help="random ones over the console; 200 for a count")
    parser.addoption("--every-size", action="store_true", help="the console in each size, colours, language")
    parser.addoption("--first-walk", type=int, default=1, help="the seed of the first")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give a count the time that it takes."""
    give_time(config, items, "interleavings", 20)
    give_time(config, items, "walks", 20)


def pytest_configure(config: pytest.Config) -> None:
    """Tell the clouds and the clients, in whatever process they are."""
    if chosen := config.getoption("--encryption", default=""):
        os.environ[DEMANDED] = chosen


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a cloud that ends with the test; see `tests.support.cloud_fixture.bench`."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Bench:
            return stack.enter_context(bench(tmp_path / "cloud", **options))

        yield begin


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cloud in which backs go to review, one for all tests of the HTTP API: none finds it empty."""
    environment = {"CARDVEIL_GENERAL_OCR": "off", "CARDVEIL_CORS_ORIGINS": "https://desk.example.com"}
    with api_bench(tmp_path_factory.mktemp("api"), environment=environment) as found:
        yield found


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A browser for the console, with everything that belongs to it ended after the module."""
    from tests.support.console_fixture import running_browser

    with running_browser(request.config.getoption("--console-browser", default="chromium")) as running:
        yield running


@pytest.fixture
def desk(browser: Browser, api: Api) -> Iterator[Desk]:
    """A page of the console of the module's cloud."""
    from tests.support.console_fixture import desk_on

    with desk_on(browser, api) as found:
        yield found


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session keeps what it makes once: see `tests.support.once`."""
    return session_folder(tmp_path_factory)


@pytest.fixture(scope="session")
def recogniser(made_once: Path) -> RecognisedOnce:
    """The embedded recogniser, its models loaded once by each worker."""
    return RecognisedOnce(folder=made_once)


@pytest.fixture(scope="session")
def package(made_once: Path) -> Package:
    """The package, built once: for the platform's Python, or for this one where that is not found."""
    return once(made_once, "package", lambda: build(ROOT, ROOT / "build" / "wheels", rehearsal_minor()))


@pytest.fixture(scope="session")
def folder(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package was written."""
    written = tmp_path_factory.mktemp("dist")
    package.write(written)
    return written


@pytest.fixture
def interleavings(pytestconfig: pytest.Config) -> int:
    """How many random orders are tried of what may happen beside an erasure."""
    return int(pytestconfig.getoption("--interleavings"))


@pytest.fixture
def walks(pytestconfig: pytest.Config) -> int:
    """How many random walks over the console are made."""
    return int(pytestconfig.getoption("--walks"))


@pytest.fixture
def front() -> bytes:
    """The flat front of an ID card."""
    return kept("id-front-flat.jpg")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("qcloud_cos").setLevel(logging.CRITICAL + 1)
