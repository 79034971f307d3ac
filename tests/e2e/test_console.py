"""The console in a real browser: cards looked at, corrected and decided over, and nothing typed is lost."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Route, expect
from tests.support.api_fixture import SECRET, Api, api_bench, rewritten
from tests.support.cloud_fixture import kept, known
from tests.support.console_fixture import Desk, desk_on, needs_browser
from tests.support.console_walk import CARDS, Walk
from tests.support.documents import table, three_pages
from tests.support.papers_with_cards import BACK, FRONT

from cardveil.api.tokens import ROLES, mint
from cardveil_cli.samples.bundled import kept_pictures

#: Where a second card's only field is said to stand.
PLACE = [[60, 20], [300, 20], [300, 50], [60, 50]]

pytestmark = needs_browser


@cache
def document() -> bytes:
    """A page with a card and one without."""
    return three_pages(names=(FRONT, None))


@cache
def unseen() -> bytes:
    """A back that nobody recognises, between two fronts."""
    return three_pages(names=(FRONT, BACK, FRONT), seed=1)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cloud with a card that is done, one that waits for a person, and one that is none."""
    environment = {"CARDVEIL_GENERAL_OCR": "off"}
    pictures = {each.read(): known(each) for each in kept_pictures()} | table(document(), (FRONT, None))
    pictures |= table(unseen(), (FRONT, None, FRONT))
    folder = tmp_path_factory.mktemp("console")
    with api_bench(folder, environment=environment, pictures=pictures) as found:
        found.upload("front.jpg", kept("id-front-flat.jpg"))
        found.upload("licence.jpg", kept("licence-flat.jpg"))
        found.upload("back.jpg", kept("id-back-photo.jpg"))
        found.upload("text.jpg", b"not a picture")
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
    lower = [[x, y + 40] for x, y in PLACE]
    valid = {**issued, "name": "valid_period", "text": "2016.01.02-长期", "polygon": lower}
    second = {**card, "side": "back", "outline": None, "fields": [issued, valid]}
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


def test_the_pages_of_a_document_are_tabs(desk: Desk, api: Api) -> None:
    api.upload("pages.pdf", document())
    desk.enter()
    desk.open("pages.pdf")
    tabs = desk.page.get_by_role("tab")
    expect(tabs).to_have_text(["Page 1: ID card, front", "Page 2: no card"])
    expect(desk.row("name")).to_be_visible()
    desk.fill("name", "王小明")
    first = desk.page.locator("#figure-copy img").get_attribute("src")
    tabs.nth(1).click()
    expect(tabs.nth(1)).to_be_focused()
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    expect(desk.page.locator("[data-finding=page_masked]")).to_be_visible()
    expect(desk.page.locator("#figure-copy img")).not_to_have_attribute("src", first or "")
    expect(desk.page.locator("#fields")).to_have_count(0)
    expect(desk.page.locator("#kind")).to_be_visible()
    # Decided is over the whole document, wherever one stands in it.
    desk.page.locator("#accept").click()
    expect(desk.said("decision")).to_contain_text("Done: redacted.")
    after = desk.card("pages.pdf")["sidecar"]
    (name,) = [f["text"] for f in after["pages"][0]["cards"][0]["fields"] if f["name"] == "name"]
    assert (name, after["history"][-1]["fields"]) == ("王小明", ["name"])
    tabs.nth(0).click()
    expect(desk.page.locator("#text-name")).to_have_value("王小明")


