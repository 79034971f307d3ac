"""Cloud Infinite through the official SDK: AILicenseRec, IDCardOCR, general OCR, and their refusals."""

from __future__ import annotations

import base64
import io
import json
from operator import methodcaller
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image, ImageFilter
from qcloud_cos import CosServiceError
from qcloud_cos.cos_auth import CosS3Auth
from tests.support.fixtures.ci import CiWorld

from cardveil.card.model import Polygon
from cardveil.recognition.general_ocr import GeneralOcr
from cardveil.recognition.interfaces import Image as CardImage
from cardveil_cloud import xml
from cardveil_cloud.ci.names import Language
from cardveil_cloud.ci.recognition import KnownLine, KnownPicture
from cardveil_cloud.ci.service import Style


def _code(error: CosServiceError) -> str:
    # The SDK's own reader needs a <Resource>, which CI's errors do not have.
    root = xml.parse(error.get_origin_msg())
    assert [child.tag for child in root] == ["Code", "Message", "RequestId", "TraceId"]
    assert error.get_status_code() == 400
    return root.findtext("Code") or ""


def _refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(CosServiceError) as caught:
        call(**arguments)
    return _code(caught.value)


def test_license_rec_places_every_field_of_an_id_front(ci_world: CiWorld) -> None:
    picture = ci_world.kept("id-front-photo")
    headers, answer = ci_world.client.cos_ai_license_rec(
        Bucket=ci_world.bucket, CardType="IDCard", ObjectKey=ci_world.put(picture.read())
    )
    assert headers["Content-Type"] == "application/xml"
    assert answer["Status"] == "1"
    assert [info["Name"] for info in answer["IdInfo"]] == [
        "Name",
        "Gender",
        "Ethnicity",
        "Birth (Date)",
        "Address",
        "Identification Number (ID Number)",
    ]
    truth = picture.cards[0].field("id_number")
    number = answer["IdInfo"][5]
    assert number["DetectedText"] == truth.text
    assert number["Score"] == "99"
    tl, tr, br, bl = truth.polygon.points
    # The order of the page's example: down the left side first.
    assert number["Location"]["Point"] == [f"{round(x)},{round(y)}" for x, y in (tl, bl, br, tr)]


def test_license_rec_reads_licences_by_default(ci_world: CiWorld) -> None:
    key = ci_world.put(ci_world.kept("licence-photo").read())
    names = []
    for card_type in ("DriverLicense", ""):
        _, answer = ci_world.client.cos_ai_license_rec(
            Bucket=ci_world.bucket, CardType=card_type, ObjectKey=key
        )
        names.append([info["Name"] for info in answer["IdInfo"]])
    assert names[0] == names[1]
    assert names[0] == [
        "License Number",
        "Name",
        "Gender",
        "Nationality",
        "Address",
        "Date of Birth",
        "Initial Issuance Date",
        "Permitted Vehicle Type",
        "Validity Period",
        "Issuing Unit",
    ]


@pytest.mark.parametrize(
    ("picture", "card_type"),
    [
        ("id-back-photo", "IDCard"),
        ("licence-photo", "IDCard"),
        ("id-front-photo", "DriverLicense"),
        ("business-card", "IDCard"),
    ],
)
def test_license_rec_finds_nothing_else(ci_world: CiWorld, picture: str, card_type: str) -> None:
    _, answer = ci_world.client.cos_ai_license_rec(
        Bucket=ci_world.bucket, CardType=card_type, ObjectKey=ci_world.put(ci_world.kept(picture).read())
    )
    assert answer == {"Status": "0"}


def test_license_rec_can_answer_in_chinese_or_in_english(ci_world: CiWorld) -> None:
    data = ci_world.kept("id-front-photo").read()
    chinese = ci_world.answer("AILicenseRec", data, style=Style(Language.CHINESE, Language.CHINESE))
    english = ci_world.answer("AILicenseRec", data, style=Style(Language.ENGLISH, Language.ENGLISH))
    names = [info.findtext("Name") for info in chinese.findall("IdInfo")]
    assert names == ["姓名", "性别", "民族", "出生", "住址", "公民身份号码"]
    texts = [info.findtext("DetectedText") for info in english.findall("IdInfo")]
    assert texts[1:4] == ["Male", "Han", "June 27, 1999"]


