"""Ink that nobody read: found wherever it stands beside what is known, and nothing else taken for it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.laid_cards import ID_FRONT, laid_card, lines_of, matrix_of

from cardveil.card.geometry import project
from cardveil.card.layout import Box, layout_of
from cardveil.redaction import FlatCard, inspect, load_policy, place, plan, text_roles
from cardveil.redaction.flat_card import GreyPicture
from cardveil.redaction.ink import boxes_of_patch, inked_cells, touches, unexplained_ink, writing_across

LAYOUT = layout_of(*ID_FRONT)
MATRIX = matrix_of(LAYOUT, "flat")
FREE = Box(20.0, 42.0, 20.0, 1.5)


def _blank(paper: int = 215) -> NDArray[np.uint8]:
    pixels = np.full((1200, 1600), 90, np.uint8)
    cv2.fillConvexPoly(
        pixels, np.array([project(MATRIX, c) for c in LAYOUT.outline.corners()], np.int32), paper
    )
    return pixels


def _write(
    pixels: NDArray[np.uint8], text: str, at: tuple[float, float], grey: int, size: float = 1.2
) -> None:
    x, y = project(MATRIX, at)
    cv2.putText(pixels, text, (round(x), round(y)), cv2.FONT_HERSHEY_SIMPLEX, size, grey, 4, cv2.LINE_AA)


def _flat(pixels: NDArray[np.uint8]) -> FlatCard:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    placement = place(laid_card(ID_FRONT, "flat"))
    assert placement is not None
    found = GreyPicture(inspect(bytes(data))).flattened(placement)
    assert found is not None
    return found


def _found(pixels: NDArray[np.uint8], *explained: Box) -> list[set[tuple[int, int]]]:
    return unexplained_ink(inked_cells(_flat(pixels), LAYOUT), explained)


@pytest.mark.parametrize("grey", [40, 120, 185], ids=["ink", "pencil", "pale"])
def test_writing_is_found_where_it_stands(grey: int) -> None:
    pixels = _blank()
    _write(pixels, "13800", (20.0, 40.0), grey)
    boxes = [box for patch in _found(pixels) for box in boxes_of_patch(patch)]
    assert touches(Box(21.0, 38.5, 1.0, 1.0), boxes)
    assert all(box.x > 17.0 and box.right < 45.0 and 35.0 < box.y < 42.0 for box in boxes)


def test_what_is_known_to_stand_there_and_what_is_no_text_is_not() -> None:
    pixels = _blank()
    rng = np.random.default_rng(5)
    pixels = np.clip(pixels + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
    assert _found(pixels) == []
    (x0, y), (x1, _) = project(MATRIX, (15.0, 30.0)), project(MATRIX, (50.0, 30.0))
    cv2.line(pixels, (round(x0), round(y)), (round(x1), round(y)), 120, 2)  # a printed rule
    assert _found(pixels) == []
    _write(pixels, "13800", (20.0, 40.0), 40)
    assert _found(pixels, Box(18.0, 36.0, 30.0, 6.0)) == []
    beside = [Box(-20.0, 36.0, 6.0, 6.0), Box(200.0, 36.0, 6.0, 6.0), Box(20.0, -9.0, 6.0, 6.0)]
    assert _found(pixels, *beside) == _found(pixels) != []


def test_a_value_that_unread_ink_runs_through_is_not_kept() -> None:
    card, lines = laid_card(ID_FRONT, "flat"), lines_of(laid_card(ID_FRONT, "flat"), "flat")
    placement = place(card)
    pixels = _blank()
    _, data = cv2.imencode(".png", pixels)
    picture = inspect(bytes(data))
    policy = load_policy("standard")
    texts = text_roles(card, lines, placement)
    clean = plan(card, policy, picture, placement, texts, None, _flat(pixels))
    _write(pixels, "AMEL", (41.2, 16.5), 160, 2.0)
    crossed = plan(card, policy, picture, placement, texts, None, _flat(pixels))
    assert "unexplained" not in {region.field for region in clean.regions}
    assert "unexplained" in {region.field for region in crossed.regions}
    assert len(crossed.kept) < len(clean.kept)


def _fine_lines(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw pale waves all over the card, as makes of it have them against forgery."""
    down, along = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]]
    on_line = (down + 6 * np.sin(along / 23.0)) % 13 < 5
    return np.where(on_line & (pixels > 200), np.uint8(195), pixels)


def test_fine_lines_all_over_the_card_are_no_writing() -> None:
    pixels = _fine_lines(_blank())
    assert unexplained_ink(inked_cells(_flat(pixels), LAYOUT, fine_lines=True), [])
    assert _found(pixels) == []


def test_dark_strokes_all_over_the_card_are_writing() -> None:
    """Words of a watermark set so densely that most of the card is under them."""
    down, along = np.mgrid[0:1200, 0:1600]
    pixels = np.where(((down + along // 3) % 40 < 12) & (_blank() > 200), np.uint8(140), _blank())
    assert _found(pixels) != []


@pytest.mark.parametrize("grey", [40, 120, 165], ids=["ink", "pencil", "pale"])
def test_writing_over_fine_lines_is_found_and_all_that_may_be_part_of_it(grey: int) -> None:
    pixels = _fine_lines(_blank())
    _write(pixels, "13800", (20.0, 40.0), grey)
    boxes = [box for patch in _found(pixels) for box in boxes_of_patch(patch)]
    assert touches(Box(21.0, 38.5, 1.0, 1.0), boxes)
    card, placement = laid_card(ID_FRONT, "flat"), place(laid_card(ID_FRONT, "flat"))
    texts = text_roles(card, lines_of(card, "flat"), placement)
    _write(pixels, "AMEL", (41.2, 16.5), grey, 2.0)
    picture, policy = inspect(bytes(cv2.imencode(".png", pixels)[1])), load_policy("standard")
    covered = plan(card, policy, picture, placement, texts, None, _flat(pixels)).regions
    # Pale ends of the strokes are lines like any other: once somebody wrote there, all of them are covered.
    assert sum(region.field == "unexplained" for region in covered) > 50


@pytest.mark.parametrize("turn", [15, 30, -20])
def test_writing_across_the_card_is_followed_to_its_edges(turn: int) -> None:
    pixels, layer = _blank(), np.zeros((1200, 1600), np.uint8)
    middle = project(MATRIX, LAYOUT.outline.centre)
    _write(layer, "1380 0000 000", (28.0, 28.0), 255, 2.0)
    turned = cv2.warpAffine(layer, cv2.getRotationMatrix2D(middle, turn, 1.0), (1600, 1200))
    pixels = np.where(turned > 60, np.uint8(180), pixels)
    band = writing_across(_found(pixels))
    assert band is not None
    (x0, y0), (x1, y1) = band[:2]
    assert abs((y1 - y0) / (x1 - x0) + np.tan(np.radians(turn))) < 0.08
    straight = _blank()
    _write(straight, "1380 0000 000", (28.0, 28.0), 180, 2.0)
    assert writing_across(_found(straight)) is None
    assert writing_across([]) is None
