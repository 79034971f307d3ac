"""RecognizeMainlandIDCardOCR through the official SDK's generic client: answers, signature, quota, errors."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tests.support.fixtures.ci import CiWorld

from cardveil_cloud.accounts import CredentialStore
from cardveil_cloud.ci.engine import RecognitionEngine
from cardveil_cloud.ci.recognition import KnownPicture, TableRecogniser
from cardveil_cloud.ci.urls import BucketUrls
from cardveil_cloud.cos import DropConnection
from cardveil_cloud.faults import NoFaults
from cardveil_cloud.server import LocalCloud, Options
from cardveil_cloud.tencent_api.errors import ApiError
from cardveil_cloud.tencent_api.gateway import Gateway
from cardveil_cloud.tencent_api.ocr.ratelimit import RateLimit
from cardveil_cloud.tencent_api.ocr.service import OcrApi
from cardveil_cloud.usage import UsageMeter

ACTION = "RecognizeMainlandIDCardOCR"


def _client(ready: Any, **settings: Any) -> CommonClient:
    secret_id, secret_key, token = settings.get("keys", (ready.secret_id, ready.secret_key, None))
    http = HttpProfile(
        protocol="http",
        endpoint=settings.get("endpoint", "ocr.intl.tencentcloudapi.com"),
        reqTimeout=60,
        proxy=settings.get("proxy", ready.proxy_url),
    )
    profile = ClientProfile(language="en-US", httpProfile=http)
    profile.unsignedPayload = settings.get("unsigned", False)
    return CommonClient(
        settings.get("service", "ocr"),
        settings.get("version", "2018-11-19"),
        Credential(secret_id, secret_key, token),
        settings.get("region", "ap-singapore"),
        profile,
    )


def _read(client: CommonClient, data: bytes, **more: Any) -> dict[str, Any]:
    answer = client.call_json(ACTION, {"ImageBase64": base64.b64encode(data).decode(), **more})
    response: dict[str, Any] = answer["Response"]
    return response


def _refused(client: CommonClient, parameters: dict[str, Any], action: str = ACTION) -> str:
    with pytest.raises(TencentCloudSDKException) as caught:
        client.call_json(action, parameters)
    assert caught.value.requestId
    code: str = caught.value.code
    return code


@pytest.mark.parametrize("way", ["proxy", "direct", "unsigned payload"])
def test_front_is_read_through_the_proxy_and_directly(ci_world: CiWorld, way: str) -> None:
    ways: dict[str, dict[str, Any]] = {
        "proxy": {},
        "direct": {"endpoint": ci_world.ready.ocr_endpoint, "proxy": None},
        "unsigned payload": {"unsigned": True},
    }
    picture = ci_world.kept("id-front-photo")
    answer = _read(_client(ci_world.ready, **ways[way]), picture.read())
    truth = picture.cards[0]
    assert answer.pop("RequestId")
    assert answer == {
        "Name": truth.field("name").text,
        "Sex": "男",
        "Nation": "汉",
        "Birth": "1999/6/27",
        "Address": truth.field("address").text,
        "IdNum": truth.field("id_number").text,
        "Authority": "",
        "ValidDate": "",
        "PortraitImage": "",
        "IdCardImage": "",
        "WarnCardInfos": [],
    }


def test_back_is_read(ci_world: CiWorld) -> None:
    answer = _read(_client(ci_world.ready), ci_world.kept("id-back-flat").read(), CardSide="BACK")
    assert (answer["Name"], answer["ValidDate"]) == ("", "2014.11.30-长期")


def test_picture_may_be_named_by_url_which_wins(ci_world: CiWorld) -> None:
    key = ci_world.put(ci_world.kept("id-front-flat").read())
    url = ci_world.client.get_presigned_url(Bucket=ci_world.bucket, Key=key, Method="GET")
    client = _client(ci_world.ready)
    answer = _read(client, ci_world.kept("id-front-photo").read(), ImageUrl=url)
    assert answer["Name"] == ci_world.kept("id-front-flat").cards[0].field("name").text
    elsewhere = {"ImageUrl": "http://www.example.com/abc.jpg"}
    assert _refused(client, elsewhere) == "FailedOperation.DownLoadError"


def test_crops_are_pictures(ci_world: CiWorld) -> None:
    client, data = _client(ci_world.ready), ci_world.kept("id-front-photo").read()
    answer = _read(client, data, CropPortrait=True, CropIdCard=True)
    sizes = []
    for name in ("IdCardImage", "PortraitImage"):
        with Image.open(io.BytesIO(base64.b64decode(answer[name]))) as image:
            assert image.format == "JPEG"
            sizes.append(image.size)
    assert sizes[0] == (856, 540)
    assert sizes[1][0] < sizes[1][1]


def test_warnings_follow_the_picture(ci_world: CiWorld) -> None:
    client = _client(ci_world.ready)
    grey = ci_world.changed("id-front-photo", lambda image: image.convert("L").convert("RGB"))
    assert _read(client, ci_world.cloud.store.get(ci_world.bucket, grey)[1])["WarnCardInfos"] == [-9102]
    cut = ci_world.cut("id-front-photo", 0.25)
    assert _read(client, ci_world.cloud.store.get(ci_world.bucket, cut)[1])["WarnCardInfos"] == [-9101]


def test_one_front_and_one_back_are_read_together(ci_world: CiWorld) -> None:
    front, back = ci_world.known("id-front-photo").cards[0], ci_world.known("id-back-photo").cards[0]
    client = _client(ci_world.ready)
    both = ci_world.put_known(front, back)
    answer = _read(client, ci_world.cloud.store.get(ci_world.bucket, both)[1])
    assert answer["Sex"] == "男"
    assert answer["ValidDate"] == "2011.06.21-长期"
    twins = ci_world.put_known(front, front)
    data = base64.b64encode(ci_world.cloud.store.get(ci_world.bucket, twins)[1]).decode()
    assert _refused(client, {"ImageBase64": data}) == "FailedOperation.MultiCardError"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "MissingParameter"),
        ({"ImageBase64": ""}, "FailedOperation.EmptyImageError"),
        ({"ImageBase64": "not base64!"}, "FailedOperation.ImageDecodeFailed"),
        ({"ImageBase64": base64.b64encode(b"text").decode()}, "FailedOperation.ImageDecodeFailed"),
        ({"ImageBase64": "A" * (7 * 1024 * 1024 + 4)}, "LimitExceeded.TooLargeFileError"),
        ({"ImageBase64": "A" * (10 * 1024 * 1024)}, "RequestSizeLimitExceeded"),
        ({"ImageBase64": "AAAA", "CardSide": "front"}, "InvalidParameterValue.InvalidParameterValueLimit"),
        ({"ImageBase64": "AAAA", "CropPortrait": "true"}, "InvalidParameter"),
        ({"ImageBase64": 1}, "InvalidParameter"),
        ({"ImageBase64": "AAAA", "CropPortait": True}, "UnknownParameter"),
    ],
)
def test_wrong_parameters_raise_with_the_vendors_code(
    ci_world: CiWorld, parameters: dict[str, Any], code: str
) -> None:
    assert _refused(_client(ci_world.ready), parameters) == code


@pytest.mark.parametrize(
    ("name", "more", "code"),
    [
        ("licence-photo", {}, "FailedOperation.ImageNoIdCard"),
        ("business-card", {}, "FailedOperation.ImageNoIdCard"),
        ("id-front-photo", {"CardSide": "BACK"}, "FailedOperation.CardSideError"),
    ],
)
def test_wrong_cards_raise_with_the_vendors_code(
    ci_world: CiWorld, name: str, more: dict[str, str], code: str
) -> None:
    data = base64.b64encode(ci_world.kept(name).read()).decode()
    assert _refused(_client(ci_world.ready), {"ImageBase64": data, **more}) == code


def test_small_card_is_refused(ci_world: CiWorld) -> None:
    known = ci_world.known("id-front-photo").cards[0]
    image = Image.open(io.BytesIO(ci_world.unseen("id-front-photo")))
    by = 180 / (known.outline.bounds()[2] - known.outline.bounds()[0])
    small = image.resize((round(image.width * by), round(image.height * by)))
    target = io.BytesIO()
    small.save(target, "PNG")
    scaled = replace(known, outline=known.outline.scaled(by, by))
    ci_world.table.learn(target.getvalue(), KnownPicture((scaled,)))
    data = base64.b64encode(target.getvalue()).decode()
    assert _refused(_client(ci_world.ready), {"ImageBase64": data}) == "FailedOperation.IdCardTooSmall"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"version": "2019-01-01"}, "NoSuchVersion"),
        ({"region": "ap-shanghai"}, "UnsupportedRegion"),
        ({"service": "cvm"}, "AuthFailure.SignatureFailure"),
        ({"keys": ("AKIDunknown", "key", None)}, "AuthFailure.SecretIdNotFound"),
        ({"endpoint": "cvm.tencentcloudapi.com"}, "NoSuchProduct"),
    ],
)
def test_wrong_requests_raise_with_the_vendors_code(
    ci_world: CiWorld, settings: dict[str, Any], code: str
) -> None:
    assert _refused(_client(ci_world.ready, **settings), {"ImageBase64": "AAAA"}) == code


def test_wrong_key_token_and_action(ci_world: CiWorld) -> None:
    ready, credentials = ci_world.ready, ci_world.cloud.credentials
    wrong = _client(ready, keys=(ready.secret_id, "wrong", None))
    assert _refused(wrong, {}) == "AuthFailure.SignatureFailure"
    temporary = credentials.issue_temporary(60)
    good = _client(ready, keys=(temporary.secret_id, temporary.secret_key, temporary.token))
    assert _refused(good, {}) == "MissingParameter"
    for token in (None, "wrong"):
        client = _client(ready, keys=(temporary.secret_id, temporary.secret_key, token))
        assert _refused(client, {}) == "AuthFailure.TokenFailure"
    late = credentials.issue_temporary(-1)
    client = _client(ready, keys=(late.secret_id, late.secret_key, late.token))
    assert _refused(client, {}) == "AuthFailure.TokenFailure"
    assert _refused(_client(ready), {}, action="IDCardOCR") == "InvalidAction"


def _signed(ready: Any, *, skew_s: float = 0.0, sign: str = "content-type;host", **headers: str) -> Any:
    """Send a request that is signed as the vendor's page says, written out here a second time."""
    body = b"{}"
    now = int(time.time() + skew_s)
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    values = {"content-type": "application/json", "host": ready.ocr_endpoint, "x-tc-action": ACTION.lower()}
    lines = "".join(f"{name}:{values[name]}\n" for name in sign.split(";"))
    canonical = f"POST\n/\n\n{lines}\n{sign}\n{hashlib.sha256(body).hexdigest()}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"TC3{ready.secret_key}".encode()
    for part in (date, "ocr", "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    to_sign = f"TC3-HMAC-SHA256\n{now}\n{date}/ocr/tc3_request\n{digest}"
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    sent = {
        "Content-Type": "application/json",
        "X-TC-Action": ACTION,
        "X-TC-Version": "2018-11-19",
        "X-TC-Region": "ap-singapore",
        "X-TC-Timestamp": str(now),
        "Authorization": f"TC3-HMAC-SHA256 Credential={ready.secret_id}/{date}/ocr/tc3_request, "
        f"SignedHeaders={sign}, Signature={signature}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    response = requests.post(f"http://{ready.ocr_endpoint}/", data=body, headers=sent, timeout=60)
    # Errors too come with status 200, and in a type that the SDK recognises.
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    return response.json()["Response"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "MissingParameter"),
        ({"skew_s": 290.0}, "MissingParameter"),
        ({"skew_s": 330.0}, "AuthFailure.SignatureExpire"),
        ({"skew_s": -330.0}, "AuthFailure.SignatureExpire"),
        ({"sign": "content-type;host;x-tc-action"}, "MissingParameter"),
        ({"sign": "host"}, "AuthFailure.InvalidAuthorization"),
        ({"Authorization": "Basic eA=="}, "AuthFailure.InvalidAuthorization"),
        ({"X_TC_Timestamp": "soon"}, "InvalidParameter"),
        ({"Content_Type": "application/json; charset=utf-8"}, "AuthFailure.SignatureFailure"),
    ],
)
def test_signature_is_checked_as_the_page_says(
    ci_world: CiWorld, arguments: dict[str, Any], code: str
) -> None:
    answer = _signed(ci_world.ready, **arguments)
    assert answer["Error"]["Code"] == code
    assert answer["RequestId"]


