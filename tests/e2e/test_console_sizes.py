"""The console on phones, tablets and screens: nothing is cut off, a thumb reaches it, pictures zoom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.api_fixture import Api, api_bench
from tests.support.cloud_fixture import kept
from tests.support.console_fixture import Desk, desk_on, needs_browser, without_faults

pytestmark = needs_browser
PHONE = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2}
SIZES: list[tuple[str, dict[str, Any]]] = [
    ("a small phone", {**PHONE, "viewport": {"width": 360, "height": 640}, "color_scheme": "dark"}),
    ("a phone", {**PHONE, "viewport": {"width": 390, "height": 844}, "locale": "zh-CN"}),
    ("a tablet", {"viewport": {"width": 768, "height": 1024}, "color_scheme": "dark", "locale": "zh-CN"}),
    # Half the window with pixels of twice the size is what a browser's zoom of 200% comes to.
    ("twice the size", {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2}),
    ("a screen", {"viewport": {"width": 1360, "height": 900}}),
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    environment = {"CARDVEIL_GENERAL_OCR": "off"}
    with api_bench(tmp_path_factory.mktemp("sizes"), environment=environment) as found:
        found.bench.upload("inbox/front.jpg", kept("id-front-flat.jpg"))
        found.upload("back.jpg", kept("id-back-photo.jpg"))
        yield found


def fits(page: Page) -> bool:
    """Say whether there is nothing to scroll sideways for."""
    return bool(page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"))


def in_view(page: Page, selector: str) -> bool:
    """Say whether an element's whole height is in the window."""
    inside: bool = page.evaluate(
        """selector => {
            const box = document.querySelector(selector).getBoundingClientRect();
            return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight && box.left >= 0
                && box.right <= innerWidth;
        }""",
        selector,
    )
    return inside


def corner(desk: Desk, field: str, at: int) -> list[float]:
    """Return where a corner of a field's mark is, in pixels of the picture."""
    points = desk.page.locator(f'#marks polygon[data-field="{field}"]').get_attribute("points") or ""
    x, y = points.split(" ")[at].split(",")
    return [float(x), float(y)]


def touch(page: Page, kind: str, *fingers: tuple[float, float]) -> None:
    points = [{"x": x, "y": y, "id": at} for at, (x, y) in enumerate(fingers)]
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.detach()


