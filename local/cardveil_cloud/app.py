"""Builds the services of one local cloud and joins them into one ASGI application."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cardveil_cloud import control, files
from cardveil_cloud.accounts import Credential, CredentialStore
from cardveil_cloud.ci.callbacks import Callbacks
from cardveil_cloud.ci.engine import RecognitionEngine
from cardveil_cloud.ci.jobs import CiJobs
from cardveil_cloud.ci.recognition import CardRecogniser
from cardveil_cloud.ci.service import CiService
from cardveil_cloud.ci.urls import BucketUrls
from cardveil_cloud.ci.warning_rules import WarningRules
from cardveil_cloud.cos import outbox
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.service import CosService
from cardveil_cloud.cos.store import ObjectStore
from cardveil_cloud.dispatch import Dispatcher
from cardveil_cloud.faults import NoFaults
from cardveil_cloud.options import NOTICE, Account, Options
from cardveil_cloud.scf.deployment import Deployment, load
from cardveil_cloud.scf.environment import Platform
from cardveil_cloud.scf.platform import PLATFORM, find_interpreter
from cardveil_cloud.scf.service import ScfService
from cardveil_cloud.scf.urls import FunctionUrls
from cardveil_cloud.tencent_api.cam.service import AccessManagement
from cardveil_cloud.tencent_api.cls.service import LogService
from cardveil_cloud.tencent_api.errors import ApiError, error_body
from cardveil_cloud.tencent_api.gateway import Gateway, Product
from cardveil_cloud.tencent_api.ocr.service import DomesticOcr, OcrApi
from cardveil_cloud.tencent_api.scf.service import ScfApi
from cardveil_cloud.tencent_api.tdmq.cmq import MessageQueues
from cardveil_cloud.tencent_api.tdmq.control import QueueControl
from cardveil_cloud.tencent_api.tdmq.letters import LetterQueues
from cardveil_cloud.usage import UsageMeter

#: What this and the command write into the data folder; whatever else is in it is none of ours to change.
_OWN_FILES: Final = (
    "account.json*",
    "endpoint.json*",
    "dead-letters.jsonl*",
    "queue.sqlite*",
    "token-secret*",
    "objects",
    "logs",
    "scf",
)
#: COS's hosts, by any of its domains, also within its own network.
_COS_HOST: Final = r"(?:[a-z0-9.-]+\.)?cos(?:-internal)?(?:\.[a-z0-9-]+)?\.(?:myqcloud\.com|tencentcos\.cn)"
_CI_HOST: Final = r"(?:[a-z0-9-]+\.)?ci\.[a-z0-9-]+\.myqcloud\.com"
#: Message queues' data interface, new and old.
_QUEUE_HOST: Final = r"cmq-[a-z]+\.public[a-z0-9]*\.tencenttdmq\.com|cmq-queue-[a-z]+\.api\.qcloud\.com"
#: A made-up main account, since functions are told one.
_UIN: Final = "100000000001"


class Services:
    """All services of one local cloud, on one folder and one port.

    Parameters
    ----------
    data
        Folder of everything that is kept.
    recogniser_factory
        Makes the recogniser behind CI and the OCR API; called at the first recognition.
    serverless
        The multi-scf file of the functions, or None for a cloud without functions.
    retry_interval_s
        Pause before a failed asynchronous event is tried again: 60 s on the platform.

    Raises
    ------
    ConfigurationError
        If serverless.yml cannot be run.
    RuntimeError
        If another local cloud uses the folder.
    """

    def __init__(
        self,
        data: Path,
        port: int,
        account: Account,
        recogniser_factory: Callable[[], CardRecogniser],
        serverless: Path | None,
        retry_interval_s: float,
        options: Options,
    ) -> None:
        hook = options.faults or NoFaults()
        clock = options.clock
        self.proxy_url = f"http://127.0.0.1:{port}"
        self.usage = UsageMeter()
        self.credentials = CredentialStore(clock)
        self.notices: list[str] = []
        files.make_folder(data)
        files.close_to_others(path for pattern in _OWN_FILES for path in data.glob(pattern))
        self.owner = self.credentials.add(self._owner(data / "account.json"))
        deployment = deployment_of(serverless, account, options) if serverless else None
        self._closed = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.store = ObjectStore(data / "objects", clock=clock)
        self._engine = RecognitionEngine(recogniser_factory, parallel=options.parallel)
        fetch = BucketUrls(self.store, self.credentials, region=account.region, clock=clock)
        self.scf: ScfService | None = None
        urls: FunctionUrls | None = None
        self._scf_api: ScfApi | None = None
        if deployment is not None or options.scf_api:
            self.scf = ScfService(
                deployment or Deployment({}),
                Platform(
                    region=account.region,
                    app_id=account.app_id,
                    uin=_UIN,
                    proxy_url=self.proxy_url,
                    logs=data / "logs",
                    layers={
                        **(_layer_folders(serverless.parent / "layers") if serverless else {}),
                        **options.layers,
                    },
                    python=options.python or _platform_python(),
                    begin=options.begin,
                ),
                self.credentials,
                data,
                policies=options.policies,
                roles=options.roles,
                environment=options.environment,
                max_instances=options.max_instances,
                idle_s=options.idle_s,
                retry_interval_s=retry_interval_s,
                timers=options.timers,
                clock=clock,
                faults=hook,
            )
            urls = FunctionUrls(self.scf, self.credentials, clock)
            self._scf_api = ScfApi(self.scf, self.store, account, data / "scf", deploys=options.scf_api)
            self.notices += self._scf_api.notices
            self.notices += self.scf.notices
            if untold := len(outbox.waiting(self.store)):
                self.notices.append(
                    f"{untold} change(s) of the last run were not told to functions yet; they are now"
                )
        self.function_urls = {
            key: f"{self.proxy_url}/fn/{key}" for key in (urls.functions if urls is not None else ())
        }
        warnings = WarningRules(self.store, options.warnings)
        self._cos = CosService(
            self.store,
            self.credentials,
            region=account.region,
            app_id=account.app_id,
            clock=clock,
            ci=CiService(
                self._engine, fetch, self.usage, style=options.style, warnings=warnings, clock=clock
            ),
            on_event=self.scf.on_object_event if self.scf is not None else None,
            faults=hook,
            restore_s=options.restore_s,
            demanded_encryption=options.demanded_encryption,
        )
        gateway = partial(Gateway, credentials=self.credentials, clock=clock, faults=hook)
        ocr = gateway(
            OcrApi(
                self._engine,
                fetch,
                self.usage,
                rate=options.ocr_rate,
                texts=options.style.texts,
                warnings=warnings,
            )
        )
        scf_api = gateway(self._scf_api) if self._scf_api is not None else None
        operated = _of_functions(self.scf, self.credentials, account, clock, gateway) if self.scf else []
        self.ci_jobs = CiJobs(
            self._engine,
            self.store,
            self.credentials,
            self.usage,
            Callbacks(self.proxy_url, partial(_to_function, self.scf, options.queues), account.region),
            region=account.region,
            faults=hook,
            style=options.style,
            clock=clock,
        )
        own = control.application(self.scf, urls, self.usage, warnings, _direct(ocr, scf_api), NOTICE)
        self._dispatch = Dispatcher(
            own,
            [
                (_COS_HOST, self._cos),
                (_CI_HOST, self.ci_jobs),
                (r"ocr\.intl(?:\.[a-z0-9-]+)?\.tencentcloudapi\.com", ocr),
                (r"ocr(?:\.[a-z0-9-]+)*\.tencentcloudapi\.com", gateway(DomesticOcr())),
                (r"scf(?:\.[a-z0-9-]+)*\.tencentcloudapi\.com", scf_api or _no_such_product),
                (
                    r"cam(?:\.[a-z0-9-]+)*\.tencentcloudapi\.com",
                    gateway(AccessManagement(options.roles, account.region)),
                ),
                *operated,
                (r"[a-z0-9.-]+\.tencentcloudapi\.com", _no_such_product),
                (_function_host(account), _FunctionHosts(urls, account)),
            ],
        )
        try:
            self.store.bucket(account.bucket)
        except CosError:
            self.store.create_bucket(account.bucket)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; start and stop with the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._dispatch(scope, receive, send)
        else:
            raise RuntimeError("only HTTP is served here")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.loop = asyncio.get_running_loop()
        if self.scf is not None:
            await self.scf.start()
        if self._scf_api is not None:
            await self._scf_api.start()
        await self._cos.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.ci_jobs.jobs.stop()
        if self.scf is not None:
            await self.scf.stop()
        self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _owner(self, path: Path) -> Credential:
        """Return the account's permanent key pair: the same as long as the folder is kept."""
        if path.exists():
            try:
                kept = json.loads(path.read_bytes())
                return Credential(str(kept["secret_id"]), str(kept["secret_key"]))
            except (ValueError, KeyError, TypeError):
                aside = files.set_aside(path)
                self.notices.append(
                    f"the account's keys could not be read: they are new, {aside.name} is kept"
                )
        made = Credential("AKID" + secrets.token_hex(16), secrets.token_hex(16))
        pair = {"secret_id": made.secret_id, "secret_key": made.secret_key}
        files.write(path, json.dumps(pair).encode())
        return made

    def close(self) -> None:
        """Let go of threads and of the data folder."""
        if not self._closed:
            self._closed = True
            self.ci_jobs.close()
            self._engine.close()
            self.store.close()


