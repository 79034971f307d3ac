"""Which hosts the local cloud answers for, and how clients reach it: as a proxy, by a tunnel, directly."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from qcloud_cos import CosConfig, CosS3Client
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tests.support.fixtures.ci import CiWorld

ACTION = "RecognizeMainlandIDCardOCR"


@pytest.fixture
def ready(ci_world: CiWorld) -> Any:
    """Of the cloud that all tests share."""
    return ci_world.ready


def client(ready: Any, **settings: Any) -> CosS3Client:
    config = CosConfig(
        SecretId=ready.secret_id,
        SecretKey=ready.secret_key,
        Scheme="http",
        Proxies={"http": ready.proxy_url},
        **settings,
    )
    return CosS3Client(config, retry=0, session=requests.Session())


@pytest.mark.parametrize(
    "settings",
    [
        {"Region": "ap-shanghai", "EnableOldDomain": False},
        {"Region": "ap-shanghai", "EnableInternalDomain": True},
        {"Region": "ap-shanghai", "Endpoint": "cos.ap-shanghai.tencentcos.cn"},
        {"Region": "ap-shanghai", "Endpoint": "cos-internal.ap-shanghai.tencentcos.cn"},
        {"Region": "ap-shanghai", "Endpoint": "cos-internal.ap-shanghai.myqcloud.com"},
    ],
)
def test_cos_by_all_its_names(ready: Any, settings: dict[str, Any]) -> None:
    cos = client(ready, **settings)
    cos.put_object(Bucket=ready.bucket, Key="names", Body=b"abc")
    assert cos.get_object(ready.bucket, "names")["Body"].get_raw_stream().read() == b"abc"
    presigned = cos.get_presigned_url(ready.bucket, "names", "GET")
    assert requests.get(presigned, proxies={"http": ready.proxy_url}, timeout=60).content == b"abc"


@pytest.mark.parametrize(
    "host",
    [
        "x.cos.ap-shanghai.tencentcos.com",
        "x.cos.ap-shanghai.myqcloud.com.evil.example",
        "cos-external.ap-shanghai.myqcloud.com",
        "tencentcos.cn",
    ],
)
def test_names_that_are_like_cos_s(ready: Any, host: str) -> None:
    answer = requests.get(f"http://{host}/", proxies={"http": ready.proxy_url}, timeout=60)
    assert answer.status_code == 502


def ocr(ready: Any, host: str) -> str:
    profile = HttpProfile(protocol="http", endpoint=host, proxy=ready.proxy_url)
    caller = CommonClient(
        "ocr",
        "2018-11-19",
        Credential(ready.secret_id, ready.secret_key),
        "ap-singapore",
        ClientProfile(httpProfile=profile),
    )
    with pytest.raises(TencentCloudSDKException) as refused:
        caller.call_json(ACTION, {"ImageBase64": "AAAA"})
    return str(refused.value.code)


def test_the_action_is_the_international_site_s_only(ready: Any) -> None:
    assert ocr(ready, "ocr.intl.tencentcloudapi.com") == "FailedOperation.ImageDecodeFailed"
    for host in ("ocr.tencentcloudapi.com", "ocr.ap-guangzhou.tencentcloudapi.com"):
        assert ocr(ready, host) == "InvalidAction"


class Tunnel:
    """A connection to the local cloud as a proxy, and through it to a host."""

    def __init__(self, proxy_url: str) -> None:
        where = urlsplit(proxy_url)
        self.connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)

    def __enter__(self) -> http.client.HTTPConnection:
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def test_clients_may_tunnel(ready: Any) -> None:
    cos = client(ready, Region="ap-shanghai")
    cos.put_object(Bucket=ready.bucket, Key="tunnel", Body=b"abc")
    host = f"{ready.bucket}.cos.ap-shanghai.myqcloud.com"
    url = cos.get_presigned_url(ready.bucket, "tunnel", "GET").partition(host)[2]
    with Tunnel(ready.proxy_url) as connection:
        connection.set_tunnel(host, 80)
        for _ in range(3):  # the tunnel stays open
            connection.request("GET", url)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"abc")
    with Tunnel(ready.proxy_url) as connection:
        connection.set_tunnel("www.example.com", 80)
        connection.request("GET", "/")
        assert connection.getresponse().status == 502
    with Tunnel(ready.proxy_url) as connection:
        connection.set_tunnel(host, 443)
        with pytest.raises(OSError, match="502"):
            connection.request("GET", url)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_tunnel_s_beginning_may_come_in_pieces(ready: Any, size: int) -> None:
    where = urlsplit(ready.proxy_url)
    lines = b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    lines += b"GET /_local/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection((str(where.hostname), where.port), timeout=60) as raw:
        for start in range(0, len(lines), size):
            raw.sendall(lines[start : start + size])
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert b'"status":"ok"' in answer


@pytest.mark.parametrize(
    "lines",
    [
        b"CONNECT \r\n\r\n",
        b"CONNECT nowhere HTTP/1.1\r\n\r\n",
        b"CONNECT a:80 HTTP/9\r\n\r\n",
        b"CONNECT " + b"a" * 20000,
    ],
    ids=range(4),
)
def test_tunnels_to_nowhere(ready: Any, lines: bytes) -> None:
    where = urlsplit(ready.proxy_url)
    with socket.create_connection((str(where.hostname), where.port), timeout=60) as raw:
        raw.sendall(lines)
        assert raw.recv(65536).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def tc3(ready: Any, *, host: str, change: Any = lambda signature: signature) -> dict[str, Any]:
    """One call signed for `host`, as a client does that leaves the port out of it."""
    body, now = "{}", int(time.time())
    day = time.strftime("%Y-%m-%d", time.gmtime(now))
    head = f"content-type:application/json\nhost:{host}\n"
    canonical = f"POST\n/\n\n{head}\ncontent-type;host\n{hashlib.sha256(body.encode()).hexdigest()}"
    scope = f"{day}/ocr/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"TC3" + ready.secret_key.encode()
    for part in (day, "ocr", "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = change(hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest())
    authorization = (
        f"TC3-HMAC-SHA256 Credential={ready.secret_id}/{scope}, "
        f"SignedHeaders=content-type;host, Signature={signature}"
    )
    headers = {
        "Authorization": authorization,
        "Content-Type": "application/json",
        "X-TC-Action": ACTION,
        "X-TC-Version": "2018-11-19",
        "X-TC-Timestamp": str(now),
        "X-TC-Region": "ap-singapore",
    }
    answer = requests.post(ready.proxy_url, data=body, headers=headers, timeout=60).json()["Response"]
    return dict(answer["Error"])


def test_a_host_may_be_signed_without_its_port(ready: Any) -> None:
    assert tc3(ready, host=ready.ocr_endpoint)["Code"] == "MissingParameter"
    assert tc3(ready, host="127.0.0.1")["Code"] == "MissingParameter"
    assert tc3(ready, host="127.0.0.1:1")["Code"] == "AuthFailure.SignatureFailure"
    assert tc3(ready, host="other")["Code"] == "AuthFailure.SignatureFailure"


def test_a_signature_is_in_lower_case(ready: Any) -> None:
    answer = tc3(ready, host="127.0.0.1", change=lambda signature: signature.upper())
    assert answer["Code"] == "AuthFailure.SignatureFailure"


def node(program: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run a program in Node, and read the line of JSON that it prints."""
    path = folder / "program.js"
    path.write_text(program)
    command = [shutil.which("node") or "node", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return dict(json.loads(done.stdout))


TUNNELLING = """
const http = require('http');
const [proxy, host, path] = process.argv.slice(2);
const where = new URL(proxy);
const asked = http.request({host: where.hostname, port: where.port, method: 'CONNECT', path: host + ':80'});
asked.on('connect', (answer, socket) => {
  const through = http.get({createConnection: () => socket, headers: {host}, path}, response => {
    let body = '';
    response.on('data', piece => body += piece).on('end', () => {
      console.log(JSON.stringify({tunnel: answer.statusCode, status: response.statusCode, body}));
      socket.destroy();
    });
  });
});
asked.end();
"""


@pytest.fixture
def stored(ready: Any) -> str:
    """The path of a presigned URL."""
    cos = client(ready, Region="ap-shanghai")
    cos.put_object(Bucket=ready.bucket, Key="node", Body=b"abc")
    url: str = cos.get_presigned_url(ready.bucket, "node", "GET")
    return url.partition(".myqcloud.com")[2]


def test_node_s_own_tunnel(ready: Any, stored: str, tmp_path: Path) -> None:
    host = f"{ready.bucket}.cos.ap-shanghai.myqcloud.com"
    told = node(TUNNELLING, tmp_path, ready.proxy_url, host, stored)
    assert told == {"tunnel": 200, "status": 200, "body": "abc"}
