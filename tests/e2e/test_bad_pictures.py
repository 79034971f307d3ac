"""Bad pictures of every kind, from bytes to sidecar: a documented outcome in bounded time, no false trust."""

from __future__ import annotations

import io
import struct
import time

import jsonschema
import numpy as np
import orjson
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps
from tests.support.samples import KeptPicture, kept_pictures

from cardveil.card.findings import FINDINGS, Status, status_of
from cardveil.card.model import Polygon
from cardveil.core.errors import Review
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import ProcessingResult, examine, redact_places, sidecar_of
from cardveil.recognition.interfaces import Hint
from cardveil.redaction import Limits, Region, load_policy
from cardveil.storage.sidecar import SourceFacts, schema, to_json
from cardveil_ocr import Recogniser
from cardveil_ocr.adapter import EmbeddedRecogniser

#: Of the processor, all threads together: what else the machine does is not counted.
LONGEST_SECONDS = 60
SKIN, DESK, PAPER = (224, 172, 140), (96, 92, 88), (240, 242, 240)


@pytest.fixture(scope="module")
def recogniser(recogniser: Recogniser) -> EmbeddedRecogniser:
    return EmbeddedRecogniser(lambda: recogniser)


def _kept(start: str) -> tuple[KeptPicture, Image.Image]:
    kept = next(picture for picture in kept_pictures() if picture.file.startswith(start))
    with Image.open(io.BytesIO(kept.read())) as opened:
        return kept, ImageOps.exif_transpose(opened).convert("RGB")


def _bounds(kept: KeptPicture, field: str) -> tuple[float, float, float, float]:
    return kept.cards[0].field(field).polygon.bounds()


def _encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind, quality=92)
    return out.getvalue()


def _examined(recogniser: EmbeddedRecogniser, image: Image.Image, kind: str = "PNG") -> ProcessingResult:
    """Examine a picture as the command does, and hold what every verdict must keep to."""
    rules = RedactionRules(load_policy("standard"), Limits())
    data = _encoded(image, kind)
    start = time.process_time()
    verdict = examine(data, Hint(), recogniser, rules)
    assert time.process_time() - start < LONGEST_SECONDS
    sidecar = sidecar_of(verdict, SourceFacts("", "a.png", "0", len(data)), rules.policy, "a.redacted.png")
    document = orjson.loads(to_json(sidecar))
    jsonschema.validate(document, schema())
    assert document["findings"] == list(verdict.findings)
    assert document["status"] == verdict.status.value
    assert (verdict.copy is not None) == (verdict.status is Status.REDACTED)
    if verdict.cards and verdict.status is Status.REDACTED:
        assert status_of(verdict.findings) is Status.REDACTED
        assert set(verdict.findings) <= set(FINDINGS)
    return verdict


def _number(verdict: ProcessingResult) -> str | None:
    field = verdict.cards[0].field("id_number") if verdict.cards else None
    return field.normalized if field else None


