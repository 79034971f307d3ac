"""Where a card ends: at edges that are seen, and never beyond what is certain."""

from __future__ import annotations

import io
from dataclasses import replace
from math import dist
from random import Random

import cv2
import numpy as np
import pytest
from tests.support.laid_cards import ID_BACK, LICENCE, laid_card, matrix_of
from tests.support.samples import fonts
from tests.support.samples.makes import FARTHEST, another_make
from tests.support.samples.mixed import make_mixed

from cardveil.card.geometry import project
from cardveil.card.layout import Box, layout_of
from cardveil.card.model import CardType, Polygon, Side
from cardveil.redaction import Placement, card_outline, card_place, inspect, place
from cardveil.redaction.flat_card import GreyPicture
from cardveil.redaction.polygons import holds

ID_FRONT = (CardType.ID_CARD, Side.FRONT)
LAYOUT = layout_of(*ID_FRONT)
needs_fonts = pytest.mark.skipif(bool(fonts.missing_packages()), reason="fonts missing")


def _picture(
    pose: str, card: Box, *, ground: int = 90, paper: int = 215, kind: str = "JPEG", blur: float = 1.0
) -> bytes:
    """Return a picture of a blank card that lies as in `pose`, but ends where `card` (mm) says."""
    pixels = np.full((1200, 1600), ground, np.uint8)
    corners = [project(matrix_of(LAYOUT, pose), corner) for corner in card.corners()]
    cv2.fillConvexPoly(pixels, np.array(corners, np.int32), paper)
    pixels = cv2.GaussianBlur(pixels, (0, 0), blur)
    _, data = cv2.imencode({"JPEG": ".jpg", "PNG": ".png"}[kind], pixels)
    return bytes(data)


def _outline(data: bytes, pose: str) -> tuple[Polygon, Polygon, tuple[bool, ...]]:
    placement = place(laid_card(ID_FRONT, pose))
    assert placement is not None
    found = card_outline(GreyPicture(inspect(data)).flattened(placement), placement)
    return found.card, found.inner, found.seen


def _within(inner: Polygon, card: Box, pose: str) -> bool:
    true = Polygon.of(project(matrix_of(LAYOUT, pose), corner) for corner in card.corners())
    return all(holds(true, point) for point in inner.points)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("pose", ["flat", "turned by 20 degrees", "upside down", "seen aslant"])
@pytest.mark.parametrize(
    "card",
    [LAYOUT.outline, Box(-2.5, -3.0, 91.0, 59.0), Box(2.0, 2.5, 81.0, 49.5)],
    ids=["as the layout has it", "larger", "smaller"],
)
def test_an_edge_that_is_seen_is_where_the_card_ends(card: Box, pose: str, kind: str) -> None:
    outline, inner, seen = _outline(_picture(pose, card, kind=kind), pose)
    assert seen == (True,) * 4
    assert _within(inner, card, pose)
    true = [project(matrix_of(LAYOUT, pose), corner) for corner in card.corners()]
    millimetre = 1300 / 85.6
    for found, corner in zip(outline.points, true, strict=True):
        assert abs(found[0] - corner[0]) < 1.5 * millimetre
        assert abs(found[1] - corner[1]) < 1.5 * millimetre


@pytest.mark.parametrize("pose", ["flat", "turned by 20 degrees", "seen aslant"])
def test_edges_tell_the_place_of_a_card_whose_text_stands_elsewhere(pose: str) -> None:
    """Each text is up to 1 mm off its own way: by text alone a far corner is misplaced by more."""
    card = laid_card(ID_FRONT, pose, off=1.0)
    true = [project(matrix_of(LAYOUT, pose), corner) for corner in LAYOUT.outline.corners()]

    def miss(placement: Placement | None) -> float:
        assert placement is not None
        found = placement.polygon(LAYOUT.outline).points
        return max(dist(a, b) for a, b in zip(found, true, strict=True)) * 85.6 / 1300

    found = card_place(inspect(_picture(pose, LAYOUT.outline)), card)
    assert found is not None
    assert found.outline.seen == (True,) * 4
    assert miss(place(card)) > 1.5
    assert miss(found.placement) < 0.7


