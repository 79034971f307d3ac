"""A random walk over the console: whatever is done in whatever order, no correction is lost."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from playwright.sync_api import expect
from tests.support.console_fixture import Desk

CARDS: Final = ("walk-a.jpg", "walk-b.jpg", "walk-c.jpg")
_FIELDS: Final = ("name", "sex", "ethnicity", "birth_date", "address", "id_number")
_TEXTS: Final = "赵钱孙李周吴郑王abc0129 ·"


class Walk:
    """One walk; what must be on the page is known from what was done, never asked of the page.

    Attributes
    ----------
    texts : dict
        By card and field, what was typed and not decided.
    moved : dict
        By card, the fields whose place was changed and not decided.
    """

    def __init__(self, desk: Desk, seed: int) -> None:
        self._desk = desk
        self._page = desk.page
        self._random = Random(seed)
        self._card = ""
        self._decided = False
        self.texts: dict[str, dict[str, str]] = {name: {} for name in CARDS}
        self.moved: dict[str, set[str]] = {name: set() for name in CARDS}
        self.done: list[str] = []

    def run(self, steps: int) -> None:
        """Walk; raises AssertionError as soon as something that was changed is not there any more."""
        self._open()
        for _ in range(steps):
            step = self._random.choice(self._steps())
            self.done.append(step.__name__)
            step()
            if step in self._leaving():
                self._decided = False
            self._kept()
        for name in CARDS:
            if self.texts[name] or self.moved[name]:
                self._open(name)
                self._kept()

    def _steps(self) -> list[Callable[[], None]]:
        # What changes something is likelier than what could lose it.
        return [
            self._type, self._type, self._type, self._move, self._move, self._open, self._open, self._key,
            self._reload, self._back, self._language, self._zoom, self._filter, self._help, self._no_reason,
            self._revert, self._discard_and_undo, self._stay, self._token_ends, self._someone_else,
            self._save,
        ]  # fmt: skip

    def _leaving(self) -> tuple[Callable[[], None], ...]:
        """Return the steps after which a card was opened anew."""
        return self._open, self._key, self._reload, self._back, self._token_ends

    def _kept(self) -> None:
        expect(self._page.locator("#card-title")).to_have_text(self._card)
        for field, text in self.texts[self._card].items():
            expect(self._page.locator(f"#text-{field}")).to_have_value(text)
        changed = {*self.texts[self._card], *self.moved[self._card]}
        shown = self._page.locator("#fields [data-field]:has(.revert:not([hidden]))")
        expect(shown).to_have_count(len(changed))

    def _type(self) -> None:
        field = self._random.choice(_FIELDS)
        text = "".join(self._random.choices(_TEXTS, k=self._random.randrange(1, 9))) + "!"
        self._page.locator(f"#text-{field}").fill(text)
        self.texts[self._card][field] = text

    def _move(self) -> None:
        field = self._random.choice((*_FIELDS, "portrait"))
        self._desk.row(field).locator(".mark").click()
        expect(self._page.locator('#marks .handle[data-corner="0"]')).to_be_focused()
        # Always the same way, so that no place comes back to what it was.
        self._page.keyboard.press("ArrowRight")
        self.moved[self._card].add(field)

    def _open(self, name: str = "") -> None:
        self._card = name or self._random.choice(CARDS)
        if self._page.locator("#back").is_visible():
            self._page.locator("#back").click()
        self._desk.listed(self._card).click()
        self._desk.opened(self._card)

    def _key(self) -> None:
        names = self._page.locator("#list .name").all_inner_texts()
        key, by = self._random.choice((("n", 1), ("p", -1)))
        if self._decided:
            # From there N leads to the next card in need, wherever that stands.
            key, by = "p", -1
        at = names.index(self._card) + by
        if not 0 <= at < len(names) or names[at] not in CARDS:
            return
        self._card = names[at]
        self._page.locator("#card-title").focus()
        self._page.keyboard.press(key)
        self._desk.opened(self._card)

    def _reload(self) -> None:
        self._page.reload()
        self._desk.opened(self._card)

    def _back(self) -> None:
        before = self._card
        self._open()
        if self._card != before:
            self._page.go_back()
            self._card = before
            self._desk.opened(before)

    def _language(self) -> None:
        self._page.locator("#language").click()

    def _zoom(self) -> None:
        self._page.locator("#figure-source .zoom-in, #figure-source .zoom-all").nth(
            self._random.randrange(2)
        ).click()

    def _filter(self) -> None:
        self._page.locator("#status").select_option(self._random.choice(("", "redacted", "")))
        expect(self._desk.said("list")).to_be_empty()

    def _help(self) -> None:
        self._page.locator("#help").click()
        self._page.keyboard.press("Escape")
        expect(self._page.locator("#help-dialog")).to_be_hidden()

    def _no_reason(self) -> None:
        self._page.locator("#reject").click()
        expect(self._page.locator("#reason")).to_be_focused()

    def _revert(self) -> None:
        changed = sorted({*self.texts[self._card], *self.moved[self._card]})
        if changed:
            field = self._random.choice(changed)
            self._desk.row(field).locator(".revert").click()
            self.texts[self._card].pop(field, None)
            self.moved[self._card].discard(field)

    def _discard_and_undo(self) -> None:
        if self._page.locator("#discard").is_visible():
            self._page.locator("#discard").click()
            self._desk.said("decision").get_by_role("button").click()

    def _stay(self) -> None:
        if any(self.texts.values()) or any(self.moved.values()):
            self._page.locator("#leave").click()
            self._page.locator("#question-no").click()

    def _token_ends(self) -> None:
        ended = {"code": "token_expired"}
        self._page.route("**/v1/cards/*", lambda route: route.fulfill(status=401, json=ended))
        other = self._random.choice([name for name in CARDS if name != self._card])
        self._desk.listed(other).click()
        expect(self._page.locator("#token")).to_be_focused()
        self._page.unroute("**/v1/cards/*")
        self._page.locator("#token").fill(self._desk.api.token(subject="李复核"))
        self._page.keyboard.press("Enter")
        self._desk.opened(self._card)
        expect(self._desk.listed(CARDS[0])).to_be_visible()

    def _someone_else(self) -> None:
        """Another person decides over the card that is open: what is sent next is refused once."""
        told = self._desk.card(self._card)
        body = {"decision": "accept", "version": told["version"]}
        answer = self._desk.api.call("POST", f"/v1/cards/{told['ref']}/review", body)
        if answer.status_code != 200:
            raise AssertionError(answer.text)

    def _save(self) -> None:
        for _ in range(2):
            self._page.locator("#accept").click()
            expect(self._desk.said("decision")).to_be_focused()
            if not self._page.locator("#said-decision.bad").count():
                self.texts[self._card].clear()
                self.moved[self._card].clear()
                self._decided = True
                return
            self._kept()
        raise AssertionError("refused twice")
