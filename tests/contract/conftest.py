"""Fixtures of the contract tests; each service's begin with its own prefix."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
import requests
import uvicorn
from PIL import Image
from qcloud_cos import CosConfig, CosS3Auth, CosS3Client
from qcloud_cos.ai_recognition import AIRecognitionClient

from cardveil.card import Card, Field, Polygon
from cardveil.normalize import normalize
from cardveil_local import xml
from cardveil_local.ci.engine import RecognitionEngine
from cardveil_local.ci.recognition import (
    KnownCard,
    KnownLine,
    KnownPicture,
    TableRecogniser,
)
from cardveil_local.ci.service import CiService, Style
from cardveil_local.ci.urls import BucketUrls
from cardveil_local.cloud import LocalCloud, Options, Ready
from cardveil_local.cos import CiCall, CosService, ObjectEvent, ObjectStore
from cardveil_local.credentials import Credential, CredentialStore
from cardveil_local.http import PromptProtocol
from cardveil_local.samples.kept import KeptPicture, kept_pictures
from cardveil_local.samples.truth import CardTruth
from cardveil_local.scf.deployment import load
from cardveil_local.scf.environment import Platform
from cardveil_local.scf.service import ScfService
from cardveil_local.usage import UsageMeter
from cardveil_local.waiting import eventually

TOY = Path(__file__).parent / "toy"


class SteppedClock:
    """A clock that a test moves; it starts at the beginning of 2026."""

    def __init__(self) -> None:
        self.now = 1767225600.0

    def __call__(self) -> float:
        return self.now


class ScfRun:
    """Runs a scenario against the toy deployment, with the service started before and stopped after it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.clock = SteppedClock()
        self.credentials = CredentialStore(self.clock)
        self._notes = data / "notes"

    def __call__(self, scenario: Callable[[ScfService], Awaitable[None]], **settings: Any) -> None:
        deployment = load(
            TOY / "serverless.yml", {"TOY_NOTES": str(self._notes), "TOY_BUCKET": "cards-1250000000"}
        )
        platform = Platform(
            region="ap-shanghai",
            app_id="1250000000",
            uin="100000000001",
            # Nothing listens there: no toy calls anything.
            proxy_url="http://127.0.0.1:9",
            logs=self.data / "logs",
            layers={"toy": TOY / "layers" / "toy"},
        )
        settings = {"retry_interval_s": 0.1, **settings}

        async def run() -> None:
            scf = ScfService(deployment, platform, self.credentials, self.data, clock=self.clock, **settings)
            await scf.start()
            try:
                await scenario(scf)
            finally:
                await scf.stop()

        asyncio.run(run())

    def notes(self) -> list[dict[str, Any]]:
        """Return what the invocations noted of themselves, in the order in which they began."""
        return [json.loads(line) for line in self._notes.read_text().splitlines()]


@pytest.fixture
def scf_run(tmp_path: Path) -> ScfRun:
    """The toy deployment, ready to be run."""
    return ScfRun(tmp_path)


# COS --------------------------------------------------------------------------------------------------------