def test_the_titles_of_a_back_tell_how_wide_it_is() -> None:
    """Its two values and their labels begin within 14 mm: from there alone its right side is anywhere."""
    card, layout = laid_card(ID_BACK, "flat", off=0.5), layout_of(*ID_BACK)
    matrix = matrix_of(layout, "flat")
    labels = [
        (name, Polygon.of(project(matrix, corner) for corner in box.grown(0.1 * index).corners()))
        for index, (name, box) in enumerate(layout.labels.items())
    ]
    found = place(card, labels)
    assert found is not None
    right = found.polygon(layout.outline).points[1][0]
    assert right == pytest.approx(project(matrix, (layout.width, 0.0))[0], abs=1.5 * 1300 / 85.6)


@pytest.mark.parametrize(("astray", "certain"), [("License No.", True), ("证号", False)])
def test_small_print_below_its_label_does_not_make_a_place_uncertain(astray: str, certain: bool) -> None:
    card, layout = laid_card(LICENCE, "flat"), layout_of(*LICENCE)
    matrix = matrix_of(layout, "flat")
    labels = [
        (name, Polygon.of(project(matrix, (x - 8.0 * (name == astray), y)) for x, y in box.corners()))
        for name, box in layout.labels.items()
    ]
    found = place(card, labels)
    assert found is not None
    assert (found.misfit < 1.0) is certain


def test_a_line_within_the_card_is_not_its_edge_where_the_edge_told_the_place() -> None:
    """A ruled line nearly as clear as the edge, 4 mm inside it."""
    pixels = np.array(cv2.imdecode(np.frombuffer(_picture("flat", LAYOUT.outline), np.uint8), 0))
    y = round(project(matrix_of(LAYOUT, "flat"), (0.0, 50.0))[1])
    pixels[y : y + 26, 100:1400] = 130
    _, data = cv2.imencode(".png", pixels)
    found = card_place(inspect(bytes(data)), laid_card(ID_FRONT, "flat"))
    assert found is not None
    assert found.outline.inner.points[2][1] > y + 26


def test_where_no_edge_is_seen_the_outline_is_drawn_in() -> None:
    _, inner, seen = _outline(_picture("flat", LAYOUT.outline, ground=200, paper=200), "flat")
    assert seen == (False,) * 4
    assert _within(inner, LAYOUT.outline.grown(-FARTHEST + 0.1), "flat")


def test_of_two_edges_the_inner_one_counts() -> None:
    """Beside the card lies another, whose edges are no less clear."""
    data = _picture("flat", LAYOUT.outline)
    pixels = np.array(cv2.imdecode(np.frombuffer(data, np.uint8), 0))
    pixels[960:1180, 60:1500] = 220  # 2.6 mm below the card's lower edge
    _, data_ = cv2.imencode(".png", pixels)
    _, inner, _ = _outline(bytes(data_), "flat")
    assert _within(inner, LAYOUT.outline, "flat")


def test_a_picture_that_cannot_be_read_has_no_edges() -> None:
    data = _picture("flat", LAYOUT.outline, kind="PNG")
    broken = inspect(data)
    placement = place(laid_card(ID_FRONT, "flat"))
    assert placement is not None
    assert GreyPicture(replace(broken, data=data[:200])).flattened(placement) is None
    assert card_outline(None, placement).seen == (False,) * 4


@needs_fonts
@pytest.mark.parametrize("seed", range(6))
def test_other_makes_keep_their_items_within_three_millimetres(seed: int) -> None:
    made = another_make(LAYOUT, Random(seed))
    for name, box in LAYOUT.labels.items():
        other = made.labels[name]
        assert abs(other.x - box.x) <= FARTHEST
        assert abs(other.y - box.y) <= FARTHEST


@needs_fonts
def test_the_same_mixed_picture_is_made_again() -> None:
    one, again = make_mixed("overlap", 3), make_mixed("overlap", 3)
    assert one.encode() == again.encode()
    assert np.array_equal(one.ink, again.ink)
    assert io.BytesIO(one.encode()).getbuffer().nbytes > 10_000
