"""The two SDKs' clients, built from settings and credentials, once for as long as these last."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from typing import Any, Final
from urllib.parse import urlsplit

from cardveil.core.errors import Halt
from cardveil.core.frozen import dataclass
from cardveil.core.importing import uncollected
from cardveil.settings import Settings

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
        os.getpid(),
    )


@lru_cache(maxsize=4)
def _cos_client(
    region: str,
    scheme: str,
    timeout_s: float,
    proxies: tuple[tuple[str, str], ...],
    verify: str | None,
    secrets: tuple[str, str, str],
    process: int,
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
    # Its own retries sleep past any deadline and repeat what must not be repeated: `retrying` decides alone.
    return AIRecognitionClient(config, retry=0, session=_connections(process))


@cache
def _connections(process: int) -> Any:  # noqa: ARG001 - a forked process must not share them
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
    """Return the generic API 3.0 client for the OCR service; it is built when it is first called.

    Many pictures end before their text is asked for, and the calls before it need not wait for this SDK.
    """
    _guard_plain_http(settings, proxy)
    return _Later(partial(_ocr_client, settings, credentials, proxy))


class _Later:
    """A client that is built by its first call, which may come from any thread."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._built: Any = None

    def call_json(self, action: str, parameters: Mapping[str, Any]) -> Any:
        """Call an action; see the SDK's `CommonClient.call_json`."""
        with self._lock:
            if self._built is None:
                self._built = self._build()
        return self._built.call_json(action, parameters)


def scf_client(settings: Settings, credentials: Credentials, region: str, proxy: str | None = None) -> Any:
    """Build the generic API 3.0 client for SCF, by which functions are invoked."""
    _guard_plain_http(settings, proxy)
    service = ("scf", "2018-04-16", "scf.tencentcloudapi.com", region)
    return _api_client(service, *_ways(settings, credentials, proxy))


def _ocr_client(settings: Settings, credentials: Credentials, proxy: str | None) -> Any:
    service = ("ocr", "2018-11-19", settings.ocr_endpoint, settings.ocr_region)
    return _api_client(service, *_ways(settings, credentials, proxy))


def _ways(settings: Settings, credentials: Credentials, proxy: str | None) -> tuple[Any, ...]:
    secrets = (credentials.secret_id, credentials.secret_key, credentials.token)
    verify = settings.ca_directory or None
    return (settings.scheme, settings.call_timeout_s, proxy, verify, secrets, os.getpid())


@lru_cache(maxsize=4)
def _api_client(
    service: tuple[str, str, str, str],
    scheme: str,
    timeout_s: float,
    proxy: str | None,
    verify: str | None,
    secrets: tuple[str, str, str],
    process: int,  # noqa: ARG001 - a forked process must not share connections
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
