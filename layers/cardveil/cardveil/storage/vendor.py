"""The two SDKs: clients built from settings and credentials; their exceptions put into the error tree."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree import ElementTree  # the vendor's own answers, over TLS; expat here expands no external entity

from cardveil.core.errors import RETRY_HINT, CardveilError, Halt, Retry, answer_unreadable, from_vendor
from cardveil.core.frozen import dataclass
from cardveil.core.importing import uncollected
from cardveil.settings import Settings
from cardveil.storage.encryption import encrypting

#: What an answer without a body means (every refusal of a HEAD), by status. A HEAD of ours is well formed, so
#: what is left of the errors of status 400 is a token that has expired on the way.
_BODILESS: Final = {400: "ExpiredToken", 403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}
_KEPT_CONNECTIONS: Final = 64
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """A role's temporary credentials; `repr` never shows them."""

    secret_id: str
    secret_key: str
    token: str

    def __repr__(self) -> str:
        return "Credentials(…)"


def credentials_from(environment: Mapping[str, str]) -> Credentials:
    """Read the role's credentials; to be called once an invocation, as a warm instance can outlive them.

    Raises
    ------
    Halt
        ``credentials_missing``, naming the variable.
    """
    for name in ("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY"):
        if not environment.get(name):
            raise Halt("credentials_missing", f"give the function an execution role: {name} is not set")
    return Credentials(
        secret_id=environment["TENCENTCLOUD_SECRETID"],
        secret_key=environment["TENCENTCLOUD_SECRETKEY"],
        token=environment.get("TENCENTCLOUD_SESSIONTOKEN", ""),
    )


def cos_client(settings: Settings, credentials: Credentials, region: str, proxy: str | None = None) -> Any:
    """Build the COS client that also speaks CI's recognition calls (`AIRecognitionClient`).

    Parameters
    ----------
    proxy : str, optional
        URL of an HTTP proxy; with ``scheme=http`` it must be on loopback.

    Raises
    ------
    Halt
        ``region_missing``; ``setting_invalid`` for plain HTTP without a proxy on loopback.
    """
    # The runtime layer leaves such a library out: UTF-8 is taken then, which is what the vendors send.
    warnings.filterwarnings("ignore", "Unable to find acceptable character detection dependency")
    with uncollected():
        from requests.utils import get_environ_proxies

    if not region:
        raise Halt("region_missing", "set TENCENTCLOUD_REGION to the bucket's region")
    _guard_plain_http(settings, proxy)
    # At ERROR it logs whole URLs, with keys; what matters of its errors is in the error tree.
    logging.getLogger("qcloud_cos").setLevel(logging.CRITICAL + 1)
    host = f"{settings.scheme}://cos.{region}.myqcloud.com/"
    proxies = {"http": proxy, "https": proxy} if proxy else get_environ_proxies(host, None)
    return _cos_client(
        region,
        settings.scheme,
        settings.call_timeout_s,
        tuple(sorted(proxies.items())),
        settings.ca_directory or os.environ.get("REQUESTS_CA_BUNDLE") or None,
        (credentials.secret_id, credentials.secret_key, credentials.token),
        settings.encryption,
    )


@lru_cache(maxsize=4)
def _cos_client(
    region: str,
    scheme: str,
    timeout_s: float,
    proxies: tuple[tuple[str, str], ...],
    verify: str | None,
    secrets: tuple[str, str, str],
    encryption: str,
) -> Any:
    """Build a COS client, once for as long as a role's credentials last."""
    with uncollected():
        from qcloud_cos import CosConfig
        from qcloud_cos.ai_recognition import AIRecognitionClient

    secret_id, secret_key, token = secrets
    config = CosConfig(
        Region=region,
        SecretId=secret_id,
        SecretKey=secret_key,
        Token=token or None,
        Scheme=scheme,
        Timeout=(min(3.0, timeout_s), timeout_s),
        Proxies=dict(proxies),
        VerifySSL=verify,
        AllowRedirects=False,
    )
    # Its own retries sleep past any deadline and repeat what must not be: `RetryPolicy` decides alone.
    return encrypting(AIRecognitionClient, encryption)(config, retry=0, session=_connections())


@cache
def _connections() -> Any:
    """Return the connections of this process, which outlive its invocations.

    The SDK's own look through the whole environment, and for a ``.netrc``, at each request: a fifth of its
    processor time.
    """
    from requests import Session
    from requests.adapters import HTTPAdapter

    session = Session()
    session.trust_env = False
    # Each request of the SDK brings all of these; merging them with ours costs up to a tenth of a request.
    session.params = session.proxies = session.headers = None  # type: ignore[assignment]
    for scheme in ("http://", "https://"):
        # Connections that are kept: a sweep has many requests under way.
        session.mount(scheme, HTTPAdapter(pool_maxsize=_KEPT_CONNECTIONS))
    return session