def test_a_card_is_added_to_the_page_of_a_document(desk: Desk, api: Api) -> None:
    api.upload("unseen.pdf", unseen())
    desk.enter()
    desk.open("unseen.pdf")
    tabs = desk.page.get_by_role("tab")
    expect(tabs).to_have_text(["Page 1: ID card, front", "Page 2: no card", "Page 3: ID card, front"])
    tabs.nth(2).click()
    desk.fill("name-1", "王小明")
    tabs.nth(1).click()
    expect(tabs.nth(1)).to_be_focused()
    desk.page.locator("#kind").select_option("IDCard/back")
    for name in ("authority-2", "valid_period-2"):
        desk.row(name).locator(".mark").click()
        expect(desk.page.locator('#marks .handle[data-corner="0"]')).to_be_focused()
    desk.fill("authority-2", "星河市公安局")
    # It is on that page alone, and is there when its person comes back.
    tabs.nth(0).click()
    expect(desk.row("name")).to_be_visible()
    desk.page.reload()
    desk.opened("unseen.pdf")
    tabs.nth(1).click()
    expect(desk.page.locator("#kind")).to_have_value("IDCard/back")
    expect(desk.page.locator("#text-authority-2")).to_have_value("星河市公安局")
    desk.page.locator("#accept").click()
    expect(desk.said("decision")).to_contain_text("Done: redacted.")
    expect(tabs).to_have_text(["Page 1: ID card, front", "Page 2: ID card, back", "Page 3: ID card, front"])
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    expect(desk.page.locator("#text-authority-1")).to_have_value("星河市公安局")
    after = desk.card("unseen.pdf")["sidecar"]
    texts = [
        [f["text"] for f in page["cards"][0]["fields"] if f["name"] in ("authority", "name")]
        for page in after["pages"]
    ]
    assert texts[1:] == [["星河市公安局"], ["王小明"]]


def test_what_is_typed_follows_its_card_when_another_person_adds_one_before_it(desk: Desk, api: Api) -> None:
    api.upload("follows.pdf", unseen())
    desk.enter()
    told = desk.open("follows.pdf")
    desk.page.get_by_role("tab").nth(2).click()
    desk.fill("name-1", "王小明")
    places = [{"card": 2, "name": name, "polygon": PLACE} for name in ("authority", "valid_period")]
    kind = {"card": 2, "card_type": "IDCard", "side": "back", "page": 1}
    body = {"decision": "correct", "version": told["version"], "kinds": [kind], "fields": places}
    assert api.call("POST", f"/v1/cards/{told['ref']}/review", body).status_code == 200
    desk.page.locator("#accept").click()
    expect(desk.said("decision")).to_be_focused()
    desk.page.get_by_role("tab").nth(2).click()
    expect(desk.page.locator("#text-name-2")).to_have_value("王小明")
    desk.page.get_by_role("tab").nth(1).click()
    expect(desk.page.locator("#text-authority-1")).to_have_value("")


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


def corrected(desk: Desk, text: str = "王小明") -> None:
    """Open the front, and change a text and a place without deciding."""
    desk.open("front.jpg")
    desk.fill("name", text)
    desk.row("sex").locator(".mark").click()
    expect(desk.page.locator('#marks .handle[data-corner="0"]')).to_be_focused()
    desk.page.keyboard.press("Shift+ArrowLeft")
    expect(desk.page.locator("#changed")).to_have_text("Changed, not saved: Name, Sex")


def still_corrected(desk: Desk, text: str = "王小明") -> None:
    expect(desk.page.locator("#card-title")).to_have_text("front.jpg")
    expect(desk.page.locator("#text-name")).to_have_value(text)
    expect(desk.page.locator("#changed")).to_have_text("Changed, not saved: Name, Sex")


def test_another_card_the_keys_and_the_browser_s_way_back(desk: Desk) -> None:
    desk.enter()
    corrected(desk)
    expect(desk.listed("front.jpg")).to_contain_text("not saved")
    names = desk.page.locator("#list .name").all_inner_texts()
    before = names[names.index("front.jpg") - 1]
    desk.open(before)
    desk.page.keyboard.press("n")
    still_corrected(desk)
    desk.page.locator("#card-title").focus()
    desk.page.keyboard.press("p")
    desk.opened(before)
    desk.page.go_back()
    still_corrected(desk)
    desk.page.get_by_role("button", name="中文").click()
    expect(desk.page.locator("#text-name")).to_have_value("王小明")
    assert desk.questions == []


