"""Fixtures of the contract tests; each service's begin with its own prefix."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from qcloud_cos import CosS3Client
from tests.support.cloud_fixture import known
from tests.support.fixtures.ci import LINE_SCORE, CiWorld, ci_client
from tests.support.fixtures.cos import APP_ID, REGION, CosServer
from tests.support.fixtures.scf import ScfRun
from tests.support.waiting import eventually

from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.accounts import CredentialStore
from cardveil_cloud.ci.recognition import TableRecogniser
from cardveil_cloud.cos import CosService, ObjectStore
from cardveil_cloud.http import PromptProtocol
from cardveil_cloud.server import LocalCloud, Options

TOY = Path(__file__).parent / "toy"


@pytest.fixture
def scf_run(tmp_path: Path) -> ScfRun:
    """The toy deployment, ready to be run."""
    return ScfRun(TOY, tmp_path)


@pytest.fixture(scope="session")
def cos_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CosServer]:
    """One server for all tests of a session; they keep apart by bucket."""
    credentials = CredentialStore()
    owner = credentials.add_permanent("AKIDlocaltests", "a-key-for-local-tests")
    root = tmp_path_factory.mktemp("cos")
    with ObjectStore(root) as store:
        server = CosServer(root, store, credentials, owner)
        store.now = server.now
        app = CosService(
            store,
            credentials,
            region=REGION,
            app_id=APP_ID,
            clock=server.now,
            ci=server,
            on_event=server.on_event,
            faults=server,
            restore_s=60,
        )
        config = uvicorn.Config(
            app, port=0, http=PromptProtocol, log_level="warning", server_header=False, lifespan="off"
        )
        runner = uvicorn.Server(config)
        thread = threading.Thread(target=runner.run, daemon=True)
        thread.start()
        assert eventually(lambda: runner.started)
        port = runner.servers[0].sockets[0].getsockname()[1]
        server.proxy = f"http://127.0.0.1:{port}"
        yield server
        runner.should_exit = True
        thread.join(60)


@pytest.fixture
def cos(cos_server: CosServer) -> Iterator[CosServer]:
    """The server, as every test finds it."""
    cos_server.reset()
    yield cos_server
    cos_server.reset()


@pytest.fixture(scope="session")
def cos_numbers() -> Iterator[int]:
    """Numbers for bucket names."""
    return itertools.count(1)


@pytest.fixture
def cos_bucket(cos: CosServer, cos_numbers: Iterator[int]) -> str:
    """A new, empty bucket."""
    name = f"cards{next(cos_numbers)}-{APP_ID}"
    cos.store.create_bucket(name)
    return name


@pytest.fixture
def cos_client(cos: CosServer) -> CosS3Client:
    """The official SDK's client with the owner's permanent keys."""
    return cos.client()


@pytest.fixture(scope="session")
def ci_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CiWorld]:
    """One local cloud without functions for all tests of CI and of the OCR API."""
    # The picture with an EXIF orientation is left out: its truth is that of the picture turned upright.
    upright = [picture for picture in kept_pictures() if picture.orientation == 1]
    table = TableRecogniser({picture.read(): known(picture, line_score=LINE_SCORE) for picture in upright})
    cloud = LocalCloud(
        tmp_path_factory.mktemp("cloud"), recogniser_factory=lambda: table, options=Options(ocr_rate=None)
    )
    with cloud.running() as ready:
        yield CiWorld(cloud, ready, table, ci_client(ready), itertools.count(1))
