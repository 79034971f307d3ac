"""The console in a real browser: a picture dropped, a card looked at, corrected and decided over."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, Route, expect
from tests.support.api_fixture import Api, api_bench, rewritten
from tests.support.cloud_fixture import kept
from tests.support.console_fixture import CHROMIUM, Desk, chromium, desk_on, pictures_shown, without_faults

#: Where a second card's only field is said to stand.
PLACE = [[60, 20], [300, 20], [300, 50], [60, 50]]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's package chromium is missing")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cloud with a card that is done, one that waits for a person, and one that is none."""
    environment = {"CARDVEIL_GENERAL_OCR": "off"}
    with api_bench(tmp_path_factory.mktemp("console"), environment=environment) as found:
        found.upload("front.jpg", kept("id-front-flat.jpg"))
        found.upload("licence.jpg", kept("licence-flat.jpg"))
        found.upload("back.jpg", kept("id-back-photo.jpg"))
        found.upload("text.jpg", b"not a picture")
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def desk(browser: Browser, api: Api) -> Iterator[Desk]:
    with desk_on(browser, api) as found:
        yield found


def distances(page: Page, field: str, polygon: list[list[float]], source: dict[str, Any]) -> list[float]:
    """Return how far each corner is drawn from where the picture has it, in pixels of the window.

    Both are asked for at one moment: the page may still be moving.
    """
    found: list[float] = page.evaluate(
        """([field, polygon, width, height]) => {
            const drawn = document.querySelector(`#marks polygon[data-field="${field}"]`);
            const box = document.querySelector("#figure-source img").getBoundingClientRect();
            return [...drawn.points].map((point, index) => {
                const at = point.matrixTransform(drawn.getScreenCTM());
                const [x, y] = polygon[index];
                return Math.hypot(
                    at.x - box.x - (x * box.width) / width, at.y - box.y - (y * box.height) / height
                );
            });
        }""",
        [field, polygon, source["width"], source["height"]],
    )
    return found


def shown(page: Page, point: list[float], sidecar: dict[str, Any]) -> tuple[float, float]:
    """Return where a point of the upright picture is, in pixels of the window."""
    box = page.locator("#figure-source img").bounding_box()
    assert box
    source = sidecar["source"]
    return box["x"] + point[0] * box["width"] / source["width"], box["y"] + point[1] * box["height"] / source[
        "height"
    ]


@pytest.mark.parametrize("name", ["front.jpg", "licence.jpg"])
def test_the_overlay_s_corners_are_the_sidecar_s(desk: Desk, name: str) -> None:
    desk.enter()
    sidecar = desk.open(name)["sidecar"]
    seen = 0
    for width in (1280, 700):
        desk.page.set_viewport_size({"width": width, "height": 900})
        for field in sidecar["cards"][0]["fields"]:
            if field["polygon"]:
                off = distances(desk.page, field["name"], field["polygon"], sidecar["source"])
                assert max(off) <= 2
                seen += len(off)
    assert seen >= 2 * 4 * 6


def test_a_dropped_picture_is_seen_through(desk: Desk, api: Api) -> None:
    desk.enter()
    # A File cannot be put into a real drag from outside: the page gets the event that a browser would send.
    transfer = desk.page.evaluate_handle(
        """base64 => { const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
        const all = new DataTransfer();
        all.items.add(new File([bytes], "dropped.jpg", { type: "image/jpeg" })); return all; }""",
        base64.b64encode(kept("id-front-flat.jpg")).decode(),
    )
    progress: list[bool] = []

    def sent(route: Route) -> None:
        # Looked at while the request is under way: a quick answer takes the bar away at once.
        progress.append(desk.page.locator("#sending progress").is_visible())
        route.continue_()

    desk.page.route(f"{api.url}/v1/cards", sent)
    desk.page.dispatch_event("#drop", "dragover", {"dataTransfer": transfer})
    desk.page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
    expect(desk.page.locator("#sending")).to_contain_text("dropped.jpg: redacted")
    assert progress == [True]
    expect(desk.page.locator("#sending progress")).to_have_count(0)
    expect(desk.page.locator("#card-title")).to_have_text("dropped.jpg")
    expect(desk.page.locator("#figure-copy img")).to_be_visible()
    expect(desk.page.get_by_role("button", name="dropped.jpg")).to_be_visible()


