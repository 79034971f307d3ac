"""Random walks over the console lose nothing that was typed: `--walks` of them from `--first-walk` on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from tests.support.api_fixture import Api, api_bench
from tests.support.cloud_fixture import kept
from tests.support.console_fixture import desk_on, needs_browser
from tests.support.console_walk import CARDS, Walk

pytestmark = needs_browser
_STEPS = 12


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    environment = {"CARDVEIL_GENERAL_OCR": "off"}
    with api_bench(tmp_path_factory.mktemp("walks"), environment=environment) as found:
        for name in CARDS:
            found.bench.upload(f"inbox/{name}", kept("id-front-flat.jpg"))
        found.bench.settle()
        yield found


def test_no_walk_loses_what_was_typed(browser: Browser, api: Api, request: pytest.FixtureRequest) -> None:
    count = request.config.getoption("--walks", default=15)
    first = request.config.getoption("--first-walk", default=1)
    lost = {}
    with desk_on(browser, api) as desk:
        for seed in range(first, first + count):
            desk.enter()
            walk = Walk(desk, seed)
            try:
                walk.run(_STEPS)
            except AssertionError as error:
                lost[seed] = (walk.done, str(error)[:400])
            # Each begins anew: as another tab would.
            desk.page.evaluate("() => sessionStorage.clear()")
            desk.page.goto("about:blank")
    assert lost == {}
