"""The local cloud in one process: COS, CI, the OCR API and SCF behind one port. For development only."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import uvicorn

from cardveil_cloud.accounts import CredentialStore
from cardveil_cloud.app import Services, deployment_of
from cardveil_cloud.ci.jobs_store import JobStore
from cardveil_cloud.ci.recognition import CardRecogniser
from cardveil_cloud.cos.store import ObjectStore
from cardveil_cloud.http import PromptProtocol
from cardveil_cloud.options import NOTICE, Account, Options, Ready
from cardveil_cloud.scf.deployment import Deployment
from cardveil_cloud.scf.results import InvokeResult
from cardveil_cloud.scf.service import ScfService
from cardveil_cloud.usage import UsageMeter

__all__ = ["NOTICE", "LocalCloud", "Options", "Ready"]

_HOST: Final = "127.0.0.1"
#: How long requests that still run are waited for at the end, in seconds.
_GRACE_S: Final = 3
#: How long a start, or an end, may take before it is given up, in seconds.
_PATIENCE_S: Final = 30.0

_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class LocalCloud:
    """A local cloud; nothing happens before `running` or `run_forever`.

    Parameters
    ----------
    data
        Folder of everything that is kept: objects, account, logs, dead letters.
    port
        Port on loopback; 0 takes a free one.
    serverless
        The multi-scf file of the functions to run, or None for none.
    recogniser_factory
        Makes the recogniser behind CI and the OCR API; called at the first recognition.
    region, app_id, bucket
        Of the account, and of the bucket that is made for it.
    retry_interval_s
        Pause before a failed asynchronous event is tried again: 60 s on the platform.
    options
        Everything else.
    """

    def __init__(
        self,
        data: Path,
        *,
        port: int = 0,
        serverless: Path | None = None,
        recogniser_factory: Callable[[], CardRecogniser],
        region: str = "ap-shanghai",
        app_id: str = "1250000000",
        bucket: str = "cards-1250000000",
        retry_interval_s: float = 2.0,
        options: Options | None = None,
    ) -> None:
        self._data = data
        self._port = port
        self._serverless = serverless
        self._factory = recogniser_factory
        self._account = Account(region, app_id, bucket)
        self._retry_interval_s = retry_interval_s
        self._options = options or Options()
        self._services: Services | None = None

    def deployment(self) -> Deployment:
        """Return the functions of serverless.yml as they would run; raises ConfigurationError."""
        if self._serverless is None:
            return Deployment({})
        return deployment_of(self._serverless, self._account, self._options)

    @contextlib.contextmanager
    def running(self) -> Iterator[Ready]:
        """Run in a thread for as long as the block lasts.

        Raises
        ------
        ConfigurationError
            If serverless.yml cannot be run.
        RuntimeError
            If the server does not start, or does not end.
        """
        started = threading.Event()
        with self._opened(started.set) as (server, listener):
            thread = threading.Thread(
                target=asyncio.run, args=(server.serve(sockets=[listener]),), name="local-cloud", daemon=True
            )
            thread.start()
            try:
                deadline = time.monotonic() + _PATIENCE_S
                while not started.wait(0.05):
                    if not thread.is_alive() or time.monotonic() > deadline:
                        raise RuntimeError("the local cloud did not start")
                yield self._ready()
            finally:
                server.should_exit = True
                thread.join(_PATIENCE_S)
                if thread.is_alive():
                    raise RuntimeError("the local cloud did not end")

    def run_forever(self, on_ready: Callable[[Ready], None]) -> None:
        """Run until the process is told to end (SIGINT, SIGTERM); raises as `running` does.

        Parameters
        ----------
        on_ready
            Called once requests are answered.
        """
        with self._opened(lambda: on_ready(self._ready())) as (server, listener):
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(server.serve(sockets=[listener]))
            if not server.started:
                raise RuntimeError("the local cloud did not start")

    @property
    def store(self) -> ObjectStore:
        """The buckets, for what has no operation of its own."""
        return self._running().store

    @property
    def credentials(self) -> CredentialStore:
        """The known key pairs."""
        return self._running().credentials

    @property
    def usage(self) -> UsageMeter:
        """How often each paid operation was called, for which picture."""
        return self._running().usage

    @property
    def scf(self) -> ScfService:
        """The functions; call its methods through the local cloud's own, since it lives in another thread."""
        scf = self._running().scf
        if scf is None:
            raise RuntimeError("this local cloud has no functions")
        return scf

    @property
    def dead_letters(self) -> list[dict[str, Any]]:
        """All dead letters, oldest first."""
        return self.scf.dead_letters.all()

    @property
    def jobs(self) -> JobStore:
        """CI's jobs; to be changed from the local cloud's own thread only (see `call`)."""
        return self._running().ci_jobs.jobs

    def call(self, work: Callable[[], Answer]) -> Answer:
        """Run something in the local cloud's own thread."""

        async def run() -> Answer:
            return work()

        return self._call(run())

    def invoke(self, function: str, event: Mapping[str, Any], *, wait_s: float | None = 0.0) -> InvokeResult:
        """Run a function and wait for its result; see `FunctionRuntime.invoke`."""
        return self._call(self.scf.invoke(function, event, wait_s=wait_s))

    def invoke_async(self, function: str, event: Mapping[str, Any]) -> str:
        """Queue an event and return its request id; raises `EventRefusedError`."""

        async def submit() -> str:
            return self.scf.invoke_async(function, event)

        return self._call(submit())

    def fire_timer(self, name: str) -> str:
        """Send a timer trigger's event now and return its request id; `KeyError` if there is none."""

        async def fire() -> str:
            return self.scf.timers.fire(name)

        return self._call(fire())

    def wait_idle(self, timeout_s: float = 60.0) -> None:
        """Wait until no asynchronous event is queued, running or waiting for its next try.

        Raises
        ------
        TimeoutError
            If that takes longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while self.scf.queue.pending:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.scf.queue.pending} events were not done in {timeout_s:g} s")
            time.sleep(0.02)

    @contextlib.contextmanager
    def _opened(self, on_started: Callable[[], None]) -> Iterator[tuple[uvicorn.Server, socket.socket]]:
        if self._services is not None:
            raise RuntimeError("this local cloud is running already")
        with socket.create_server((_HOST, self._port), backlog=512) as listener:
            port = int(listener.getsockname()[1])
            services = Services(
                self._data,
                port,
                self._account,
                self._factory,
                self._serverless,
                self._retry_interval_s,
                self._options,
            )
            self._services = services
            config = uvicorn.Config(
                services,
                http=PromptProtocol,
                loop="asyncio",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                # Each service names itself as the real one does.
                server_header=False,
                # Longer than clients keep idle connections, so that none is closed just as it is used again.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_GRACE_S,
            )
            _log.info("the local cloud starts. %s", NOTICE)
            for notice in services.notices:
                _log.info("%s", notice)
            try:
                yield _Server(config, on_started), listener
            finally:
                services.close()
                self._services = None

    def _ready(self) -> Ready:
        services = self._running()
        return Ready(
            proxy_url=services.proxy_url,
            ocr_endpoint=services.proxy_url.removeprefix("http://"),
            secret_id=services.owner.secret_id,
            secret_key=services.owner.secret_key,
            region=self._account.region,
            app_id=self._account.app_id,
            bucket=self._account.bucket,
            function_urls=services.function_urls,
            found=tuple(services.notices),
        )

    def _running(self) -> Services:
        if self._services is None:
            raise RuntimeError("the local cloud is not running")
        return self._services

    def _call(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        loop = self._running().loop
        if loop is None:
            raise RuntimeError("the local cloud is not running")
        return asyncio.run_coroutine_threadsafe(work, loop).result()


class _Server(uvicorn.Server):
    """A server that says when it has started."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()
