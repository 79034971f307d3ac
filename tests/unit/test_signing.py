"""References: ours are known again, nobody else's are, and they tell nothing of the source."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardveil.pipeline.signing import MAX_CHARACTERS, Reference, ReferenceRefusedError, Signer

OLD, NEW = "o" * 32, "n" * 32
KEY = "inbox/张三-990101199003071239.jpg"
REFERENCE = Reference.to("cards-1250000000", KEY, 2000.0)
SIGNED = Signer([NEW]).sign(REFERENCE)


def refused(text: str | None, now: float = 1000.0, signer: Signer | None = None) -> str:
    with pytest.raises(ReferenceRefusedError) as caught:
        (signer or Signer([NEW])).verify(text, now)
    return caught.value.reason


def test_ours_are_known_again() -> None:
    assert Signer([NEW]).verify(SIGNED, 1999.0) == REFERENCE


def test_a_reference_can_travel_and_tells_nothing() -> None:
    longest = Signer([NEW]).sign(Reference.to("b" * 80, "k" * 850, 10**11))
    for text in (SIGNED, longest):
        assert re.fullmatch(r"[!-~]+", text)
        assert len(text) <= MAX_CHARACTERS
    for secret in ("张三", "990101199003071239", "inbox", NEW):
        assert secret not in SIGNED


def test_age_is_looked_at() -> None:
    assert refused(SIGNED, 2000.0) == "expired"


def test_a_secret_can_be_changed_while_jobs_are_under_way() -> None:
    assert Signer([OLD, NEW]).verify(SIGNED, 1000.0) == REFERENCE
    assert refused(SIGNED, signer=Signer([OLD])) == "forged"


def test_without_a_secret_nothing_is_believed() -> None:
    assert refused(SIGNED, signer=Signer([])) == "forged"


@pytest.mark.parametrize("text", [None, ""])
def test_none_is_none(text: str | None) -> None:
    assert refused(text) == "missing"


def test_two_submissions_differ() -> None:
    assert Reference.to("b-1", KEY, 1.0).nonce != Reference.to("b-1", KEY, 1.0).nonce


@pytest.mark.parametrize("place", range(len(SIGNED)))
def test_no_character_can_be_changed(place: int) -> None:
    for other in ("A", "0", ".", "ü"):
        if SIGNED[place] != other:
            assert refused(SIGNED[:place] + other + SIGNED[place + 1 :]) == "forged"


@settings(deadline=None)
@given(st.text(max_size=1100))
def test_nothing_else_is_believed(text: str) -> None:
    if text and text != SIGNED:
        assert refused(text) == "forged"


def test_only_one_spelling_of_a_signature_is_taken() -> None:
    assert refused(SIGNED + "=") == "forged"
    assert refused(SIGNED.swapcase()) == "forged"
    assert refused(SIGNED + "\n") == "forged"


def test_secrets_do_not_show() -> None:
    assert NEW not in repr(Signer([NEW]))
