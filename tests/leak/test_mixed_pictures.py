"""Published copies of pictures with more than one clean card show no personal ink, pixel for pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.tally import run
from tests.support.samples import fonts
from tests.support.samples.judging import judge
from tests.support.samples.mixed import MIXED_KINDS, make_mixed

from cardveil.card.findings import Status
from cardveil.card.model import Card, Field
from cardveil.redaction import load_policy
from cardveil_ocr.adapter import EmbeddedRecogniser

pytestmark = pytest.mark.skipif(bool(fonts.missing_packages()), reason="fonts missing")
#: As in a policy that shows surnames only, and the region of a number.
PARTS = load_policy(
    "name: parts\nrest: keep\ncards:\n"
    "  IDCard: {name: {partial: {keep_first: 1}}, id_number: {partial: {keep_first: 6, keep_last: 1}}}\n"
    "  DriverLicense: {name: {partial: {keep_first: 1}}, licence_number: {partial: {keep_first: 6}}}\n"
)


@pytest.mark.parametrize("kind", MIXED_KINDS)
def test_no_published_copy_shows_what_it_must_not(kind: str, recogniser: EmbeddedRecogniser) -> None:
    """One picture of each kind; `python -m benchmarks.leaks` judges hundreds."""
    result, judgement = run(make_mixed(kind, 1), load_policy("standard"), recogniser)
    if kind == "single":
        assert result.status is Status.REDACTED, result.findings
    if judgement is not None:
        assert dict(judgement.leaks) == {}


@pytest.mark.parametrize("seed", range(2))
def test_no_character_beyond_the_allowance_is_seen(seed: int, recogniser: EmbeddedRecogniser) -> None:
    result, judgement = run(make_mixed("single", seed), PARTS, recogniser)
    assert result.status is Status.REDACTED, result.findings
    assert judgement is not None
    assert dict(judgement.leaks) == {}


def test_the_judge_sees_what_a_copy_shows() -> None:
    """A judge that finds nothing in the source itself would find nothing anywhere."""
    sample = replace(make_mixed("handwriting", 1), quality=0)
    (truth,) = sample.cards.values()
    card = Card(truth.type, truth.side, tuple(Field(f.name, f.text, polygon=f.polygon) for f in truth.fields))
    standard = load_policy("standard")
    masked = {f.name for f in truth.fields if standard.action_for(truth.type, truth.side, f.name) == "mask"}
    seen = judge(sample, standard, (card,), sample.encode())
    assert masked <= set(seen.leaks)
    assert any("note" in name for name in seen.leaks)
    assert not seen.damaged
    covered = replace(sample, picture=np.full_like(sample.picture, (255, 0, 255)))
    blind = judge(sample, standard, (card,), covered.encode())
    assert not blind.leaks
    assert len(blind.damaged) == blind.kept > 0
