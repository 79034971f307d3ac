"""Samples are what everything else is measured with: their truth must be exact and nobody's."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.support.samples import CONDITIONS, Sample, fonts, kept_pictures, make_sample
from tests.support.samples.generate import CARD_KINDS

from cardveil.card.id_number import PROVINCES, inspect, is_valid, repair
from cardveil.card.model import FIELDS, PORTRAIT
from cardveil.card.normalize import normalize
from cardveil.core.errors import Halt

needs_fonts = pytest.mark.skipif(
    bool(fonts.missing_packages()), reason=f"fonts missing: {', '.join(fonts.missing_packages())}"
)


@needs_fonts
@pytest.mark.parametrize("condition", sorted(set(CONDITIONS) - {"large"}))
def test_every_condition_has_its_cards_with_every_field(condition: str) -> None:
    sample = make_sample(condition, 3)
    assert len(sample.cards) == {"negative": 0, "two": 2}.get(condition, 1)
    for card in sample.cards:
        assert tuple(field.name for field in card.fields) == FIELDS[card.type, card.side]


@needs_fonts
def test_the_same_seed_gives_the_same_picture_and_another_seed_another() -> None:
    one, again, other = make_sample("photo", 5), make_sample("photo", 5), make_sample("photo", 8)
    assert one.encode() == again.encode()
    assert one.as_json() == again.as_json()
    assert one.encode() != other.encode()


@needs_fonts
@pytest.mark.parametrize("condition", ["flat", "tilted", "turn90"])
@pytest.mark.parametrize("kind", CARD_KINDS)
def test_the_ink_of_a_field_lies_in_its_polygon(condition: str, kind: tuple[object, object]) -> None:
    sample = make_sample(condition, 21, kind=kind)  # type: ignore[arg-type]
    for field in sample.cards[0].fields:
        rows, columns = np.nonzero(sample.ink == field.ink_number)
        assert len(rows) > 20
        left, top, right, bottom = field.polygon.bounds()
        assert left - 2 <= columns.min()
        assert columns.max() <= right + 2
        assert top - 2 <= rows.min()
        assert rows.max() <= bottom + 2


@needs_fonts
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_viewer_that_honours_the_orientation_shows_the_upright_picture(orientation: int) -> None:
    sample = _small_sample(orientation)
    with Image.open(io.BytesIO(sample.encode())) as image:
        stored = image.size
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.array_equal(upright, sample.picture)
    assert stored == ((64, 48) if orientation < 5 else (48, 64))


def _small_sample(orientation: int) -> Sample:
    picture = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8)
    return Sample("x", "exif", picture, np.zeros((48, 64), np.uint8), (), orientation, quality=0)


@needs_fonts
@pytest.mark.parametrize("seed", range(6))
def test_nobody_real_is_shown(seed: int) -> None:
    sample = replace(make_sample("flat", seed))
    for field in sample.cards[0].fields:
        if field.name in ("id_number", "licence_number"):
            assert field.text is not None
            assert is_valid(field.text)
            assert inspect(field.text).region[:2] not in PROVINCES


def test_an_unknown_condition_is_refused() -> None:
    with pytest.raises(ValueError, match="no such condition"):
        make_sample("under-water", 1)


def test_a_missing_font_names_its_package() -> None:
    face = fonts.Face("/nowhere/none.ttc", 0, "fonts-nowhere")
    with pytest.raises(Halt, match="fonts-nowhere"):
        fonts.font(face, 20)


def test_the_kept_pictures_are_what_their_truth_says() -> None:
    kept = kept_pictures()
    assert len(kept) == 10
    assert {(card.type, card.side) for picture in kept for card in picture.cards} == set(FIELDS)
    for picture in kept:
        data = picture.read()
        assert len(data) < 160_000
        with Image.open(io.BytesIO(data)) as image:
            assert image.getexif().get(0x0112, 1) == picture.orientation
            assert ImageOps.exif_transpose(image).size == (picture.width, picture.height)
        assert bool(picture.cards) == (picture.verdict != "rejected")
        for card in picture.cards:
            for field in card.fields:
                expected = None if field.name == PORTRAIT else normalize(field.name, field.text or "")
                assert field.normalized == expected


def test_what_needs_a_person_says_why_by_its_own_truth() -> None:
    truth = {
        picture.file: {field.name: field.normalized or field.text or "" for field in picture.cards[0].fields}
        for picture in kept_pictures()
        if picture.verdict == "needs_review"
    }
    front, licence = truth.pop("id-front-contradicting.jpg"), truth.pop("licence-glare.jpg")
    assert truth == {}
    assert is_valid(front["id_number"])
    assert inspect(front["id_number"]).birth_date != front["birth_date"]
    assert not is_valid(licence["licence_number"])
    assert repair(licence["licence_number"]) is None
    for number in (front["id_number"], licence["licence_number"]):
        assert number[:2] not in PROVINCES


def test_no_kept_picture_is_called_as_a_copy_is() -> None:
    names = [Path(picture.file).stem for picture in kept_pictures()]
    assert not [name for name in names if "." in name]
    assert {picture.verdict for picture in kept_pictures()} == {"redacted", "rejected", "needs_review"}


def test_the_kept_pictures_cover_the_kinds_of_file() -> None:
    kept = kept_pictures()
    assert {picture.orientation for picture in kept} == {1, 6}
    assert {Path(picture.file).suffix for picture in kept} == {".jpg", ".png"}


@needs_fonts
def test_the_command_writes_pictures_and_truth(tmp_path: Path) -> None:
    from click.testing import CliRunner
    from tests.support.samples.__main__ import main

    shutil.rmtree(tmp_path)
    result = CliRunner().invoke(main, ["--out", str(tmp_path), "--count", "2", "--seed", "4", "--ink"])
    assert result.exit_code == 0, result.output
    names = {path.name for path in tmp_path.iterdir()}
    assert "truth.json" in names
    assert len(names) == 5