def test_a_reload_asks_and_keeps(desk: Desk) -> None:
    desk.enter()
    corrected(desk)
    desk.page.locator("#reason").fill("by eye")
    desk.page.reload()
    assert desk.questions == ["beforeunload"]
    still_corrected(desk)
    expect(desk.page.locator("#reason")).to_have_value("by eye")
    desk.page.locator("#discard").click()
    expect(desk.page.locator("#text-name")).not_to_have_value("王小明")
    desk.page.reload()
    expect(desk.page.locator("#card-title")).to_have_text("front.jpg")
    assert desk.questions == ["beforeunload"], "where nothing is lost nothing is asked"


def test_an_upload_opens_itself_only_when_nobody_is_at_work(desk: Desk) -> None:
    desk.enter()
    corrected(desk)
    picture: FilePayload = {
        "name": "later.jpg",
        "mimeType": "image/jpeg",
        "buffer": kept("id-front-photo.jpg"),
    }
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.method) if "/v1/" in request.url else None)
    desk.page.locator("#file").set_input_files(picture)
    expect(desk.page.locator("#sending")).to_contain_text("later.jpg: redacted")
    # A card that opens is asked for in the same moment.
    still_corrected(desk)
    assert asked == ["POST"]
    desk.page.locator("#sending").get_by_role("button", name="Open").click()
    desk.opened("later.jpg")
    assert desk.page.url.endswith("%2Flater.jpg")


def test_what_is_discarded_or_typed_back_is_no_change(desk: Desk) -> None:
    desk.enter()
    before = desk.open("front.jpg")["sidecar"]["cards"][0]["fields"]
    corrected(desk)
    desk.page.locator("#discard").click()
    expect(desk.page.locator("#accept")).to_have_text("Accept")
    desk.said("decision").get_by_role("button", name="Undo").click()
    still_corrected(desk)
    desk.row("sex").locator(".revert").click()
    expect(desk.page.locator("#changed")).to_have_text("Changed, not saved: Name")
    desk.fill("name", next(field["text"] for field in before if field["name"] == "name"))
    expect(desk.page.locator("#accept")).to_have_text("Accept")
    expect(desk.listed("front.jpg")).not_to_contain_text("not saved")


def test_signing_out_asks_first(desk: Desk) -> None:
    desk.enter()
    corrected(desk)
    desk.page.locator("#leave").click()
    expect(desk.page.locator("#question-text")).to_have_text(
        "Corrections to 1 card(s) are not saved. Sign out and lose them?"
    )
    desk.page.locator("#question-no").click()
    still_corrected(desk)
    desk.page.locator("#leave").click()
    desk.page.locator("#question-yes").click()
    expect(desk.page.locator("#token")).to_be_focused()
    assert desk.page.evaluate("() => JSON.stringify({...sessionStorage})").count("王小明") == 0
    desk.enter()
    desk.open("front.jpg")
    expect(desk.page.locator("#text-name")).not_to_have_value("王小明")


def test_a_token_that_ends_in_the_midst(browser: Browser, api: Api) -> None:
    with desk_on(browser, api) as desk:
        desk.enter()
        corrected(desk)

        def ended(route: Route) -> None:
            expired = mint(SECRET, "李复核", ROLES, lifetime_s=1, now=time.time() - 60)
            headers = {"authorization": f"Bearer {expired}", "x-cardveil-token": expired}
            route.continue_(headers={**route.request.headers, **headers})

        desk.page.route("**/review", ended)
        desk.page.locator("#accept").click()
        expect(desk.said("token")).to_have_text("The token has expired. Ask for a new one.")
        # Another person may not see them, and is told that they would be lost.
        desk.page.locator("#token").fill(api.token(subject="another"))
        desk.page.keyboard.press("Enter")
        expect(desk.page.locator("#question-text")).to_contain_text("corrections of 李复核")
        desk.page.locator("#question-no").click()
        expect(desk.page.locator("#token-form")).to_be_visible()
        desk.page.locator("#token").fill(api.token(subject="李复核"))
        desk.page.keyboard.press("Enter")
        still_corrected(desk)