def test_license_rec_places_the_fields_of_all_cards(ci_world: CiWorld) -> None:
    known = ci_world.known("id-front-photo")
    _, answer = ci_world.client.cos_ai_license_rec(
        Bucket=ci_world.bucket,
        CardType="IDCard",
        ObjectKey=ci_world.put_known(known.cards[0], known.cards[0]),
    )
    assert len(answer["IdInfo"]) == 12


def test_unknown_card_type_and_process_are_refused(ci_world: CiWorld) -> None:
    key = ci_world.put(ci_world.kept("id-front-photo").read())
    call = ci_world.client.cos_ai_license_rec
    assert _refused(call, Bucket=ci_world.bucket, CardType="Passport", ObjectKey=key) == "InvalidArgument"
    with pytest.raises(CosServiceError) as caught:
        ci_world.client.ci_process(Bucket=ci_world.bucket, Key=key, CiProcess="GoodsMatting")
    assert caught.value.get_status_code() == 501


def test_detect_url_reads_a_presigned_url_however_often_it_is_encoded(ci_world: CiWorld) -> None:
    key = ci_world.put(ci_world.kept("id-front-photo").read())
    url = ci_world.client.get_presigned_url(Bucket=ci_world.bucket, Key=key, Method="GET")
    for _ in range(3):
        _, answer = ci_world.client.cos_ai_license_rec(
            Bucket=ci_world.bucket, CardType="IDCard", DetectUrl=url
        )
        assert answer["Status"] == "1"
        url = quote(url, safe="")


