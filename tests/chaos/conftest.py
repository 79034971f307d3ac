"""One picture's flows in this process: a bucket in memory, APIs that answer from the truth, a clock."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson
import pytest
from PIL import Image as Pillow
from tests.support.chaos.memory import Instance, MemoryBucket
from tests.support.chaos.pictures import ChaosPicture, picture
from tests.support.cloud_fixture import own_name
from tests.support.counts import give_time

from cardveil.card.model import CardType, Field, Polygon, Side
from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError, Reject
from cardveil.core.rate_limit import RateLimiter
from cardveil.core.retry import RetryPolicy
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.factory import RecognizerFactory
from cardveil.pipeline.jobs import CardProcessor
from cardveil.pipeline.pipeline import Pipeline
from cardveil.pipeline.signing import Signer
from cardveil.recognition.interfaces import Image, Reading, TextLine
from cardveil.recognition.license_jobs import Job
from cardveil.redaction import Limits, load_policy
from cardveil.redaction.polygons import part_between
from cardveil.settings import Settings
from cardveil.storage.circuit_breaker import CircuitBreaker
from cardveil.storage.job_store import JobNotes
from cardveil.storage.leases import Leases
from cardveil.storage.notices import Notices
from cardveil.storage.results import Results
from cardveil.storage.source import Source

LIMIT_S = 60.0


@pytest.fixture(autouse=True)
def _drawn_once(drawn_once: None) -> None:
    """Have these tests pay for what they look at: requests, leases, sidecars."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a count be made of random sequences: ``pytest tests/chaos/test_decisions.py --sequences 2000``."""
    parser.addoption("--sequences", type=int, default=300, help="of decisions, requests and kills")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give a count the time that it takes."""
    give_time(config, items, "sequences", 300)


@pytest.fixture
def sequences(pytestconfig: pytest.Config) -> int:
    """How many random sequences are tried."""
    return int(pytestconfig.getoption("--sequences", default=300))


def notices_of(
    objects: Instance, leases: Leases, settings: Settings, now: Callable[[], float]
) -> Notices | None:
    """Return the notes for the receiver of webhooks, where the settings name one."""
    return Notices(objects, objects, leases, settings, now) if settings.webhook else None


@dataclass
class Vendor:
    """The APIs: they answer with a picture's truth, and count what they would bill."""

    shown: ChaosPicture
    paid: Counter[str] = field(default_factory=Counter)
    refuse: CardveilError | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)

    def _pay(self, operation: str) -> None:
        if self.refuse:
            raise self.refuse
        self.paid[operation] += 1

    def locate(self, image: Image, card_type: CardType) -> Reading:
        self._pay("locate")
        return self._located(card_type)

    def read(self, image: Image, side: Side | None) -> Reading:
        self._pay("read")
        card = self.shown.card.card
        if card.type is not CardType.ID_CARD:
            raise Reject("no_card", "…", api="Reader", vendor_code="FailedOperation.ImageNoIdCard")
        fields = tuple(Field(f.name, f.text, score=99.0, sources=("Reader",)) for f in card.fields if f.text)
        return Reading("Reader", fields, card.type, card.side, request_id="r")

    def lines(self, image: Image) -> tuple[tuple[TextLine, ...], Reading]:
        self._pay("lines")
        card = self.shown.card.card
        found = tuple(
            TextLine(f.text, 99.0, f.polygon, _characters(f.text, f.polygon))
            for f in card.fields
            if f.text and f.polygon
        )
        name = TextLine(*own_name(card.type, card.side, self.shown.card.outline))
        return (*found, name), Reading("OCR", request_id="o")

    def submit(self, object_key: str, card_type: CardType, reference: str) -> Job:
        self._pay("locate")
        job = Job(f"j{len(self.jobs)}", "Submitted", "Success", object_key, reference, {})
        self.jobs[job.job_id] = job
        return job

    def query(self, job_ids: Sequence[str]) -> dict[str, Job]:
        return {job_id: self.jobs[job_id] for job_id in job_ids if job_id in self.jobs}

    def find(self, reference: str, since: float) -> Job | None:
        return next((job for job in self.jobs.values() if job.user_data == reference), None)

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)
        self.end(job_id, "Cancel")

    def end(self, job_id: str, state: str = "Success", code: str = "Success") -> Job:
        """Bring a job to an end."""
        old = self.jobs[job_id]
        result: dict[str, Any] = {}
        if state == "Success":
            infos = [
                {
                    "Name": f.name.replace("_", " "),
                    "DetectedText": f.text,
                    "Score": "99",
                    "Location": {"Point": [f"{x},{y}" for x, y in f.polygon.points]},
                }
                for f in self.shown.card.card.fields
                if f.text and f.polygon
            ]
            result = {"Status": "1", "IdInfo": infos}
        job = Job(job_id, state, code, old.object_key, old.user_data, result)
        self.jobs[job_id] = job
        return job

    def _located(self, card_type: CardType) -> Reading:
        card = self.shown.card.card
        if card.type is not card_type or card.side is not Side.FRONT:
            return Reading("AILicenseRec")
        fields = tuple(
            Field(f.name, f.text, score=99.0, polygon=f.polygon, sources=("AILicenseRec",))
            for f in card.fields
            if f.polygon and f.text
        )
        return Reading("AILicenseRec", fields, card.type, card.side, request_id="l")


