"""A card on demand: from an object, a URL or the picture itself to its sidecar, within one request."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from secrets import token_hex

from cardveil.api.cards import Found, read
from cardveil.api.context import RequestContext
from cardveil.api.models import ImageSource, ObjectSource, SubmitRequest, UrlSource
from cardveil.api.problems import Problem
from cardveil.api.refs import unknown
from cardveil.api.review import decided_by_person, redacted_by
from cardveil.api.submissions import is_stored, submission
from cardveil.card.model import CardType, Side
from cardveil.core.errors import PolicyWeaker, Reject, Retry, Review
from cardveil.core.frozen import dataclass, replace
from cardveil.core.retry import RetryPolicy
from cardveil.core.threads import background_tasks
from cardveil.core.timing import Timings
from cardveil.pipeline.decided_policy import POLICY_META, is_packaged, present_policy
from cardveil.pipeline.examine import sent_copy
from cardveil.pipeline.options import ProcessOptions
from cardveil.pipeline.pipeline import Outcome
from cardveil.recognition.ai_license import request_id
from cardveil.recognition.id_card_ocr import API, parameters, read_answer
from cardveil.recognition.interfaces import Reading
from cardveil.recognition.paid_calls import PaidCalls
from cardveil.recognition.parsing import response_of
from cardveil.redaction import Policy, covers_as_much
from cardveil.storage.circuit_breaker import BreakerGuard
from cardveil.storage.keys import keys_of
from cardveil.storage.source import OTHER_ENDINGS, is_source


@dataclass(frozen=True, slots=True)
class Submitted:
    """A card that came to its final state."""

    found: Found
    outcome: Outcome
    elapsed_ms: Mapping[str, float]


def submit(context: RequestContext, request: SubmitRequest, idempotency_key: str | None = None) -> Submitted:
    """Bring the picture of a request to its final state; one that was sent before is found again.

    Parameters
    ----------
    idempotency_key : str, optional
        By which the caller tells submissions apart; otherwise the same picture is the same submission.

    Raises
    ------
    Problem
        404 for an object that is not there; 422 for a URL, Base64, name or Idempotency-Key that cannot be
        taken; 403 for a policy that covers less than the caller may choose; 409 when a person has decided.
    CardveilError
        As `Pipeline.process`.
    """
    policy = context.named_policy(request.policy) if request.policy else None
    chosen = request.policy if policy and is_packaged(policy) else None
    if policy and not covers_as_much(policy, context.policy):
        context.require("review")  # before anything is stored or paid for
        chosen = None  # a person's word, which no machine's choice is: see `_result`
    options, timings = ProcessOptions(chosen=chosen or ""), Timings()
    source = request.source
    if isinstance(source, ObjectSource):
        key = source.key
        if not is_source(key, context.settings):
            raise Problem(422, "key_refused", "give the key of a picture in the inbox")
        outcome = _processed(context, key, timings, options)
    else:
        data = context.fetcher.fetch(source.detect_url) if isinstance(source, UrlSource) else _decoded(source)
        asked = (source.name, request.card_type, request.side, chosen)
        sent = submission(context, idempotency_key, data, *asked)
        key = new_key(context, source.name, sent.folder)
        # Under a lease of ours, so that the bucket's own event waits for us.
        with context.pipeline.held(keys_of(key, context.settings)):
            if not is_stored(context, sent, key):
                headers = {**hint_headers(request.card_type, request.side, chosen), **sent.headers}
                options = replace(options, text=_stored(context, key, data, request, headers))
            outcome = _processed(context, key, timings, options)
    return Submitted(_result(context, key, outcome, policy), outcome, timings.elapsed_ms)


def _processed(context: RequestContext, key: str, timings: Timings, options: ProcessOptions) -> Outcome:
    """Bring an object of the inbox to its final state; what a request may not choose is for a reviewer."""
    try:
        return context.pipeline.process(context.source(key), timings, options=options)
    except PolicyWeaker:
        context.require("review")
    return context.pipeline.process(context.source(key), timings, options=replace(options, chosen=""))


def new_key(context: RequestContext, name: str, folder: str = "") -> str:
    """Return a key of the inbox that nobody has, or that of a folder, ending in `name`.

    Raises
    ------
    Problem
        422 ``name_refused`` for a name that would be passed over, or is too long.
    """
    key = f"{context.settings.inbox_prefix}{folder or token_hex(16)}/{name}"
    if name.lower().endswith(OTHER_ENDINGS) or name in {".", ".."} or not is_source(key, context.settings):
        raise Problem(422, "name_refused", "give a short name with the ending of a picture, or none")
    return key


def hint_headers(card_type: str | None, side: str | None, policy: str | None = None) -> dict[str, str]:
    """Return the metadata by which an object says what it shows, and how it is to be redacted at least."""
    said = {"x-cos-meta-card-type": card_type, "x-cos-meta-card-side": side, POLICY_META: policy}
    return {name: value for name, value in said.items() if value}


def _decoded(source: ImageSource) -> bytes:
    try:
        return base64.b64decode(source.base64, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(
            422, "base64_refused", "give the picture as standard Base64 without line breaks"
        ) from None


def _stored(
    context: RequestContext, key: str, data: bytes, request: SubmitRequest, headers: Mapping[str, str]
) -> Reading | Reject | Review | None:
    """Put the picture into the inbox; where CI reads the text, have it read by the same request."""
    if not _reads_on_upload(context, key, data, request):
        context.inbox.store(key, data, headers)
        return None
    side = Side(request.side) if request.side else None
    started = time.perf_counter()

    def put() -> Reading:
        answered, body = context.inbox.store_processed(key, data, headers, parameters(side))
        elapsed = (time.perf_counter() - started) * 1000
        return read_answer(response_of(body, api=API), request_id(answered), elapsed)

    breaker = context.pipeline.breaker
    with background_tasks() as pool, BreakerGuard(breaker, pool.submit(breaker.look)) as guard:
        once = RetryPolicy(1, context.invocation.remaining_s)
        calls = PaidCalls(once, context.function.rate_limiter, context.settings.calls_per_second, guard)
        try:
            return calls.call(put)
        except (Reject, Review) as refusal:
            return refusal
        except Retry:
            # Whether it is there now is not known; stored again, it is read by a call of its own.
            context.inbox.store(key, data, headers)
            return None


def _reads_on_upload(context: RequestContext, key: str, data: bytes, request: SubmitRequest) -> bool:
    """Say whether the text provider can read the picture as it is stored."""
    if context.pipeline.settings.text_provider != API or request.card_type == CardType.DRIVER_LICENSE.value:
        return False
    try:
        return sent_copy(data, key, context.pipeline.rules, Timings()).key is not None
    except Reject:
        return False  # the pipeline says so in the sidecar


def _result(context: RequestContext, key: str, outcome: Outcome, policy: Policy | None) -> Found:
    if outcome.kind == "gone":
        raise unknown()
    found = read(context, key)
    if found is None:
        raise unknown()
    if policy is None:
        return found
    same = found.document["pipeline"]["policy_digest"] == policy.digest
    if found.decided and not (same and found.document["redaction"]):
        raise decided_by_person()
    if same:
        return found
    has = present_policy(found.document, context.policy, decided=False)
    if has is None or not covers_as_much(policy, has):
        context.require("review")
        context.enter_first(key)  # a person's decision
        return redacted_by(context, found, policy)
    return found
