"""Papers that look like a card are never published as one, pixel for pixel, and a finding names them."""

from __future__ import annotations

import pytest
from benchmarks.tally import run
from tests.support.samples import fonts
from tests.support.samples.neighbours import make_neighbour

from cardveil.card.findings import Status
from cardveil.redaction import load_policy
from cardveil_ocr.adapter import EmbeddedRecogniser

pytestmark = pytest.mark.skipif(bool(fonts.missing_packages()), reason="fonts missing")


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        ("settlers_front", 1), ("permit_front", 1), ("permit_back", 1), ("temporary_front", 1),
        ("transport", 1), ("foreigners_back", 1),
    ],
)  # fmt: skip
def test_a_paper_that_looks_like_a_card_is_named_and_not_published(
    kind: str, seed: int, recogniser: EmbeddedRecogniser
) -> None:
    """Those that were taken for a card; `python -m benchmarks.neighbours` judges hundreds of all kinds."""
    result, judgement = run(make_neighbour(kind, seed), load_policy("standard"), recogniser)
    assert result.status is not Status.REDACTED
    assert judgement is None
    assert "other_document" in result.findings
