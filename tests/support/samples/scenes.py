"""Lays drawn cards into a picture and carries their truth along."""

from __future__ import annotations

from random import Random

import cv2
import numpy as np
from tests.support.samples.card_drawing import DrawnCard
from tests.support.samples.people import Person
from tests.support.samples.poses import Corners
from tests.support.samples.values import values_of

from cardveil.card.model import FIELDS, PORTRAIT, Polygon
from cardveil_cli.samples.truth import INK_NUMBERS, CardTruth, FieldTruth, Picture


def lay(
    picture: Picture,
    ink: Picture,
    card: DrawnCard,
    corners: Corners,
    number: int,
    *,
    shadow: bool,
    random: Random,
) -> None:
    """Lay a card into `picture` and its ink into `ink`, both changed in place.

    Parameters
    ----------
    corners
        ``(4, 2)`` pixels, clockwise from the card's own top left.
    number
        Which card of the picture this is, from 0.
    """
    height, width = picture.shape[:2]
    h, w = card.picture.shape[:2]
    left, top = np.floor(corners.min(axis=0)).astype(int) - 24
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 24
    left, top, right, bottom = max(0, left), max(0, top), min(width, right), min(height, bottom)
    window = (int(right - left), int(bottom - top))
    if min(window) < 1:
        return
    flat = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, (corners - (left, top)).astype(np.float32))
    cover = cv2.warpPerspective(_rounded(w, h, card.scale), matrix, window, flags=cv2.INTER_AREA)
    image = cv2.warpPerspective(
        card.picture, matrix, window, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    place = picture[top:bottom, left:right]
    under = place.astype(np.float32)
    if shadow:
        reach = max(2.0, 0.012 * max(window))
        offset = np.array([[1, 0, random.uniform(0, reach)], [0, 1, random.uniform(0, reach)]], np.float32)
        soft = cv2.GaussianBlur(cv2.warpAffine(cover, offset, window), (0, 0), reach)
        under *= 1 - 0.45 * (soft.astype(np.float32) / 255)[..., None]
    alpha = (cover.astype(np.float32) / 255)[..., None]
    place[:] = np.clip(under * (1 - alpha) + image * alpha, 0, 255).astype(np.uint8)
    inked = ink[top:bottom, left:right]
    inked[cover > 127] = 0
    for value in np.unique(card.ink):
        if value:
            # Each field apart and smoothly, so that a thin stroke is not lost when the card becomes small.
            mask = np.where(card.ink == value, np.uint8(255), np.uint8(0))
            there = cv2.warpPerspective(mask, matrix, window, flags=cv2.INTER_AREA) > 63
            inked[there] = value + INK_NUMBERS * number


def truth_of(person: Person, card: DrawnCard, corners: Corners, number: int) -> CardTruth:
    """Return what there is to know of a card laid with `lay`."""
    layout = card.layout
    h, w = card.picture.shape[:2]
    flat = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, corners.astype(np.float32))
    values = values_of(person, layout.type, layout.side)
    fields = []
    for index, name in enumerate(FIELDS[layout.type, layout.side], start=1):
        rows, columns = np.nonzero(card.ink == index)
        l, t, r, b = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1  # noqa: E741
        box = np.array([[(l, t), (r, t), (r, b), (l, b)]], np.float32)
        polygon = Polygon.of(cv2.perspectiveTransform(box, matrix)[0].tolist())
        text, normal = (None, None) if name == PORTRAIT else values[name]
        fields.append(FieldTruth(name, text, normal, polygon, index + INK_NUMBERS * number))
    return CardTruth(layout.type, layout.side, Polygon.of(corners.tolist()), tuple(fields), person.rare)


def _rounded(width: int, height: int, scale: float) -> Picture:
    """Return the card's shape: its corners are rounded by 3 mm (ISO/IEC 7810 allows 2.88 to 3.48)."""
    radius = round(3.0 * scale)
    shape = np.zeros((height, width), np.uint8)
    cv2.rectangle(shape, (radius, 0), (width - radius, height), 255, -1)
    cv2.rectangle(shape, (0, radius), (width, height - radius), 255, -1)
    for x in (radius, width - radius - 1):
        for y in (radius, height - radius - 1):
            cv2.circle(shape, (x, y), radius, 255, -1, cv2.LINE_AA)
    return shape
