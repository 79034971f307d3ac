"""The local COS for tests: the official SDK in front of it, and clock, faults and CI as a test wants them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
from qcloud_cos import CosConfig, CosS3Auth, CosS3Client

from cardveil_local.cos import ObjectEvent, ObjectStore
from cardveil_local.credentials import Credential, CredentialStore

REGION: Final = "ap-shanghai"
APP_ID: Final = "1250000000"


@dataclass
class CosServer:
    """A local COS behind uvicorn, and what a test may turn on it; `cos` puts that back after each test."""

    root: Path
    store: ObjectStore
    credentials: CredentialStore
    owner: Credential
    proxy: str = ""
    skew: float = 0.0  # seconds that the service's clock is ahead of the client's
    events: list[ObjectEvent] = field(default_factory=list)
    faults: Any = None
    ci: Any = None

    def now(self) -> float:
        """The service's clock."""
        return time.time() + self.skew

    async def on_event(self, event: ObjectEvent) -> None:
        """Take an event down."""
        self.events.append(event)

    async def before(self, service: str, operation: str, request: Any) -> None:
        """Hand on to the test's faults, if it has any."""
        if self.faults is not None:
            await self.faults.before(service, operation, request)

    async def after(self, service: str, operation: str, request: Any) -> None:
        """Hand on to the test's faults, if it has any."""
        if self.faults is not None:
            await self.faults.after(service, operation, request)

    async def process(self, call: Any) -> Any:
        """Hand on to the test's CI."""
        return await self.ci.process(call)

    def reset(self) -> None:
        """Forget what a test has set."""
        self.skew, self.faults, self.ci = 0.0, None, None
        self.events.clear()

    def host(self, bucket: str) -> str:
        """The bucket's host name."""
        return f"{bucket}.cos.{REGION}.myqcloud.com"

    def config(self, credential: Credential | None = None, **settings: Any) -> CosConfig:
        """Settings of the official SDK: only the proxy is not what they would be with the real service."""
        who = credential or self.owner
        return CosConfig(
            Region=REGION,
            SecretId=who.secret_id,
            SecretKey=who.secret_key,
            Token=who.token,
            Scheme="http",
            Proxies={"http": self.proxy},
            Timeout=60,
            **settings,
        )

    def client(self, credential: Credential | None = None, **settings: Any) -> CosS3Client:
        """The official SDK's client, without retries and with an HTTP session of its own."""
        return CosS3Client(self.config(credential, **settings), retry=0, session=requests.Session())

    def request(self, method: str, bucket: str, key: str = "", **arguments: Any) -> requests.Response:
        """One signed request as it stands, for what the SDK has no method for."""
        url = self.config().uri(bucket=bucket, path=key or None)
        auth = CosS3Auth(self.config(), key or None, arguments.get("params") or {})
        with requests.Session() as session:
            session.trust_env = False
            settings: dict[str, Any] = {"auth": auth, "proxies": {"http": self.proxy}, "timeout": 60}
            return session.request(method, url, **{**settings, **arguments})
