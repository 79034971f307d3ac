"""The SDKs' clients: what of the environment they heed, and what outlives an invocation."""

from __future__ import annotations

import pytest

from cardveil.settings import Settings
from cardveil.storage.vendor import Credentials, cos_client, scf_client

ROLE = Credentials("AKIDtest", "secret", "token")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_environment_s_proxy_and_authorities_are_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.internal:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/authorities.pem")
    conf = cos_client(Settings(), ROLE, "ap-shanghai").get_conf()
    assert conf._proxies == {"https": "http://proxy.internal:3128"}
    assert conf._verify_ssl == "/etc/authorities.pem"
    monkeypatch.setenv("no_proxy", "myqcloud.com")
    assert not cos_client(Settings(), ROLE, "ap-shanghai").get_conf()._proxies


def test_the_settings_authorities_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/authorities.pem")
    settings = Settings(ca_directory="/opt/authorities")
    assert cos_client(settings, ROLE, "ap-shanghai").get_conf()._verify_ssl == "/opt/authorities"


def test_connections_and_clients_outlive_an_invocation() -> None:
    """The clients, however, no longer than the credentials and the settings that they were built with."""
    renewed = Credentials("AKIDtest", "secret", "another token")
    for build in (cos_client, scf_client):
        kept = build(Settings(), ROLE, "ap-shanghai")
        assert build(Settings(), ROLE, "ap-shanghai") is kept
        assert build(Settings(), renewed, "ap-shanghai") is not kept
        assert build(Settings(call_timeout_s=1.0), ROLE, "ap-shanghai") is not kept
    first, second = (cos_client(Settings(), role, "ap-shanghai") for role in (ROLE, renewed))
    assert first._session is second._session
