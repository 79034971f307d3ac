"""By which policy a source is redacted: the settings' one, and a stricter one that was chosen for it.

A choice is a packaged policy's name. It may come with the picture (``x-cos-meta-policy``), with a request, or
stand in the present result of the same picture. It is no decision of a person: what the settings ask for now
always holds beside it, so that a stricter policy reaches every card, and only the least that covers both is
shown. A choice is never taken back by a weaker one: that is for a person to decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cardveil.core.frozen import dataclass
from cardveil.redaction import BUILT_IN, Policy, covers_as_much, from_document, load_policy, stricter
from cardveil.storage.objects import Stored
from cardveil.storage.results import Version

#: By which an upload says how it is to be redacted, at least.
POLICY_META: Final = "x-cos-meta-policy"


@dataclass(frozen=True, slots=True)
class Choice:
    """The policy of one source.

    Attributes
    ----------
    policy : Policy
        What its copy is made by.
    name : str
        The packaged policy that was chosen for it, empty for none.
    weaker : bool
        Whether the request asked for less than the source has: it is not followed.
    """

    policy: Policy
    name: str = ""
    weaker: bool = False


def choice_of(
    configured: Policy, stored: Stored, version: Version, made: Stored | None, asked: str
) -> Choice:
    """Return the policy of a source.

    Parameters
    ----------
    configured
        The settings' policy.
    stored, made
        The heads of the source and of its present sidecar.
    version
        Of the source, to tell whether `made` is about it.
    asked : str
        The packaged policy that a request names, empty for none.
    """
    names = [stored.meta.get(POLICY_META, ""), version.chosen_in(made) if made else ""]
    name = _strictest([each for each in names if each in BUILT_IN])
    policy = stricter(load_policy(name), configured) if name else configured
    if not asked:
        return Choice(policy, name)
    wanted = load_policy(asked)
    if not covers_as_much(wanted, policy):
        return Choice(policy, name, weaker=True)
    return Choice(wanted, asked)


def present_policy(document: Mapping[str, Any], configured: Policy, *, decided: bool) -> Policy | None:
    """Return the policy that a card has, by its sidecar; None where a person's cannot be told any more."""
    pipeline = document["pipeline"]
    if decided:
        if recorded := pipeline.get("policy"):
            try:
                return from_document(recorded)
            except ValueError:
                return None
        known = (configured, *map(load_policy, BUILT_IN))
        return next((policy for policy in known if policy.digest == pipeline["policy_digest"]), None)
    name = pipeline.get("chosen", "")
    return stricter(load_policy(name), configured) if name in BUILT_IN else configured


def is_packaged(policy: Policy) -> bool:
    """Say whether a policy is a packaged one, and not another of the same name."""
    return policy.name in BUILT_IN and load_policy(policy.name).digest == policy.digest


def _strictest(names: list[str]) -> str:
    """Return the packaged policy that covers most; they stand in one order."""
    found = ""
    for name in names:
        if not found or covers_as_much(load_policy(name), load_policy(found)):
            found = name
    return found