class _Unlucky(NoFaults):
    """Throttles the first call and loses the second's answer."""

    def __init__(self) -> None:
        self.calls = 0

    async def before(self, service: str, operation: str, request: Any) -> None:
        assert (service, operation) == ("ocr", ACTION)
        self.calls += 1
        if self.calls == 1:
            raise ApiError("RequestLimitExceeded")

    async def after(self, service: str, operation: str, request: Any) -> None:
        if self.calls == 2:
            raise DropConnection


@pytest.mark.parametrize("way", ["proxy", "direct"])
def test_faults_can_be_injected(tmp_path: Path, ci_world: CiWorld, way: str) -> None:
    cloud = LocalCloud(
        tmp_path, recogniser_factory=lambda: ci_world.table, options=Options(faults=_Unlucky())
    )
    data = ci_world.kept("id-front-photo").read()
    picture = {"ImageBase64": base64.b64encode(data).decode()}
    with cloud.running() as ready:
        settings = {"endpoint": ready.ocr_endpoint, "proxy": None} if way == "direct" else {}
        client = _client(ready, **settings)
        assert _refused(client, picture) == "RequestLimitExceeded"
        assert cloud.usage.by_operation() == {}
        with pytest.raises(TencentCloudSDKException) as caught:
            client.call_json(ACTION, picture)
        assert caught.value.code == "ClientNetworkError"
        # The answer is lost, and the call was paid for.
        assert cloud.usage.of_picture(data) == {ACTION: 1}
        assert _read(client, data)["Sex"] == "男"


