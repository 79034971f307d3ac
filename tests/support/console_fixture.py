"""The console in a real browser: what a test does there, and what the browser complained of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, expect, sync_playwright
from tests.support.api_fixture import Api

_CHROMIUM: Final = shutil.which("chromium")
_FIREFOX: Final = shutil.which("firefox-esr")
_FLAGS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
needs_browser: Final = pytest.mark.skipif(_CHROMIUM is None, reason="Debian's package chromium is missing")


@contextmanager
def running_browser(name: str) -> Iterator[Browser]:
    """Run Debian's ``chromium``, or its ``firefox``, which knows the standard protocol (BiDi) alone."""
    with sync_playwright() as playwright:
        if name == "firefox":
            running = playwright.firefox.launch(
                executable_path=_FIREFOX, channel="moz-firefox", headless=True, timeout=120_000
            )
        else:
            running = playwright.chromium.launch(
                executable_path=_CHROMIUM, headless=True, args=_FLAGS, timeout=120_000
            )
        # The usual 5 s are short for the answers of functions on a busy machine.
        expect.set_options(timeout=30_000)
        yield running
        running.close()


class Desk:
    """A page of the console, what its browser complained of, and the questions that it asked."""

    def __init__(self, page: Page, api: Api) -> None:
        self.page = page
        self.api = api
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.questions: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._question)
        page.on(
            "request",
            lambda r: None if r.url.startswith((api.url, "data:", "blob:")) else self.elsewhere.append(r.url),
        )

    def _console(self, message: ConsoleMessage) -> None:
        # What the API refuses is told on the page; the browser notes it in any case.
        if message.type in {"error", "warning"} and "the server responded with" not in message.text:
            self.complaints.append(message.text)

    def _question(self, dialog: Dialog) -> None:
        self.questions.append(dialog.type)
        dialog.accept()

    def enter(self, *roles: str, card: str = "", subject: str = "李复核") -> None:
        self.page.goto(f"{self.api.url}/#token={self.api.token(*roles, subject=subject)}{card}")
        expect(self.page.locator("#list button, #card-title:focus").first).to_be_attached()
        expect(self.page.locator("#said-list")).to_be_empty()

    def open(self, name: str) -> dict[str, Any]:
        """Open a card by the list, and return what the API says of it."""
        self.listed(name).click()
        self.opened(name)
        return self.card(name)

    def opened(self, name: str) -> None:
        expect(self.page.locator("#card-title")).to_have_text(name)
        # The same card may be on its way once more.
        expect(self.page.locator("#actions[inert]")).to_have_count(0)
        pictures_shown(self.page)
        # What a script wrote that meant to write nothing.
        expect(self.page.locator("#card").get_by_text("null", exact=True)).to_have_count(0)

    def listed(self, name: str) -> Locator:
        return self.page.locator("#list button").filter(has=self.page.get_by_text(name, exact=True))

    def card(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.api.call("GET", f"/v1/cards/inbox/{name}").json()
        return answer

    def row(self, field: str) -> Locator:
        return self.page.locator(f'#fields [data-field="{field}"]')

    def fill(self, field: str, text: str) -> None:
        self.page.locator(f"#text-{field}").fill(text)

    def said(self, place: str) -> Locator:
        return self.page.locator(f"#said-{place}")


@contextmanager
def desk_on(browser: Browser, api: Api, **options: Any) -> Iterator[Desk]:
    """Open a page of its own; in the end nothing may have been complained of or fetched from elsewhere."""
    if browser.browser_type.name == "firefox":
        options.pop("is_mobile", None)  # it has no such emulation
    context = browser.new_context(
        **{"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **options}
    )
    found = Desk(context.new_page(), api)
    try:
        yield found
    finally:
        context.close()
    assert found.complaints == []
    assert found.elsewhere == [], "nothing is fetched from elsewhere"


def pictures_shown(page: Page) -> None:
    """Wait for a card's pictures: until they are there the page has another shape."""
    page.wait_for_function("() => [...document.querySelectorAll('figure img')].every(each => each.complete)")


def without_faults(page: Page) -> None:
    """Hold the page against axe's rules; raises AssertionError for what is serious."""
    found = Axe().run(page).response["violations"]
    serious = [
        (fault["id"], [node["html"][:120] for node in fault["nodes"]])
        for fault in found
        if fault["impact"] in {"serious", "critical"}
    ]
    if serious:
        raise AssertionError(serious)
