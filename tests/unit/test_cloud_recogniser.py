"""Which API is asked what, and what their answers mean together."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pytest

from cardveil.card.model import CardType, Field, Polygon, Side, VendorWarning
from cardveil.core.errors import CardveilError, Halt, Reject, Retry, Review
from cardveil.core.frozen import replace
from cardveil.core.retry import RetryPolicy
from cardveil.recognition.interfaces import Hint, Image, Reading, Recognition, TextLine
from cardveil.recognition.other_documents import OWN_NAMES
from cardveil.recognition.recognizer import CloudRecogniser


def located(card_type: CardType, texts: Mapping[str, str]) -> Reading:
    fields = tuple(
        Field(name, text, score=99.0, polygon=Polygon.box(10, 30 * row, 210, 30 * row + 20))
        for row, (name, text) in enumerate(texts.items())
    )
    return Reading("AILicenseRec", fields, card_type, Side.FRONT)


def read(side: Side, texts: Mapping[str, str]) -> Reading:
    fields = tuple(Field(name, text) for name, text in texts.items())
    return Reading("Reader", fields, CardType.ID_CARD, side)


PERSON = {
    "name": "张二", "sex": "男", "ethnicity": "汉", "birth_date": "1999年6月27日",
    "address": "云泽省雁栖市春申县书香路287号", "id_number": "998671199906275576",
}  # fmt: skip
DRIVER = {
    "licence_number": "991938195610040490", "name": "曾华伟", "sex": "男", "nationality": "中国",
    "address": "松涛省枫谷市锦屏区书香路91号", "birth_date": "1956-10-04", "first_issue_date": "1991-07-08",
    "vehicle_class": "C2", "valid_period": "2014-09-09至2094-09-09", "authority": "松涛省公安局",
}  # fmt: skip
ISSUED = {"authority": "某某市公安局", "valid_period": "2011.06.21-长期"}
FRONT, LICENCE = located(CardType.ID_CARD, PERSON), located(CardType.DRIVER_LICENSE, DRIVER)
NOTHING = Reading("AILicenseRec")
FRONT_TEXT, BACK_TEXT = read(Side.FRONT, PERSON), read(Side.BACK, ISSUED)
#: What a witness sees of the front and of the licence, and of the back.
NAMES = {kind: TextLine(name, 99.0, Polygon.box(10, 400, 210, 420)) for kind, name in OWN_NAMES.items()}
LINES = (
    *(TextLine(f.text or "", 99.0, f.polygon) for f in FRONT.fields if f.polygon),
    NAMES[CardType.ID_CARD, Side.FRONT],
)
LICENCE_LINES = (
    *(TextLine(f.text or "", 99.0, f.polygon) for f in LICENCE.fields if f.polygon),
    NAMES[CardType.DRIVER_LICENSE, Side.FRONT],
)
BACK_NAME = NAMES[CardType.ID_CARD, Side.BACK]
BACK_LINES = (
    *(
        TextLine(text, 99.0, Polygon.box(10, 30 * row, 210, 30 * row + 20))
        for row, text in enumerate(ISSUED.values())
    ),
    BACK_NAME,
)
NO_CARD = Reject("no_card", "…", api="Reader", vendor_code="FailedOperation.ImageNoIdCard")


@dataclass
class Scripted:
    """The three APIs, answering what the test says; remembers what was asked."""

    id_card: Reading = NOTHING
    licence: Reading = NOTHING
    text: Reading | CardveilError = NO_CARD
    lines_found: tuple[TextLine, ...] | CardveilError = LINES
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
        if isinstance(self.lines_found, CardveilError):
            raise self.lines_found
        return self.lines_found, Reading("OCR")


def no_staging(image: Image) -> AbstractContextManager[str]:
    raise AssertionError("the picture stands in the bucket already")


def recogniser(api: Scripted, *, general: bool = True, witness: bool = True) -> CloudRecogniser:
    retry_policy = RetryPolicy(1, lambda: 10.0)
    one = api if general else None
    return CloudRecogniser(api, api, one, retry_policy, no_staging, one if witness else None)


def about(found: Recognition) -> tuple[str, ...]:
    """The findings, but that invented people live in no province."""
    return tuple(code for code in found.findings if code != "region_unknown")


IMAGE = Image(b"", 100, 100, "inbox/a.jpg")


def test_front_from_both() -> None:
    api = Scripted(id_card=FRONT, text=FRONT_TEXT)
    found = recogniser(api).recognise(IMAGE, Hint())
    assert [card.side for card in found.cards] == [Side.FRONT]
    assert about(found) == ()
    assert sorted(call.api for call in found.calls) == ["AILicenseRec", "OCR", "Reader"]
    assert sorted(api.asked) == ["IDCard", "OCR", "text"]
    assert found.lines == LINES


def test_licence_is_tried_second() -> None:
    api = Scripted(licence=LICENCE, lines_found=LICENCE_LINES)
    found = recogniser(api).recognise(IMAGE, Hint())
    assert [card.type for card in found.cards] == [CardType.DRIVER_LICENSE]
    assert found.refusal is None
    assert [asked for asked in api.asked if asked != "OCR"][-1] == "DriverLicense"


def test_a_known_licence_pays_for_no_id_card_s_calls() -> None:
    api = Scripted(licence=LICENCE, lines_found=LICENCE_LINES)
    recogniser(api).recognise(IMAGE, Hint(CardType.DRIVER_LICENSE))
    assert sorted(api.asked) == ["DriverLicense", "OCR"]


def test_a_known_back_is_not_located_by_the_wrong_api() -> None:
    api = Scripted(text=BACK_TEXT, lines_found=BACK_LINES)
    found = recogniser(api).recognise(IMAGE, Hint(CardType.ID_CARD, Side.BACK))
    assert sorted(api.asked) == ["OCR", "text"]
    (card,) = found.cards
    assert [field.polygon for field in card.fields] == [line.polygon for line in BACK_LINES[:2]]
    assert about(found) == ()


def test_without_a_witness_a_back_alone_pays_for_its_places() -> None:
    for api, hint in (
        (Scripted(id_card=FRONT, text=FRONT_TEXT), Hint()),
        (Scripted(licence=LICENCE), Hint(CardType.DRIVER_LICENSE, Side.BACK)),
    ):
        assert recogniser(api, witness=False).recognise(IMAGE, hint).cards
        assert "OCR" not in api.asked


@pytest.mark.parametrize("side", [Side.BACK, None], ids=str)
def test_a_back_is_located_without_a_witness_too(side: Side | None) -> None:
    api = Scripted(text=BACK_TEXT, lines_found=BACK_LINES)
    found = recogniser(api, witness=False).recognise(IMAGE, Hint(CardType.ID_CARD, side))
    assert api.asked.count("OCR") == 1
    assert about(found) == ("witness_missing",)
    assert found.lines is None


FAILURES = [
    Retry("throttled", "…", api="OCR"),
    Retry("out_of_time", "…"),
    Reject("picture_too_large", "…", api="OCR"),
    Review("answer_unreadable", "…", api="OCR"),
    Halt("account_in_arrears", "… (paid calls are stopped until then)"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_a_witness_that_fails_costs_no_card(failure: CardveilError) -> None:
    for api, hint in (
        (Scripted(id_card=FRONT, text=FRONT_TEXT, lines_found=failure), Hint()),
        (Scripted(licence=LICENCE, lines_found=failure), Hint(CardType.DRIVER_LICENSE)),
    ):
        found = recogniser(api).recognise(IMAGE, hint)
        assert found.cards
        assert found.lines is None
        assert about(found) == ("witness_missing",)


def test_what_the_account_refuses_the_witness_stops_everything() -> None:
    refused = Halt("account_in_arrears", "…", api="OCR")
    with pytest.raises(Halt):
        recogniser(Scripted(id_card=FRONT, text=FRONT_TEXT, lines_found=refused)).recognise(IMAGE, Hint())


def test_a_back_s_places_are_asked_for_again_when_they_failed_in_passing() -> None:
    throttled = Retry("throttled", "…", api="OCR")
    with pytest.raises(Retry):
        recogniser(Scripted(text=BACK_TEXT, lines_found=throttled)).recognise(IMAGE, Hint())
    refused = Reject("picture_too_large", "…", api="OCR")
    found = recogniser(Scripted(text=BACK_TEXT, lines_found=refused)).recognise(IMAGE, Hint())
    assert set(found.findings) == {"positions_missing", "witness_missing"}


@pytest.mark.parametrize("lines", [(), BACK_LINES[:1]], ids=len)
def test_a_witness_that_does_not_see_the_fields_is_not_believed(lines: tuple[TextLine, ...]) -> None:
    found = recogniser(Scripted(id_card=FRONT, text=FRONT_TEXT, lines_found=lines)).recognise(IMAGE, Hint())
    assert found.lines is None
    assert "witness_missing" in found.findings


def test_the_calls_go_out_beside_each_other() -> None:
    """Each waits until all three are under way: one behind another would wait in vain."""
    together = threading.Barrier(3, timeout=10.0)

    class Meeting(Scripted):
        def locate(self, image: Image, card_type: CardType) -> Reading:
            together.wait()
            return super().locate(image, card_type)

        def read(self, image: Image, side: Side | None) -> Reading:
            together.wait()
            return super().read(image, side)

        def lines(self, image: Image) -> tuple[tuple[TextLine, ...], Reading]:
            together.wait()
            return super().lines(image)

    assert about(recogniser(Meeting(id_card=FRONT, text=FRONT_TEXT)).recognise(IMAGE, Hint())) == ()
    back = Meeting(text=BACK_TEXT, lines_found=BACK_LINES)
    assert about(recogniser(back).recognise(IMAGE, Hint())) == ()


def test_what_is_told_ahead_holds_what_the_witness_saw() -> None:
    told: list[tuple[TextLine, ...] | None] = []
    api = Scripted(id_card=FRONT, text=FRONT_TEXT)
    recogniser(api).recognise(IMAGE, Hint(), lambda _, lines: told.append(lines))
    recogniser(api, witness=False).recognise(IMAGE, Hint(), lambda _, lines: told.append(lines))
    assert told == [LINES, None]


def test_a_back_without_general_ocr_has_no_positions() -> None:
    found = recogniser(Scripted(text=BACK_TEXT), general=False).recognise(IMAGE, Hint())
    assert about(found) == ("positions_missing", "witness_missing")


def test_nothing_anywhere_is_rejected() -> None:
    found = recogniser(Scripted()).recognise(IMAGE, Hint())
    assert not found.cards
    assert isinstance(found.refusal, Reject)
    assert found.refusal.code == "no_card"
    assert len(found.calls) == 4  # what was paid for is remembered


def test_located_but_not_read() -> None:
    found = recogniser(Scripted(id_card=FRONT)).recognise(IMAGE, Hint())
    assert about(found) == ("text_missing",)
    assert found.refusal is None


def test_read_but_not_located() -> None:
    found = recogniser(Scripted(text=FRONT_TEXT)).recognise(IMAGE, Hint())
    assert about(found) == ("positions_missing",)


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
    assert found.cards
    assert found.refusal is blurred


def test_what_asks_for_a_person_is_not_tried_as_another_card() -> None:
    blurred = Review("picture_blurred", "…", api="Reader")
    api = Scripted(licence=LICENCE, text=blurred)
    assert recogniser(api).recognise(IMAGE, Hint()).refusal is blurred
    assert "DriverLicense" not in api.asked


def test_a_back_of_which_one_field_was_not_found_again_goes_to_review() -> None:
    api = Scripted(text=BACK_TEXT, lines_found=(BACK_LINES[0], BACK_NAME))
    assert recogniser(api).recognise(IMAGE, Hint()).findings == ("positions_missing",)


def test_what_each_service_says_beside_the_fields_is_passed_on() -> None:
    warnings = (VendorWarning(-9102, "photocopied"), VendorWarning(-9103, "retouched"))
    api = Scripted(
        id_card=replace(FRONT, warnings=warnings[:1]),
        text=replace(FRONT_TEXT, warnings=warnings[1:], findings=("several_cards",)),
    )
    found = recogniser(api).recognise(IMAGE, Hint())
    assert set(found.warnings) == set(warnings)
    assert about(found) == ("several_cards",)