def test_what_changed_meanwhile_is_shown_with_the_corrections(desk: Desk, api: Api) -> None:
    desk.enter()
    api.upload("shared.jpg", kept("id-front-flat.jpg"))
    desk.page.locator("#refresh").click()
    told = desk.open("shared.jpg")
    desk.fill("name", "王小明")
    address = {"name": "address", "text": "a person's own"}
    body = {"decision": "correct", "version": told["version"], "fields": [address]}
    assert api.call("POST", f"/v1/cards/{told['ref']}/review", body).status_code == 200
    desk.page.locator("#accept").click()
    expect(desk.said("decision")).to_contain_text("This card has changed meanwhile.")
    expect(desk.page.locator("#text-address")).to_have_value("a person's own")
    expect(desk.page.locator("#text-name")).to_have_value("王小明")
    desk.page.locator("#accept").click()
    expect(desk.said("decision")).to_contain_text("Done: redacted.")
    fields = desk.card("shared.jpg")["sidecar"]["cards"][0]["fields"]
    texts = {field["name"]: field["text"] for field in fields}
    assert (texts["name"], texts["address"]) == ("王小明", "a person's own")
    expect(desk.page.locator("#accept")).to_have_text("Accept")
    expect(desk.listed("shared.jpg")).not_to_contain_text("not saved")


def test_a_rejected_card_s_corrections_come_back_with_it(desk: Desk, api: Api) -> None:
    desk.enter()
    corrected(desk)
    desk.page.locator("#reject").click()
    expect(desk.said("decision")).to_contain_text("Say why, then reject:")
    expect(desk.page.locator("#reason")).to_be_focused()
    assert desk.card("front.jpg")["sidecar"]["status"] == "redacted", "nothing was sent without a reason"
    desk.said("decision").get_by_role("button", name="Not sharp enough to read").click()
    desk.page.locator("#reject").click()
    expect(desk.said("decision")).to_contain_text("Rejected: Not sharp enough to read")
    assert api.bench.get("redacted/front.jpg") is None
    desk.said("decision").get_by_role("button", name="Undo").click()
    expect(desk.said("decision")).to_contain_text("Done: redacted.")
    still_corrected(desk)
    assert api.bench.get("redacted/front.jpg")
    history = [entry["decision"] for entry in desk.card("front.jpg")["sidecar"]["history"]]
    assert history[-2:] == ["reject", "accept"]


def test_a_card_that_another_is_to_replace_takes_nothing(desk: Desk) -> None:
    """What is typed or pressed until the other is there would be meant for one and go to the other."""
    desk.enter()
    before = desk.open("front.jpg")["version"]
    held: list[Route] = []
    desk.page.route("**/v1/cards/*", lambda route: held.append(route))
    desk.listed("licence.jpg").click()
    expect(desk.said("card")).not_to_be_empty()
    desk.page.locator("#card-title").focus()
    desk.page.keyboard.press("a")
    assert desk.page.evaluate("() => ['card-body', 'actions'].every(id => document.getElementById(id).inert)")
    held[0].continue_()
    desk.opened("licence.jpg")
    expect(desk.said("card")).to_be_empty()
    assert not desk.page.evaluate("() => document.getElementById('actions').inert")
    assert desk.card("front.jpg")["version"] == before


#: Of each walk.
_STEPS = 8


def test_no_walk_loses_what_was_typed(
    browser: Browser, api: Api, walks: int, request: pytest.FixtureRequest
) -> None:
    first = request.config.getoption("--first-walk", default=1)
    lost = {}
    for name in CARDS:
        api.bench.upload(f"inbox/{name}", kept("id-front-flat.jpg"))
    api.bench.settle()
    for seed in range(first, first + walks):
        done: list[str] = []
        try:
            # Each in a tab of its own: what one was about to keep, when it ended, is no draft of the next.
            with desk_on(browser, api) as desk:
                desk.enter()
                walk = Walk(desk, seed)
                done = walk.done
                walk.run(_STEPS)
        except AssertionError as error:
            lost[seed] = (done, str(error)[:800])
    assert lost == {}
