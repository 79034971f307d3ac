"""The console where codes are asked for: what a look is for, and why sealed texts are opened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.e2e.test_ledger import entries
from tests.support.api_fixture import Api, api_bench
from tests.support.cloud_fixture import kept, known
from tests.support.console_fixture import Desk, desk_on, needs_browser, without_faults

from cardveil_cli.samples.bundled import kept_pictures

pytestmark = needs_browser
FRONT = "id-front-flat.jpg"
ENVIRONMENT = {
    "CARDVEIL_GENERAL_OCR": "off",
    "CARDVEIL_LEDGER": "strict",
    "CARDVEIL_PURPOSE": "required",
    "CARDVEIL_SIDECAR_TEXTS": "masked-as-ciphertext",
    "CARDVEIL_TEXT_KEY": "a key of these tests and of no person",
}
READER = ("read", "read_text", "review")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_bench(tmp_path_factory.mktemp("codes"), environment=ENVIRONMENT) as found:
        found.upload("a.jpg", kept(FRONT))
        found.upload("b.jpg", kept(FRONT))
        yield found


def begun(desk: Desk, *roles: str, card: str = "") -> None:
    """Sign in; nothing is listed before a purpose was given."""
    address = f"&card=inbox/{card}" if card else ""
    desk.page.goto(f"{desk.api.url}/#token={desk.api.token(*roles, subject='李复核')}{address}")


def code(desk: Desk, text: str) -> None:
    """Give a code to the question that stands on the page."""
    expect(desk.page.locator("#code-dialog")).to_be_visible()
    desk.page.locator("#code").fill(text)
    desk.page.locator("#code-yes").click()


def name_on_the_card() -> str:
    picture = next(each for each in kept_pictures() if each.file == FRONT)
    return next(field.text for field in known(picture).cards[0].card.fields if field.name == "name") or ""


@pytest.mark.parametrize("options", [{}, {"locale": "zh-CN", "viewport": {"width": 360, "height": 640}}])
def test_the_purpose_is_asked_once_on_the_page_and_stays_in_the_tab(
    browser: Browser, api: Api, options: dict[str, object]
) -> None:
    before = len(entries(api))
    with desk_on(browser, api, **options) as desk:
        # A deep link: the list and the card wait for one answer.
        begun(desk, *READER, card="a.jpg")
        expect(desk.page.locator("#code-dialog")).to_be_visible()
        without_faults(desk.page)
        for words in ("for Frau Müller", "张三", "id:110101199003070000", ""):
            code(desk, words)
            expect(desk.said("code")).not_to_be_empty()
            expect(desk.page.locator("#code")).to_be_focused()
        without_faults(desk.page)
        code(desk, "kyc:4711")
        expect(desk.page.locator("#code-dialog")).to_be_hidden()
        desk.opened("a.jpg")
        expect(desk.page.locator("#list button")).to_have_count(2)
        desk.page.reload()
        desk.opened("a.jpg")
        expect(desk.page.locator("#code-dialog")).to_be_hidden()
        assert {entry["why"] for entry in entries(api)[before:]} == {"kyc:4711"}
        if desk.page.locator("#back").is_visible():
            desk.page.locator("#back").click()
        # Who signs in next is asked anew.
        desk.page.locator("#leave").click()
        begun(desk, *READER)
        expect(desk.page.locator("#code-dialog")).to_be_visible()
        desk.page.keyboard.press("Escape")
        expect(desk.said("list")).not_to_be_empty()
        expect(desk.page.locator("#list button")).to_have_count(0)
        assert desk.questions == [], "no question is the browser's own"


def test_sealed_texts_are_opened_for_a_reason_and_stay_nowhere(browser: Browser, api: Api) -> None:
    name = name_on_the_card()
    with desk_on(browser, api) as desk:
        begun(desk, *READER)
        code(desk, "kyc")
        desk.listed("a.jpg").click()
        desk.opened("a.jpg")
        expect(desk.page.locator("#restore")).to_have_count(0)
        desk.page.locator("#leave").click()
        begun(desk, *READER, "restore")
        code(desk, "kyc")
        desk.listed("a.jpg").click()
        desk.opened("a.jpg")
        assert name not in desk.page.content()
        before = len(entries(api))
        desk.page.locator("#restore").click()
        desk.page.keyboard.press("Escape")
        assert len(entries(api)) == before
        desk.page.locator("#restore").click()
        without_faults(desk.page)
        code(desk, "ticket:7")
        expect(desk.row("name").locator(".opened-text")).to_contain_text(name)
        expect(desk.page.locator(".opened-text")).to_have_count(4)
        without_faults(desk.page)
        (entry,) = entries(api)[before:]
        assert (entry["look"], entry["by"], entry["why"]) == ("restoring", "李复核", "kyc")
        assert entry["detail"].startswith("ticket:7,")
        # It is no draft, and goes with the card.
        expect(desk.page.locator("#fields .revert:not([hidden])")).to_have_count(0)
        assert name not in desk.page.evaluate("() => JSON.stringify(sessionStorage)")
        desk.page.locator("#language").click()
        expect(desk.page.locator(".opened-text")).to_have_count(4)
        desk.listed("b.jpg").click()
        desk.opened("b.jpg")
        desk.listed("a.jpg").click()
        desk.opened("a.jpg")
        expect(desk.page.locator(".opened-text")).to_have_count(0)
        assert name not in desk.page.content()
