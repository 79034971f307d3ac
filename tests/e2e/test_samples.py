"""The kept sample cards through everything, with the real recogniser behind CI and the OCR API."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.support.cloud_fixture import Bench, bench

from cardveil.card.model import PORTRAIT
from cardveil_cli.samples.bundled import KeptPicture, kept_pictures
from cardveil_ocr import Recogniser

SAMPLES = kept_pictures()
#: What the policy `standard` covers, and what it leaves to be read.
MASKED = {"name", "address", "id_number", "birth_date", "licence_number", PORTRAIT}


@pytest.fixture(scope="module")
def done(recogniser: Recogniser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("cloud"), recogniser=lambda: recogniser) as running:
        for sample in SAMPLES:
            running.upload(f"inbox/{sample.file}", sample.read())
        running.settle()
        yield running


def sidecar_of(done: Bench, sample: KeptPicture) -> dict[str, Any]:
    sidecar = done.sidecar(sample.file)
    assert sidecar is not None
    return sidecar


def pixels(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.file)
def test_every_sample_comes_to_the_status_in_its_name(done: Bench, sample: KeptPicture) -> None:
    sidecar = sidecar_of(done, sample)
    assert sidecar["status"] == sample.verdict, sidecar["findings"]


REDACTED = [sample for sample in SAMPLES if sample.verdict == "redacted"]


def test_there_are_samples_of_all_three_kinds() -> None:
    assert len(REDACTED) >= 6
    assert len({(sample.cards[0].type, sample.cards[0].side) for sample in REDACTED}) == 3


@pytest.mark.parametrize("sample", REDACTED, ids=lambda sample: sample.file)
def test_what_was_read_is_what_is_printed(done: Bench, sample: KeptPicture) -> None:
    fields = {field["name"]: field for field in sidecar_of(done, sample)["cards"][0]["fields"]}
    for truth in sample.cards[0].fields:
        if truth.name != PORTRAIT:
            assert fields[truth.name]["normalized"] == truth.normalized, truth.name


@pytest.mark.parametrize("sample", REDACTED, ids=lambda sample: sample.file)
def test_nothing_masked_can_be_recognised_and_the_rest_can(
    done: Bench, recogniser: Recogniser, sample: KeptPicture
) -> None:
    copy = done.get(f"redacted/{sample.file}")
    assert copy is not None
    seen = "".join("".join(line.text.split()) for line in recogniser.read_text(pixels(copy)))
    for truth in sample.cards[0].fields:
        if truth.text is None:
            continue
        text = "".join(truth.text.split())
        if truth.name in MASKED:
            assert text not in seen, truth.name
            runs = {text[i : i + 4] for i in range(len(text) - 3) if text[i : i + 4].isdigit()}
            kept = "".join(f.text or "" for f in sample.cards[0].fields if f.name not in MASKED)
            assert not {run for run in runs if run in seen and run not in kept}, truth.name


@pytest.mark.parametrize("sample", REDACTED, ids=lambda sample: sample.file)
def test_the_masked_ink_is_covered_and_the_kept_fields_are_not(done: Bench, sample: KeptPicture) -> None:
    """By the truth's own boxes: at least 99.9% of a masked box is the cover's one colour."""
    copy = pixels(done.get(f"redacted/{sample.file}") or b"")
    source = pixels(sample.read())
    for truth in sample.cards[0].fields:
        left, top, right, bottom = (round(value) for value in truth.polygon.bounds())
        if truth.name in MASKED:
            # The middle half: a tilted box's corners lie outside the field itself.
            w, h = (right - left) // 4, (bottom - top) // 4
            inside = copy[top + h : bottom - h, left + w : right - w]
            assert float((inside.max(axis=-1) < 24).mean()) >= 0.999, truth.name
        elif truth.name in {"sex", "ethnicity", "nationality", "vehicle_class", "authority", "valid_period"}:
            same = np.abs(copy[top:bottom, left:right].astype(int) - source[top:bottom, left:right]).max(
                axis=-1
            )
            assert float((same < 40).mean()) >= 0.9, truth.name


@pytest.mark.parametrize("sample", REDACTED, ids=lambda sample: sample.file)
def test_no_metadata_of_the_source_is_left(done: Bench, sample: KeptPicture) -> None:
    copy = Image.open(io.BytesIO(done.get(f"redacted/{sample.file}") or b""))
    exif = dict(copy.getexif())
    assert set(exif) <= {0x0112}, "nothing but the orientation"
    harmless = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "exif", "dpi", "icc_profile"}
    assert not set(copy.info) - harmless - {"progressive", "progression"}


def test_paid_calls_are_as_documented(done: Bench) -> None:
    by_file = {sample.file: [c["api"] for c in sidecar_of(done, sample)["calls"]] for sample in SAMPLES}
    assert sorted(by_file["id-front-flat.jpg"]) == [
        "AILicenseRec",
        "IDCardOCR",
        "OCR",
    ]
    assert sorted(by_file["id-back-photo.jpg"]) == [
        "AILicenseRec",
        "IDCardOCR",
        "OCR",
    ]
    assert by_file["licence-flat.jpg"].count("AILicenseRec") == 2


def test_no_staged_picture_is_left(done: Bench) -> None:
    assert done.listing(".cardveil/") == []
