"""Whether one policy covers as much as another: what a caller may choose without a reviewer's role."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardveil.card.model import FIELDS, CardType
from cardveil.core.frozen import replace
from cardveil.redaction import Policy, as_document, covers_as_much, from_document, load_policy, stricter
from cardveil.redaction.policy import INCOMPLETE, OUTSIDE, REST, Action, Partial, policy_of

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
        (
            PARTLY,
            load_policy("cards: {IDCard: {id_number: {partial: {keep_first: 5, keep_last: 4}}}}\n"),
            False,
        ),
        (replace(STRICT, outside="keep"), STRICT, False),
        (replace(STRICT, outside="crop"), STRICT, True),  # neither shows what lies beyond the card
        (STRICT, replace(STRICT, outside="crop"), True),
        (replace(STRICT, rest="keep"), STRICT, False),
        (replace(STRICT, incomplete="mask_card"), STRICT, False),
        (replace(STRICT, incomplete="mask_picture"), replace(STRICT, incomplete="mask_card"), True),
        (load_policy("cards: {IDCard: {id_number: {partial: {keep_first: 6}}}}\n"), PARTLY, True),
        (PARTLY, load_policy("cards: {IDCard: {id_number: {partial: {keep_first: 6}}}}\n"), False),
    ],
)
def test_a_policy_covers_as_much_only_if_it_does_in_everything(
    policy: Policy, other: Policy, covers: bool
) -> None:
    assert covers_as_much(policy, other) is covers


def test_the_packaged_policies_stand_in_one_order() -> None:
    assert all(covers_as_much(one, other) for one, other in pairwise((STRICT, STANDARD, MINIMAL)))


KINDS = sorted({(kind, name) for (kind, _), names in FIELDS.items() for name in names})[:6]
PARTS = st.builds(Partial, st.integers(1, 3), st.integers(0, 3))
ACTIONS: st.SearchStrategy[Action] = st.one_of(st.sampled_from(("keep", "mask")), PARTS)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    rules: dict[CardType, dict[str, Action]] = {kind: {} for kind in CardType}
    for kind, name in KINDS:
        rules[kind][name] = draw(ACTIONS)
    return policy_of(
        draw(st.sampled_from("ab")),
        rules,
        margin_mm=draw(st.sampled_from((0.5, 1.0))),
        incomplete=draw(st.sampled_from(INCOMPLETE)),
        outside=draw(st.sampled_from(OUTSIDE)),
        rest=draw(st.sampled_from(REST)),
    )


@settings(deadline=None)
@given(policies(), policies(), policies())
def test_the_stricter_of_two_is_the_least_that_covers_both(one: Policy, two: Policy, third: Policy) -> None:
    both = stricter(one, two)
    assert covers_as_much(both, one)
    assert covers_as_much(both, two)
    if covers_as_much(third, one) and covers_as_much(third, two):
        assert covers_as_much(third, both)
    assert stricter(both, one) == both


@pytest.mark.parametrize("policy", [STRICT, MINIMAL, PARTLY, replace(STRICT, fill=(1, 2, 255))])
def test_a_recorded_policy_is_read_as_it_was(policy: Policy) -> None:
    assert from_document(as_document(policy)) == policy_of(
        policy.name, {kind: dict(each) for kind, each in policy.rules.items()}, margin_mm=policy.margin_mm,
        fill=policy.fill, incomplete=policy.incomplete, outside=policy.outside, rest=policy.rest,
    )  # fmt: skip


ODD: tuple[object, ...] = (None, 1, "x", [], {})


@pytest.mark.parametrize(("part", "value"), [*product(as_document(STRICT), ODD)][len(ODD) :])
def test_what_is_no_recorded_policy_is_refused(part: str, value: object) -> None:
    document = {**as_document(STRICT), part: value}
    if part == "cards" and value == {}:
        assert covers_as_much(from_document(document), STRICT), "what is not named is masked"
    elif (part, value) != ("margin_mm", 1):
        with pytest.raises(ValueError, match=r"polic|action|base 16|CardType"):
            from_document(document)
