"""The console's list, addresses and messages: each beside what it is about, in the page's language."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from tests.support.api_fixture import SECRET, Api, api_bench
from tests.support.cloud_fixture import kept
from tests.support.console_fixture import Desk, needs_browser

import cardveil
from cardveil.api.problems import STATUSES
from cardveil.api.tokens import mint
from cardveil.card.findings import FINDINGS, Status
from cardveil.card.model import FIELDS
from cardveil.recognition.warnings import API_WARNINGS, CI_WARNINGS
from cardveil_cli.runbook.codes import codes

PACKAGE = Path(cardveil.__file__).parent
ODD = "a+b c#1&x=%41 照片.jpg"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    environment = {"CARDVEIL_GENERAL_OCR": "off"}
    with api_bench(tmp_path_factory.mktemp("inbox"), environment=environment) as found:
        for name, file in (("a-first.jpg", "id-front-flat.jpg"), ("back.jpg", "id-back-photo.jpg")):
            found.upload(name, kept(file))
        found.upload("text.jpg", b"%PDF-1.7 no picture")
        found.upload(ODD, kept("licence-flat.jpg"))
        yield found


@needs_browser
def test_what_needs_a_person_comes_first_then_the_newest(desk: Desk) -> None:
    desk.enter()
    names = desk.page.locator("#list .name")
    expect(names).to_have_text(["back.jpg", ODD, "text.jpg", "a-first.jpg"])
    expect(desk.page.locator("#order")).to_contain_text("1 of them need review")
    desk.page.locator("#status").select_option("redacted")
    expect(names).to_have_text([ODD, "a-first.jpg"])


@needs_browser
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


@needs_browser
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_refusal_names_the_fields_where_they_stand(desk: Desk, language: str) -> None:
    words = json.loads((PACKAGE / "api" / "assets" / "words.json").read_text("utf-8"))[language]
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


@needs_browser
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


@needs_browser
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


@needs_browser
def test_a_file_that_is_no_picture_is_not_said_to_be_hidden(desk: Desk) -> None:
    desk.enter()
    desk.open("text.jpg")
    expect(desk.page.locator("#figure-source")).to_contain_text("it is not a picture that can be read")
    expect(desk.page.locator("#accept")).to_be_disabled()


@needs_browser
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


def test_every_word_is_there_in_both_languages() -> None:
    words = json.loads((PACKAGE / "api" / "assets" / "words.json").read_text("utf-8"))

    def shape(node: Any) -> Any:
        return {key: shape(part) for key, part in node.items()} if isinstance(node, dict) else None

    assert shape(words["en"]) == shape(words["zh"])
    for language in words.values():
        assert set(FINDINGS) <= set(language["finding"])
        assert {*CI_WARNINGS.values(), *API_WARNINGS.values(), "unknown"} == set(language["warning"])
        assert {status.value for status in Status} <= set(language["status"])
        assert {f"{kind.value}/{side.value}" for kind, side in FIELDS} == set(language["kind"])
        assert {name for names in FIELDS.values() for name in names} == set(language["name"])
        assert {str(status) for status in STATUSES} == set(language["problem_status"])


#: Codes that only schedules, sweeps, callbacks and erasures meet.
ELSEWHERE = ("callback_", "erasure_", "event_", "inventory_", "sweep_", "timer_")


def test_every_refusal_has_words() -> None:
    words = json.loads((PACKAGE / "api" / "assets" / "words.json").read_text("utf-8"))["zh"]
    refusals = {code for code in codes(PACKAGE) if not code.startswith(ELSEWHERE)} | set(_of_the_api())
    assert len(refusals) > 90
    assert refusals - set(words["problem"]) - set(words["finding"]) == set()


def _of_the_api() -> Iterator[str]:
    """Yield the codes that the API refuses by, as its source names them."""
    for path in (PACKAGE / "api").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"Problem": 1, "unauthorised": 0, "TokenError": 0}.get(node.func.id)
                if place is not None and isinstance(code := node.args[place], ast.Constant):
                    yield str(code.value)