def _characters(text: str, polygon: Polygon) -> tuple[Polygon, ...]:
    """Return a place for each character, side by side."""
    ends = [index / len(text) for index in range(len(text) + 1)]
    return tuple(part_between(polygon, start, end) for start, end in pairwise(ends))


@dataclass
class Scene:
    """A bucket, the vendor, a clock, and one source; instances come and go."""

    shown: ChaosPicture
    data: bytes
    settings: Settings
    versioned: bool = False
    now: float = 1000.0
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = MemoryBucket(self.versioned)
        self.vendor = Vendor(self.shown)
        self.instances = 0
        meta = {f"x-cos-meta-{name}": value for name, value in self.shown.meta.items()}
        self.memory.content[self.shown.key] = self.data, meta

    @property
    def source(self) -> Source:
        return Source("cards-1250000000", "ap-shanghai", self.shown.key)

    def instance(self, check: Callable[[str], None] = lambda _: None) -> CardProcessor:
        """Return the flows of a new instance."""
        self.instances += 1
        objects = Instance(self.memory, check=check)
        retry_policy = RetryPolicy(2, lambda: LIMIT_S, sleep=lambda _: None)
        leases = Leases(objects, owner=f"i{self.instances}", now=lambda: self.now)
        pipeline = Pipeline(
            settings=self.settings,
            rules=RedactionRules(load_policy(self.settings.policy), Limits()),
            sources=objects,
            results=Results(objects, notices_of(objects, leases, self.settings, lambda: self.now)),
            leases=leases,
            breaker=CircuitBreaker(
                objects,
                leases,
                self.settings.state_prefix,
                self.settings.breaker_probe_s,
                self.told.append,
                now=lambda: self.now,
            ),
            recogniser=RecognizerFactory(
                self.vendor,
                self.vendor,
                self.vendor,
                retry_policy,
                RateLimiter(),
                0.0,
                self.settings.witness,
            ),
            invocation=Invocation("r", "f", "ap-shanghai", "1250000000", LIMIT_S, clock=lambda: 0.0),
            sleep=self._sleep,
        )
        return CardProcessor(
            pipeline=pipeline,
            service=self.vendor,  # type: ignore[arg-type]  # the vendor's jobs without the SDK between
            notes=JobNotes(objects, f"{self.settings.state_prefix}jobs/"),
            signer=Signer(self.settings.job_secrets),
            retry_policy=retry_policy,
            rate_limiter=RateLimiter(),
            now=lambda: self.now,
        )

    def result(self) -> tuple[Any, bytes | None]:
        """Return the sidecar, times and ids apart, and the copy."""
        name = self.shown.key.removeprefix("inbox/")
        sidecar = orjson.loads(self.memory.content[f"sidecars/{name}.json"][0])
        del sidecar["created_at"]
        sidecar["calls"] = sorted(call["api"] for call in sidecar["calls"])
        copy = self.memory.content.get(f"redacted/{name}")
        return sidecar, copy[0] if copy else None

    def left(self) -> list[str]:
        """Return what stands in the bucket that is neither source nor result."""
        return self.memory.keys(".cardveil/")

    def _sleep(self, seconds: float) -> None:
        self.now += max(seconds, 5.0)


MakeScene = Callable[..., Scene]


@pytest.fixture
def scene() -> MakeScene:
    """Set a scene: picture 0 shows an ID card's front, 8 a licence, 9 a back; `turned` is to be staged."""

    def make(
        number: int = 0,
        *,
        turned: bool = False,
        job: bool = False,
        versioned: bool = False,
        witness: bool = False,
        **settings: Any,
    ) -> Scene:
        shown = picture(number)
        data = _turned(shown.data()) if turned else shown.data()
        execution = settings.pop("execution", "job" if job else "direct")
        chosen = Settings(
            witness=witness, job_secrets=("s" * 32,) if job else (), execution=execution, **settings
        )
        return Scene(shown, data, chosen, versioned)

    return make


def _turned(data: bytes) -> bytes:
    """Store a picture on its side, with the orientation that puts it upright."""
    with Pillow.open(io.BytesIO(data)) as upright:
        exif = Pillow.Exif()
        exif[0x0112] = 6
        buffer = io.BytesIO()
        upright.rotate(90, expand=True).save(buffer, "JPEG", quality=95, exif=exif.tobytes())
        return buffer.getvalue()