NOTHING = {
    "one-pixel": lambda: Image.new("RGB", (1, 1)),
    "black": lambda: Image.new("RGB", (1200, 900)),
    "white": lambda: Image.new("RGB", (1200, 900), "white"),
    "noise": lambda: Image.fromarray(np.random.default_rng(3).integers(0, 256, (900, 1200, 3), np.uint8)),
    "thin": lambda: Image.new("RGB", (3000, 2), "white"),
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_picture_of_nothing_is_rejected(recogniser: EmbeddedRecogniser, name: str) -> None:
    verdict = _examined(recogniser, NOTHING[name]())
    assert (verdict.status, verdict.cards) == (Status.REJECTED, ())
    assert verdict.findings == ("no_card",)


def test_fifty_megapixels_are_read_and_covered(recogniser: EmbeddedRecogniser) -> None:
    kept, image = _kept("id-front-photo")
    large = image.resize((8160, 6120), Image.Resampling.BICUBIC)
    verdict = _examined(recogniser, large, "JPEG")
    assert (verdict.status, verdict.findings) == (Status.REDACTED, ("region_unknown",))
    assert _number(verdict) == kept.cards[0].field("id_number").normalized


def test_a_screenshot_of_a_card_is_read_like_a_photograph(recogniser: EmbeddedRecogniser) -> None:
    kept, image = _kept("id-front-photo")
    screen = Image.new("RGB", (1920, 1080), (32, 60, 96))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((300, 60, 1500, 1010), fill=(245, 245, 245))
    draw.text((320, 66), "IMG_0001.jpg - Viewer      100%      1280 x 960", fill=(40, 40, 40))
    draw.rectangle((0, 1040, 1920, 1080), fill=(20, 20, 24))
    screen.paste(image.resize((1160, 870), Image.Resampling.LANCZOS), (320, 110))
    verdict = _examined(recogniser, screen)
    assert (verdict.status, verdict.findings) == (Status.REDACTED, ("region_unknown",))
    assert _number(verdict) == kept.cards[0].field("id_number").normalized


def _under_a_hand(field: str) -> Image.Image:
    """Lay a thumb over the second half of a field."""
    kept, image = _kept("id-front-photo")
    left, top, right, bottom = _bounds(kept, field)
    hand = Image.new("L", image.size)
    draw = ImageDraw.Draw(hand)
    draw.rounded_rectangle(((left + right) / 2, top - 20, right + 80, bottom + 24), 40, fill=255)
    image.paste(SKIN, mask=hand.filter(ImageFilter.GaussianBlur(2)))
    return image


def test_a_hand_over_the_number_leads_to_a_person(recogniser: EmbeddedRecogniser) -> None:
    verdict = _examined(recogniser, _under_a_hand("id_number"))
    assert verdict.status is Status.NEEDS_REVIEW
    assert "check_digit_failed" in verdict.findings


def test_a_hand_over_the_address_leaves_the_rest_covered(recogniser: EmbeddedRecogniser) -> None:
    kept, _ = _kept("id-front-photo")
    verdict = _examined(recogniser, _under_a_hand("address"))
    assert verdict.status is Status.REDACTED
    covered = [region.polygon.bounds() for region in verdict.regions if region.field == "address"]
    # The whole zone is covered, also where the hand lay.
    assert max(right for _, _, right, _ in covered) >= _bounds(kept, "address")[2]
    assert max(bottom for _, _, _, bottom in covered) >= _bounds(kept, "address")[3]


def test_mirrored_and_upside_down_is_no_card(recogniser: EmbeddedRecogniser) -> None:
    _, image = _kept("id-front-flat")
    verdict = _examined(recogniser, ImageOps.flip(image))
    assert (verdict.status, verdict.findings) == (Status.REJECTED, ("no_card",))


def test_a_mirror_image_is_never_published(recogniser: EmbeddedRecogniser) -> None:
    _, image = _kept("id-front-flat")
    assert _examined(recogniser, ImageOps.mirror(image)).status is not Status.REDACTED


def _written_anew(image: Image.Image, box: tuple[float, float, float, float], text: str) -> Image.Image:
    draw = ImageDraw.Draw(image)
    draw.rectangle(box, fill=PAPER)
    size = box[3] - box[1]
    face = ImageFont.load_default(size)
    wide = draw.textlength(text, font=face)
    draw.text(((box[0] + box[2] - wide) / 2, (box[1] + box[3]) / 2), text, (30, 30, 30), face, anchor="lm")
    return image


def test_a_wrong_check_digit_is_said_and_leads_to_a_person(recogniser: EmbeddedRecogniser) -> None:
    kept, image = _kept("id-front-flat")
    number = kept.cards[0].field("id_number").normalized or ""
    wrong = number[:-1] + ("1" if number[-1] != "1" else "2")
    verdict = _examined(recogniser, _written_anew(image, _bounds(kept, "id_number"), wrong))
    assert verdict.status is Status.NEEDS_REVIEW
    assert "check_digit_failed" in verdict.findings
    assert "low_score" in verdict.findings


def test_a_birth_date_that_the_number_contradicts_leads_to_a_person(recogniser: EmbeddedRecogniser) -> None:
    kept, image = _kept("id-front-flat")
    left, top, _, bottom = _bounds(kept, "birth_date")
    year = int((kept.cards[0].field("birth_date").normalized or "")[:4])
    verdict = _examined(recogniser, _written_anew(image, (left - 4, top, left + 86, bottom), str(year + 1)))
    assert verdict.status is Status.NEEDS_REVIEW
    assert "birth_date_disagrees" in verdict.findings


def test_a_sex_that_the_number_contradicts_leads_to_a_person(recogniser: EmbeddedRecogniser) -> None:
    kept, image = _kept("id-front-flat")
    licence, other = _kept("licence-flat")
    assert licence.cards[0].field("sex").normalized != kept.cards[0].field("sex").normalized
    cut = [round(v) for v in _bounds(licence, "sex")]
    left, top, right, bottom = (round(v) for v in _bounds(kept, "sex"))
    patch = other.crop((cut[0] - 3, cut[1] - 3, cut[2] + 3, cut[3] + 3))
    image.paste(patch.resize((right - left + 6, bottom - top + 6)), (left - 3, top - 3))
    verdict = _examined(recogniser, image)
    assert verdict.status is Status.NEEDS_REVIEW
    assert "sex_disagrees" in verdict.findings


def test_a_blurred_name_lowers_the_score_and_is_covered(recogniser: EmbeddedRecogniser) -> None:
    kept, image = _kept("id-front-flat")
    box = tuple(round(v) for v in _bounds(kept, "name"))
    around = (box[0] - 8, box[1] - 8, box[2] + 8, box[3] + 8)
    image.paste(image.crop(around).filter(ImageFilter.GaussianBlur(6)), around[:2])
    verdict = _examined(recogniser, image)
    assert {"low_score", "field_missing"} & set(verdict.findings)
    assert "name" in {region.field for region in verdict.regions} or verdict.status is Status.NEEDS_REVIEW


def test_glare_over_a_field_is_said(recogniser: EmbeddedRecogniser) -> None:
    kept, image = _kept("id-front-photo")
    left, top, right, bottom = _bounds(kept, "address")
    light = Image.new("L", image.size)
    ImageDraw.Draw(light).ellipse((left - 60, top - 30, right - 40, bottom + 20), fill=255)
    image.paste((255, 255, 255), mask=light.filter(ImageFilter.GaussianBlur(8)))
    assert "glare_over_field" in _examined(recogniser, image).findings


def test_part_of_the_card_outside_leads_to_a_person(recogniser: EmbeddedRecogniser) -> None:
    kept, image = _kept("id-front-photo")
    right = round(_bounds(kept, "portrait")[2]) - 30
    verdict = _examined(recogniser, image.crop((0, 0, right, image.height)))
    assert verdict.status is Status.NEEDS_REVIEW
    assert "partly_outside" in verdict.findings


def test_a_picture_that_readers_turn_differently_leads_to_a_person(recogniser: EmbeddedRecogniser) -> None:
    """An orientation of a type that only some readers take: places from one are not places in another."""
    tiff = b"II*\x00\x08\x00\x00\x00" + struct.pack("<HHHIII", 1, 0x0112, 4, 1, 6, 0)
    out = io.BytesIO()
    _kept("id-front")[1].rotate(90, expand=True).save(out, "JPEG", quality=92, exif=b"Exif\x00\x00" + tiff)
    rules = RedactionRules(load_policy("standard"), Limits())
    verdict = examine(out.getvalue(), Hint(), recogniser, rules)
    assert (verdict.status, verdict.copy) == (Status.NEEDS_REVIEW, None)
    assert verdict.findings[0] == "orientation_ambiguous"
    # What the picture says is read all the same: it is shown upright to the recogniser.
    assert _number(verdict)
    region = Region("name", Polygon.box(10, 10, 90, 40), "mask")
    with pytest.raises(Review, match="orientation_ambiguous"):
        redact_places(out.getvalue(), [region], rules)


def test_two_cards_are_covered_each_by_itself(recogniser: EmbeddedRecogniser) -> None:
    (_, front), (_, back) = _kept("id-front-flat"), _kept("id-back-flat")
    sheet = Image.new("RGB", (1100, 1350), DESK)
    sheet.paste(front, (50, 40))
    sheet.paste(back.resize((1000, 630)), (50, 690))
    verdict = _examined(recogniser, sheet)
    assert verdict.status is Status.REDACTED, verdict.findings
    assert [card.side.value for card in verdict.cards] == ["front", "back"]
    assert {region.field for region in verdict.regions} >= {"name", "id_number", "portrait"}