def deployment_of(serverless: Path, account: Account, options: Options) -> Deployment:
    """Return what a file deploys, with the environment that all functions get; raises ConfigurationError."""
    variables = {
        "CARDVEIL_STAGE": "local",
        "CARDVEIL_BUCKET": account.bucket,
        "TENCENTCLOUD_REGION": account.region,
        "TENCENTCLOUD_APPID": account.app_id,
        "CARDVEIL_TOKEN_SECRETS": "",
        **options.variables,
    }
    deployment = load(serverless, variables)
    functions = {
        key: replace(spec, environment=MappingProxyType({**spec.environment, **options.environment}))
        for key, spec in deployment.functions.items()
    }
    return replace(deployment, functions=functions)


def _platform_python() -> str:
    """Return a Python of the platform's minor, else the one that runs here."""
    found = find_interpreter(PLATFORM)
    return found.path if found else sys.executable


def _of_functions(
    scf: ScfService,
    credentials: CredentialStore,
    account: Account,
    clock: Callable[[], float],
    gateway: Callable[[Product], Gateway],
) -> list[tuple[str, ASGIApp]]:
    """Services by which functions are operated: their logs, and the queues of their dead letters."""
    queues = LetterQueues(scf)
    return [
        (r"cls(?:\.[a-z0-9-]+)*\.tencentcloudapi\.com", gateway(LogService(scf, account.region))),
        (
            r"tdmq(?:\.[a-z0-9-]+)*\.tencentcloudapi\.com",
            gateway(QueueControl(queues, account.region, clock)),
        ),
        (_QUEUE_HOST, MessageQueues(queues, credentials, clock)),
    ]


