"""What a sweep would cost before anything is paid: cards, calls, minutes and, with prices, money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cardveil.card.model import CardType, Side
from cardveil.settings import Settings
from cardveil.settings.regions import EMBEDDED, VENDOR


def calls_of(key: str, settings: Settings) -> Counter[str]:
    """Return the paid calls that a source is expected to cost, by API.

    What the settings' rules do not tell is taken for the front of an ID card: a listing has no metadata.

    Parameters
    ----------
    settings
        As `located` gives them.
    """
    if settings.engine == EMBEDDED:
        return Counter()
    rule = next((rule for rule in settings.card_rules if key.startswith(rule.prefix)), None)
    text = {} if settings.text_provider == "none" else {settings.text_provider: 1}
    calls: Counter[str] = Counter()
    back = rule is not None and rule.card_type is CardType.ID_CARD and rule.side is Side.BACK
    if settings.general_ocr and (settings.witness or back):
        calls.update(OCR=1)
    if rule and rule.card_type is CardType.DRIVER_LICENSE:
        calls.update(AILicenseRec=1)
    elif back:
        calls.update(text)
    else:
        calls.update(AILicenseRec=1)
        calls.update(text)
    return calls + proof_of(settings)


def blank_calls_of(key: str, settings: Settings) -> Counter[str]:
    """Return the paid calls that a page without a card is expected to cost: it is looked for any card."""
    calls = calls_of(key, settings) - proof_of(settings)
    if not any(key.startswith(rule.prefix) for rule in settings.card_rules):
        calls.update(AILicenseRec=1)
    return calls


def may_be_document(key: str) -> bool:
    """Say whether a source is called as documents of pages are."""
    return key.lower().endswith((".pdf", ".tif", ".tiff"))


def proof_of(settings: Settings) -> Counter[str]:
    """Return the paid calls that proving a copy costs."""
    return Counter(OCR=1) if settings.proof == "recognise" and settings.engine == VENDOR else Counter()


@dataclass
class Estimate:
    """What was planned.

    Attributes
    ----------
    card_s : float
        How long a card takes, as far as is known from an earlier run; 1 s otherwise.
    documents : Counter
        Sources that are called as documents are and were read, by their number of pages.
    unread : int
        Such sources that were not read.
    """

    settings: Settings
    card_s: float = 1.0
    cards: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    listed: int = 0
    looked: int = 0
    documents: Counter[int] = field(default_factory=Counter)
    unread: int = 0
    _blank: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Sources that would be taken up."""
        return sum(self.cards.values())

    def add(self, reason: str, calls: Mapping[str, int]) -> None:
        """Count a source."""
        self.cards[reason] += 1
        self.calls.update(calls)

    def add_pages(self, blank: Mapping[str, int], pages: int | None) -> None:
        """Count what a document's pages cost besides its first; of None it is worked out by `settle`.

        Parameters
        ----------
        blank : mapping
            What a page costs, see `blank_calls_of`.
        """
        if pages is None:
            self.unread += 1
            self._blank.update(blank)
            return
        self.documents[pages] += 1
        for _ in range(pages - 1):
            self.calls.update(blank)

    @property
    def pages(self) -> float:
        """Pages of all documents: of those that were not read as many as the others have on average."""
        read = self.documents.total()
        known = sum(pages * count for pages, count in self.documents.items())
        return known + self.unread * (known / read if read else 1.0)

    def settle(self) -> None:
        """Add what the pages cost of the documents that were not read."""
        known = sum(pages * count for pages, count in self.documents.items())
        more = self.pages - known - self.unread
        for api, count in self._blank.items():
            self.calls[api] += round(count / self.unread * more)

    @property
    def seconds(self) -> float:
        """How long it takes: by the rate of the API that is called most, or by the cards under way."""
        rate = max(self.calls.values(), default=0) / self.settings.sweep_calls_per_second
        return max(rate, self.total * self.card_s / self.settings.sweep_in_flight)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values; `money` is None for an API without a price."""
        prices = self.settings.prices
        paid = {api: count for api, count in self.calls.items() if count}
        known = all(api in prices for api in paid)
        budget = min(self.settings.sweep_calls_per_run, self.settings.sweep_calls_per_day)
        return {
            "cards": self.total,
            "by_reason": dict(sorted(self.cards.items())),
            "calls": dict(sorted(paid.items())),
            "paid_calls": sum(paid.values()),
            "within_budget": sum(paid.values()) <= budget,
            "minutes": round(self.seconds / 60, 1),
            "money": round(sum(count * prices[api] for api, count in paid.items()), 2) if known else None,
            "listed": self.listed,
            "looked": self.looked,
            **self._of_documents(),
        }

    def _of_documents(self) -> dict[str, int]:
        count = self.documents.total() + self.unread
        return {"documents": count, "pages": round(self.pages)} if count else {}
