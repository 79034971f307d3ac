"""The vendor's documented answers, in every shape that the SDK gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cardveil.card.model import FIELDS, CardType, Polygon, Side, VendorWarning
from cardveil.core.errors import Retry, Review
from cardveil.recognition import id_card_ocr
from cardveil.recognition.ai_license import read_answer
from cardveil.recognition.field_names import ALIASES, field_name
from cardveil.recognition.general_ocr import GeneralOcr
from cardveil.recognition.id_card_ocr import reading_of_texts
from cardveil.recognition.interfaces import Image
from cardveil.recognition.parsing import many, response_of
from cardveil.recognition.warnings import (
    API_WARNINGS,
    CI_WARNINGS,
    findings_of_warnings,
    warnings_of,
)

ONE_FIELD = (
    b"<Response><Status>1</Status><IdInfo><Name>Birth (Date)</Name>"
    b"<DetectedText>December 1, 1974</DetectedText>"
    b"<Score>99</Score><Location><Point>532,748</Point><Point>532,906</Point><Point>1346,906</Point>"
    b"<Point>1346,748</Point></Location></IdInfo></Response>"
)


def test_an_answer_that_came_unparsed_is_read_all_the_same() -> None:
    reading = read_answer(response_of(ONE_FIELD, api="X"), CardType.ID_CARD)
    (field,) = reading.fields
    assert (field.name, field.text, field.score) == ("birth_date", "December 1, 1974", 99.0)
    assert field.polygon is not None
    # The vendor lists the points the other way round; here they run clockwise.
    assert field.polygon.points == ((532.0, 748.0), (1346.0, 748.0), (1346.0, 906.0), (532.0, 906.0))


def test_one_field_is_a_dict_and_many_are_a_list() -> None:
    info = {
        "Name": "姓名",
        "DetectedText": None,
        "Score": "98",
        "Location": {"Point": ["1,1", "9,1", "9,5", "1,5"]},
    }
    one = read_answer({"Status": "1", "IdInfo": info}, CardType.ID_CARD)
    two = read_answer({"Status": "1", "IdInfo": [info, {**info, "Name": "住址"}]}, CardType.ID_CARD)
    assert [field.name for field in one.fields] == ["name"]
    assert [field.name for field in two.fields] == ["name", "address"]
    assert one.fields[0].text is None


def test_status_0_is_no_card() -> None:
    reading = read_answer({"Status": "0"}, CardType.ID_CARD)
    assert reading.fields == ()
    assert reading.card_type is None


@pytest.mark.parametrize("points", [None, "1,1", ["1,1", "2,2"], ["a,b"] * 4, ["nan,1"] * 4, ["1"] * 4])
def test_a_place_that_is_none_leaves_the_field_unlocated(points: Any) -> None:
    info = {"Name": "Name", "Location": {"Point": points}}
    assert read_answer({"Status": "1", "IdInfo": info}, CardType.ID_CARD).fields[0].polygon is None


@pytest.mark.parametrize("data", [None, "", b"", b"<Resp", b"<html>", 3, b"not xml at all"])
def test_what_is_no_answer_is_tried_again(data: Any) -> None:
    with pytest.raises(Retry) as caught:
        response_of(data, api="X")
    assert caught.value.code == "answer_unreadable"


@pytest.mark.parametrize(("value", "items"), [(None, []), ("a", ["a"]), (["a", "b"], ["a", "b"])])
def test_many(value: Any, items: list[str]) -> None:
    assert many(value) == items


def test_every_field_has_an_alias_in_both_languages() -> None:
    for names in FIELDS.values():
        for name in names:
            aliases = ALIASES[name]
            assert any(alias.isascii() for alias in aliases)
            assert any(not alias.isascii() for alias in aliases)


def test_aliases_are_matched_tolerantly() -> None:
    assert field_name("identification number(id number)") == "id_number"
    assert field_name(" 公民身份号码：") == "id_number"
    assert field_name("证号") == "licence_number"
    assert field_name("ID Number", CardType.DRIVER_LICENSE) == "licence_number"


def test_an_unknown_field_is_kept_so_that_it_is_masked() -> None:
    assert field_name("Blood Group") == "unknown:bloodgroup"


def test_texts_tell_the_side() -> None:
    front = {"Name": "张三", "Sex": "男", "Authority": "", "ValidDate": None}
    back = {"Authority": "某市公安局", "ValidDate": "2010.07.21-2020.07.21"}
    for texts, side in ((front, Side.FRONT), (back, Side.BACK), ({}, None)):
        reading = reading_of_texts(texts, api="X", warnings=(), request="", elapsed_ms=0)
        assert reading.side is side
    both = reading_of_texts({**front, **back}, api="X", warnings=(), request="", elapsed_ms=0)
    assert both.findings == ()
    assert both.side is Side.FRONT
    assert {field.name for field in both.fields} >= {"name", "authority"}


@pytest.mark.parametrize("names", [CI_WARNINGS, API_WARNINGS], ids=["CI", "API"])
@pytest.mark.parametrize("sign", [1, -1])
def test_every_documented_warning_is_known_with_either_sign(names: Mapping[int, str], sign: int) -> None:
    for number, name in names.items():
        for written in (
            sign * number,
            str(sign * number),
            {"Code": str(sign * number)},
            f" {sign * number} ",
        ):
            assert warnings_of(written, names) == (VendorWarning(sign * number, name),)


def test_the_same_number_means_something_else_to_each_vendor() -> None:
    assert [warning.name for warning in warnings_of(["9104"], CI_WARNINGS)] == ["temporary"]
    assert [warning.name for warning in warnings_of([-9104], API_WARNINGS)] == ["doctored"]


@pytest.mark.parametrize("written", [None, "", " ", [], [None, ""], {"Code": None}, [{"Code": ""}]])
def test_no_warning(written: Any) -> None:
    assert warnings_of(written, CI_WARNINGS) == ()


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (["9106", "9102"], ["doctored", "photocopied"]),
        ([["9106"], "9106"], ["doctored"]),
        ({"Code": ["9106", "-9102"]}, ["doctored", "photocopied"]),
        ("[9106]", ["doctored", "unknown"]),
        ("[-9106,9102]", ["doctored", "unknown", "photocopied", "unknown"]),
        ("9106: the picture was altered", ["doctored", "unknown"]),
        ("9106.0", ["doctored", "unknown", "unknown"]),
        ("doctored", ["unknown"]),
        ("9199", ["unknown"]),
        (9199, ["unknown"]),
        (-9110, ["unknown"]),
        (0, ["unknown"]),
        (True, ["unknown"]),
        (9106.0, ["unknown"]),
        ({"Number": "9106"}, ["unknown"]),
        ("[]", ["unknown"]),
        ("9" * 400, ["unknown"]),
    ],
)
def test_a_warning_is_never_lost_however_it_is_written(written: Any, names: list[str]) -> None:
    found = warnings_of(written, CI_WARNINGS)
    assert [warning.name for warning in found] == names
    assert findings_of_warnings(found) == (("warning_unknown",) if "unknown" in names else ())


@pytest.mark.parametrize("part", ["IdInfo", "AdvancedInfo", None])
@pytest.mark.parametrize("written", ["9199", "9106: altered", {"Code": ["9106", "9199"]}])
def test_a_warning_is_found_wherever_it_stands_in_the_answer(part: str | None, written: Any) -> None:
    texts: dict[str, Any] = {"IdInfo": {"Name": "张三"}, "AdvancedInfo": {"Quality": "90"}}
    place = texts[part] if part else texts
    place["WarnInfos"] = written
    assert "warning_unknown" in id_card_ocr.read_answer(texts).findings


class Answering:
    """The SDK's client, with one answer of general OCR."""

    def __init__(self, *detections: Mapping[str, Any]) -> None:
        self.detections = list(detections)

    def ci_ocr_process(self, **_: Any) -> dict[str, Any]:
        return {"TextDetections": self.detections, "RequestId": "r"}


