"""What a local cloud can be told when it is made, and what it tells when it is ready."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from cardveil_cloud.accounts import Policy
from cardveil_cloud.ci.service import Style
from cardveil_cloud.faults import FaultHook
from cardveil_cloud.tencent_api.ocr.service import DEFAULT_RATE

NOTICE: Final = (
    "This is a local stand-in for Tencent Cloud, for development, tests and demonstrations only. It listens "
    "on loopback without encryption, and keeps everything it is given on this disk."
)


@dataclass(frozen=True, slots=True)
class Options:
    """What rarely needs another value.

    Attributes
    ----------
    variables : mapping
        Values for the `${env:…}` variables of serverless.yml, besides stage, region, app id and bucket.
    environment : mapping
        Environment that all functions get on top of what serverless.yml gives them. The local cloud speaks
        plain HTTP, which functions must be told.
    layers : mapping
        Folder of each layer by name, besides the folders in `layers/` beside serverless.yml. A packaged
        layer may be given here.
    policies : mapping
        What each function's role may do, by function key; without an entry, everything.
    roles : mapping
        The same by the name of the role, for functions that were deployed through the API.
    scf_api : bool
        Whether functions may be deployed through SCF's API. They run from their zips.
    python : str, optional
        The interpreter of functions that run from their zips; the platform's minor where it is found.
    begin : callable
        Starts a function's process as `asyncio.create_subprocess_exec` does, which it is.
    queues : mapping
        Function that each TDMQ queue's messages go to, by the queue's name.
    timers : bool
        Whether timer triggers are fired by the clock.
    ocr_rate : int or None
        Requests a second that the OCR API grants one account.
    parallel : int or None
        How many recognitions run at a time.
    restore_s : float
        How long an archived object takes to be restored, in seconds.
    demanded_encryption : str
        ``AES256`` or ``cos/kms``: what is uploaded without asking for it is refused, as by a bucket's policy.
    warnings : mapping
        Warning codes to be given for pictures, by a pattern of the object's key or the picture's SHA-256
        digest; positive codes are CI's, negative ones the OCR API's.
    clock : callable
        Seconds since the epoch, for signatures, expiry and timers.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=lambda: {"CARDVEIL_SCHEME": "http"})
    layers: Mapping[str, Path] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    roles: Mapping[str, Policy] = field(default_factory=dict)
    scf_api: bool = False
    python: str | None = None
    begin: Callable[..., Awaitable[Any]] = asyncio.create_subprocess_exec
    queues: Mapping[str, str] = field(default_factory=dict)
    max_instances: int = 2
    idle_s: float = 300.0
    timers: bool = False
    ocr_rate: int | None = DEFAULT_RATE
    style: Style = field(default_factory=Style)
    parallel: int | None = None
    restore_s: float = 1.0
    demanded_encryption: str = ""
    warnings: Mapping[str, Sequence[int]] = field(default_factory=dict)
    faults: FaultHook | None = None
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Account:
    """Region and owner of everything in one local cloud."""

    region: str
    app_id: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Ready:
    """What a client needs to use a local cloud that runs.

    Attributes
    ----------
    proxy_url : str
        HTTP proxy for ``*.myqcloud.com`` and ``ocr.intl.tencentcloudapi.com``.
    ocr_endpoint : str
        Host and port that also answer as the OCR API, without a proxy.
    function_urls : mapping
        URL of each function that has one, by function key.
    notice : str
        That this is for development only; to be shown to whoever starts it.
    found : tuple of str
        What the data folder held of an earlier run that whoever starts it should know; to be shown too.
    """

    proxy_url: str
    ocr_endpoint: str
    secret_id: str
    secret_key: str = field(repr=False)
    region: str
    app_id: str
    bucket: str
    function_urls: Mapping[str, str]
    notice: str = NOTICE
    found: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values, the secret key too."""
        return asdict(self)
