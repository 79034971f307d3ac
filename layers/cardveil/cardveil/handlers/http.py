"""One request from the platform's event to its reply: answered whatever happens, logged, never cached."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from cardveil.api.app import Asked, Noted, refused, routed
from cardveil.api.context import Means
from cardveil.api.problems import Problem
from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError
from cardveil.core.privacy import digest
from cardveil.core.rate_limit import Pace
from cardveil.core.telemetry import Telemetry
from cardveil.settings import Settings, from_environment

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PREFLIGHT_S: Final = 600


def answer(
    event: Any, invocation: Invocation, environment: Mapping[str, str], pace: Pace | None = None
) -> dict[str, Any]:
    """Answer one function-URL event; whatever goes wrong is an answer of its own.

    Parameters
    ----------
    pace : Pace, optional
        The process's own, which outlives the invocation.
    """
    started = time.perf_counter()
    settings, noted, origin = Settings(), Noted(), ""
    telemetry = Telemetry(invocation)
    try:
        settings = from_environment(environment)
        telemetry = Telemetry(invocation, settings.log_level)
        asked = _read(event, Means(settings, environment, invocation, pace or Pace(), telemetry.count))
        origin = asked.headers.get("origin", "")
        reply = _preflight(asked) or routed(asked, event, noted)
    except (Problem, CardveilError) as refusal:
        noted.refusal = refusal
        reply = refused(refusal, invocation)
    headers = {**_HEADERS, **reply["headers"], "X-Request-Id": invocation.request_id}
    headers |= _cross_origin(origin, settings)
    _log(telemetry, noted, reply["statusCode"], started)
    return {"statusCode": reply["statusCode"], "headers": headers, "body": reply["body"]}


def _read(event: Any, means: Means) -> Asked:
    if not isinstance(event, Mapping) or not all(
        isinstance(event.get(n), str) for n in ("httpMethod", "path")
    ):
        raise Problem(400, "event_unreadable", "invoke this function through its URL")
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    path = event["path"] if event["path"].startswith("/") else f"/{event['path']}"
    return Asked(event["httpMethod"].upper(), path, headers, means)


def _preflight(asked: Asked) -> dict[str, Any] | None:
    """Answer a browser's question whether a page elsewhere may call; None if this is none."""
    is_asked = "access-control-request-method" in asked.headers
    if asked.method != "OPTIONS" or not is_asked or not asked.means.settings.cors_origins:
        return None
    allowed = {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Cardveil-Token",
        "Access-Control-Max-Age": str(_PREFLIGHT_S),
    }
    known = asked.headers.get("origin") in asked.means.settings.cors_origins
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


def _log(telemetry: Telemetry, noted: Noted, status: int, started: float) -> None:
    """Log what happened: the route and never the path, which holds a key; the caller by a digest."""
    elapsed_ms = (time.perf_counter() - started) * 1000
    for done in noted.submitted:
        telemetry.outcome(done.found.key, done.outcome, done.elapsed_ms)
    if isinstance(noted.refusal, CardveilError):
        telemetry.failure(None, noted.refusal)
    telemetry.request(
        noted.route or "none",
        status,
        elapsed_ms,
        code=noted.refusal.code if noted.refusal else "",
        fault=noted.fault,
        decision=noted.decision,
        caller=digest(noted.subject) if noted.subject else "",
    )
