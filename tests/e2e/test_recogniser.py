"""The embedded recogniser on real pixels: it must find, read and cover cards, and invent none."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tests.support.samples import KeptPicture, Sample, fonts, kept_pictures, make_sample
from tests.support.samples.generate import ID_BACK, ID_FRONT, LICENCE
from tests.support.samples.scoring import score

from cardveil.card.model import FIELDS, PORTRAIT, CardType, Side
from cardveil_ocr import FoundCard, Recogniser, models
from cardveil_ocr import findings as codes

needs_fonts = pytest.mark.skipif(
    bool(fonts.missing_packages()), reason=f"fonts missing: {', '.join(fonts.missing_packages())}"
)
#: Of the processor, all threads together: what else the machine does is not counted.
LONGEST_SECONDS = 25


def _decoded(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _found(recogniser: Recogniser, sample: Sample) -> tuple[FoundCard, ...]:
    return recogniser.recognise(_decoded(sample.encode()))


def _assert_right(sample: Sample, found: tuple[FoundCard, ...]) -> None:
    result = score(sample, [(card.card, card.outline) for card in found])
    assert (result.missed, result.false) == (0, 0)
    assert [f.name for f in result.fields if not f.exact] == []
    assert [f.name for f in result.fields if f.covered < 0.999] == []


@pytest.mark.parametrize("picture", kept_pictures(), ids=lambda picture: picture.file)
def test_the_kept_pictures_are_read_exactly(recogniser: Recogniser, picture: KeptPicture) -> None:
    found = recogniser.recognise(_decoded(picture.read()))
    assert [(card.card.type, card.card.side) for card in found] == [(c.type, c.side) for c in picture.cards]
    for card, truth in zip(found, picture.cards, strict=True):
        assert tuple(field.name for field in card.card.fields) == FIELDS[truth.type, truth.side]
        assert (card.findings == ()) == (picture.verdict == "redacted")
        for true in truth.fields:
            field = card.card.field(true.name)
            assert field is not None
            assert field.normalized == true.normalized
            assert field.sources == ("embedded",)
            assert field.polygon is not None
            left, top, right, bottom = true.polygon.bounds()
            l, t, r, b = field.polygon.bounds()  # noqa: E741
            assert l <= left + 1
            assert t <= top + 1
            assert r >= right - 1
            assert b >= bottom - 1
            assert (field.score is None) == (true.name == PORTRAIT)
            doubted = (
                {"id_number_region"} if picture.verdict == "redacted" else {c.name for c in field.checks}
            )
            assert all(check.passed for check in field.checks if check.name not in doubted)


@pytest.mark.parametrize("name", ["id-front-flat", "licence"])
def test_without_openvino_the_kept_pictures_are_read_as_well(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(models, "has_openvino", lambda: False)
    picture = next(p for p in kept_pictures() if p.file.startswith(name) and p.cards)
    found = Recogniser(threads=2).recognise(_decoded(picture.read()))
    assert [(card.card.type, card.card.side) for card in found] == [(c.type, c.side) for c in picture.cards]
    for card, truth in zip(found, picture.cards, strict=True):
        read = {field.name: field.normalized for field in card.card.fields}
        assert read == {true.name: true.normalized for true in truth.fields}


@needs_fonts
@pytest.mark.parametrize(
    ("condition", "seed", "kind"),
    [
        ("turn90", 501, ID_FRONT),
        ("turn180", 502, LICENCE),
        ("turn270", 503, ID_BACK),
        ("tilted", 504, ID_FRONT),
        ("strong", 505, ID_FRONT),
        ("exif", 506, LICENCE),
        ("small", 507, ID_FRONT),
        ("lowjpeg", 508, ID_BACK),
        # A licence of 6% of the frame on a page of larger print.
        ("small", 202400014, LICENCE),
    ],
)
def test_any_way_it_is_photographed(
    recogniser: Recogniser, condition: str, seed: int, kind: tuple[CardType, Side]
) -> None:
    sample = make_sample(condition, seed, part="test", kind=kind)
    _assert_right(sample, _found(recogniser, sample))


@needs_fonts
def test_two_cards_are_both_found(recogniser: Recogniser) -> None:
    sample = make_sample("two", 509, part="test")
    found = _found(recogniser, sample)
    _assert_right(sample, found)


@needs_fonts
def test_a_card_that_reaches_beyond_the_picture_is_reported(recogniser: Recogniser) -> None:
    sample = make_sample("cut", 510, kind=ID_FRONT)
    left = int(sample.cards[0].field("name").polygon.bounds()[0]) + 20
    found = recogniser.recognise(np.ascontiguousarray(sample.picture[:, left:]))
    assert found == () or codes.PARTLY_OUTSIDE in found[0].findings


@needs_fonts
@pytest.mark.parametrize("kind", ["page", "form", "bank_card", "vehicle_licence", "business_licence", "desk"])
def test_no_card_is_invented(recogniser: Recogniser, kind: str) -> None:
    sample = make_sample("negative", 511, part="test", negative_kind=kind)
    start = time.process_time()
    assert _found(recogniser, sample) == ()
    assert time.process_time() - start < LONGEST_SECONDS


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((600, 800, 3), np.uint8),
        np.full((600, 800, 3), 255, np.uint8),
        np.random.default_rng(1).integers(0, 256, (600, 800, 3), np.uint8),
        np.random.default_rng(2).integers(0, 256, (30, 2000, 3), np.uint8),
    ],
    ids=["one-pixel", "black", "white", "noise", "strip"],
)
def test_pictures_of_nothing_hold_no_card_and_no_text(
    recogniser: Recogniser, picture: NDArray[np.uint8]
) -> None:
    assert recogniser.recognise(picture) == ()


def test_a_mirrored_card_is_no_card_or_is_not_trusted(recogniser: Recogniser) -> None:
    flat = next(p for p in kept_pictures() if p.file.startswith("id-front-flat"))
    found = recogniser.recognise(np.ascontiguousarray(_decoded(flat.read())[:, ::-1]))
    assert all(card.findings for card in found)


def test_a_type_that_is_not_asked_for_is_not_found(recogniser: Recogniser) -> None:
    flat = next(p for p in kept_pictures() if p.file.startswith("id-back-photo"))
    picture = _decoded(flat.read())
    assert recogniser.recognise(picture, card_type=CardType.DRIVER_LICENSE) == ()
    assert len(recogniser.recognise(picture, card_type=CardType.ID_CARD)) == 1


def test_a_covered_number_is_missing_and_so_reported(recogniser: Recogniser) -> None:
    flat = next(p for p in kept_pictures() if p.file.startswith("id-front-flat"))
    picture = _decoded(flat.read()).copy()
    left, top, right, bottom = (round(v) for v in flat.cards[0].field("id_number").polygon.bounds())
    picture[top - 4 : bottom + 4, left - 4 : right + 4] = 0
    (card,) = recogniser.recognise(picture)
    field = card.card.field("id_number")
    assert field is not None
    assert field.normalized is None
    assert field.polygon is not None
    assert {codes.FIELD_MISSING, codes.CHECK_DIGIT_FAILED} & set(card.findings)


def test_text_of_any_kind_is_read_with_its_place(recogniser: Recogniser) -> None:
    kept = next(p for p in kept_pictures() if p.verdict == "rejected")
    lines = recogniser.read_text(_decoded(kept.read()))
    assert "sample@example.com" in {line.text for line in lines}
    assert all(0 <= line.score <= 100 for line in lines)
    tops = [line.polygon.bounds()[1] for line in lines]
    assert tops == sorted(tops)


def test_what_is_not_a_picture_is_refused(recogniser: Recogniser) -> None:
    with pytest.raises(ValueError, match="picture"):
        recogniser.recognise(np.zeros((10, 10), np.uint8))
    with pytest.raises(ValueError, match="thread"):
        Recogniser(threads=0)