CORNERS = [{"X": x, "Y": y} for x, y in (("10", "10"), ("50", "10"), ("50", "30"), ("10", "30"))]


def words(*characters: str, corners: Any = CORNERS) -> list[dict[str, Any]]:
    return [{"Character": c, "WordCoordPoint": {"WordCoordinate": corners}} for c in characters]


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (words("张", "三"), 2),
        (words("张"), 0),
        (words("张", "二"), 0),
        (words("三", "张"), 0),
        (words("张", "三", corners=CORNERS[:3]), 0),
        ([{"Character": "张"}, {"Character": "三"}], 0),
        (None, 0),
        ("张三", 0),
    ],
)
def test_characters_are_placed_one_for_one_or_not_at_all(given: Any, count: int) -> None:
    item = {"DetectedText": "张三", "Confidence": "99", "Polygon": CORNERS, "Words": given}
    (line,), _ = GeneralOcr(Answering(item), "b").lines(Image(b"", 9, 9, "k"))
    assert len(line.characters) == count


def test_text_without_a_place_is_no_answer_and_a_place_without_text_is_one() -> None:
    (line,), _ = GeneralOcr(Answering({"DetectedText": None, "Polygon": CORNERS}), "b").lines(
        Image(b"", 9, 9, "k")
    )
    assert (line.text, line.polygon) == ("", Polygon.box(10, 10, 50, 30))
    for corners in (None, CORNERS[:3], CORNERS[0]):
        with pytest.raises(Review) as caught:
            GeneralOcr(Answering({"DetectedText": "张三", "Polygon": corners}), "b").lines(
                Image(b"", 9, 9, "k")
            )
        assert caught.value.code == "answer_unreadable"
