"""Which API is asked what, and what their answers mean together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pytest

from cardveil.card.model import CardType, Field, Polygon, Side, VendorWarning
from cardveil.core.errors import CardveilError, Halt, Reject, Retry, Review
from cardveil.core.frozen import replace
from cardveil.core.retry import RetryPolicy
from cardveil.recognition.interfaces import Hint, Image, Reading, TextLine
from cardveil.recognition.recognizer import CloudRecogniser

HERE = Polygon.box(0, 0, 100, 20)
FRONT = Reading(
    "AILicenseRec", (Field("name", "张二", score=99.0, polygon=HERE),), CardType.ID_CARD, Side.FRONT
)
LICENCE = Reading(
    "AILicenseRec", (Field("name", "张二", score=99.0, polygon=HERE),), CardType.DRIVER_LICENSE, Side.FRONT
)
NOTHING = Reading("AILicenseRec")
FRONT_TEXT = Reading("Reader", (Field("name", "张二"),), CardType.ID_CARD, Side.FRONT)
BACK_TEXT = Reading("Reader", (Field("authority", "某某市公安局"),), CardType.ID_CARD, Side.BACK)
NO_CARD = Reject("no_card", "…", api="Reader", vendor_code="FailedOperation.ImageNoIdCard")


@dataclass
class Scripted:
    """The three APIs, answering what the test says; remembers what was asked."""

    id_card: Reading = NOTHING
    licence: Reading = NOTHING
    text: Reading | CardveilError = NO_CARD
    lines_found: tuple[TextLine, ...] = ()
    asked: list[str] = field(default_factory=list)

    def locate(self, image: Image, card_type: CardType) -> Reading:
        self.asked.append(card_type.value)
        return self.id_card if card_type is CardType.ID_CARD else self.licence

    def read(self, image: Image, side: Side | None) -> Reading:
        self.asked.append("text")
        if isinstance(self.text, CardveilError):
            raise self.text
        return self.text

    def lines(self, image: Image) -> tuple[tuple[TextLine, ...], Reading]:
        self.asked.append("OCR")
        return self.lines_found, Reading("OCR")


def no_staging(image: Image) -> AbstractContextManager[str]:
    raise AssertionError("the picture stands in the bucket already")


def recogniser(api: Scripted, *, general: bool = True) -> CloudRecogniser:
    retry_policy = RetryPolicy(1, lambda: 10.0)
    return CloudRecogniser(api, api, api if general else None, retry_policy, no_staging)


IMAGE = Image(b"", 100, 100, "inbox/a.jpg")


def test_front_from_both() -> None:
    api = Scripted(id_card=FRONT, text=FRONT_TEXT)
    found = recogniser(api).recognise(IMAGE, Hint())
    assert found.card is not None
    assert found.card.side is Side.FRONT
    assert found.findings == ()
    assert sorted(call.api for call in found.calls) == ["AILicenseRec", "Reader"]
    assert sorted(api.asked) == ["IDCard", "text"]


def test_licence_is_tried_second() -> None:
    api = Scripted(licence=LICENCE)
    found = recogniser(api).recognise(IMAGE, Hint())
    assert found.card is not None
    assert found.card.type is CardType.DRIVER_LICENSE
    assert found.refusal is None
    assert api.asked[-1] == "DriverLicense"


def test_a_known_licence_pays_for_one_call_only() -> None:
    api = Scripted(licence=LICENCE)
    recogniser(api).recognise(IMAGE, Hint(CardType.DRIVER_LICENSE))
    assert api.asked == ["DriverLicense"]


def test_a_known_back_is_not_located_by_the_wrong_api() -> None:
    api = Scripted(text=BACK_TEXT, lines_found=(TextLine("某某市公安局", 99.0, HERE),))
    found = recogniser(api).recognise(IMAGE, Hint(CardType.ID_CARD, Side.BACK))
    assert api.asked == ["text", "OCR"]
    assert found.card is not None
    assert found.card.fields[0].polygon == HERE
    assert found.findings == ()


def test_a_back_without_general_ocr_has_no_positions() -> None:
    found = recogniser(Scripted(text=BACK_TEXT), general=False).recognise(IMAGE, Hint())
    assert found.findings == ("positions_missing",)


def test_nothing_anywhere_is_rejected() -> None:
    found = recogniser(Scripted()).recognise(IMAGE, Hint())
    assert found.card is None
    assert isinstance(found.refusal, Reject)
    assert found.refusal.code == "no_card"
    assert len(found.calls) == 3  # what was paid for is remembered


def test_located_but_not_read() -> None:
    found = recogniser(Scripted(id_card=FRONT)).recognise(IMAGE, Hint())
    assert found.findings == ("text_missing",)
    assert found.refusal is None


def test_read_but_not_located() -> None:
    found = recogniser(Scripted(text=FRONT_TEXT)).recognise(IMAGE, Hint())
    assert found.findings == ("positions_missing",)


def test_front_located_and_back_read_are_two_cards() -> None:
    found = recogniser(Scripted(id_card=FRONT, text=BACK_TEXT)).recognise(IMAGE, Hint())
    assert "several_cards" in found.findings


def test_the_wrong_side() -> None:
    found = recogniser(Scripted(text=BACK_TEXT)).recognise(IMAGE, Hint(CardType.ID_CARD, Side.FRONT))
    assert "wrong_side" in found.findings


def test_a_review_of_the_vendor_is_the_answer() -> None:
    blurred = Review("picture_blurred", "…", api="Reader")
    found = recogniser(Scripted(text=blurred)).recognise(IMAGE, Hint())
    assert found.refusal is blurred


@pytest.mark.parametrize("leaf", [Retry("throttled", "…"), Halt("account_in_arrears", "…")], ids=str)
def test_what_says_nothing_of_the_picture_is_raised(leaf: CardveilError) -> None:
    with pytest.raises(type(leaf)):
        recogniser(Scripted(id_card=FRONT, text=leaf)).recognise(IMAGE, Hint())


def test_a_picture_that_is_not_in_the_bucket_is_staged_and_taken_away() -> None:
    places: list[str] = []

    @contextmanager
    def stage(image: Image) -> Iterator[str]:
        places.append("put")
        try:
            yield "staged/1"
        finally:
            places.append("deleted")

    api = Scripted(id_card=FRONT, text=Retry("throttled", "…"))
    cloud = CloudRecogniser(api, api, None, RetryPolicy(1, lambda: 10.0), stage)
    with pytest.raises(Retry):
        cloud.recognise(Image(b"", 100, 100), Hint())
    assert places == ["put", "deleted"]


def test_a_review_of_the_vendor_stands_although_a_card_was_located() -> None:
    blurred = Review("picture_blurred", "…", api="Reader")
    found = recogniser(Scripted(id_card=FRONT, text=blurred)).recognise(IMAGE, Hint())
    assert found.card is not None
    assert found.refusal is blurred


def test_what_asks_for_a_person_is_not_tried_as_another_card() -> None:
    blurred = Review("picture_blurred", "…", api="Reader")
    api = Scripted(licence=LICENCE, text=blurred)
    assert recogniser(api).recognise(IMAGE, Hint()).refusal is blurred
    assert "DriverLicense" not in api.asked


def test_a_back_of_which_one_field_was_not_found_again_goes_to_review() -> None:
    fields = (*BACK_TEXT.fields, Field("valid_period", "2010.07.21-长期"))
    api = Scripted(
        text=replace(BACK_TEXT, fields=fields), lines_found=(TextLine("某某市公安局", 99.0, HERE),)
    )
    assert recogniser(api).recognise(IMAGE, Hint()).findings == ("positions_missing",)


def test_what_each_service_says_beside_the_fields_is_passed_on() -> None:
    warnings = (VendorWarning(-9102, "photocopied"), VendorWarning(-9103, "retouched"))
    api = Scripted(
        id_card=replace(FRONT, warnings=warnings[:1]),
        text=replace(FRONT_TEXT, warnings=warnings[1:], findings=("several_cards",)),
    )
    found = recogniser(api).recognise(IMAGE, Hint())
    assert set(found.warnings) == set(warnings)
    assert found.findings == ("several_cards",)
