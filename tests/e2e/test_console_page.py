"""The console's page: its list, addresses, messages and sizes; what is said, and where, and to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, CDPSession, Page, Response, expect
from tests.support.api_fixture import SECRET, Api, api_bench
from tests.support.cloud_fixture import kept
from tests.support.console_fixture import Desk, desk_on, needs_browser, without_faults

import cardveil
from cardveil.api.tokens import mint

pytestmark = needs_browser
ASSETS = Path(cardveil.__file__).parent / "api" / "assets"
ODD = "a+b c#1&x=%41 照片.jpg"
PHONE = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2}
SIZES: list[tuple[str, dict[str, Any]]] = [
    ("a small phone", {**PHONE, "viewport": {"width": 360, "height": 640}, "color_scheme": "dark"}),
    ("a phone", {**PHONE, "viewport": {"width": 390, "height": 844}, "locale": "zh-CN"}),
    ("a tablet", {"viewport": {"width": 768, "height": 1024}, "color_scheme": "dark", "locale": "zh-CN"}),
    # Half the window with pixels of twice the size is what a browser's zoom of 200% comes to.
    ("twice the size", {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2}),
    ("a screen", {"viewport": {"width": 1360, "height": 900}}),
]
#: With `--every-size`: each width in both colours and languages.
EVERY_SIZE: list[tuple[str, dict[str, Any]]] = [
    (
        f"{width} {scheme} {language}",
        {**(PHONE if width < 768 else {}), "viewport": {"width": width, "height": height},
         "color_scheme": scheme, "locale": language},
    )
    for width, height in ((360, 640), (390, 844), (768, 1024), (1360, 900))
    for scheme in ("light", "dark")
    for language in ("en-GB", "zh-CN")
]  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the sizes that a run wants."""
    if "size" in metafunc.fixturenames:
        sizes = SIZES
        if metafunc.config.getoption("--every-size", default=False):
            sizes = [*EVERY_SIZE, *(each for each in SIZES if each[0] == "twice the size")]
        metafunc.parametrize("size", [options for _, options in sizes], ids=[name for name, _ in sizes])


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    environment = {"CARDVEIL_GENERAL_OCR": "off"}
    with api_bench(tmp_path_factory.mktemp("inbox"), environment=environment) as found:
        uploads = {
            "a-first.jpg": kept("id-front-flat.jpg"),
            "back.jpg": kept("id-back-photo.jpg"),
            "text.jpg": b"%PDF-1.7 no picture",
            ODD: kept("licence-flat.jpg"),
        }
        store = found.bench.cloud.store
        now = store.now
        for age, (name, data) in zip(range(len(uploads), 0, -1), uploads.items(), strict=True):
            # Listings tell whole seconds: none is as old as another.
            store.now = lambda age=age: now() - age  # type: ignore[misc]
            found.upload(name, data)
        store.now = now
        yield found


def test_what_needs_a_person_comes_first_then_the_newest(desk: Desk) -> None:
    desk.enter()
    names = desk.page.locator("#list .name")
    expect(names).to_have_text(["back.jpg", ODD, "text.jpg", "a-first.jpg"])
    expect(desk.page.locator("#order")).to_contain_text("1 of them need review")
    desk.page.locator("#status").select_option("redacted")
    expect(names).to_have_text([ODD, "a-first.jpg"])


