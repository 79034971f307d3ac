"""The order of policies: which covers as much as which, and the least that covers as much as two of them.

It is made of the orders of a policy's parts, so that no policy counts as stricter by its name:

- a field: ``keep``, then parts of it by what they keep at each end, then ``mask``
- ``outside``: ``keep``, then ``mask`` and ``crop``, which show equally little
- ``rest``: ``keep``, then ``mask``
- ``incomplete``: ``mask_card``, ``mask_picture``, ``review``, which publishes nothing
- ``pages_without_card``: ``keep``, ``mask``, ``review``, which publishes nothing
- ``margin_mm``: by size. The colour of the cover, and what is written over copies, are part of no order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cardveil.card.model import FIELDS, CardType
from cardveil.redaction.policy import Action, Partial, Policy, policy_of

_OUTSIDE: Final[Mapping[str, int]] = {"keep": 0, "crop": 1, "mask": 1}
_REST: Final[Mapping[str, int]] = {"keep": 0, "mask": 1}
_PAGES: Final[Mapping[str, int]] = {"keep": 0, "mask": 1, "review": 2}
_INCOMPLETE: Final[Mapping[str, int]] = {"mask_card": 0, "mask_picture": 1, "review": 2}


def covers_as_much(policy: Policy, other: Policy) -> bool:
    """Say whether a copy by `policy` shows nothing that one by `other` does not, in every part."""
    return (
        policy.margin_mm >= other.margin_mm
        and _OUTSIDE[policy.outside] >= _OUTSIDE[other.outside]
        and _REST[policy.rest] >= _REST[other.rest]
        and _PAGES[policy.pages_without_card] >= _PAGES[other.pages_without_card]
        and _INCOMPLETE[policy.incomplete] >= _INCOMPLETE[other.incomplete]
        and all(_hides(_of(policy, *field), _of(other, *field)) for field in _fields(policy, other))
    )


def stricter(policy: Policy, other: Policy) -> Policy:
    """Return the policy that covers, in every part, what either does: one of the two where that one does."""
    if covers_as_much(policy, other):
        return policy
    if covers_as_much(other, policy):
        return other
    rules: dict[CardType, dict[str, Action]] = {kind: {} for kind in CardType}
    for kind, name in _fields(policy, other):
        rules[kind][name] = _both(_of(policy, kind, name), _of(other, kind, name))
    return policy_of(
        "+".join(sorted({*policy.name.split("+"), *other.name.split("+")})),
        rules,
        margin_mm=max(policy.margin_mm, other.margin_mm),
        fill=policy.fill,
        incomplete=max(policy.incomplete, other.incomplete, key=_INCOMPLETE.__getitem__),
        outside=max(policy.outside, other.outside, key=_OUTSIDE.__getitem__),
        rest=max(policy.rest, other.rest, key=_REST.__getitem__),
        pages_without_card=max(policy.pages_without_card, other.pages_without_card, key=_PAGES.__getitem__),
    )


def as_document(policy: Policy) -> dict[str, Any]:
    """Return a policy as a sidecar records it: the form of the packaged ones, read by `from_document`."""
    document: dict[str, Any] = {
        "name": policy.name,
        "margin_mm": policy.margin_mm,
        "fill": f"#{bytes(policy.fill).hex()}",
        "incomplete": policy.incomplete,
        "outside": policy.outside,
        "rest": policy.rest,
        **({"pages_without_card": policy.pages_without_card} if policy.pages_without_card != "mask" else {}),
        "cards": {
            kind.value: {
                name: {"partial": {"keep_first": action.keep_first, "keep_last": action.keep_last}}
                if isinstance(action, Partial)
                else action
                for name, action in each.items()
            }
            for kind, each in policy.rules.items()
        },
    }
    if policy.watermark is not None:
        document["watermark"] = policy.watermark.as_document()
    return document


def _fields(*policies: Policy) -> Iterator[tuple[CardType, str]]:
    """Yield every field that there is, and every other that one of the policies names."""
    named = {(kind, name) for (kind, _), names in FIELDS.items() for name in names}
    named |= {(kind, name) for each in policies for kind, rules in each.rules.items() for name in rules}
    yield from sorted(named)


def _of(policy: Policy, kind: CardType, name: str) -> Action:
    # What a policy does not name is masked; names are the same on both sides of a card.
    return policy.rules.get(kind, {}).get(name, "mask")


def _hides(action: Action, other: Action) -> bool:
    if action == "mask" or other == "keep":
        return True
    if isinstance(action, Partial) and isinstance(other, Partial):
        return action.keep_first <= other.keep_first and action.keep_last <= other.keep_last
    return action == other


def _both(action: Action, other: Action) -> Action:
    if _hides(action, other):
        return action
    if _hides(other, action) or not isinstance(action, Partial) or not isinstance(other, Partial):
        return other
    first, last = min(action.keep_first, other.keep_first), min(action.keep_last, other.keep_last)
    return Partial(first, last) if first or last else "mask"
