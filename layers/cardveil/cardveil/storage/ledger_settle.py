"""A person says of a chain whose end nothing names that it ends there: entered, and shown with all else.

An instance that is killed between a segment and its head leaves such a chain, and whoever removes a chain's
last segments with their head leaves the same. Only a person can tell the two apart, by the log and by the
ends that were kept elsewhere; what they say stands in the ledger with their name and a reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from cardveil.storage.ledger import Ledger, Mark, entry_of
from cardveil.storage.ledger_check import END_UNKNOWN, SETTLED, Verdict
from cardveil.storage.objects import Objects


def unsettled(found: Verdict) -> list[Mark]:
    """Return the ends that a person may settle.

    Raises
    ------
    ValueError
        When anything else is wrong with the ledger: a chain's end is not looked at alone then.
    """
    if any(fault.kind != END_UNKNOWN for fault in found.faults):
        raise ValueError("something was changed or removed")
    places = {fault.place.rpartition("/")[0].rpartition("/")[2] for fault in found.faults}
    return [mark for mark in found.ends if mark.chain in places]


def settle(
    objects: Objects, state_prefix: str, ends: Iterable[Mark], *, by: str, reason: str, now: float
) -> Mark:
    """Enter that chains end where they do now; a segment that appears after, or goes, is found as before.

    Parameters
    ----------
    reason : str
        A code.
    """
    entries = [
        entry_of(now, by, ("operator",), SETTLED, (), detail=reason) | {"settled": mark.text} for mark in ends
    ]
    return Ledger().enter(objects, state_prefix, entries)
