"""Puts the parts of a function together from its settings, its role's credentials and its invocation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from cardveil.bucket.leases import Leases
from cardveil.bucket.objects import CosObjects
from cardveil.bucket.results import Results
from cardveil.clients import Credentials, cos_client, credentials_from, ocr_client
from cardveil.events.context import Invocation
from cardveil.examine import Rules
from cardveil.pipeline import Pipeline
from cardveil.recognition.ai_license import LicenseLocator
from cardveil.recognition.cloud import CloudRecogniser
from cardveil.recognition.general_ocr import GeneralOcr
from cardveil.recognition.id_card import CiIdCardReader
from cardveil.recognition.mainland_id_card import MainlandIdCardReader
from cardveil.recognition.reading import TextReader
from cardveil.redaction import Limits, load_policy
from cardveil.retrying import Patience
from cardveil.settings import Settings


def assemble(
    settings: Settings, environment: Mapping[str, str], invocation: Invocation, *, bucket: str, region: str
) -> Pipeline:
    """Build the pipeline for uploads to one bucket.

    Parameters
    ----------
    environment : mapping
        The process environment, read anew at each invocation: a role's credentials are hours long, and a
        warm instance can outlive them.

    Raises
    ------
    Halt
        When a setting or the credentials are missing or wrong.
    """
    credentials = credentials_from(environment)
    # Only the local cloud is spoken to in plain HTTP, through its proxy; otherwise the environment's proxies
    # are left to the HTTP library.
    proxy = (
        environment.get("http_proxy") or environment.get("HTTP_PROXY") if settings.scheme == "http" else None
    )
    client = cos_client(settings, credentials, region, proxy)
    patience = Patience(settings.call_attempts, invocation.remaining_s)
    sources = CosObjects(client, bucket, patience)
    results = CosObjects(client, settings.result_bucket or bucket, patience)
    return Pipeline(
        settings=settings,
        rules=Rules(
            policy=load_policy(settings.policy),
            limits=Limits(max_bytes=settings.max_bytes),
            proof=settings.proof,
            review_warnings=settings.review_warnings,
        ),
        sources=sources,
        results=Results(results),
        leases=Leases(sources, owner=f"{invocation.request_id}/{uuid4().hex}"),
        recogniser=partial(
            CloudRecogniser,
            LicenseLocator(client, bucket),
            _text_reader(settings, credentials, client, bucket, proxy),
            GeneralOcr(client, bucket) if settings.general_ocr else None,
            patience,
        ),
        invocation=invocation,
    )


def _text_reader(
    settings: Settings, credentials: Credentials, client: Any, bucket: str, proxy: str | None
) -> TextReader | None:
    if settings.text_provider == "IDCardOCR":
        return CiIdCardReader(client, bucket)
    if settings.text_provider == "RecognizeMainlandIDCardOCR":
        return MainlandIdCardReader(ocr_client(settings, credentials, proxy))
    return None