def test_a_correction_by_mouse(desk: Desk, api: Api) -> None:
    api.upload("mouse.jpg", kept("id-front-flat.jpg"))
    desk.enter()
    before = desk.open("mouse.jpg")
    copy = api.bench.get("redacted/mouse.jpg")
    desk.row("name").locator(".mark").click()
    # The focus scrolls the page, so places in the window are asked for after it.
    expect(desk.page.locator('#marks .handle[data-corner="0"]')).to_be_focused()
    at = next(f for f in before["sidecar"]["cards"][0]["fields"] if f["name"] == "name")["polygon"][2]
    from_x, from_y = shown(desk.page, at, before["sidecar"])
    to_x, to_y = shown(desk.page, [500, 145], before["sidecar"])
    # A handle stands beside its corner, and what it is moved by the corner is moved by.
    box = desk.page.locator('#marks .handle[data-corner="2"]').bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    to_x, to_y = x + to_x - from_x, y + to_y - from_y
    desk.page.mouse.move(x, y)
    desk.page.mouse.down()
    desk.page.mouse.move((x + to_x) / 2, (y + to_y) / 2)
    desk.page.mouse.move(to_x, to_y)
    desk.page.mouse.up()
    desk.fill("name", "王小明")
    desk.page.locator("#reason").fill("by eye")
    desk.page.locator("#accept").click()
    expect(desk.said("decision")).to_contain_text("Done: redacted.")
    after = desk.card("mouse.jpg")
    field = next(f for f in after["sidecar"]["cards"][0]["fields"] if f["name"] == "name")
    assert field["text"] == "王小明"
    assert field["polygon"][2] == pytest.approx([500, 145], abs=2)
    assert api.bench.get("redacted/mouse.jpg") != copy
    (entry,) = after["sidecar"]["history"]
    assert (entry["by"], entry["reason"], entry["fields"]) == ("李复核", "by eye", ["name"])
    expect(desk.page.locator(".history")).to_contain_text("李复核: corrected (Name) — by eye")


def test_the_cards_of_a_picture_are_tabs_and_are_decided_over_together(desk: Desk, api: Api) -> None:
    api.upload("both.jpg", kept("id-front-flat.jpg"))
    told = desk.card("both.jpg")
    card = told["sidecar"]["cards"][0]
    issued = {**card["fields"][0], "name": "authority", "text": "清岚市公安局", "polygon": PLACE}
    second = {**card, "side": "back", "outline": None, "fields": [issued]}
    rewritten(api, told, cards=[card, second])
    desk.enter()
    desk.open("both.jpg")
    tabs = desk.page.get_by_role("tab")
    expect(tabs).to_have_count(2)
    expect(desk.row("name")).to_be_visible()
    desk.fill("name", "王小明")
    tabs.nth(1).click()
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    expect(desk.row("name")).to_have_count(0)
    desk.fill("authority-1", "星河市公安局")
    desk.page.locator("#accept").click()
    expect(desk.said("decision")).to_contain_text("Done: redacted.")
    after = desk.card("both.jpg")["sidecar"]
    texts = [{f["name"]: f["text"] for f in each["fields"]} for each in after["cards"]]
    assert (texts[0]["name"], texts[1]["authority"]) == ("王小明", "星河市公安局")
    (entry,) = after["history"]
    assert (entry["fields"], entry["cards"]) == (["name", "authority"], [0, 1])
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")