COS_REGION = "ap-shanghai"
COS_APP_ID = "1250000000"


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
        return f"{bucket}.cos.{COS_REGION}.myqcloud.com"

    def config(self, credential: Credential | None = None, **settings: Any) -> CosConfig:
        """Settings of the official SDK: only the proxy is not what they would be with the real service."""
        who = credential or self.owner
        return CosConfig(
            Region=COS_REGION,
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


@pytest.fixture(scope="session")
def cos_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CosServer]:
    """One server for all tests of a session; they keep apart by bucket."""
    credentials = CredentialStore()
    owner = credentials.add_permanent("AKIDlocaltests", "a-key-for-local-tests")
    root = tmp_path_factory.mktemp("cos")
    with ObjectStore(root) as store:
        server = CosServer(root, store, credentials, owner)
        app = CosService(
            store,
            credentials,
            region=COS_REGION,
            app_id=COS_APP_ID,
            clock=server.now,
            ci=server,
            on_event=server.on_event,
            faults=server,
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
    name = f"cards{next(cos_numbers)}-{COS_APP_ID}"
    cos.store.create_bucket(name)
    return name


@pytest.fixture
def cos_client(cos: CosServer) -> CosS3Client:
    """The official SDK's client with the owner's permanent keys."""
    return cos.client()


# CI, OCR API, cloud -----------------------------------------------------------------------------------------


Change = Callable[[Image.Image], Image.Image]


@dataclass
class CiWorld:
    """A local cloud whose recogniser knows the kept sample pictures by heart."""

    cloud: LocalCloud
    ready: Ready
    table: TableRecogniser
    client: AIRecognitionClient
    numbers: Iterator[int]

    @property
    def bucket(self) -> str:
        """The cloud's bucket."""
        return self.ready.bucket

    def kept(self, name: str) -> KeptPicture:
        """A kept sample picture by the first part of its file's name."""
        return next(picture for picture in kept_pictures() if picture.file.startswith(name + "."))

    def known(self, name: str) -> KnownPicture:
        """What the recogniser knows of a kept picture."""
        return _known_picture(self.kept(name))

    def put(self, data: bytes) -> str:
        """Store bytes and return their key."""
        key = f"pictures/{next(self.numbers)} ü+%.jpg"
        self.cloud.store.put(self.bucket, key, data)
        return key

    def put_known(self, *cards: KnownCard) -> str:
        """Store a picture that nobody has seen, and teach the recogniser that it holds these cards."""
        data = self.unseen("id-front-photo")
        self.table.learn(data, KnownPicture(cards))
        return self.put(data)

    def unseen(self, name: str) -> bytes:
        """A kept picture with one pixel changed; the recogniser knows it as it knows the kept one."""
        data = self._encoded(self._opened(name))
        self.table.learn(data, self.known(name))
        return data

    def changed(self, name: str, change: Change) -> str:
        """Store a changed kept picture, of which the recogniser knows what it knew before."""
        data = self._encoded(change(self._opened(name)))
        self.table.learn(data, self.known(name))
        return self.put(data)

    def with_text(self, name: str, field_name: str, text: str | None, change: Change | None = None) -> str:
        """Store a kept picture of whose card the recogniser reads one field as `text`."""
        known = self.known(name).cards[0]
        fields = tuple(
            replace(item, text=text, normalized=normalize(field_name, text) if text else None)
            if item.name == field_name
            else item
            for item in known.card.fields
        )
        data = self._encoded((change or (lambda image: image))(self._opened(name)))
        self.table.learn(data, KnownPicture((replace(known, card=replace(known.card, fields=fields)),)))
        return self.put(data)

    def cut(self, name: str, share: float) -> str:
        """Store a kept picture without its left part, so that so much of the card's width is gone."""
        known = self.known(name).cards[0]
        left, _, right, _ = known.outline.bounds()
        by = round(left + share * (right - left))
        image = self._opened(name)
        data = self._encoded(image.crop((by, 0, image.width, image.height)))
        fields = tuple(replace(item, polygon=_moved(item.polygon, by)) for item in known.card.fields)
        moved = KnownCard(replace(known.card, fields=fields), _moved(known.outline, by) or known.outline)
        self.table.learn(data, KnownPicture((moved,)))
        return self.put(data)

    def answer(self, process: str, data: bytes, *, style: Style) -> Element:
        """What CI answers in another style, without the cloud around it."""
        engine = RecognitionEngine(lambda: self.table)
        urls = BucketUrls(self.cloud.store, self.cloud.credentials, region=self.ready.region)
        service = CiService(engine, urls, UsageMeter(), style=style)
        call = CiCall(process, {"CardType": "IDCard"}, self.bucket, "x.jpg", "GET", data, "request")
        try:
            return xml.parse(bytes(asyncio.run(service.process(call)).body))
        finally:
            engine.close()

    def _opened(self, name: str) -> Image.Image:
        image = Image.open(io.BytesIO(self.kept(name).read())).convert("RGB")
        number = next(self.numbers)
        image.putpixel((0, 0), (number % 256, number // 256, 0))
        return image

    def _encoded(self, image: Image.Image) -> bytes:
        target = io.BytesIO()
        image.save(target, "PNG", compress_level=1)
        return target.getvalue()


def _moved(polygon: Polygon | None, by: int) -> Polygon | None:
    return Polygon.of((x - by, y) for x, y in polygon.points) if polygon else None


def _known_picture(picture: KeptPicture) -> KnownPicture:
    cards = tuple(_known_card(truth) for truth in picture.cards)
    lines = tuple(
        KnownLine(item.text, 98.0, item.polygon)
        for truth in picture.cards
        for item in truth.fields
        if item.text is not None
    )
    return KnownPicture(cards, lines)


def _known_card(truth: CardTruth) -> KnownCard:
    fields = tuple(Field(item.name, item.text, item.normalized, 99.0, item.polygon) for item in truth.fields)
    return KnownCard(Card(truth.type, truth.side, fields), truth.corners)


@pytest.fixture(scope="session")
def ci_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CiWorld]:
    """One local cloud without functions for all tests of CI and of the OCR API."""
    # The picture with an EXIF orientation is left out: its truth is that of the picture turned upright.
    upright = [picture for picture in kept_pictures() if picture.orientation == 1]
    table = TableRecogniser({picture.read(): _known_picture(picture) for picture in upright})
    cloud = LocalCloud(
        tmp_path_factory.mktemp("cloud"), recogniser_factory=lambda: table, options=Options(ocr_rate=None)
    )
    with cloud.running() as ready:
        config = CosConfig(
            Region=ready.region,
            SecretId=ready.secret_id,
            SecretKey=ready.secret_key,
            Scheme="http",
            Proxies={"http": ready.proxy_url},
            Timeout=60,
        )
        client = AIRecognitionClient(config, retry=0, session=requests.Session())
        yield CiWorld(cloud, ready, table, client, itertools.count(1))
