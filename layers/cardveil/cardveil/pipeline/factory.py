"""Puts the parts of a function together from its settings, its role's credentials and its invocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from secrets import token_hex
from typing import Any

from cardveil.core.context import Invocation
from cardveil.core.frozen import dataclass
from cardveil.core.rate_limit import Pace
from cardveil.core.retry import Patience
from cardveil.pipeline.covering import Rules
from cardveil.pipeline.jobs import Jobs
from cardveil.pipeline.pipeline import Pipeline
from cardveil.pipeline.signing import Signer
from cardveil.recognition.ai_license import LicenseLocator
from cardveil.recognition.general_ocr import GeneralOcr
from cardveil.recognition.id_card_ocr import CiIdCardReader
from cardveil.recognition.interfaces import Locator, TextLocator, TextReader
from cardveil.recognition.license_jobs import LicenseJobs
from cardveil.recognition.mainland_id_card_ocr import MainlandIdCardReader
from cardveil.recognition.paid_calls import PaidCalls, Remembered
from cardveil.recognition.recognizer import CloudRecogniser, Stage
from cardveil.redaction import Limits, load_policy
from cardveil.settings import Settings
from cardveil.storage.circuit_breaker import Breaker, Gate
from cardveil.storage.clients import Credentials, cos_client, credentials_from, ocr_client
from cardveil.storage.job_store import JobNotes
from cardveil.storage.leases import Leases
from cardveil.storage.objects import CosObjects
from cardveil.storage.response_cache import Answers
from cardveil.storage.results import Results


@dataclass(frozen=True, slots=True)
class Recognisers:
    """Builds the recogniser of each picture from the adapters that an invocation has."""

    locator: Locator
    reader: TextReader | None
    general: TextLocator | None
    patience: Patience
    pace: Pace
    per_second: float

    def __call__(self, stage: Stage, answers: Answers, gate: Gate) -> CloudRecogniser:
        """Build the recogniser of one picture; see `Pipeline.recogniser`."""
        calls = PaidCalls(self.patience, self.pace, self.per_second, gate)
        paid = Remembered(answers, calls, self.locator, self.reader, self.general)
        return CloudRecogniser(
            paid,
            paid if self.reader else None,
            paid if self.general else None,
            Patience(1, self.patience.remaining_s),
            stage,
        )


def assemble(
    settings: Settings,
    environment: Mapping[str, str],
    invocation: Invocation,
    *,
    bucket: str,
    region: str,
    pace: Pace | None = None,
    tell: Callable[[str], None] | None = None,
) -> Jobs:
    """Build the pipeline for the pictures of one bucket, and what submits and finishes jobs for it.

    Parameters
    ----------
    environment : mapping
        The process environment, read anew at each invocation: a role's credentials are hours long, and a
        warm instance can outlive them.
    pace : Pace, optional
        The process's own, which outlives the invocation.
    tell : callable, optional
        Told the names of metrics that have no outcome to stand in.

    Raises
    ------
    Halt
        When a setting or the credentials are missing or wrong.
    """
    credentials = credentials_from(environment)
    pace = pace or Pace()
    # Only the local cloud is spoken to in plain HTTP, through its proxy; otherwise the environment's proxies
    # are left to the HTTP library.
    proxy = (
        environment.get("http_proxy") or environment.get("HTTP_PROXY") if settings.scheme == "http" else None
    )
    client = cos_client(settings, credentials, region, proxy)
    patience = Patience(settings.call_attempts, invocation.remaining_s)
    sources = CosObjects(client, bucket, patience)
    results = CosObjects(client, settings.result_bucket or bucket, patience)
    leases = Leases(sources, owner=f"{invocation.request_id}/{token_hex(16)}")
    pipeline = Pipeline(
        settings=settings,
        rules=Rules(
            policy=load_policy(settings.policy),
            limits=Limits(max_bytes=settings.max_bytes),
            proof=settings.proof,
            review_warnings=settings.review_warnings,
        ),
        sources=sources,
        results=Results(results),
        leases=leases,
        breaker=Breaker(
            sources, leases, settings.state_prefix, settings.breaker_probe_s, tell or (lambda _: None)
        ),
        recogniser=Recognisers(
            LicenseLocator(client, bucket),
            _text_reader(settings, credentials, client, bucket, proxy),
            GeneralOcr(client, bucket) if settings.general_ocr else None,
            patience,
            pace,
            settings.calls_per_second,
        ),
        invocation=invocation,
    )
    return Jobs(
        pipeline=pipeline,
        service=LicenseJobs(client, bucket, settings, patience),
        notes=JobNotes(sources, f"{settings.state_prefix}jobs/"),
        signer=Signer(settings.job_secrets),
        patience=patience,
        pace=pace,
    )


def _text_reader(
    settings: Settings, credentials: Credentials, client: Any, bucket: str, proxy: str | None
) -> TextReader | None:
    if settings.text_provider == "IDCardOCR":
        return CiIdCardReader(client, bucket)
    if settings.text_provider == "RecognizeMainlandIDCardOCR":
        return MainlandIdCardReader(ocr_client(settings, credentials, proxy))
    return None