def test_a_card_has_an_address(desk: Desk) -> None:
    desk.enter(card=f"&card={quote(f'inbox/{ODD}', safe='')}")
    desk.opened(ODD)
    assert "token" not in desk.page.url
    desk.page.reload()
    desk.opened(ODD)
    desk.open("back.jpg")
    assert desk.page.url.endswith("#card=inbox%2Fback.jpg")
    desk.page.go_back()
    desk.opened(ODD)
    desk.page.go_forward()
    desk.opened("back.jpg")
    desk.page.goto(f"{desk.api.url}/#card=inbox%2Fnone.jpg")
    expect(desk.said("card")).to_contain_text("none.jpg: There is no such card in the inbox")
    desk.page.goto(f"{desk.api.url}/#card=%E0%A4")
    expect(desk.page.locator("#card-title")).to_have_text("No card is open")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_refusal_names_the_fields_where_they_stand(desk: Desk, language: str) -> None:
    words = json.loads((ASSETS / "words.json").read_text("utf-8"))[language]
    desk.enter()
    if language == "zh":
        desk.page.locator("#language").click()
    desk.open("back.jpg")
    desk.page.locator("#accept").click()
    expect(desk.said("decision")).to_contain_text(words["problem"]["fields_missing"])
    expect(desk.said("decision")).to_contain_text(words["name"]["authority"])
    expect(desk.said("decision")).to_be_focused()
    near = desk.page.evaluate(
        """() => document.querySelector('#said-decision').getBoundingClientRect().top
            - document.querySelector('#accept').getBoundingClientRect().bottom"""
    )
    assert 0 <= near < 40
    for name in ("authority", "valid_period"):
        expect(desk.row(name).locator(".problem")).to_have_text(words["fault"]["place_missing"])
        expect(desk.page.locator(f"#text-{name}")).to_have_attribute("aria-invalid", "true")
    desk.said("decision").get_by_role("button", name=words["name"]["valid_period"]).click()
    expect(desk.page.locator('#marks .handle[data-corner="0"]')).to_be_focused()
    expect(desk.row("valid_period")).to_have_class("field chosen")
    # Said again in the other language, without asking again.
    desk.page.locator("#language").click()
    expect(desk.said("decision")).not_to_contain_text(words["problem"]["fields_missing"])


def test_a_rejection_is_taken_back_later(desk: Desk) -> None:
    desk.enter()
    desk.open("back.jpg")
    desk.page.locator("#reason").fill("a slip")
    desk.page.locator("#reject").click()
    expect(desk.said("decision")).to_contain_text("Rejected: a slip")
    desk.page.reload()
    desk.opened("back.jpg")
    desk.page.locator("#reopen").click()
    expect(desk.said("decision")).to_contain_text("Done: needs review.")
    expect(desk.page.locator(".findings").first).to_contain_text("A person has taken a rejection back")
    expect(desk.page.locator("#reopen")).to_be_hidden()


def test_covered_and_kept_are_told_apart_without_colours(desk: Desk) -> None:
    desk.enter()
    desk.open("a-first.jpg")
    expect(desk.row("name").locator(".tag")).to_have_text("covered")
    expect(desk.row("sex").locator(".tag")).to_have_text("shown")
    styles = desk.page.evaluate(
        """() => ['name', 'sex'].map(name => {
            const style = getComputedStyle(document.querySelector(`#marks polygon[data-field="${name}"]`));
            return [style.fill.includes('hatch'), style.strokeDasharray !== 'none'];
        })"""
    )
    assert styles == [[True, False], [False, True]]
    expect(desk.page.locator(".legend")).to_have_text("coveredshown")


def test_a_file_that_is_no_picture_is_not_said_to_be_hidden(desk: Desk) -> None:
    desk.enter()
    desk.open("text.jpg")
    expect(desk.page.locator("#figure-source")).to_contain_text("it is not a picture that can be read")
    expect(desk.page.locator("#accept")).to_be_disabled()


def test_what_is_wrong_with_a_token(desk: Desk, api: Api) -> None:
    ended = mint(SECRET, "tester", ["read"], lifetime_s=900, now=1_000_000_000)
    strange = mint("x" * 32, "tester", ["read"], lifetime_s=900, now=1_000_000_000)
    desk.page.goto(f"{api.url}/#token=")
    for token, told in (
        ("garbage", "This is no token."),
        (strange, "not issued for this function"),
        (ended, "The token has expired."),
        (strange.replace(".", "-"), "This is no token."),
    ):
        desk.page.locator("#token").fill(token)
        desk.page.keyboard.press("Enter")
        expect(desk.said("token")).to_contain_text(told)
        expect(desk.page.locator("#token")).to_have_attribute("aria-invalid", "true")
    desk.page.locator("#language").click()
    expect(desk.said("token")).to_contain_text("这不是令牌")


