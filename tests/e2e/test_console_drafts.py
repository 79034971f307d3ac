"""No correction is ever lost in the console: through other cards, keys, uploads, reloads and new tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FilePayload, Route, expect
from tests.support.api_fixture import SECRET, Api, api_bench
from tests.support.cloud_fixture import kept
from tests.support.console_fixture import Desk, desk_on, needs_browser

from cardveil.api.tokens import ROLES, mint

pytestmark = needs_browser


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    environment = {"CARDVEIL_GENERAL_OCR": "off"}
    with api_bench(tmp_path_factory.mktemp("drafts"), environment=environment) as found:
        found.bench.upload("inbox/front.jpg", kept("id-front-flat.jpg"))
        found.upload("back.jpg", kept("id-back-photo.jpg"))
        yield found


@pytest.fixture
def desk(browser: Browser, api: Api) -> Iterator[Desk]:
    with desk_on(browser, api) as found:
        found.enter()
        yield found


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
    corrected(desk)
    expect(desk.listed("front.jpg")).to_contain_text("not saved")
    desk.open("back.jpg")
    desk.page.keyboard.press("n")
    still_corrected(desk)
    desk.page.keyboard.press("p")
    desk.opened("back.jpg")
    desk.page.go_back()
    still_corrected(desk)
    desk.page.get_by_role("button", name="中文").click()
    expect(desk.page.locator("#text-name")).to_have_value("王小明")
    assert desk.questions == []


def test_a_reload_asks_and_keeps(desk: Desk) -> None:
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
    corrected(desk)
    picture: FilePayload = {
        "name": "later.jpg",
        "mimeType": "image/jpeg",
        "buffer": kept("id-front-photo.jpg"),
    }
    desk.page.locator("#file").set_input_files(picture)
    expect(desk.page.locator("#sending")).to_contain_text("later.jpg: redacted")
    still_corrected(desk)
    desk.page.locator("#sending").get_by_role("button", name="Open").click()
    desk.opened("later.jpg")
    assert desk.page.url.endswith("%2Flater.jpg")


def test_what_is_discarded_or_typed_back_is_no_change(desk: Desk) -> None:
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
