"""Puts the parts of a function together from its settings, its role's credentials and its invocation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from cardveil.card.model import Side
from cardveil.core.context import Invocation
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass, replace
from cardveil.core.rate_limit import RateLimiter
from cardveil.core.retry import RetryPolicy
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.jobs import CardProcessor
from cardveil.pipeline.options import ProcessOptions
from cardveil.pipeline.pipeline import Pipeline
from cardveil.pipeline.signing import Signer
from cardveil.recognition.ai_license import LicenseLocator
from cardveil.recognition.general_ocr import GeneralOcr
from cardveil.recognition.id_card_ocr import CiIdCardReader
from cardveil.recognition.interfaces import CardRecogniser, Image, Locator, Reading, TextLocator, TextReader
from cardveil.recognition.license_jobs import LicenseJobs
from cardveil.recognition.mainland_id_card_ocr import MainlandIdCardReader
from cardveil.recognition.paid_calls import CachedRecognizers, PaidCalls
from cardveil.recognition.recognizer import CloudRecogniser, Stage
from cardveil.redaction import Limits, load_policy, mark_of, memory_of
from cardveil.settings import Settings
from cardveil.settings.regions import EMBEDDED, FAR, NEAR, VENDOR, is_abroad, located, region_of
from cardveil.storage.circuit_breaker import BreakerGuard, CircuitBreaker
from cardveil.storage.job_store import JobNotes
from cardveil.storage.leases import Leases
from cardveil.storage.objects import CosObjects
from cardveil.storage.response_cache import ResponseCache
from cardveil.storage.results import Results
from cardveil.storage.vendor import Credentials, cos_client, credentials_from, ocr_client

if TYPE_CHECKING:
    from cardveil.recognition.engine import EngineRecogniser
    from cardveil.storage.notices import Notices

#: Of an invocation's time; the call that is under way at the end may take a call's time limit more.
_WITNESS_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class GivenText:
    """A text reader whose answer, or refusal, came with the upload."""

    answer: Reading | Reject | Review

    def read(self, image: Image, side: Side | None) -> Reading:  # noqa: ARG002 - as `TextReader.read`
        """Give the answer."""
        if isinstance(self.answer, Reading):
            return self.answer
        raise self.answer


@dataclass(frozen=True, slots=True)
class RecognizerFactory:
    """Builds the recogniser of each picture from the adapters that an invocation has.

    Attributes
    ----------
    witness : bool
        Whether general OCR reads every picture. A card is not lost without it, so its tries together may use
        no more than a share of the time that is left when the picture's turn comes.
    engine : EngineRecogniser, optional
        Is the witness of every picture in place of general OCR, and must agree with what the vendor reads.
    """

    locator: Locator
    reader: TextReader | None
    general: TextLocator | None
    retry_policy: RetryPolicy
    rate_limiter: RateLimiter
    per_second: float
    witness: bool = False
    region_of: Callable[[str], str] = lambda _: ""
    is_abroad: Callable[[str], bool] = lambda _: False
    engine: EngineRecogniser | None = None

    def __call__(
        self, stage: Stage, answers: ResponseCache, guard: BreakerGuard, options: ProcessOptions
    ) -> CardRecogniser:
        """Build the recogniser of one picture; see `Pipeline.recogniser`."""
        calls = PaidCalls(self.retry_policy, self.rate_limiter, self.per_second, guard)
        paid = CachedRecognizers(answers, calls, self.locator, self.reader, self.general, stage)
        reader: TextReader | None = paid if self.reader else None
        witness = None
        if self.general and self.witness:
            limit_s = _WITNESS_SHARE * self.retry_policy.remaining_s()
            witness = replace(paid, calls=replace(calls, retry_policy=self.retry_policy.within(limit_s)))
        vendor = CloudRecogniser(
            options.locator(paid) if options.locator else paid,
            GivenText(options.text) if options.text else reader,
            paid if self.general else None,
            RetryPolicy(1, self.retry_policy.remaining_s),
            stage,
            witness,
            self.region_of,
            self.is_abroad,
        )
        return _with_engine(vendor, self.engine) if self.engine else vendor


def _with_engine(vendor: CloudRecogniser, engine: EngineRecogniser) -> CardRecogniser:
    from cardveil.recognition.agreement import AgreeingRecogniser  # where there is no engine it is of no use
    from cardveil.recognition.engine import EngineWitness

    seen = EngineWitness(engine)
    return AgreeingRecogniser(replace(vendor, general=seen, witness=seen), seen)


def build_processor(
    settings: Settings,
    environment: Mapping[str, str],
    invocation: Invocation,
    *,
    bucket: str,
    region: str,
    rate_limiter: RateLimiter | None = None,
    lease_owner: str = "",
    on_metric: Callable[[str], None] = lambda _: None,
) -> CardProcessor:
    """Build the pipeline for the pictures of one bucket, and what submits and finishes jobs for it.

    Parameters
    ----------
    environment : mapping
        The process environment, read anew at each invocation: a role's credentials are hours long, and a
        warm instance can outlive them.
    rate_limiter : RateLimiter, optional
        The process's own, which outlives the invocation.
    lease_owner : str
        In whose name leases are taken; empty for this invocation's alone.
    on_metric : callable, optional
        Told the names of metrics that have no outcome to stand in.

    Raises
    ------
    Halt
        When a setting or the credentials are missing or wrong; ``cross_border`` (see `located`);
        ``engine_missing`` where the settings ask for an engine that is not there.
    """
    settings = located(settings, region)
    engine = None if settings.engine == VENDOR else _engine(invocation)
    credentials = credentials_from(environment)
    rate_limiter = rate_limiter or RateLimiter()
    # Only the local cloud is spoken to in plain HTTP, through its proxy; otherwise the environment's proxies
    # are left to the HTTP library.
    proxy = (
        environment.get("http_proxy") or environment.get("HTTP_PROXY") if settings.scheme == "http" else None
    )
    client = cos_client(settings, credentials, region, proxy)
    retry_policy = RetryPolicy(settings.call_attempts, invocation.remaining_s)
    sources = CosObjects(client, bucket, retry_policy)
    results = CosObjects(client, settings.result_bucket or bucket, retry_policy)
    leases = Leases(sources, owner=lease_owner or f"{invocation.request_id}/{token_hex(16)}")
    policy = load_policy(settings.policy)
    pipeline = Pipeline(
        settings=settings,
        rules=RedactionRules(
            policy=policy,
            mark=mark_of(policy.watermark, time.time()) if policy.watermark else None,
            limits=Limits(
                max_bytes=settings.max_bytes,
                memory=_memory(invocation, engine),
            ),
            proof=settings.proof,
            harmless_warnings=settings.harmless_warnings,
        ),
        sources=sources,
        results=Results(results, _notices(sources, results, leases, settings)),
        leases=leases,
        breaker=CircuitBreaker(sources, leases, settings.state_prefix, settings.breaker_probe_s, on_metric),
        recogniser=partial(_alone, engine)
        if engine and settings.engine == EMBEDDED
        else RecognizerFactory(
            LicenseLocator(client, bucket),
            _text_reader(settings, credentials, client, bucket, proxy),
            GeneralOcr(client, bucket) if settings.general_ocr else None,
            retry_policy,
            rate_limiter,
            settings.calls_per_second,
            settings.witness,
            partial(region_of, settings=settings, home=region),
            partial(is_abroad, region),
            engine,
        ),
        invocation=invocation,
        # CI's conversion would have the picture leave the function.
        converted=None if settings.engine == EMBEDDED else partial(_converted, sources, settings.max_bytes),
    )
    return CardProcessor(
        pipeline=pipeline,
        service=LicenseJobs(client, bucket, settings, retry_policy),
        notes=JobNotes(sources, f"{settings.state_prefix}jobs/"),
        signer=Signer(settings.job_secrets),
        retry_policy=retry_policy,
        rate_limiter=rate_limiter,
    )


def _memory(invocation: Invocation, engine: EngineRecogniser | None) -> int | None:
    """Return the bytes that there are for a picture beside the engine, None where nothing limits them."""
    if not invocation.memory_mb:
        return None
    if engine is None:
        return memory_of(invocation.memory_mb)
    from cardveil.recognition.engine_process import ENGINE_MB

    return memory_of(invocation.memory_mb - ENGINE_MB)


def _engine(invocation: Invocation) -> EngineRecogniser:
    from cardveil.recognition.engine import EngineRecogniser
    from cardveil.recognition.engine_process import engine_script, shared_engine

    process = shared_engine(engine_script(), invocation.memory_mb)
    return EngineRecogniser(process, invocation.remaining_s)


def _alone(
    engine: EngineRecogniser,
    _stage: Stage,
    _answers: ResponseCache,
    _guard: BreakerGuard,
    _options: ProcessOptions,
) -> CardRecogniser:
    """Give the engine, which needs nothing of what a picture's paid calls need."""
    return engine


def _converted(objects: CosObjects, max_bytes: int, key: str) -> bytes:
    from cardveil.storage.converted import as_jpeg  # most pictures are decoded here

    return as_jpeg(objects, key, max_bytes=max_bytes)


def _notices(sources: CosObjects, results: CosObjects, leases: Leases, settings: Settings) -> Notices | None:
    if not settings.webhook:
        return None
    from cardveil.storage.notices import Notices

    return Notices(sources, results, leases, settings)


def _text_reader(
    settings: Settings, credentials: Credentials, client: Any, bucket: str, proxy: str | None
) -> TextReader | None:
    if settings.text_provider == NEAR:
        return CiIdCardReader(client, bucket)
    if settings.text_provider == FAR:
        return MainlandIdCardReader(partial(ocr_client, settings, credentials, proxy))
    return None
