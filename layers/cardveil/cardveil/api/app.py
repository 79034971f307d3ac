"""The routes as one application, built once a process; a request's own things stand in its context only."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Final

import orjson
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from cardveil.api.auth import caller_of, role_of, unauthorised
from cardveil.api.context import FunctionContext, RequestContext
from cardveil.api.looks import Looking, looking
from cardveil.api.pages import add_pages
from cardveil.api.problems import MEDIA_TYPE, Problem, from_error, unexpected
from cardveil.api.resolver import UrlResolver, body_of
from cardveil.api.routes import add_routes
from cardveil.api.submit import Submitted
from cardveil.api.tokens import Caller
from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError, Halt

_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request before anybody was let in; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    function: FunctionContext


@dataclass
class AccessLog:
    """What is remembered of a request for the log; nothing that it or its answer says."""

    route: str = ""
    refusal: Problem | CardveilError | None = None
    fault: str = ""
    subject: str = ""
    decision: str = ""
    submitted: list[Submitted] = field(default_factory=list)
    looking: Looking | None = None
    unentered: CardveilError | None = None

    @property
    def code(self) -> str:
        """The code of what was refused, empty for none."""
        return self.refusal.code if self.refusal else ""

    def without_entry(self, fault: CardveilError) -> None:
        """Note what kept an entry of the ledger from being written."""
        self.unentered = fault


def routed(http_request: HttpRequest, event: Mapping[str, Any], access_log: AccessLog) -> dict[str, Any]:
    """Answer one request by its route.

    Returns
    -------
    dict
        ``statusCode``, ``headers`` and ``body``.

    Raises
    ------
    Problem
        404 or 405 when there is no such route.
    """
    app = application()
    methods = app.methods_of(http_request.path)
    if not methods:
        raise Problem(404, "path_unknown", "look at /docs: there is no such path")
    if http_request.method not in methods:
        raise Problem(405, "method_not_allowed", "look at /docs", headers={"Allow": ", ".join(methods)})
    headers = dict(http_request.headers)
    if _media_type(http_request) == _JSON:
        headers["content-type"] = _JSON  # Powertools knows it in lower case alone
    plain = {
        # HEAD is GET without the body, which is left out at the end.
        "httpMethod": "GET" if http_request.method == "HEAD" else http_request.method,
        "path": http_request.path,
        "headers": headers,
        "queryString": event.get("queryString"),
        "body": body_of(event),
    }
    app.put_by(http_request=http_request, access_log=access_log)
    try:
        reply: dict[str, Any] = app.resolve(plain, None)  # type: ignore[arg-type]  # its own is in `http_request`
    finally:
        app.tidy_up()
    return reply


def refused(refusal: Problem | CardveilError, invocation: Invocation) -> dict[str, Any]:
    """Return the reply that says why something was not done."""
    problem = refusal if isinstance(refusal, Problem) else from_error(refusal)
    body = orjson.dumps(problem.as_dict(invocation.request_id)).decode()
    return {
        "statusCode": problem.status,
        "headers": {**problem.headers, "Content-Type": MEDIA_TYPE},
        "body": body,
    }


@lru_cache(maxsize=1)
def application() -> UrlResolver:
    """Return the application: built at the first request, since its models take a tenth of a second."""
    app = UrlResolver(lambda handler: _admit(app, handler), lambda status: _conclude(app, status))
    add_routes(app)
    add_pages(app)

    def known(refusal: Problem | CardveilError) -> Response[Any]:
        context = app.context.get("context")
        if isinstance(refusal, Halt) and refusal.about and isinstance(context, RequestContext):
            refusal = context.pipeline.judged(refusal)
        return _response(app, refusal)

    def invalid(refusal: RequestValidationError) -> Response[Any]:
        faults = [
            {"where": list(fault["loc"]), "what": str(fault["type"])} for fault in refusal.errors()[:20]
        ]
        if any(fault["what"] == "json_invalid" for fault in faults):
            return _response(app, Problem(400, "json_invalid", "send a JSON document in the body"))
        what = "put right what `faults` names"
        return _response(app, Problem(422, "request_invalid", what, faults=faults))

    def fault(error: Exception) -> Response[Any]:
        access_log: AccessLog = app.context["access_log"]
        access_log.fault = _named(error)
        return _response(app, unexpected())

    app.on_error([Problem, CardveilError], known)
    app.on_error([RequestValidationError], invalid)
    app.on_error([Exception], fault)
    return app


def _admit(app: UrlResolver, handler: Any) -> None:
    http_request: HttpRequest = app.context["http_request"]
    access_log: AccessLog = app.context["access_log"]
    role = role_of(handler)
    if role is None:
        raise Problem(404, "path_unknown", "look at /docs: there is no such path")
    access_log.route = handler.__name__
    found = caller_of(role, http_request.headers, http_request.function.settings.token_secrets, time.time())
    caller = found or Caller("", frozenset())
    access_log.subject = caller.subject
    if http_request.method == "POST" and _media_type(http_request) != _JSON:
        # Powertools would read forms too, which no route here takes.
        raise Problem(415, "content_type_refused", "send application/json")
    context = RequestContext(http_request.function, caller)
    if found and context.is_revoked():
        raise unauthorised("token_revoked", "ask for a new token")
    function = http_request.function
    context.looking = access_log.looking = looking(
        handler.__name__, caller, http_request.headers, function.settings, function.invocation.request_id
    )
    context.on_fault = access_log.without_entry
    app.put_by(context=context)


def _conclude(app: UrlResolver, status: int) -> None:
    context: RequestContext = app.context["context"]
    access_log: AccessLog = app.context["access_log"]
    context.conclude(status, access_log.code)


def _media_type(http_request: HttpRequest) -> str:
    """Return the media type of the body: its name has no case (RFC 9110, 8.3.1)."""
    return http_request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()


def _named(error: Exception) -> str:
    """Name a fault by its type and places; its text may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " > ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__} at {places}"


def _response(app: UrlResolver, refusal: Problem | CardveilError) -> Response[Any]:
    http_request: HttpRequest = app.context["http_request"]
    access_log: AccessLog = app.context["access_log"]
    access_log.refusal = refusal
    reply = refused(refusal, http_request.function.invocation)
    headers = {name: value for name, value in reply["headers"].items() if name != "Content-Type"}
    return Response(reply["statusCode"], MEDIA_TYPE, reply["body"], headers)
