"""Several cards in one picture: what is shown and covered of each becomes one plan for the copy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from cardveil.card.model import Polygon
from cardveil.redaction.card_outline import Outline
from cardveil.redaction.planning import Plan
from cardveil.redaction.polygons import meet, straight


def joined(plans: Sequence[Plan], outlines: Sequence[Outline | None]) -> Plan:
    """Join the plans of the cards of one picture.

    What one card's plan covers is covered, whatever another's shows. All that no plan shows is covered.

    Parameters
    ----------
    plans : sequence of Plan
        One for each card, each made from that card's own texts; none of them shows what lies beside its card.
    outlines : sequence of Outline or None
        Where each card ends.

    Returns
    -------
    Plan
        Among its findings: ``cards_overlap`` when the cards cannot be told apart for certain: the outline of
        one is not known, or reaches into another's.
    """
    shown = [plan.shown for plan in plans if plan.shown is not None]
    findings = [code for plan in plans for code in plan.findings]
    if not _apart(outlines):
        findings.append("cards_overlap")
    return Plan(
        tuple(region for plan in plans for region in plan.regions),
        tuple(place for part in shown for place in part) if shown else None,
        tuple(ink for plan in plans for ink in plan.kept),
        tuple(dict.fromkeys(findings)),
        _around([plan.crop for plan in plans]),
    )


def _apart(outlines: Sequence[Outline | None]) -> bool:
    known = [outline for outline in outlines if outline is not None]
    if len(known) < len(outlines):
        return False
    return not any(_overlap(one, other) for one, other in combinations(known, 2))


def _overlap(one: Outline, other: Outline) -> bool:
    """Say whether what lies on one card for certain reaches into what lies on the other for certain."""
    return meet(_convex(one.inner), _convex(other.inner))


def _convex(polygon: Polygon) -> Polygon:
    return straight(polygon)


def _around(
    parts: Sequence[tuple[int, int, int, int] | None],
) -> tuple[int, int, int, int] | None:
    """Return the part of the picture that holds all parts; None, the whole, when one card has none."""
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    lefts, tops, rights, bottoms = zip(*known, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
