"""From a card and a policy to the places that are covered, or to the reason why no copy can be made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cardveil.card.model import FIELDS, PORTRAIT, Card, Field, Polygon
from cardveil.core.errors import Review
from cardveil.imaging.image import Picture
from cardveil.redaction.card_pose import Placement
from cardveil.redaction.policy import Partial, Policy
from cardveil.redaction.polygons import cut, grown, straight, text_height, usable
from cardveil.redaction.results import Region

#: Millimetres around the portrait, whose place follows from the text's: printing differs from the layout by
#: one. With this and the doubts below, portraits of invented photographs were covered to 99.8% or more with
#: boxes off by up to a third of a line, and to 97.7% at the worst where the card was tilted by 38 to 52
#: degrees as well; with the embedded recogniser's boxes, completely.
_PORTRAIT_MARGIN: Final = 2.0
#: Standard deviations of a place that its cover is grown by as well.
_DOUBTS: Final = 1.5
#: Millimetres of a card's text height, to tell the scale of a card whose place is not known.
_TEXT_MM: Final = 3.3


def plan(card: Card, policy: Policy, picture: Picture, placement: Placement | None) -> tuple[Region, ...]:
    """Decide what is covered.

    A text is covered where it was found, grown by the policy's margin, and, where the card's place in the
    picture is known, over the whole zone that the card has for it: recognisers miss characters. Where it is
    not known, half a character's height is added instead. The portrait is covered where the fields say it
    must be, and where a recogniser saw it.

    Returns
    -------
    tuple of Region
        Empty only when the policy keeps every field of this side and all of them were located.

    Raises
    ------
    Review
        ``fields_missing`` when something that must be covered was not located and the policy asks for review.
    """
    regions: list[Region] = []
    missing: list[str] = []
    located = {f.name: f for f in card.fields if _located(f, picture)}
    known = FIELDS.get((card.type, card.side), ())
    others = [f.name for f in card.fields if f.name not in known]
    for name in dict.fromkeys((*known, *others)):
        action = policy.action_for(card.type, card.side, name)
        if action == "keep":
            continue
        if name == PORTRAIT:
            found = list(_portrait(located.get(name), placement))
        else:
            found = [
                region
                for field in card.fields
                if field.name == name and _located(field, picture)
                for region in _text(field, action, policy, placement)
            ]
        regions += found
        if not found:
            missing.append(name)
    if not regions and not missing:
        missing = [name for name in known if name not in located] if known else ["all"]
    if not missing:
        return tuple(regions)
    if policy.incomplete == "review":
        raise Review(
            "fields_missing", f"look at the card: not located were {', '.join(sorted(missing))[:200]}"
        )
    return _everything(policy, placement, picture)


def _located(field: Field, picture: Picture) -> bool:
    return field.polygon is not None and usable(field.polygon, picture.width, picture.height)


def _text(field: Field, action: object, policy: Policy, placement: Placement | None) -> Iterator[Region]:
    assert field.polygon is not None  # noqa: S101 - _located said so
    polygon = straight(field.polygon)
    height = text_height(polygon)
    known = placement is not None and field.name in placement.layout.fields
    if placement is not None and known:
        margin = policy.margin_mm * max(placement.scale_at(corner) for corner in polygon.points)
    else:
        margin = policy.margin_mm * height / _TEXT_MM + height / 2
    if isinstance(action, Partial) and field.text and polygon is field.polygon:
        part = cut(polygon, field.text, action.keep_first, action.keep_last)
        if part is not None:
            yield Region(field.name, _grown_at_ends(part, margin, action), "partial")
            return
    yield Region(field.name, grown(polygon, margin, margin), "mask")
    if placement is not None and known:
        zone = placement.layout.fields[field.name]
        if placement.trusted(zone):
            yield Region(field.name, placement.polygon(zone), "mask")


def _grown_at_ends(part: Polygon, margin: float, action: Partial) -> Polygon:
    """Grow a partial cover across its text, and along it only where it does not end at kept characters."""
    before, after = (0.0 if action.keep_first else margin), (0.0 if action.keep_last else margin)
    wide = grown(part, margin, margin).points
    narrow = grown(part, 0.0, margin).points
    left = wide if before else narrow
    right = wide if after else narrow
    return Polygon((left[0], right[1], right[2], left[3]))


def _portrait(field: Field | None, placement: Placement | None) -> Iterator[Region]:
    box = placement.layout.portrait if placement is not None else None
    if placement is not None and box is not None and placement.trusted(box):
        yield Region(PORTRAIT, placement.widened(box, _PORTRAIT_MARGIN, _DOUBTS), "mask")
    if field is not None and field.polygon is not None:
        polygon = straight(field.polygon)
        # A portrait is 26 to 32 mm high on every card: five per cent of its height are 1.5 mm.
        margin = 0.06 * text_height(polygon)
        yield Region(PORTRAIT, grown(polygon, margin, margin), "mask")


def _everything(policy: Policy, placement: Placement | None, picture: Picture) -> tuple[Region, ...]:
    whole = Polygon.box(0, 0, picture.width, picture.height)
    if policy.incomplete == "mask_card" and placement is not None:
        outline = placement.layout.outline
        if placement.trusted(outline):
            return (Region("card", placement.widened(outline, policy.margin_mm, _DOUBTS), "mask"),)
    return (Region("picture", whole, "mask"),)