def test_detect_url_reaches_nothing_but_signed_objects_of_our_own(ci_world: CiWorld) -> None:
    key = ci_world.put(ci_world.kept("id-front-photo").read())
    url = ci_world.client.get_presigned_url(Bucket=ci_world.bucket, Key=key, Method="GET")
    for other in (
        url.partition("?")[0],
        url.replace("ap-shanghai", "ap-beijing"),
        url.replace(".jpg?", ".jpgx?"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        "http://127.0.0.1:22/",
        "file:///etc/passwd",
        "http://www.example.com/abc.jpg",
        "nonsense",
    ):
        refused = _refused(
            ci_world.client.cos_ai_license_rec, Bucket=ci_world.bucket, CardType="IDCard", DetectUrl=other
        )
        assert refused == "FailedOperation.DownLoadError"


def test_id_card_ocr_reads_both_sides(ci_world: CiWorld) -> None:
    front = ci_world.kept("id-front-photo")
    _, answer = ci_world.client.cos_ai_id_card_ocr(
        Bucket=ci_world.bucket, ObjectKey=ci_world.put(front.read())
    )
    truth = front.cards[0]
    assert answer == {
        "IdInfo": {
            "Name": truth.field("name").text,
            "Sex": "男",
            "Nation": "汉",
            "Birth": "1999/6/27",
            "Address": truth.field("address").text,
            "IdNum": truth.field("id_number").text,
        }
    }
    _, answer = ci_world.client.cos_ai_id_card_ocr(
        Bucket=ci_world.bucket,
        ObjectKey=ci_world.put(ci_world.kept("id-back-photo").read()),
        CardSide="BACK",
    )
    assert answer == {
        "IdInfo": {"Authority": "鹭屿市公安局锦屏区分局", "ValidDate": "2011.06.21-长期"},
    }


def test_id_card_ocr_while_uploading_stores_the_picture_too(ci_world: CiWorld) -> None:
    data = ci_world.kept("id-front-photo").read()
    client, params = ci_world.client, {"ci-process": "IDCardOCR", "CardSide": "FRONT"}
    conf = client.get_conf()
    response = client.send_request(
        method="PUT",
        url=conf.uri(bucket=ci_world.bucket, path="while-uploading.jpg"),
        bucket=ci_world.bucket,
        auth=CosS3Auth(conf, "while-uploading.jpg", params=params),
        params=params,
        data=data,
        headers={},
    )
    assert xml.parse(response.content).findtext("IdInfo/Sex") == "男"
    stored = client.get_object(Bucket=ci_world.bucket, Key="while-uploading.jpg")
    assert stored["Body"].get_raw_stream().read() == data


def test_id_card_ocr_crops_scores_and_warns_as_asked(ci_world: CiWorld) -> None:
    front = ci_world.kept("id-front-photo")
    config = dict.fromkeys(
        ("CropIdCard", "CropPortrait", "Quality", "BorderCheckWarn", "CopyWarn", "InvalidDateWarn"), True
    )
    _, answer = ci_world.client.cos_ai_id_card_ocr(
        Bucket=ci_world.bucket, ObjectKey=ci_world.put(front.read()), Config=json.dumps(config)
    )
    advanced = answer["AdvancedInfo"]
    with Image.open(io.BytesIO(base64.b64decode(advanced["IdCard"]))) as card:
        assert (card.format, card.size) == ("JPEG", (856, 540))
    with Image.open(io.BytesIO(base64.b64decode(advanced["Portrait"]))) as portrait:
        left, top, right, bottom = front.cards[0].field("portrait").polygon.bounds()
        assert portrait.format == "JPEG"
        assert portrait.width == pytest.approx(right - left, rel=0.35)
        assert portrait.height == pytest.approx(bottom - top, rel=0.35)
    assert 60 <= int(advanced["Quality"]) <= 100
    assert advanced["BorderCodeValue"] == "0"
    assert "WarnInfos" not in advanced


def test_id_card_ocr_warns_of_what_the_picture_shows(ci_world: CiWorld) -> None:
    config = json.dumps({"CopyWarn": True, "BorderCheckWarn": True, "InvalidDateWarn": True})
    grey = ci_world.changed("id-front-photo", lambda image: image.convert("L").convert("RGB"))
    _, answer = ci_world.client.cos_ai_id_card_ocr(Bucket=ci_world.bucket, ObjectKey=grey, Config=config)
    assert answer["AdvancedInfo"]["WarnInfos"] == "9102"
    expired = ci_world.with_text("id-back-photo", "valid_period", "2005.01.01-2015.01.01")
    _, answer = ci_world.client.cos_ai_id_card_ocr(Bucket=ci_world.bucket, ObjectKey=expired, Config=config)
    assert answer["AdvancedInfo"]["WarnInfos"] == "9100"
    covered = ci_world.with_text("id-front-photo", "address", None)
    _, answer = ci_world.client.cos_ai_id_card_ocr(Bucket=ci_world.bucket, ObjectKey=covered, Config=config)
    assert answer["AdvancedInfo"]["WarnInfos"] == "9105"
    cut = ci_world.cut("id-front-photo", 0.25)
    _, answer = ci_world.client.cos_ai_id_card_ocr(Bucket=ci_world.bucket, ObjectKey=cut, Config=config)
    assert answer["AdvancedInfo"]["WarnInfos"] == "9101"
    assert int(answer["AdvancedInfo"]["BorderCodeValue"]) > 20


def test_quality_falls_with_blur(ci_world: CiWorld) -> None:
    scores = []
    for radius in (0, 2, 4):
        key = ci_world.changed("id-front-flat", methodcaller("filter", ImageFilter.GaussianBlur(radius)))
        _, answer = ci_world.client.cos_ai_id_card_ocr(
            Bucket=ci_world.bucket, ObjectKey=key, Config='{"Quality": true}'
        )
        scores.append(int(answer["AdvancedInfo"]["Quality"]))
    assert scores[0] > 70 > scores[1] > 45 > scores[2]


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("licence-photo", {}, "FailedOperation.ImageNoIdCard"),
        ("business-card", {}, "FailedOperation.ImageNoIdCard"),
        ("id-front-photo", {"CardSide": "BACK"}, "FailedOperation.ImageNoIdCard"),
        ("id-front-photo", {"CardSide": "TOP"}, "InvalidParameterValue.InvalidParameterValueLimit"),
        ("id-front-photo", {"Config": "{'CropIdCard': true}"}, "InvalidParameter.ConfigFormatError"),
        ("id-front-photo", {"Config": "[true]"}, "InvalidParameter.ConfigFormatError"),
        ("id-front-photo", {"Config": '{"CropIdCard": "true"}'}, "InvalidParameter.ConfigFormatError"),
    ],
)
def test_id_card_ocr_refuses(ci_world: CiWorld, name: str, arguments: dict[str, str], code: str) -> None:
    key = ci_world.put(ci_world.kept(name).read())
    call = ci_world.client.cos_ai_id_card_ocr
    assert _refused(call, Bucket=ci_world.bucket, ObjectKey=key, **arguments) == code


