"""The embedded recogniser as the witness: all text of a picture, and where each of its characters stands."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cardveil.card.model import PORTRAIT, CardType, Point, Polygon
from cardveil.recognition.interfaces import Hint, Recognition, TextLine
from cardveil.recognition.interfaces import Image as CardImage
from cardveil.recognition.line_places import centre, contains
from cardveil_cli.samples.bundled import KeptPicture, kept_pictures
from cardveil_ocr import Recogniser
from cardveil_ocr.adapter import EmbeddedRecogniser

Pixels = NDArray[np.uint8]
CARDS = [picture for picture in kept_pictures() if picture.cards]


def pixels(picture: KeptPicture) -> Pixels:
    with Image.open(io.BytesIO(picture.read())) as opened:
        return np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))


def named(start: str) -> KeptPicture:
    return next(picture for picture in CARDS if picture.file.startswith(start))


def look(recogniser: Recogniser, shown: Pixels) -> Recognition:
    target = io.BytesIO()
    Image.fromarray(shown).save(target, "PNG", compress_level=1)
    image = CardImage(target.getvalue(), shown.shape[1], shown.shape[0])
    return EmbeddedRecogniser(lambda: recogniser).recognise(image, Hint())


def both(recogniser: Recogniser, shown: Pixels) -> list[tuple[TextLine, ...]]:
    """What the engine tells beside the card, and what it answers as general OCR."""
    read = tuple(TextLine(li.text, li.score, li.polygon, li.characters) for li in recogniser.read_text(shown))
    return [look(recogniser, shown).lines or (), read]


@pytest.mark.parametrize("picture", CARDS, ids=lambda picture: picture.file)
def test_every_character_of_every_field_is_seen_in_its_place(
    recogniser: Recogniser, picture: KeptPicture
) -> None:
    for lines in both(recogniser, pixels(picture)):
        assert all(len(line.characters) == len(line.text) for line in lines)
        for field in picture.cards[0].fields:
            if field.name == PORTRAIT:
                continue
            margin = 0.02 * pixels(picture).shape[1]
            inside = [
                character
                for line in lines
                for character, place in zip(line.text, line.characters, strict=True)
                if contains(field.polygon, centre(place), margin)
            ]
            wanted = [character for character in field.text or "" if character.isalnum()]
            missing = [character for character in wanted if character not in inside]
            assert not missing, field.name


def test_between_two_digits_there_is_less_ink_than_in_them(recogniser: Recogniser) -> None:
    shown = pixels(named("id-front-flat"))
    grey = 255.0 - cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY)
    for lines in both(recogniser, shown):
        line = next(line for line in lines if "995057197601212513" in line.text)
        digits = line.characters[-18:]
        _, top, _, bottom = line.polygon.bounds()
        columns = grey[round(top) : round(bottom)].max(axis=0)
        for place in digits[:-1]:
            right = round(place.bounds()[2])
            middle = round(centre(place)[0])
            assert columns[right - 2 : right + 3].min() < 0.5 * columns[middle - 4 : middle + 5].max()


def printed(shown: Pixels, text: str, at: Point, turn: Callable[[Pixels], Pixels]) -> tuple[Pixels, Polygon]:
    """Print a text on a picture, turned as a whole, and return where."""
    size = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.9, 2)[0]
    patch = np.zeros((size[1] + 12, size[0] + 8), np.uint8)
    cv2.putText(patch, text, (4, size[1] + 5), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2, cv2.LINE_AA)
    patch = turn(patch)
    x, y = round(at[0]), round(at[1])
    copy = shown.copy()
    part = copy[y : y + patch.shape[0], x : x + patch.shape[1]]
    part -= (part * (patch[: part.shape[0], : part.shape[1], None] / 255.0)).astype(np.uint8)
    return copy, Polygon.box(x, y, x + patch.shape[1], y + patch.shape[0])


TURNS: dict[str, Callable[[Pixels], Pixels]] = {
    "level": lambda patch: patch,
    "upright": lambda patch: np.ascontiguousarray(np.rot90(patch)),
    "on its head": lambda patch: np.ascontiguousarray(np.rot90(patch, 2)),
    "mirrored": lambda patch: np.ascontiguousarray(patch[:, ::-1]),
}


@pytest.mark.parametrize(
    ("start", "places"),
    [
        ("id-front-flat", [(480, 60), (605, 190), (350, 470), (320, 65)]),
        ("id-front-photo", [(450, 570), (20, 300), (200, 20), (900, 860)]),
        ("licence", [(700, 340), (660, 380), (640, 460), (640, 540)]),
    ],
)
def test_what_belongs_to_no_field_is_seen_whichever_way_it_runs(
    recogniser: Recogniser, start: str, places: list[Point]
) -> None:
    """On the card, where no field stands, and beside it."""
    shown, wanted = pixels(named(start)), {}
    for (name, turn), at in zip(TURNS.items(), places, strict=True):
        shown, wanted[name] = printed(shown, "138 0013", at, turn)
    for lines in both(recogniser, shown):
        for name, place in wanted.items():
            missed = [
                point
                for point in along(place)
                if not any(contains(line.polygon, point, 4.0) for line in lines)
            ]
            assert not missed, name


def along(place: Polygon) -> list[Point]:
    """Return points on the middle of a box, along its longer side."""
    left, top, right, bottom = place.bounds()
    shares = [0.15 + 0.1 * i for i in range(8)]
    if right - left > bottom - top:
        return [(left + share * (right - left), (top + bottom) / 2) for share in shares]
    return [((left + right) / 2, top + share * (bottom - top)) for share in shares]


def test_two_kinds_of_card_in_one_picture_are_told(recogniser: Recogniser) -> None:
    front, licence = pixels(named("id-front-flat")), pixels(named("licence-flat"))
    width = max(front.shape[1], licence.shape[1])
    stacked = np.full((front.shape[0] + licence.shape[0] + 40, width, 3), 200, np.uint8)
    stacked[: front.shape[0], : front.shape[1]] = front
    stacked[-licence.shape[0] :, : licence.shape[1]] = licence
    found = look(recogniser, stacked)
    assert {card.type for card in found.cards} == set(CardType)
    assert "cards_overlap" not in found.findings
