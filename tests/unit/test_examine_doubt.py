"""What leads to review, whoever recognises the picture."""

from __future__ import annotations

import pytest
from tests.support.cloud_fixture import kept, known

from cardveil.card.findings import Status
from cardveil.card.model import Card, VendorWarning
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import examine
from cardveil.recognition.interfaces import Hint, Image, Located, Recognition
from cardveil.recognition.warnings import API_WARNINGS, CI_WARNINGS, UNKNOWN
from cardveil.redaction import Limits, load_policy
from cardveil_cli.samples.bundled import kept_pictures

FRONT = next(picture for picture in kept_pictures() if picture.file.startswith("id-front-flat"))
WARNINGS = sorted({*CI_WARNINGS.values(), *API_WARNINGS.values(), UNKNOWN})


class Told:
    """A recogniser that says what the test says of a card that it knows."""

    def __init__(self, *warnings: str) -> None:
        self._warnings = tuple(VendorWarning(9100, name) for name in warnings)
        self._card: Card = known(FRONT).cards[0].card

    def recognise(self, image: Image, hint: Hint, located: Located | None = None) -> Recognition:
        return Recognition((self._card,), warnings=self._warnings)

    def texts(self, image: Image) -> tuple[str, ...]:
        return ()


def rules(*harmless: str) -> RedactionRules:
    return RedactionRules(load_policy("standard"), Limits(), harmless_warnings=frozenset(harmless))


@pytest.mark.parametrize("name", WARNINGS)
def test_every_warning_leads_to_review_but_those_that_were_called_harmless(name: str) -> None:
    data = kept(FRONT.file)
    found = examine(data, Hint(), Told(name), rules())
    assert found.status is Status.NEEDS_REVIEW
    assert "warned" in found.findings
    assert found.copy is None
    assert examine(data, Hint(), Told(name), rules(name)).status is Status.REDACTED
    others = [other for other in WARNINGS if other != name]
    assert examine(data, Hint(), Told(name), rules(*others)).status is Status.NEEDS_REVIEW


def test_without_a_warning_a_clean_card_is_published() -> None:
    assert examine(kept(FRONT.file), Hint(), Told(), rules()).status is Status.REDACTED