def test_id_card_ocr_refuses_several_cards_only_when_asked(ci_world: CiWorld) -> None:
    known = ci_world.known("id-front-photo")
    key = ci_world.put_known(known.cards[0], known.cards[0])
    call = ci_world.client.cos_ai_id_card_ocr
    _, answer = call(Bucket=ci_world.bucket, ObjectKey=key)
    assert answer["IdInfo"]["Sex"] == "男"
    config = '{"MultiCardDetect": true}'
    refused = _refused(call, Bucket=ci_world.bucket, ObjectKey=key, Config=config)
    assert refused == "FailedOperation.MultiCardError"


@pytest.mark.parametrize("number", ["994954194803098760", "99495419480309", None])
def test_id_card_ocr_refuses_a_number_that_cannot_be(ci_world: CiWorld, number: str | None) -> None:
    key = ci_world.with_text("id-front-photo", "id_number", number)
    refused = _refused(ci_world.client.cos_ai_id_card_ocr, Bucket=ci_world.bucket, ObjectKey=key)
    assert refused == "FailedOperation.IdCardInfoIllegal"


def test_id_card_ocr_calls_an_unreadable_blur_a_blur(ci_world: CiWorld) -> None:
    key = ci_world.with_text(
        "id-front-flat", "address", None, lambda image: image.filter(ImageFilter.GaussianBlur(8))
    )
    refused = _refused(ci_world.client.cos_ai_id_card_ocr, Bucket=ci_world.bucket, ObjectKey=key)
    assert refused == "FailedOperation.ImageBlur"


def _png(width: int, height: int) -> bytes:
    target = io.BytesIO()
    Image.new("1", (width, height)).save(target, "PNG")
    return target.getvalue()


def _scans(count: int) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(target, "JPEG", progressive=True)
    data = target.getvalue()
    scan = data[data.index(b"\xff\xda") : -2]
    return data[:-2] + scan * count + b"\xff\xd9"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "FailedOperation.EmptyImageError"),
        (b"not a picture", "FailedOperation.ImageDecodeFailed"),
        (b"\xff\xd8\xff\xe0 cut off", "FailedOperation.ImageDecodeFailed"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "FailedOperation.ImageDecodeFailed"),
        (_png(8000, 8000), "FailedOperation.ImageSizeTooLarge"),
        (_png(20000, 20000), "FailedOperation.ImageSizeTooLarge"),
        (_scans(200), "FailedOperation.ImageDecodeFailed"),
        (b"\xff\xd8" + bytes(5_600_000), "LimitExceeded.TooLargeFileError"),
    ],
    ids=["empty", "text", "cut", "gif", "64 megapixels", "400 megapixels", "scans", "large file"],
)
def test_pictures_that_cannot_be_used_are_refused(ci_world: CiWorld, data: bytes, code: str) -> None:
    key = ci_world.put(data)
    for call in (ci_world.client.cos_ai_license_rec, ci_world.client.cos_ai_id_card_ocr):
        extra = {"CardType": "IDCard"} if call == ci_world.client.cos_ai_license_rec else {}
        assert _refused(call, Bucket=ci_world.bucket, ObjectKey=key, **extra) == code


def test_missing_object_is_cos_own_error(ci_world: CiWorld) -> None:
    with pytest.raises(CosServiceError) as caught:
        ci_world.client.cos_ai_license_rec(Bucket=ci_world.bucket, CardType="IDCard", ObjectKey="nothing.jpg")
    assert caught.value.get_error_code() == "NoSuchKey"