def _direct(ocr: Gateway, scf_api: Gateway | None) -> ASGIApp:
    """Tell calls of two API 3.0 products apart that come to the local cloud's own address."""

    async def direct(scope: Scope, receive: Receive, send: Send) -> None:
        asked = Request(scope).headers.get("x-tc-version")
        await (scf_api if scf_api is not None and asked == scf_api.product.version else ocr)(
            scope, receive, send
        )

    return direct


def _layer_folders(folder: Path) -> dict[str, Path]:
    return {entry.name: entry.resolve() for entry in folder.iterdir()} if folder.is_dir() else {}


def _function_host(account: Account) -> str:
    return rf"{re.escape(account.app_id)}-[a-z0-9-]+\.{re.escape(account.region)}\.tencentscf\.com"


class _FunctionHosts:
    """Function URLs under host names of the real form, for clients that use the proxy."""

    def __init__(self, urls: FunctionUrls | None, account: Account) -> None:
        self._urls = urls
        self._prefix = f"{account.app_id}-"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        label = request.headers["host"].lower().partition(".")[0].removeprefix(self._prefix)
        function = self._urls.by_host_label(label) if self._urls is not None else None
        if self._urls is None or function is None:
            response: Response = Response("there is no such function URL\n", 404, media_type="text/plain")
        else:
            response = await self._urls.answer(function, scope["path"], request)
        await response(scope, receive, send)


def _to_function(
    scf: ScfService | None, queues: Mapping[str, str], queue: str, event: Mapping[str, Any]
) -> None:
    """Hand a queue's message to the function that is subscribed to it; without one it is lost."""
    if scf is not None and queue in queues:
        scf.queue.submit(queues[queue], event, "TRIGGER_EVENTBRIDGE")


async def _no_such_product(scope: Scope, receive: Receive, send: Send) -> None:
    body = json.dumps(error_body(ApiError("NoSuchProduct"), secrets.token_hex(16))).encode()
    await Response(body, media_type="application/json")(scope, receive, send)
