"""What a copy shows: windows, the card's ground, its surroundings; and when a person is asked instead."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from tests.support.laid_cards import (
    ID_BACK,
    ID_FRONT,
    LICENCE,
    POSES,
    blank_picture,
    covers,
    ink_of,
    laid_card,
    line_on,
    lines_of,
    matrix_of,
)

from cardveil.card.geometry import project
from cardveil.card.layout import Box, layout_of
from cardveil.card.model import Card, CardType, Polygon, Side
from cardveil.recognition.interfaces import TextLine
from cardveil.redaction import (
    Outline,
    Plan,
    Policy,
    Region,
    label_places,
    load_policy,
    place,
    plan,
    text_roles,
)
from cardveil.redaction.grid import Grid, cover, snap
from cardveil.redaction.regions import trimmed

STANDARD, STRICT, MINIMAL = (load_policy(name) for name in ("standard", "strict", "minimal"))
GRID = Grid(1600, 1200)
Kind = tuple[CardType, Side]
BESIDE = Polygon.box(1420, 1100, 1560, 1130)


def planned(
    card: Card, policy: Policy, pose: str, lines: tuple[TextLine, ...] | None, *, outlined: bool = True
) -> Plan:
    placement = place(card, label_places(card, lines) if lines else ())
    texts = None if lines is None else text_roles(card, lines, placement)
    layout = layout_of(card.type, card.side)
    corners = [project(matrix_of(layout, pose), corner) for corner in layout.outline.corners()]
    inner = [project(matrix_of(layout, pose), corner) for corner in layout.outline.grown(-1.0).corners()]
    outline = Outline(Polygon.of(corners), Polygon.of(inner), (True, True, True, True))
    return plan(card, policy, blank_picture(), placement, texts, outline if outlined else None)


def is_covered(done: Plan, polygon: Polygon) -> bool:
    """Say whether every cell that a polygon touches is covered, as `redact` will cover it."""
    return _touched(polygon) <= _cells(done)


def is_seen(done: Plan, polygon: Polygon) -> bool:
    """Say whether the middle of a polygon is not covered."""
    x, y = (sum(point[axis] for point in polygon.points) / 4 for axis in (0, 1))
    return (int(y // 16), int(x // 16)) not in _cells(done)


@cache
def _cells(done: Plan) -> set[tuple[int, int]]:
    shown = None if done.shown is None else [polygon.points for polygon in done.shown]
    made = cover(
        GRID, [r.polygon.points for r in done.regions], shown=shown, kept=[p.points for p in done.kept]
    )
    return {(row, c) for row, runs in enumerate(made.rows) for a, b in runs for c in range(a, b)}


def _touched(polygon: Polygon) -> set[tuple[int, int]]:
    rows = snap(GRID, [polygon.points], 0.0).rows
    return {(row, c) for row, runs in enumerate(rows) for a, b in runs for c in range(a, b)}


def _on(kind: Kind, pose: str, box: Box) -> Polygon:
    return Polygon.of(project(matrix_of(layout_of(*kind), pose), corner) for corner in box.corners())


@pytest.mark.parametrize("witnessed", [True, False], ids=["witness", "no witness"])
@pytest.mark.parametrize("policy", [STANDARD, STRICT, MINIMAL], ids=lambda p: p.name)
@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE, ID_BACK], ids=["front", "licence", "back"])
def test_masked_ink_is_covered_and_kept_ink_is_seen(
    kind: Kind, pose: str, policy: Policy, witnessed: bool
) -> None:
    card, layout = laid_card(kind, pose), layout_of(*kind)
    done = planned(card, policy, pose, lines_of(card, pose) if witnessed else None)
    for name in layout.fields:
        ink = _on(kind, pose, ink_of(layout, name))
        action = policy.action_for(*kind, name)
        if action == "mask":
            assert is_covered(done, ink), name
        elif action == "keep":
            assert is_seen(done, ink), name
    if layout.portrait:
        assert is_covered(done, _on(kind, pose, layout.portrait))
    assert is_covered(done, BESIDE)


@pytest.mark.parametrize("pose", POSES)
def test_labels_are_seen_and_the_ground_only_where_the_policy_and_a_witness_allow_it(pose: str) -> None:
    card, layout = laid_card(ID_FRONT, pose), layout_of(*ID_FRONT)
    ground = _on(ID_FRONT, pose, Box(2.5, 35.0, 6.0, 6.0))
    lines = lines_of(card, pose)
    cases = ((STANDARD, lines, True), (STRICT, lines, False), (STANDARD, None, False), (STANDARD, (), False))
    for policy, seen, shown in cases:
        done = planned(card, policy, pose, seen)
        assert is_seen(done, ground) is shown
        assert ("witness_missing" in done.findings) is (policy is STANDARD and not seen)
        if seen:
            assert is_seen(done, _on(ID_FRONT, pose, layout.labels["姓名"]))


def test_a_witness_that_saw_too_little_of_the_card_is_none() -> None:
    card = laid_card(ID_FRONT, "flat")
    lines = lines_of(card, "flat")
    ground = _on(ID_FRONT, "flat", Box(2.5, 35.0, 6.0, 6.0))
    labels = tuple(line for line in lines if line.text in layout_of(*ID_FRONT).labels)
    values = tuple(line for line in lines if line not in labels)
    for seen in (labels, values, lines[:3]):
        done = planned(card, STANDARD, "flat", seen)
        assert not is_seen(done, ground)
        assert "witness_missing" in done.findings


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize(
    "box",
    [Box(15.7, 41.4, 30.0, 2.6), Box(3.0, 33.0, 9.0, 2.5), Box(40.0, 1.2, 30.0, 2.4)],
    ids=["fourth line", "at the edge", "above"],
)
@pytest.mark.parametrize("policy", [STANDARD, MINIMAL], ids=lambda p: p.name)
def test_text_that_belongs_to_no_field_is_covered(policy: Policy, box: Box, pose: str) -> None:
    card = laid_card(ID_FRONT, pose)
    line = line_on(matrix_of(layout_of(*ID_FRONT), pose), box, "13800000000")
    done = planned(card, policy, pose, (*lines_of(card, pose), line))
    assert "unexplained" in {region.field for region in done.regions}
    assert is_covered(done, line.polygon)


@pytest.mark.parametrize("shift", [-3.0, 3.0])
@pytest.mark.parametrize("kind", [ID_FRONT, LICENCE], ids=["front", "licence"])
def test_a_portrait_that_stands_elsewhere_by_3_mm_is_covered(kind: Kind, shift: float) -> None:
    layout, card = layout_of(*kind), laid_card(kind, "flat")
    assert layout.portrait is not None
    done = planned(card, STANDARD, "flat", lines_of(card, "flat"))
    portrait = layout.portrait
    moved = Box(portrait.x + shift, portrait.y + shift, portrait.width, portrait.height)
    regions = tuple(r for r in done.regions if r.field == "portrait")
    assert covers(regions, moved, matrix_of(layout, "flat"))


def test_a_portraits_zone_ends_where_kept_ink_begins_and_never_within_the_portrait() -> None:
    layout, card = layout_of(*LICENCE), laid_card(LICENCE, "flat")
    matrix = matrix_of(layout, "flat")
    long = Box(42.7, 38.8, 18.8, 3.2)
    lines = tuple(
        line_on(matrix, long, line.text) if line.text == "2012-05-06" else line
        for line in lines_of(card, "flat")
    )
    done = planned(card, STANDARD, "flat", lines)
    last = Polygon.of(project(matrix, c) for c in Box(long.right - 1.5, long.y, 1.5, long.height).corners())
    assert is_seen(done, last)
    assert layout.portrait is not None
    over = Box(42.7, 38.8, 30.0, 3.2)
    wide = tuple(line_on(matrix, over, line.text) if line.text == "2012-05-06" else line for line in lines)
    done = planned(card, STANDARD, "flat", wide)
    assert covers(tuple(r for r in done.regions if r.field == "portrait"), layout.portrait, matrix)


@pytest.mark.parametrize("overlap", [-0.5, 0.0, 0.5])
def test_a_masked_zone_gives_way_to_kept_ink_that_stands_close_but_never_what_was_seen(
    overlap: float,
) -> None:
    """Rows of a small picture stand nearer than the room that is kept, and seen boxes overlap a little."""
    seen, zone = Box(10.0, 10.0, 20.0, 3.0), Box(8.0, 8.0, 30.0, 8.0)
    below = Box(12.0, seen.bottom - overlap, 15.0, 3.0)
    above = Box(12.0, seen.y - 3.0 + overlap, 15.0, 3.0)
    left = trimmed(zone, [below, above], seen, room=1.4)
    assert (left.y, left.bottom) == (seen.y, seen.bottom)
    assert (left.x, left.right) == (zone.x, zone.right)
    assert trimmed(zone, [Box(12.0, 11.0, 15.0, 3.0)], seen, room=1.4) == zone, "the same place, not a row"


def _keeping(outside: str, **changes: Any) -> Policy:
    return replace(STANDARD, outside=outside, **changes)


def test_surroundings_are_shown_only_when_a_witness_saw_no_text_in_them() -> None:
    card = laid_card(ID_FRONT, "flat")
    lines = lines_of(card, "flat")
    done = planned(card, _keeping("keep"), "flat", lines)
    assert done.shown is None
    assert is_seen(done, BESIDE)
    with_text = planned(card, _keeping("keep"), "flat", (*lines, TextLine("138", 90.0, BESIDE)))
    assert "text_outside" in with_text.findings
    assert is_covered(planned(card, _keeping("keep"), "flat", None), BESIDE)


def test_surroundings_may_be_shown_around_windows() -> None:
    card = laid_card(ID_FRONT, "flat")
    done = planned(card, _keeping("keep", rest="mask"), "flat", lines_of(card, "flat"))
    assert is_seen(done, BESIDE)
    assert not is_seen(done, _on(ID_FRONT, "flat", Box(2.5, 35.0, 6.0, 6.0)))
    assert is_seen(done, _on(ID_FRONT, "flat", layout_of(*ID_FRONT).labels["姓名"]))


def test_a_copy_may_end_at_the_card() -> None:
    card = laid_card(ID_FRONT, "flat")
    assert planned(card, _keeping("crop"), "flat", lines_of(card, "flat")).crop == (100, 100, 1400, 920)
    assert planned(card, _keeping("mask"), "flat", lines_of(card, "flat")).crop is None


def test_labels_that_lie_elsewhere_ask_for_a_person() -> None:
    card = laid_card(ID_FRONT, "flat")
    matrix = matrix_of(layout_of(*ID_FRONT), "flat")
    moved = tuple(
        line_on(matrix, Box(5.2, 36.0, 7.4, 3.0), "住址") if line.text == "住址" else line
        for line in lines_of(card, "flat")
    )
    assert "place_uncertain" not in planned(card, STANDARD, "flat", lines_of(card, "flat")).findings
    assert "place_uncertain" in planned(card, STANDARD, "flat", moved).findings


def test_a_place_that_lies_outside_the_picture_is_no_region() -> None:
    """A whole portrait's zone may lie beyond the edge of a cut card; `redact` refuses such places."""
    card = laid_card(ID_FRONT, "flat")
    small = replace(blank_picture(), width=760, height=1200, stored_width=760)
    placement = place(card)
    done = plan(card, replace(STANDARD, incomplete="mask_picture"), small, placement)
    assert all(region.polygon.bounds()[0] < 760 for region in done.regions)
    assert isinstance(done.regions[0], Region)