def test_orientation_tag_is_not_followed(ci_world: CiWorld) -> None:
    # The same stored rows with and without a tag: one picture to this service.
    known = ci_world.known("id-front-flat")
    image = Image.open(io.BytesIO(ci_world.unseen("id-front-flat")))
    exif = image.getexif()
    exif[0x0112] = 6
    target = io.BytesIO()
    image.save(target, "PNG", exif=exif)
    _, answer = ci_world.client.cos_ai_license_rec(
        Bucket=ci_world.bucket, CardType="IDCard", ObjectKey=ci_world.put(target.getvalue())
    )
    name = known.cards[0].card.field("name")
    assert name is not None
    assert name.polygon is not None
    x, y = name.polygon.points[0]
    assert answer["IdInfo"][0]["Location"]["Point"][0] == f"{round(x)},{round(y)}"


def test_general_ocr_gives_lines_with_their_corners(ci_world: CiWorld) -> None:
    back = ci_world.known("id-back-photo")
    key = ci_world.put(ci_world.kept("id-back-photo").read())
    answer = ci_world.client.ci_ocr_process(Bucket=ci_world.bucket, Key=key)
    lines = answer["TextDetections"]
    assert [line["DetectedText"] for line in lines] == [line.text for line in back.lines]
    corners = [(int(point["X"]), int(point["Y"])) for point in lines[0]["Polygon"]]
    assert corners == [(round(x), round(y)) for x, y in back.lines[0].polygon.points]
    assert set(lines[0]["ItemPolygon"]) == {"X", "Y", "Width", "Height"}
    assert lines[0]["Confidence"] == "98"
    assert answer["Language"] == "zh"
    assert abs(float(answer["Angel"])) < 45


def test_general_ocr_gives_the_characters_where_they_are_asked_for(ci_world: CiWorld) -> None:
    places = tuple(Polygon.box(10 + 20 * i, 10, 30 + 20 * i, 40) for i in range(3))
    lines = (
        KnownLine("公安局", 98.0, Polygon.box(10, 10, 70, 40), places),
        KnownLine("未分", 98.0, Polygon.box(10, 50, 70, 80)),
        KnownLine("", 0.0, Polygon.box(10, 90, 70, 120)),
    )
    data = ci_world.unseen("business-card")
    ci_world.table.learn(data, KnownPicture((), lines))
    key = ci_world.put(data)
    general = GeneralOcr(ci_world.client, ci_world.bucket)
    found, record = general.lines(CardImage(b"", 0, 0, key))
    # Also what stands there and could not be read.
    assert [(line.text, line.polygon, line.characters) for line in found] == [
        (line.text, line.polygon, line.characters) for line in lines
    ]
    assert record.request_id
    without = ci_world.client.ci_ocr_process(Bucket=ci_world.bucket, Key=key)
    fast = ci_world.client.ci_ocr_process(Bucket=ci_world.bucket, Key=key, Type="fast", Isword=True)
    assert not any("Words" in line for line in [*without["TextDetections"], *fast["TextDetections"]])


def test_general_ocr_of_an_empty_page(ci_world: CiWorld) -> None:
    answer = ci_world.client.ci_ocr_process(Bucket=ci_world.bucket, Key=ci_world.put(_png(100, 100)))
    assert "TextDetections" not in answer
    assert answer["Angel"] == "0.00"


def test_one_picture_is_recognised_once_however_it_is_asked_for(ci_world: CiWorld) -> None:
    before = ci_world.table.recognitions
    data = ci_world.unseen("id-front-photo")
    key = ci_world.put(data)
    for card_type in ("IDCard", "DriverLicense", "IDCard"):
        ci_world.client.cos_ai_license_rec(Bucket=ci_world.bucket, CardType=card_type, ObjectKey=key)
    ci_world.client.cos_ai_id_card_ocr(Bucket=ci_world.bucket, ObjectKey=ci_world.put(data))
    assert ci_world.table.recognitions == before + 1
    # Paid all the same.
    assert ci_world.cloud.usage.of_picture(data) == {"AILicenseRec": 3, "IDCardOCR": 1}


def test_known_pictures_are_compared_by_pixels() -> None:
    from cardveil_cloud.ci.recognition import TableRecogniser

    table = TableRecogniser({_png(10, 10): KnownPicture()})
    assert table.recognise(np.zeros((10, 10, 3), np.uint8)) == ()
