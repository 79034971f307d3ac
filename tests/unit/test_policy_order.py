"""Whether one policy covers as much as another: what a caller may choose without a reviewer's role."""

from __future__ import annotations

import pytest

from cardveil.api.context import covers_as_much
from cardveil.core.frozen import replace
from cardveil.redaction import Policy, load_policy

STRICT, STANDARD, MINIMAL = (load_policy(name) for name in ("strict", "standard", "minimal"))
PARTLY = load_policy("cards: {IDCard: {id_number: {partial: {keep_first: 6, keep_last: 4}}}}\n")
MASKED = load_policy("cards: {IDCard: {id_number: mask}}\n")
NARROW = replace(STRICT, margin_mm=STRICT.margin_mm / 2)
LICENCE_KEPT = load_policy("cards: {DriverLicense: {name: keep}}\n")


@pytest.mark.parametrize(
    ("policy", "other", "covers"),
    [
        (STRICT, STRICT, True),
        (STRICT, STANDARD, True),
        (STRICT, MINIMAL, True),
        (STANDARD, STRICT, False),
        (MINIMAL, STANDARD, False),
        (MASKED, PARTLY, True),
        (PARTLY, MASKED, False),  # a part is less than all
        (NARROW, STRICT, False),  # and so is a narrower cover
        (STRICT, NARROW, True),
        (LICENCE_KEPT, STRICT, False),  # one field of one kind of card is enough
    ],
)
def test_a_policy_covers_as_much_only_if_it_does_in_everything(
    policy: Policy, other: Policy, covers: bool
) -> None:
    assert covers_as_much(policy, other) is covers