def test_what_a_role_may_not_see_is_not_sent(desk: Desk) -> None:
    answers: list[Response] = []
    desk.page.on("response", lambda r: answers.append(r) if "/v1/" in r.url else None)
    desk.enter("read")
    card = desk.open("a-first.jpg")["sidecar"]["cards"][0]
    expect(desk.page.locator("#figure-source")).to_contain_text("Your role may not see the source.")
    expect(desk.page.locator("#figure-copy img")).to_be_visible()
    assert desk.page.locator("#accept").count() == 0
    assert desk.page.locator("#drop").is_hidden()
    sent = "".join(answer.text() for answer in answers)
    assert '"masked":[["name"' in sent, "the card itself is among what was sent"
    for field in card["fields"]:
        if field["name"] in {"name", "address", "id_number"}:
            assert field["text"] not in sent
            assert field["text"] not in desk.page.content()
    assert "pictures/source" not in sent


def test_both_languages(desk: Desk) -> None:
    desk.enter()
    desk.open("back.jpg")
    expect(desk.page.locator("html")).to_have_attribute("lang", "en")
    expect(desk.page.locator(".findings").first).to_contain_text("Text was read but not located")
    desk.page.get_by_role("button", name="中文").click()
    expect(desk.page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(desk.page.locator("#inbox-title")).to_have_text("证件")
    expect(desk.page.locator(".findings").first).to_contain_text("已读出文字但未定位")
    expect(desk.page.locator("#accept")).to_have_text("通过")
    desk.page.reload()
    expect(desk.page.locator("html")).to_have_attribute("lang", "zh-CN")
    desk.page.get_by_role("button", name="English").click()
    expect(desk.page.locator("#inbox-title")).to_have_text("Cards")


def test_the_token_leaves_the_address_and_the_page(desk: Desk, api: Api) -> None:
    desk.enter()
    assert "token" not in desk.page.url
    desk.page.reload()
    desk.page.wait_for_selector("#list button")
    desk.page.get_by_role("button", name="Sign out").click()
    expect(desk.page.locator("#token")).to_be_focused()
    assert desk.page.locator("#list button").count() == 0
    desk.page.reload()
    expect(desk.page.locator("#token-form")).to_be_visible()
    desk.page.locator("#token").fill(api.token())
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("#list button")


def fits(page: Page) -> None:
    """Wait until there is nothing to scroll sideways for: a new size may come a moment later."""
    page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")


def in_view(page: Page, selector: str) -> bool:
    """Say whether an element's whole height is in the window."""
    inside: bool = page.evaluate(
        """selector => {
            const box = document.querySelector(selector).getBoundingClientRect();
            return box.height > 0 && box.top >= -1 && box.bottom <= innerHeight + 1 && box.left >= -1
                && box.right <= innerWidth + 1;
        }""",
        selector,
    )
    return inside


def corner(desk: Desk, field: str, at: int) -> list[float]:
    """Return where a corner of a field's mark is, in pixels of the picture."""
    points = desk.page.locator(f'#marks polygon[data-field="{field}"]').get_attribute("points") or ""
    x, y = points.split(" ")[at].split(",")
    return [float(x), float(y)]


def touch(session: CDPSession, kind: str, *fingers: tuple[float, float]) -> None:
    points = [{"x": x, "y": y, "id": at} for at, (x, y) in enumerate(fingers)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def middle(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_everything_fits_and_is_seen(browser: Browser, api: Api, size: dict[str, Any]) -> None:
    with desk_on(browser, api, **size) as desk:
        desk.enter()
        fits(desk.page)
        desk.open("back.jpg")
        fits(desk.page)
        assert in_view(desk.page, "#card-title"), "a card opens in view"
        desk.page.locator("#reject").click()
        expect(desk.page.locator("#reason")).to_be_focused()
        assert in_view(desk.page, "#said-decision"), "what was said stands in view"
        assert in_view(desk.page, "#reason")
        desk.row("authority").locator(".mark").click()
        expect(desk.page.locator('#marks .handle[data-corner="0"]')).to_be_focused()
        for at in range(4):
            assert in_view(desk.page, f'#marks .dot[data-corner="{at}"]'), f"corner {at} can be reached"
        fits(desk.page)
        without_faults(desk.page)
        if not size["viewport"]["width"] > 900:
            desk.page.locator("#back").click()
            expect(desk.listed("back.jpg")).to_be_visible()
            expect(desk.page.locator("#card")).to_be_hidden()


def test_a_thumb_moves_a_corner_and_two_fingers_zoom(browser: Browser, api: Api) -> None:
    if browser.browser_type.name == "firefox":
        pytest.skip("a test cannot move fingers there")
    with desk_on(browser, api, **PHONE, viewport={"width": 360, "height": 640}) as desk:
        desk.enter()
        desk.open("a-first.jpg")
        desk.row("sex").locator(".mark").tap()
        expect(desk.page.locator("#figure-source .zoom-all")).to_have_text("400%")
        before = corner(desk, "sex", 2)
        handle = '#marks .handle[data-corner="2"]'
        box = desk.page.locator(handle).bounding_box()
        assert box
        assert min(box["width"], box["height"]) == pytest.approx(44, abs=0.5)
        x, y = middle(desk.page, handle)
        scrolled = desk.page.evaluate("() => scrollY")
        session = desk.page.context.new_cdp_session(desk.page)
        touch(session, "touchStart", (x, y))
        touch(session, "touchMove", (x + 15, y + 10))
        touch(session, "touchMove", (x + 30, y + 20))
        touch(session, "touchEnd")
        after = corner(desk, "sex", 2)
        assert after[0] - before[0] == pytest.approx(30 * (after[1] - before[1]) / 20, rel=0.1)
        assert after[0] - before[0] > 15
        assert desk.page.evaluate("() => scrollY") == scrolled, "the page stays where it is"
        # Handles stand apart even where the text is small, and none covers it.
        desk.page.locator("#figure-source .zoom-all").click()
        expect(desk.page.locator("#figure-source .zoom-all")).to_have_text("100%")
        x, y = middle(desk.page, "#figure-source .frame")
        touch(session, "touchStart", (x - 20, y), (x + 20, y))
        touch(session, "touchMove", (x - 40, y), (x + 40, y))
        touch(session, "touchMove", (x - 60, y), (x + 60, y))
        touch(session, "touchEnd")
        expect(desk.page.locator("#figure-source .zoom-all")).to_have_text("300%")


def test_the_picture_is_zoomed_and_moved_by_wheel_mouse_and_keys(browser: Browser, api: Api) -> None:
    with desk_on(browser, api) as desk:
        desk.enter()
        desk.open("a-first.jpg")
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
        desk.open("a-first.jpg")
        desk.page.keyboard.press("?")
        expect(desk.page.locator("#help-dialog")).to_be_visible()
        expect(desk.page.locator("#help-keys kbd")).to_contain_text(["A", "R", "N", "P", "Tab"])
        without_faults(desk.page)
        desk.page.keyboard.press("a")
        desk.page.keyboard.press("Escape")
        expect(desk.page.locator("#help-dialog")).to_be_hidden()
        assert not desk.card("a-first.jpg")["decided"], "keys do nothing under the help"
        desk.page.locator("#reason").focus()
        desk.page.keyboard.type("why?")
        expect(desk.page.locator("#help-dialog")).to_be_hidden()


def test_no_serious_fault_of_access(browser: Browser, api: Api) -> None:
    """Of what the other sizes do not show: signing in, a file that is no picture, and the documentation."""
    with desk_on(browser, api) as desk:
        desk.page.goto(f"{api.url}/")
        without_faults(desk.page)
        desk.enter()
        desk.open("text.jpg")
        without_faults(desk.page)
        desk.page.goto(f"{api.url}/docs")
        without_faults(desk.page)
