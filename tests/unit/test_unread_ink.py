"""Writing that runs across a card: where its way is not known, nothing that it may cross is shown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.laid_cards import ID_BACK, ID_FRONT, LICENCE, laid_card, lines_of, matrix_of

from cardveil.card.geometry import project
from cardveil.card.layout import CardLayout, layout_of
from cardveil.card.model import CardType, Polygon, SeenText, Side
from cardveil.redaction import FlatCard, Region, inspect, label_places, place, text_roles
from cardveil.redaction.flat_card import GreyPicture
from cardveil.redaction.unread_ink import cover_unread_ink

Kind = tuple[CardType, Side]
Kept = list[tuple[str, Polygon]]


def _blank(layout: CardLayout) -> NDArray[np.uint8]:
    pixels = np.full((1200, 1600), 90, np.uint8)
    corners = [project(matrix_of(layout, "flat"), corner) for corner in layout.outline.corners()]
    cv2.fillConvexPoly(pixels, np.array(corners, np.int32), 215)
    return pixels


def _covered(
    kind: Kind,
    pixels: NDArray[np.uint8],
    *others: Polygon,
    role: str = "other",
    masked: Polygon | None = None,
) -> tuple[Kept, list[Region]]:
    card = laid_card(kind, "flat")
    lines = lines_of(card, "flat")
    placement = place(card, label_places(card, lines))
    assert placement is not None
    _, data = cv2.imencode(".png", pixels)
    flat = GreyPicture(inspect(bytes(data))).flattened(placement)
    assert isinstance(flat, FlatCard)
    texts = text_roles(card, lines, placement)
    texts += tuple(SeenText(role, "authority", polygon) for polygon in others)
    kept = [(field.name, field.polygon) for field in card.fields if field.polygon]
    regions = [Region("unexplained", polygon, "mask") for polygon in others if role == "other"]
    regions += [Region("address", masked, "mask")] if masked else []
    return cover_unread_ink(kept, regions, texts, placement, flat)


def _on(layout: CardLayout, *points: tuple[float, float]) -> Polygon:
    return Polygon.of(project(matrix_of(layout, "flat"), point) for point in points)


@pytest.mark.parametrize("kind", [ID_FRONT, ID_BACK, LICENCE], ids=["front", "back", "licence"])
def test_a_text_read_aslant_whose_ink_is_not_found_hides_all_that_was_to_be_kept(kind: Kind) -> None:
    layout = layout_of(*kind)
    aslant = _on(layout, (30.0, 20.0), (50.0, 30.0), (49.0, 33.0), (29.0, 23.0))
    assert _covered(kind, _blank(layout))[1] == []
    kept, more = _covered(kind, _blank(layout), aslant)
    assert kept == []
    assert {region.field for region in more} == {"unexplained"}
    pictorial = [box for box in (layout.emblem, layout.seal) if box is not None]
    covers = [region.polygon.bounds() for region in more]
    for box in pictorial:
        x, y = project(matrix_of(layout, "flat"), box.centre)
        assert any(left < x < right and top < y < bottom for left, top, right, bottom in covers)


def test_a_level_text_hides_nothing_else() -> None:
    layout = layout_of(*ID_FRONT)
    level = _on(layout, (20.0, 43.0), (50.0, 43.5), (50.0, 45.5), (20.0, 45.0))
    kept, _ = _covered(ID_FRONT, _blank(layout), level)
    assert len(kept) == 6


def test_columns_of_the_seal_and_a_note_beside_the_card_are_not_across_it() -> None:
    layout = layout_of(*LICENCE)
    column = _on(layout, (20.0, 45.0), (20.0, 53.0), (17.0, 53.0), (17.0, 45.0))
    assert len(_covered(LICENCE, _blank(layout), column, role="field")[0]) > 0
    outside = _on(layout, (-14.0, 20.0), (-8.0, 30.0), (-9.0, 33.0), (-15.0, 23.0))
    assert len(_covered(LICENCE, _blank(layout), outside)[0]) > 0


def test_ink_taller_than_a_line_hides_all_that_was_to_be_kept() -> None:
    layout = layout_of(*ID_FRONT)
    pixels = _blank(layout)
    for x in (56.0, 58.0, 60.0):
        (x0, y0), (x1, y1) = (project(matrix_of(layout, "flat"), p) for p in ((x, 22.0), (x, 29.0)))
        cv2.line(pixels, (round(x0), round(y0)), (round(x1), round(y1)), 150, 5)
    kept, more = _covered(ID_FRONT, pixels)
    assert kept == []
    assert len(more) > 6


def _written(
    pixels: NDArray[np.uint8], layout: CardLayout, said: str, at: tuple[float, float], turn: float
) -> None:
    x, y = project(matrix_of(layout, "flat"), at)
    layer = np.zeros_like(pixels)
    cv2.putText(layer, said, (round(x), round(y)), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255, 4, cv2.LINE_AA)
    turned = cv2.warpAffine(layer, cv2.getRotationMatrix2D((x, y), turn, 1.0), layer.shape[::-1])
    pixels[turned > 60] = 150


@pytest.mark.parametrize("turn", [0, 20], ids=["level", "aslant"])
def test_of_a_short_piece_of_unread_writing_nobody_knows_where_it_goes_on(turn: float) -> None:
    layout, pixels = layout_of(*ID_FRONT), _blank(layout_of(*ID_FRONT))
    _written(pixels, layout, "138000", (44.0, 43.0), turn)
    kept, more = _covered(ID_FRONT, pixels)
    assert kept == []
    # Nor is the ground shown between them.
    x, y = project(matrix_of(layout, "flat"), (30.0, 50.0))
    bounds = [region.polygon.bounds() for region in more]
    assert any(left < x < right and top < y < bottom for left, top, right, bottom in bounds)


def _bars(
    pixels: NDArray[np.uint8], layout: CardLayout, places: list[tuple[float, float]], grey: int, mm: float
) -> None:
    for x, y in places:
        (x0, y0), (x1, y1) = (project(matrix_of(layout, "flat"), at) for at in ((x, y), (x + 0.5, y + mm)))
        cv2.rectangle(pixels, (round(x0), round(y0)), (round(x1), round(y1)), grey, -1)


@pytest.mark.parametrize("below", [None, 0.0, 1.4], ids=["nothing", "within-its-place", "beside-it"])
def test_strokes_that_end_beside_print_are_of_writing_that_is_taken_for_print(below: float | None) -> None:
    layout, pixels = layout_of(*ID_FRONT), _blank(layout_of(*ID_FRONT))
    name = layout.fields["name"]
    across = [name.x + 0.4 + step for step in (0.0, 1.2, 2.4, 3.6)]
    _bars(pixels, layout, [(x, name.y + 0.2) for x in across], 40, name.height - 2.2)
    if below is not None:
        _bars(pixels, layout, [(x, name.bottom - 1.6 + below) for x in across[:2]], 165, 1.6)
    kept, _ = _covered(ID_FRONT, pixels)
    assert (kept == []) is (below is not None)


def test_grain_beside_print_is_no_writing() -> None:
    layout, pixels = layout_of(*ID_FRONT), _blank(layout_of(*ID_FRONT))
    grains = [(20.0 + 1.5 * column, 12.0 + 1.5 * row) for column in range(14) for row in range(18)]
    _bars(pixels, layout, grains, 150, 0.4)
    assert _covered(ID_FRONT, pixels)[0] != []


def test_a_printed_rule_beside_print_is_no_writing() -> None:
    layout, pixels = layout_of(*ID_FRONT), _blank(layout_of(*ID_FRONT))
    x, y = project(matrix_of(layout, "flat"), (20.0, 40.0))
    cv2.line(pixels, (round(x), round(y)), (round(x) + 500, round(y) + 6), 140, 6)
    assert len(_covered(ID_FRONT, pixels)[0]) == 6


def test_a_line_of_a_paper_under_the_card_s_edge_hides_what_it_touches_alone() -> None:
    layout, pixels = layout_of(*ID_FRONT), _blank(layout_of(*ID_FRONT))
    _written(pixels, layout, "13800000", (5.0, 4.7), 0)
    kept, more = _covered(ID_FRONT, pixels)
    assert len(kept) >= 5
    assert more


def test_unread_writing_within_what_is_covered_hides_where_it_may_go_on() -> None:
    layout, pixels = layout_of(*ID_FRONT), _blank(layout_of(*ID_FRONT))
    _written(pixels, layout, "138000", (60.0, 43.8), 0)
    masked = _on(layout, (50.0, 38.0), (84.0, 38.0), (84.0, 45.0), (50.0, 45.0))
    assert _covered(ID_FRONT, pixels, masked=masked)[0] == []


def test_a_line_of_unread_writing_that_is_seen_whole_hides_what_it_touches_alone() -> None:
    layout, pixels = layout_of(*ID_BACK), _blank(layout_of(*ID_BACK))
    _written(pixels, layout, "138000", (6.0, 33.0), 0)
    kept, more = _covered(ID_BACK, pixels)
    assert len(kept) == 2
    assert more


def test_a_long_piece_of_unread_writing_hides_what_its_line_crosses_alone() -> None:
    layout, pixels = layout_of(*ID_FRONT), _blank(layout_of(*ID_FRONT))
    _written(pixels, layout, "1380000000000000000", (14.0, 46.0), 9)
    kept, _ = _covered(ID_FRONT, pixels)
    assert 0 < len(kept) < 6


@pytest.mark.parametrize(
    ("corners", "hidden"),
    [
        # Ends of watermarks as they were read: two characters, hardly turned, taller than a line of print.
        (((50.0, 29.6), (58.5, 29.0), (58.8, 32.6), (50.3, 33.2)), True),
        (((50.0, 28.0), (58.0, 28.0), (58.0, 32.4), (50.0, 32.4)), True),
        # A note along the lines, and a line of a paper beside the card that reaches over its edge.
        (((42.0, 28.0), (70.0, 28.6), (70.0, 33.4), (42.0, 32.8)), False),
        (((20.0, -0.5), (60.0, 2.7), (59.8, 5.6), (19.8, 2.4)), False),
        # What is read in a face or a stain is one character, turned anyhow.
        (((58.0, 30.0), (56.1, 28.8), (57.4, 26.8), (59.3, 28.0)), False),
    ],
    ids=["turned", "tall", "note", "beside", "speck"],
)
def test_what_is_read_on_the_card_is_level_only_if_that_is_sure(
    corners: tuple[tuple[float, float], ...], hidden: bool
) -> None:
    layout, pixels = layout_of(*ID_FRONT), _blank(layout_of(*ID_FRONT))
    (left, _), (right, _), _, (_, bottom) = corners
    _written(pixels, layout, "8" * int((right - left) / 2.2), (left + 0.6, bottom - 0.8), 0)
    kept, _ = _covered(ID_FRONT, pixels, _on(layout, *corners))
    assert (kept == []) is hidden
