"""A card on demand: from an object, a URL or the picture itself to its sidecar, within one request."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from secrets import token_hex

from cardveil.api.cards import Found, read
from cardveil.api.context import RequestContext
from cardveil.api.models import ImageSource, ObjectSource, SubmitRequest, UrlSource
from cardveil.api.problems import Problem
from cardveil.api.refs import unknown
from cardveil.api.review import redacted_by
from cardveil.card.model import CardType, Side
from cardveil.core.errors import Reject, Retry, Review
from cardveil.core.frozen import dataclass, replace
from cardveil.core.retry import RetryPolicy
from cardveil.core.threads import background_tasks
from cardveil.core.timing import Timings
from cardveil.pipeline.examine import sent_copy
from cardveil.pipeline.pipeline import Outcome, Pipeline
from cardveil.recognition.ai_license import request_id
from cardveil.recognition.id_card_ocr import API, parameters, read_answer
from cardveil.recognition.interfaces import CardRecogniser, Image, Reading
from cardveil.recognition.paid_calls import PaidCalls
from cardveil.recognition.parsing import response_of
from cardveil.recognition.recognizer import CloudRecogniser, Stage
from cardveil.redaction import Policy
from cardveil.storage.circuit_breaker import BreakerGuard
from cardveil.storage.keys import keys_of
from cardveil.storage.response_cache import ResponseCache
from cardveil.storage.source import OTHER_ENDINGS, is_source


@dataclass(frozen=True, slots=True)
class Submitted:
    """A card that came to its final state."""

    found: Found
    outcome: Outcome
    elapsed_ms: Mapping[str, float]


def submit(context: RequestContext, request: SubmitRequest) -> Submitted:
    """Bring the picture of a request to its final state.

    Raises
    ------
    Problem
        404 for an object that is not there; 422 for a URL, Base64 or name that cannot be taken; 403 for a
        policy that covers less than the caller may choose.
    CardveilError
        As `Pipeline.process`.
    """
    policy = context.chosen_policy(request.policy)
    pipeline = context.pipeline
    if request.policy:
        # Chosen for this one picture: a later delivery must not undo it.
        rules, results = replace(pipeline.rules, policy=policy), replace(pipeline.results, decided=True)
        pipeline = replace(pipeline, rules=rules, results=results)
    timings = Timings()
    source = request.source
    if isinstance(source, ObjectSource):
        key = source.key
        if not is_source(key, context.settings):
            raise Problem(422, "key_refused", "give the key of a picture in the inbox")
        outcome = pipeline.process(context.source(key), timings)
    else:
        data = context.fetcher.fetch(source.detect_url) if isinstance(source, UrlSource) else _decoded(source)
        key = new_key(context, source.name)
        outcome = _stored_and_processed(context, pipeline, key, data, request, timings)
    return Submitted(_result(context, key, outcome, request.policy and policy), outcome, timings.elapsed_ms)


def new_key(context: RequestContext, name: str) -> str:
    """Return a key of the inbox that nobody has, ending in `name`.

    Raises
    ------
    Problem
        422 ``name_refused`` for a name that would be passed over, or is too long.
    """
    key = f"{context.settings.inbox_prefix}{token_hex(16)}/{name}"
    if name.lower().endswith(OTHER_ENDINGS) or name in {".", ".."} or not is_source(key, context.settings):
        raise Problem(422, "name_refused", "give a short name with the ending of a picture, or none")
    return key


def hint_headers(card_type: str | None, side: str | None) -> dict[str, str]:
    """Return the metadata by which an object says what it shows."""
    said = {"x-cos-meta-card-type": card_type, "x-cos-meta-card-side": side}
    return {name: value for name, value in said.items() if value}


def _decoded(source: ImageSource) -> bytes:
    try:
        return base64.b64decode(source.base64, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(
            422, "base64_refused", "give the picture as standard Base64 without line breaks"
        ) from None


def _stored_and_processed(
    context: RequestContext,
    pipeline: Pipeline,
    key: str,
    data: bytes,
    request: SubmitRequest,
    timings: Timings,
) -> Outcome:
    """Put the picture into the inbox under a lease of ours, so that the bucket's own event waits for us."""
    with pipeline.held(keys_of(key, context.settings)):
        headers = hint_headers(request.card_type, request.side)
        read_already = _stored(context, pipeline, key, data, request, headers)
        if read_already:
            pipeline = replace(pipeline, recogniser=_With(pipeline.recogniser, read_already))
        return pipeline.process(context.source(key), timings)


def _stored(
    context: RequestContext,
    pipeline: Pipeline,
    key: str,
    data: bytes,
    request: SubmitRequest,
    headers: Mapping[str, str],
) -> _ReadBefore | None:
    """Store the picture; where CI reads the text, have it read by the same request."""
    if context.settings.text_provider != API or request.card_type == CardType.DRIVER_LICENSE.value:
        context.inbox.store(key, data, headers)
        return None
    try:
        as_it_is = sent_copy(data, key, pipeline.rules, Timings()).key is not None
    except Reject:
        as_it_is = False  # the pipeline says so in the sidecar
    if not as_it_is:
        context.inbox.store(key, data, headers)
        return None
    side = Side(request.side) if request.side else None
    started = time.perf_counter()

    def put() -> Reading:
        told, body = context.inbox.store_processed(key, data, headers, parameters(side))
        elapsed = (time.perf_counter() - started) * 1000
        return read_answer(response_of(body, api=API), request_id(told), elapsed)

    with background_tasks() as pool:
        guard = BreakerGuard(pipeline.breaker, pool.submit(pipeline.breaker.look))
        once = RetryPolicy(1, context.invocation.remaining_s)
        try:
            calls = PaidCalls(once, context.function.rate_limiter, context.settings.calls_per_second, guard)
            return _read_before(lambda: calls.call(put))
        except Retry:
            # Whether it is there now is not known; stored again, it is read by a call of its own.
            context.inbox.store(key, data, headers)
            return None
        finally:
            guard.leave()


@dataclass(frozen=True, slots=True)
class _ReadBefore:
    """A text reader whose answer, or refusal, came with the upload."""

    answer: Callable[[], Reading]

    def read(self, image: Image, side: Side | None) -> Reading:  # noqa: ARG002 - as `TextReader.read`
        """Give the answer."""
        return self.answer()


def _read_before(answer: Callable[[], Reading]) -> _ReadBefore:
    try:
        reading = answer()
    except (Reject, Review) as refusal:
        return _ReadBefore(_raising(refusal))
    return _ReadBefore(lambda: reading)


def _raising(refusal: Reject | Review) -> Callable[[], Reading]:
    def refuse() -> Reading:
        raise refusal

    return refuse


@dataclass(frozen=True, slots=True)
class _With:
    """Builds a recogniser that has its text already."""

    build: Callable[[Stage, ResponseCache, BreakerGuard], CardRecogniser]
    reader: _ReadBefore

    def __call__(self, stage: Stage, answers: ResponseCache, guard: BreakerGuard) -> CardRecogniser:
        built = self.build(stage, answers, guard)
        return replace(built, reader=self.reader) if isinstance(built, CloudRecogniser) else built


def _result(context: RequestContext, key: str, outcome: Outcome, policy: Policy | None) -> Found:
    if outcome.kind == "gone":
        raise unknown()
    if outcome.kind == "own_output":
        raise Problem(422, "key_refused", "give the key of a picture, not of a result")
    found = read(context, key)
    if found is None:
        raise unknown()
    if (
        policy
        and found.document["redaction"]
        and found.document["pipeline"]["policy_digest"] != policy.digest
    ):
        return redacted_by(context, found, policy)
    return found