def test_quota_refuses_with_the_vendors_code(tmp_path: Path) -> None:
    cloud = LocalCloud(tmp_path, recogniser_factory=lambda: TableRecogniser({}), options=Options(ocr_rate=0))
    with cloud.running() as ready:
        assert _refused(_client(ready), {}) == "RequestLimitExceeded"


def test_quota_is_so_many_in_any_second_for_each_account() -> None:
    now = [100.0]
    limit = RateLimit(2, lambda: now[0])
    granted = []
    for step in (0.0, 0.4, 0.1, 0.6, 0.31):
        now[0] += step
        granted.append(limit.grant("one"))
    # At 100.0 and 100.4; not at 100.5; at 101.1, when the first is over; at 101.41, when the second is.
    assert granted == [True, True, False, True, True]
    assert limit.grant("other")


def test_a_client_that_goes_away_is_no_failure_of_the_service(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []
    coming = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(coming)

    async def send(message: Any) -> None:
        sent.append(message)

    credentials = CredentialStore(time.time)
    engine = RecognitionEngine(lambda: TableRecogniser({}))
    urls = BucketUrls(None, credentials, region="ap-shanghai", clock=time.time)  # type: ignore[arg-type]
    api = Gateway(OcrApi(engine, urls, UsageMeter()), credentials)
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(api(scope, receive, send))
    engine.close()
    assert sent == []
    assert caplog.records == []
