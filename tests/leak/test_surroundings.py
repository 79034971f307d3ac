"""Cards as people send them are published by themselves, and their copies show nothing that they must not."""

from __future__ import annotations

import pytest
from benchmarks.tally import run
from tests.support.samples import fonts
from tests.support.samples.surroundings import make_surrounded

from cardveil.card.findings import Status
from cardveil.redaction import load_policy
from cardveil_ocr.adapter import EmbeddedRecogniser

pytestmark = pytest.mark.skipif(bool(fonts.missing_packages()), reason="fonts missing")


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        ("watermark_red", 20000), ("copy_pale", 20003), ("cropped_to_edges", 20005), ("screen", 20007),
        ("finger", 20010), ("glare_strong", 20012),
    ],
)  # fmt: skip
def test_a_card_is_published_whatever_it_lies_in_and_shows_nothing_more(
    kind: str, seed: int, recogniser: EmbeddedRecogniser
) -> None:
    """`python -m benchmarks.surroundings` judges more of them, of thirteen kinds."""
    result, judgement = run(make_surrounded(kind, seed), load_policy("standard"), recogniser)
    assert result.status is Status.REDACTED, result.findings
    assert judgement is not None
    assert dict(judgement.leaks) == {}