def middle(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize(("name", "options"), SIZES, ids=[name for name, _ in SIZES])
def test_everything_fits_and_is_seen(browser: Browser, api: Api, name: str, options: dict[str, Any]) -> None:
    with desk_on(browser, api, **options) as desk:
        desk.enter()
        assert fits(desk.page)
        desk.open("back.jpg")
        assert fits(desk.page)
        assert in_view(desk.page, "#card-title"), "a card opens in view"
        desk.page.locator("#reject").click()
        expect(desk.page.locator("#reason")).to_be_focused()
        assert in_view(desk.page, "#said-decision"), "what was said stands in view"
        assert in_view(desk.page, "#reason")
        desk.row("authority").locator(".mark").click()
        expect(desk.page.locator('#marks .handle[data-corner="0"]')).to_be_focused()
        for at in range(4):
            assert in_view(desk.page, f'#marks .dot[data-corner="{at}"]'), f"corner {at} can be reached"
        assert fits(desk.page)
        without_faults(desk.page)
        if not options["viewport"]["width"] > 900:
            desk.page.locator("#back").click()
            expect(desk.listed("back.jpg")).to_be_visible()
            expect(desk.page.locator("#card")).to_be_hidden()


def test_a_thumb_moves_a_corner_and_two_fingers_zoom(browser: Browser, api: Api) -> None:
    if browser.browser_type.name == "firefox":
        pytest.skip("a test cannot move fingers there")
    with desk_on(browser, api, **PHONE, viewport={"width": 360, "height": 640}) as desk:
        desk.enter()
        desk.open("front.jpg")
        desk.row("sex").locator(".mark").tap()
        expect(desk.page.locator("#figure-source .zoom-all")).to_have_text("400%")
        before = corner(desk, "sex", 2)
        handle = '#marks .handle[data-corner="2"]'
        box = desk.page.locator(handle).bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 44
        x, y = middle(desk.page, handle)
        scrolled = desk.page.evaluate("() => scrollY")
        touch(desk.page, "touchStart", (x, y))
        touch(desk.page, "touchMove", (x + 15, y + 10))
        touch(desk.page, "touchMove", (x + 30, y + 20))
        touch(desk.page, "touchEnd")
        after = corner(desk, "sex", 2)
        assert after[0] - before[0] == pytest.approx(30 * (after[1] - before[1]) / 20, rel=0.1)
        assert after[0] - before[0] > 15
        assert desk.page.evaluate("() => scrollY") == scrolled, "the page stays where it is"
        # Handles stand apart even where the text is small, and none covers it.
        desk.page.locator("#figure-source .zoom-all").click()
        expect(desk.page.locator("#figure-source .zoom-all")).to_have_text("100%")
        x, y = middle(desk.page, "#figure-source .frame")
        touch(desk.page, "touchStart", (x - 20, y), (x + 20, y))
        touch(desk.page, "touchMove", (x - 40, y), (x + 40, y))
        touch(desk.page, "touchMove", (x - 60, y), (x + 60, y))
        touch(desk.page, "touchEnd")
        expect(desk.page.locator("#figure-source .zoom-all")).to_have_text("300%")


def test_the_picture_is_zoomed_and_moved_by_wheel_mouse_and_keys(browser: Browser, api: Api) -> None:
    with desk_on(browser, api) as desk:
        desk.enter()
        desk.open("front.jpg")
        shown = desk.page.locator("#figure-source .zoom-all")
        x, y = middle(desk.page, "#figure-source .frame")
        desk.page.mouse.move(x, y)
        desk.page.mouse.move(x + 1, y)
        desk.page.mouse.wheel(0, -347)
        expect(shown).to_have_text("200%")
        expect(desk.page.locator("#figure-copy .zoom-all")).to_have_text("200%")
        marks = middle(desk.page, '#marks polygon[data-field="name"]')
        desk.page.mouse.down()
        desk.page.mouse.move(x + 61, y + 40)
        desk.page.mouse.up()
        moved = middle(desk.page, '#marks polygon[data-field="name"]')
        assert (moved[0] - marks[0], moved[1] - marks[1]) == pytest.approx((60, 40), abs=1.5)
        desk.page.locator("#figure-source .frame").focus()
        desk.page.keyboard.press("0")
        expect(shown).to_have_text("100%")
        desk.page.keyboard.press("+")
        expect(shown).to_have_text("150%")
        before = middle(desk.page, '#marks polygon[data-field="name"]')
        desk.page.keyboard.press("ArrowRight")
        assert middle(desk.page, '#marks polygon[data-field="name"]')[0] < before[0] - 20
        desk.page.keyboard.press("-")
        expect(shown).to_have_text("100%")
        # Zooming out of the whole picture is no zoom: the page scrolls.
        desk.page.mouse.move(x + 2, y)
        desk.page.mouse.wheel(0, 200)
        expect(shown).to_have_text("100%")
        desk.page.wait_for_function("() => scrollY > 0")


def test_the_keys_are_told(browser: Browser, api: Api) -> None:
    with desk_on(browser, api) as desk:
        desk.enter()
        desk.open("front.jpg")
        desk.page.keyboard.press("?")
        expect(desk.page.locator("#help-dialog")).to_be_visible()
        expect(desk.page.locator("#help-keys kbd")).to_contain_text(["A", "R", "N", "P", "Tab"])
        without_faults(desk.page)
        desk.page.keyboard.press("a")
        desk.page.keyboard.press("Escape")
        expect(desk.page.locator("#help-dialog")).to_be_hidden()
        assert not desk.card("front.jpg")["decided"], "keys do nothing under the help"
        desk.page.locator("#reason").focus()
        desk.page.keyboard.type("why?")
        expect(desk.page.locator("#help-dialog")).to_be_hidden()