def ocr_client(settings: Settings, credentials: Credentials, proxy: str | None = None) -> Any:
    """Build the generic API 3.0 client for the OCR service.

    To be called each time that a text is asked for (the client is kept), not before: many pictures end
    earlier, and the calls before it need not wait for this SDK.
    """
    service = ("ocr", "2018-11-19", settings.ocr_endpoint, settings.ocr_region)
    return _api_client(service, *_connection(settings, credentials, proxy))


def scf_client(settings: Settings, credentials: Credentials, region: str, proxy: str | None = None) -> Any:
    """Build the generic API 3.0 client for SCF, by which functions are invoked."""
    service = ("scf", "2018-04-16", "scf.tencentcloudapi.com", region)
    return _api_client(service, *_connection(settings, credentials, proxy))


def _connection(settings: Settings, credentials: Credentials, proxy: str | None) -> tuple[Any, ...]:
    _guard_plain_http(settings, proxy)
    secrets = (credentials.secret_id, credentials.secret_key, credentials.token)
    return (settings.scheme, settings.call_timeout_s, proxy, settings.ca_directory or None, secrets)


@lru_cache(maxsize=4)
def _api_client(
    service: tuple[str, str, str, str],
    scheme: str,
    timeout_s: float,
    proxy: str | None,
    verify: str | None,
    secrets: tuple[str, str, str],
) -> Any:
    """Build a client of an API 3.0 service, once for as long as a role's credentials last.

    Its connection outlives an invocation with it: another would cost three round trips, and the OCR API is
    far away.
    """
    from tencentcloud.common.common_client import CommonClient
    from tencentcloud.common.credential import Credential
    from tencentcloud.common.profile.client_profile import ClientProfile
    from tencentcloud.common.profile.http_profile import HttpProfile

    name, version, endpoint, region = service
    http = HttpProfile(
        protocol=scheme,
        endpoint=endpoint,
        reqTimeout=timeout_s,
        keepAlive=True,
        proxy=proxy,
        certification=verify,
    )
    secret_id, secret_key, token = secrets
    profile = ClientProfile(language="en-US", httpProfile=http)
    return CommonClient(name, version, Credential(secret_id, secret_key, token or None), region, profile)


def _guard_plain_http(settings: Settings, proxy: str | None) -> None:
    if settings.scheme == "http" and (not proxy or urlsplit(proxy).hostname not in _LOOPBACK):
        raise Halt(
            "setting_invalid", "set CARDVEIL_SCHEME to https: http is only for the local cloud's proxy"
        )


@contextmanager
def vendor_errors(api: str) -> Iterator[None]:
    """Turn the SDKs' exceptions into leaves of the error tree.

    The original is dropped (``from None``): its text holds URLs with keys, and a traceback would carry it
    into a dead letter.
    """
    from json import JSONDecodeError

    from qcloud_cos.cos_exception import CosClientError, CosServiceError
    from requests.exceptions import RequestException
    from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except CosServiceError as error:
        raise _from_cos(error, api) from None
    except TencentCloudSDKException as error:
        raise _from_api3(error, api) from None
    except (CosClientError, RequestException, HTTPError, OSError):
        raise Retry("network", RETRY_HINT, api=api) from None
    except (ElementTree.ParseError, JSONDecodeError, UnicodeDecodeError):
        raise answer_unreadable(api) from None  # cut or altered on its way


def _from_cos(error: Any, api: str) -> CardveilError:
    status = int(error.get_status_code())
    code, request_id = "", ""
    message = error.get_digest_msg()
    if isinstance(message, Mapping):
        # For a HEAD the SDK makes one up from the status, or passes the headers.
        code = str(message.get("code", ""))
        request_id = str(message.get("requestid") or message.get("x-cos-request-id") or "")
    else:
        # CI's errors lack <Resource>, which the SDK's own reader cannot do without.
        try:
            root = ElementTree.fromstring(error.get_origin_msg())  # noqa: S314
            code, request_id = root.findtext("Code") or "", root.findtext("RequestId") or ""
        except ElementTree.ParseError:
            pass  # no code, then: the status decides
    return from_vendor(
        _BODILESS.get(status, code) if code in {"", "NoSuchResource"} else code,
        api=api,
        status=status,
        request_id=request_id or None,
    )


def _from_api3(error: Any, api: str) -> CardveilError:
    code = str(error.code or "")
    if code in {"ClientNetworkError", "ServerNetworkError"}:
        return Retry("network", RETRY_HINT, api=api)
    return from_vendor(code, api=api, request_id=error.requestId or None)