def test_a_correction_by_keyboard_alone(desk: Desk, api: Api) -> None:
    api.upload("keyboard.jpg", kept("id-back-photo.jpg"))
    desk.enter()
    desk.listed("keyboard.jpg").focus()
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator("#card-title")).to_be_focused()
    for name in ("authority", "valid_period"):
        desk.row(name).locator(".mark").focus()
        desk.page.keyboard.press("Enter")
        expect(desk.page.locator('#marks .handle[data-corner="0"]')).to_be_focused()
        for _ in range(3):
            desk.page.keyboard.press("Shift+ArrowLeft")
        desk.page.keyboard.press("ArrowUp")
    for _ in range(60):
        if desk.page.evaluate("document.activeElement.id") == "accept":
            break
        desk.page.keyboard.press("Tab")
    desk.page.keyboard.press("a")
    expect(desk.said("decision")).to_contain_text("Done: redacted.")
    after = desk.card("keyboard.jpg")["sidecar"]
    source = after["source"]
    polygon = next(f for f in after["cards"][0]["fields"] if f["name"] == "valid_period")["polygon"]
    assert polygon[0] == pytest.approx([source["width"] * 0.35 - 30, source["height"] * 0.45 - 1], abs=1.5)
    assert after["history"][0]["decision"] == "correct"
    assert api.bench.get("redacted/keyboard.jpg")
    expect(desk.said("decision")).to_be_focused()
    desk.page.keyboard.press("r")
    expect(desk.page.locator("#reason")).to_be_focused()
    desk.page.keyboard.type("a slip")
    desk.page.keyboard.press("Tab")
    desk.page.keyboard.press("r")
    expect(desk.said("decision")).to_contain_text("Rejected: a slip")
    assert desk.card("keyboard.jpg")["sidecar"]["status"] == "rejected"


def test_single_keys_do_nothing_while_typing(desk: Desk) -> None:
    desk.enter()
    version = desk.open("front.jpg")["version"]
    sent: list[str] = []
    desk.page.on("request", lambda request: sent.append(request.method))
    desk.page.locator("#reason").focus()
    desk.page.keyboard.type("around rare areas")
    desk.page.locator("#status").focus()
    desk.page.keyboard.press("r")
    # A request leaves while its key is handled; the page answers the next question only after that.
    assert desk.page.evaluate("document.activeElement.id") == "status"
    assert "POST" not in sent
    assert desk.card("front.jpg")["version"] == version


def test_what_a_role_may_not_see_is_not_sent(desk: Desk) -> None:
    answers: list[Response] = []
    desk.page.on("response", lambda r: answers.append(r) if "/v1/" in r.url else None)
    desk.enter("read")
    card = desk.open("front.jpg")["sidecar"]["cards"][0]
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_access(browser: Browser, api: Api, scheme: Any) -> None:
    context = browser.new_context(
        locale="en-GB", color_scheme=scheme, viewport={"width": 1280, "height": 900}
    )
    # The checker is put into the page by the test; the page's own policy would not run it.
    page = context.new_page()
    page.goto(f"{api.url}/")
    without_faults(page)
    page.goto(f"{api.url}/#token={api.token()}")
    page.reload()
    for name in ("front.jpg", "back.jpg", "text.jpg"):
        page.get_by_role("button", name=name).click()
        expect(page.locator("#card-title")).to_have_text(name)
        pictures_shown(page)
        if name == "front.jpg":
            page.locator('[data-field="name"] .mark').click()
        without_faults(page)
    page.goto(f"{api.url}/docs")
    without_faults(page)
    context.close()


def test_readable_at_twice_the_size(browser: Browser, api: Api) -> None:
    """Half the window with pixels of twice the size is what a browser's zoom of 200% comes to."""
    context = browser.new_context(
        viewport={"width": 640, "height": 450}, device_scale_factor=2, locale="en-GB"
    )
    page = context.new_page()
    page.goto(f"{api.url}/#token={api.token()}")
    page.get_by_role("button", name="front.jpg").click()
    page.wait_for_selector("#figure-source img")
    pictures_shown(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "nothing to scroll sideways for"
    )
    context.close()
