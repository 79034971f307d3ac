"""Who may do what: signatures in header and query, temporary keys, clocks, policies."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import requests
from qcloud_cos import CosConfig, CosS3Client, CosServiceError
from tests.support.fixtures.cos import CosServer

from cardveil_cloud.accounts import Credential, CredentialStore
from cardveil_cloud.cos import CosError, Principal, verify
from cardveil_cloud.cos.signature import hmac_sha1

# The first example of COS's own "Request Signature" page (document 436/7778), with its published sample keys.
SAMPLE_ID, SAMPLE_KEY = "AKIDQjz3ltompVjBni5LitkWHFlFpwkn9U5q", "BQYIM75p8x0iWVFSIgqEKwFprpRSVHlz"
SAMPLE_HEADERS = {
    "Date": "Thu, 16 May 2019 06:45:51 GMT",
    "Host": "examplebucket-1250000000.cos.ap-beijing.myqcloud.com",
    "Content-Type": "text/plain",
    "Content-Length": "13",
    "Content-MD5": "mQ/fVh815F3k6TAUm8m0eg==",
    "x-cos-acl": "private",
    "x-cos-grant-read": 'uin="100000000011"',
    "Authorization": (
        f"q-sign-algorithm=sha1&q-ak={SAMPLE_ID}&q-sign-time=1557989151;1557996351"
        "&q-key-time=1557989151;1557996351"
        "&q-header-list=content-length;content-md5;content-type;date;host;x-cos-acl;x-cos-grant-read"
        "&q-url-param-list=&q-signature=3b8851a11a569213c17ba8fa7dcf2abec6935172"
    ),
}


@pytest.fixture
def sample_store() -> CredentialStore:
    store = CredentialStore()
    store.add_permanent(SAMPLE_ID, SAMPLE_KEY)
    return store


def check(
    store: CredentialStore,
    changed: dict[str, str] | None = None,
    *,
    path: str = "/exampleobject(腾讯云)",
    now: float = 1557989200,
) -> Principal:
    return verify("PUT", path, {}, {**SAMPLE_HEADERS, **(changed or {})}, store, now)


def test_the_published_example_is_right(sample_store: CredentialStore) -> None:
    assert check(sample_store).credential.secret_id == SAMPLE_ID


SIGN = SAMPLE_HEADERS["Authorization"]


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("Content-Length", "14", "SignatureDoesNotMatch"),
        ("Host", "other-1250000000.cos.ap-beijing.myqcloud.com", "SignatureDoesNotMatch"),
        ("Authorization", "", "AccessDenied"),
        ("Authorization", "q-sign-algorithm=sha1&q-ak=x", "AccessDenied"),
        ("Authorization", SIGN.replace("sha1", "sha2"), "AccessDenied"),
        ("Authorization", SIGN.replace(SAMPLE_ID, "AKIDother"), "InvalidAccessKeyId"),
        ("Authorization", SIGN.replace("1557996351", "1557996352"), "SignatureDoesNotMatch"),
        ("Authorization", SIGN.replace("1557989151;", "1;"), "SignatureDoesNotMatch"),
        ("Authorization", SIGN.replace("content-length;", ""), "SignatureDoesNotMatch"),
        ("Authorization", SIGN.replace(";1557996351", ""), "AccessDenied"),
        ("Authorization", SIGN.replace("1557996351", "9" * 5000), "AccessDenied"),
        ("x-cos-security-token", "unasked", "InvalidAccessKeyId"),
    ],
)
def test_every_change_is_noticed(sample_store: CredentialStore, header: str, value: str, code: str) -> None:
    with pytest.raises(CosError) as refused:
        check(sample_store, {header: value})
    assert refused.value.code == code


def test_path_and_time_are_signed_too(sample_store: CredentialStore) -> None:
    with pytest.raises(CosError, match="SignatureDoesNotMatch"):
        check(sample_store, path="/exampleobject")
    with pytest.raises(CosError, match="AccessDenied: Request has expired"):
        check(sample_store, now=1557996352)
    with pytest.raises(CosError, match="RequestTimeTooSkewed"):
        check(sample_store, now=1557989151 - 901)
    assert check(sample_store, now=1557989151 - 899)


def test_headers_that_were_not_signed_may_change(sample_store: CredentialStore) -> None:
    assert check(sample_store, {"User-Agent": "anything"})


def refusal(error: CosServiceError) -> tuple[int, str]:
    return error.get_status_code(), error.get_error_code()


def test_a_wrong_key_and_an_unknown_id(cos: CosServer, cos_bucket: str) -> None:
    for credential, code in (
        (Credential(cos.owner.secret_id, "not-the-key"), "SignatureDoesNotMatch"),
        (Credential("AKIDnobody", "any-key"), "InvalidAccessKeyId"),
    ):
        with pytest.raises(CosServiceError) as refused:
            cos.client(credential).put_object(Bucket=cos_bucket, Key="x", Body=b"")
        assert refusal(refused.value) == (403, code)
        assert credential.secret_key not in str(refused.value)
    assert cos.store.list(cos_bucket).entries == ()


def test_nobody_may_do_anything(cos: CosServer, cos_bucket: str) -> None:
    config = CosConfig(Region="ap-shanghai", Anonymous=True, Scheme="http", Proxies={"http": cos.proxy})
    with pytest.raises(CosServiceError) as refused:
        CosS3Client(config, retry=0, session=requests.Session()).get_object(cos_bucket, "x")
    assert refusal(refused.value) == (403, "AccessDenied")


def test_clocks_that_disagree(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    cos.skew = -3000  # the client is ahead by more than 15 minutes
    with pytest.raises(CosServiceError) as refused:
        cos_client.list_objects(cos_bucket)
    assert refusal(refused.value) == (403, "RequestTimeTooSkewed")
    cos.skew = 20000  # the client is so far behind that its signature has run out
    with pytest.raises(CosServiceError) as refused:
        cos_client.list_objects(cos_bucket)
    assert refusal(refused.value) == (403, "AccessDenied")
    # The SDKs take this very text for a sign of a wrong clock.
    assert refused.value.get_error_msg() == "Request has expired"
    cos.skew = 800
    assert cos_client.list_objects(cos_bucket)


def test_temporary_keys(cos: CosServer, cos_bucket: str) -> None:
    temporary = cos.credentials.issue_temporary(600)
    client = cos.client(temporary)
    client.put_object(Bucket=cos_bucket, Key="x", Body=b"abc")
    assert client.head_object(cos_bucket, "x")
    for token in (None, "another token"):
        other = cos.client(Credential(temporary.secret_id, temporary.secret_key, token))
        with pytest.raises(CosServiceError) as refused:
            other.get_object(cos_bucket, "x")
        assert refusal(refused.value) == (403, "InvalidAccessKeyId")
    cos.skew = 601
    with pytest.raises(CosServiceError) as refused:
        client.get_object(cos_bucket, "x")
    assert refusal(refused.value) == (400, "ExpiredToken")


def test_parameters_are_signed_by_name_and_value(cos: CosServer, cos_bucket: str) -> None:
    cos.store.put(cos_bucket, "x", b"abc")
    assert cos.request("GET", cos_bucket, "x", params={"面/a b": "c/d+é&=", "Upper": "u"}).content == b"abc"


def get(cos: CosServer, url: str, method: str = "GET", **arguments: Any) -> requests.Response:
    return requests.request(method, url, proxies={"http": cos.proxy}, timeout=60, **arguments)


KEY = "证件/a b+c%.jpg"


def test_presigned_urls(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    up = cos_client.get_presigned_url(cos_bucket, KEY, "PUT", Expired=60)
    assert get(cos, up, "PUT", data=b"abc").status_code == 200
    down = cos_client.get_presigned_url(
        cos_bucket, KEY, "GET", Params={"response-content-type": "text/plain; a+b"}
    )
    answer = get(cos, down)
    assert (answer.content, answer.headers["Content-Type"]) == (b"abc", "text/plain; a+b")
    # What is signed cannot be changed, and a signature is for one method.
    assert get(cos, down.replace("a%2Bb", "a%2Bc")).status_code == 403
    assert get(cos, down, "PUT", data=b"x").status_code == 403
    assert get(cos, up).status_code == 403
    assert get(cos, up.replace(quote("证件"), "other"), "PUT", data=b"x").status_code == 403
    cos.skew = 301
    late = get(cos, down)
    assert late.status_code == 403
    assert "<Message>Request has expired</Message>" in late.text
    assert cos.store.get(cos_bucket, KEY)[1] == b"abc"


def test_presigned_urls_of_temporary_keys_carry_the_token(cos: CosServer, cos_bucket: str) -> None:
    cos.store.put(cos_bucket, KEY, b"abc")
    temporary = cos.credentials.issue_temporary(600)
    assert temporary.token
    client = cos.client(temporary)
    bare = client.get_presigned_url(cos_bucket, KEY, "GET")
    assert "<Code>InvalidAccessKeyId</Code>" in get(cos, bare).text
    whole = client.get_presigned_url(cos_bucket, KEY, "GET", Params={"x-cos-security-token": temporary.token})
    assert get(cos, whole).content == b"abc"
    background_tasks = f"{bare}&x-cos-security-token={quote(temporary.token)}"
    assert get(cos, background_tasks).content == b"abc"


def test_a_whole_authorization_may_stand_in_the_query(
    cos: CosServer, cos_client: Any, cos_bucket: str
) -> None:
    cos.store.put(cos_bucket, "x", b"abc")
    sign = cos_client.get_auth("GET", cos_bucket, "x")
    url = f"http://{cos.host(cos_bucket)}/x?sign={quote(sign, safe='')}"
    assert get(cos, url).content == b"abc"


class OnlyUnder:
    """A policy that grants some actions on resources that begin in one way."""

    def __init__(self, actions: set[str], start: str) -> None:
        self.actions, self.start = actions, start

    def allows(self, action: str, resource: str) -> bool:
        return action in self.actions and resource.startswith(self.start)


def test_policies(cos: CosServer, cos_bucket: str) -> None:
    policy = OnlyUnder({"cos:PutObject", "cos:GetBucket", "cos:DeleteObject"}, f"cos/{cos_bucket}/in/")
    client = cos.client(cos.credentials.issue_temporary(600, policy))
    cos.store.put(cos_bucket, "out/secret", b"abc")
    client.put_object(Bucket=cos_bucket, Key="in/x", Body=b"")
    assert client.list_objects(cos_bucket, Prefix="in/")["Contents"][0]["Key"] == "in/x"
    copy = {"Bucket": cos_bucket, "Key": "out/secret", "Region": "ap-shanghai"}
    attempts: list[Callable[[], Any]] = [
        lambda: client.put_object(Bucket=cos_bucket, Key="out/x", Body=b""),
        lambda: client.get_object(cos_bucket, "in/x"),
        lambda: client.list_objects(cos_bucket),
        lambda: client.delete_object(cos_bucket, "out/secret"),
        lambda: client.copy_object(cos_bucket, "in/secret", copy),  # may write there, but not read here
        lambda: client.create_multipart_upload(cos_bucket, "in/big"),
        lambda: client.delete_bucket(cos_bucket),
    ]
    for denied in attempts:
        with pytest.raises(CosServiceError) as refused:
            denied()
        assert refusal(refused.value) == (403, "AccessDenied")
    client.delete_object(cos_bucket, "in/x")
    assert [item.key for item in cos.store.list(cos_bucket).entries] == ["out/secret"]


def test_each_of_many_deletions_is_permitted_or_not(cos: CosServer, cos_bucket: str) -> None:
    class Policy:
        def allows(self, action: str, resource: str) -> bool:
            return action == "cos:DeleteMultipleObjects" and not resource.endswith("kept")

    client = cos.client(cos.credentials.issue_temporary(600, Policy()))
    for key in ("a", "kept"):
        cos.store.put(cos_bucket, key, b"")
    answer = client.delete_objects(cos_bucket, {"Object": [{"Key": "a"}, {"Key": "kept"}]})
    assert [item["Key"] for item in answer["Deleted"]] == ["a"]
    assert [(item["Key"], item["Code"]) for item in answer["Error"]] == [("kept", "AccessDenied")]
    assert [item.key for item in cos.store.list(cos_bucket).entries] == ["kept"]


def test_the_store_of_credentials_keeps_its_secrets() -> None:
    now = [time.time()]
    store = CredentialStore(lambda: now[0])
    old = store.issue_temporary(60)
    for shown in (repr(old), str(old)):
        assert old.secret_key not in shown
        assert str(old.token) not in shown
    now[0] += 86400
    store.issue_temporary(60)
    assert store.find(old.secret_id) is old
    now[0] += 120
    store.issue_temporary(60)
    assert store.find(old.secret_id) is None
    permanent = store.add_permanent("AKIDx", "key")
    assert store.find("AKIDx") is permanent
    store.remove("AKIDx")
    assert store.find("AKIDx") is None


def authorised(cos: CosServer, bucket: str, **change: str) -> requests.Response:
    """A GET whose signature's fields are changed, and made anew with what was changed."""
    now = int(time.time())
    fields = {
        "q-sign-algorithm": "sha1",
        "q-ak": cos.owner.secret_id,
        "q-sign-time": f"{now - 10};{now + 60}",
        "q-key-time": f"{now - 10};{now + 60}",
        "q-header-list": "host;x-cos-meta-a",
        "q-url-param-list": "response-cache-control;response-expires",
    }
    fields |= {name.replace("_", "-"): value for name, value in change.items()}
    host = cos.host(bucket)
    http_string = f"get\n/x\nresponse-cache-control=b&response-expires=c\nhost={host}&x-cos-meta-a=\n"
    digest = hashlib.sha1(http_string.encode()).hexdigest()
    to_sign = f"sha1\n{fields['q-sign-time']}\n{digest}\n"
    key = hmac_sha1(cos.owner.secret_key, fields["q-key-time"])
    fields["q-signature"] = hmac_sha1(key, to_sign)
    headers = {"Authorization": "&".join(f"{name}={value}" for name, value in fields.items())}
    url = f"http://{host}/x?response-cache-control=b&response-expires=c"
    return get(cos, url, headers={**headers, "x-cos-meta-a": ""})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, ""),
        ({"q_ak": "AKIDlocaltests "}, "InvalidAccessKeyId"),
        ({"q_ak": " AKIDlocaltests"}, "InvalidAccessKeyId"),
        ({"q_ak": "AKID localtests"}, "InvalidAccessKeyId"),
        ({"q_header_list": "x-cos-meta-a;host"}, "SignatureDoesNotMatch"),
        ({"q_header_list": "host;host;x-cos-meta-a"}, "SignatureDoesNotMatch"),
        ({"q_url_param_list": "response-expires;response-cache-control"}, "SignatureDoesNotMatch"),
        ({"q_key_time": f"{2**33};{2**33 - 1}"}, "AccessDenied"),
        ({"q_sign_time": f"{2**33};{2**33 - 1}"}, "AccessDenied"),
        ({"q_sign_algorithm": "SHA1"}, "AccessDenied"),
        ({"q_sign_algorithm": " sha1"}, "AccessDenied"),
    ],
)
def test_a_signature_s_fields_are_taken_as_they_are(
    cos: CosServer, cos_bucket: str, change: dict[str, str], code: str
) -> None:
    cos.store.put(cos_bucket, "x", b"abc")
    answer = authorised(cos, cos_bucket, **change)
    assert (f"<Code>{code}</Code>" in answer.text) if code else (answer.content == b"abc"), answer.text


def test_a_key_s_window_that_ends_before_it_begins(cos: CosServer, cos_bucket: str) -> None:
    cos.store.put(cos_bucket, "x", b"abc")
    now = int(time.time())
    answer = authorised(cos, cos_bucket, q_key_time=f"{now + 300};{now + 100}")
    assert "<Code>AccessDenied</Code>" in answer.text
