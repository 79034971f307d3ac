"""One request from the platform's event to its reply: answered whatever happens, logged, never cached."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from cardveil.api.app import AccessLog, HttpRequest, refused, routed
from cardveil.api.context import FunctionContext
from cardveil.api.problems import Problem
from cardveil.api.resolver import headers_of
from cardveil.api.revoked import RevokedTokens
from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError
from cardveil.core.privacy import digest
from cardveil.core.rate_limit import Pause, RateLimiter
from cardveil.core.telemetry import Telemetry
from cardveil.pipeline.jobs import CardProcessor
from cardveil.settings import Settings, from_environment
from cardveil.storage.ledger import Ledger

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PREFLIGHT_S: Final = 600
#: Headers that a page elsewhere may send.
_ASKED: Final = (
    "Authorization", "Content-Type", "Idempotency-Key", "X-Cardveil-Purpose", "X-Cardveil-Token"
)  # fmt: skip
#: Longest that a reply waits for the receiver of webhooks, in seconds.
_TELLING_S: Final = 0.5


def answer(
    event: Any,
    invocation: Invocation,
    environment: Mapping[str, str],
    rate_limiter: RateLimiter | None = None,
    revoked: RevokedTokens | None = None,
    ledger: Ledger | None = None,
    pause: Pause | None = None,
) -> dict[str, Any]:
    """Answer one function-URL event; whatever goes wrong is an answer of its own.

    Parameters
    ----------
    rate_limiter : RateLimiter, optional
        The process's own, which outlives the invocation.
    revoked : RevokedTokens, optional
        The process's own, too.
    ledger : Ledger, optional
        The process's own, too: it goes on with the chain that it has begun.
    pause : Pause, optional
        And this one: while a receiver of webhooks that did not answer is left alone.
    """
    started = time.perf_counter()
    built: list[CardProcessor] = []
    settings, access_log, origin = Settings(), AccessLog(), ""
    headers_alone = isinstance(event, Mapping) and str(event.get("httpMethod")).upper() == "HEAD"
    telemetry = Telemetry(invocation)
    try:
        settings = from_environment(environment)
        telemetry = Telemetry(invocation, settings.log_level)
        http_request = _read(
            event,
            FunctionContext(
                settings,
                environment,
                invocation,
                rate_limiter or RateLimiter(),
                telemetry.count,
                revoked or RevokedTokens(),
                ledger or Ledger(),
                built,
            ),
        )
        origin = http_request.headers.get("origin", "")
        reply = _preflight(http_request) or routed(http_request, event, access_log)
    except (Problem, CardveilError) as refusal:
        access_log.refusal = refusal
        reply = refused(refusal, invocation)
    if settings.webhook:
        _tell(built, pause or Pause(), telemetry)
    headers = {**_HEADERS, **reply["headers"], "X-Request-Id": invocation.request_id}
    headers |= _cross_origin(origin, settings)
    _log(telemetry, access_log, reply["statusCode"], started)
    body = "" if headers_alone else reply["body"]
    return {"statusCode": reply["statusCode"], "headers": headers, "body": body}


def _tell(built: list[CardProcessor], pause: Pause, telemetry: Telemetry) -> None:
    """Tell the receiver of webhooks what a request has brought about: somebody waits for the reply."""
    from cardveil.pipeline.telling import tell_committed

    for processor in built:
        tell_committed(processor.pipeline, pause, _TELLING_S, telemetry.count)


def _read(event: Any, function: FunctionContext) -> HttpRequest:
    if not isinstance(event, Mapping) or not all(
        isinstance(event.get(n), str) for n in ("httpMethod", "path")
    ):
        raise Problem(400, "event_unreadable", "invoke this function through its URL")
    path = event["path"] if event["path"].startswith("/") else f"/{event['path']}"
    return HttpRequest(event["httpMethod"].upper(), path, headers_of(event), function)


def _preflight(http_request: HttpRequest) -> dict[str, Any] | None:
    """Answer a browser's question whether a page elsewhere may call; None if this is none."""
    is_asked = "access-control-request-method" in http_request.headers
    if http_request.method != "OPTIONS" or not is_asked or not http_request.function.settings.cors_origins:
        return None
    allowed = {
        "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE",
        "Access-Control-Allow-Headers": ", ".join(_ASKED),
        "Access-Control-Max-Age": str(_PREFLIGHT_S),
    }
    known = http_request.headers.get("origin") in http_request.function.settings.cors_origins
    return {"statusCode": 204, "headers": allowed if known else {}, "body": ""}


def _cross_origin(origin: str, settings: Settings) -> dict[str, str]:
    if not settings.cors_origins:
        return {}
    if origin not in settings.cors_origins:
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": origin,
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def _log(telemetry: Telemetry, access_log: AccessLog, status: int, started: float) -> None:
    """Log what happened: the route and never the path, which holds a key; the caller by a digest."""
    elapsed_ms = (time.perf_counter() - started) * 1000
    for done in access_log.submitted:
        telemetry.outcome(done.found.key, done.outcome, done.elapsed_ms)
    if isinstance(access_log.refusal, CardveilError):
        telemetry.failure(None, access_log.refusal)
    if access_log.unentered:
        telemetry.failure(None, access_log.unentered)
    looking = access_log.looking
    telemetry.request(
        access_log.route or "none",
        status,
        elapsed_ms,
        # Where the ledger's end stands, in a place that who can write to the bucket cannot change.
        ledger=looking.mark.text if looking and looking.mark else "",
        code=access_log.code,
        fault=access_log.fault,
        decision=access_log.decision,
        caller=digest(access_log.subject) if access_log.subject else "",
    )
