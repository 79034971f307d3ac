"""SCF's function-URL event and reply, fitted to Powertools' event handler, which knows AWS's forms only."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import orjson
from aws_lambda_powertools.event_handler.api_gateway import (
    ApiGatewayResolver,
    Response,
    ResponseBuilder,
    Route,
)
from aws_lambda_powertools.shared.headers_serializer import BaseHeadersSerializer
from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

from cardveil.api.problems import Problem

_PARAMETER: Final = re.compile(r"<(\w+)>")


class _PlainHeaders(BaseHeadersSerializer):
    """SCF takes one text a header."""

    def serialize(self, headers: dict[str, Any], cookies: list[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return the part of a reply that holds the headers."""
        texts = ((name, text if isinstance(text, str) else ", ".join(text)) for name, text in headers.items())
        return {"headers": dict(texts)}


class UrlEvent(BaseProxyEvent):
    """An event of a function URL: no `requestContext`, no `isBase64Encoded`; the query is `queryString`."""

    @property
    def resolved_query_string_parameters(self) -> dict[str, list[str]]:
        """Every parameter with its values, none of them split."""
        query = self.get("queryString") or {}
        if isinstance(query, str):
            return parse_qs(query, keep_blank_values=True)
        if not isinstance(query, Mapping):
            return {}
        return {str(name): values for name, value in query.items() if (values := texts_of(value))}

    def header_serializer(self) -> BaseHeadersSerializer:
        """Return how headers are written in the reply."""
        return _PlainHeaders()


class UrlResolver(ApiGatewayResolver):
    """Routes function-URL events; a caller is let in or refused before anything of the body is read.

    Parameters
    ----------
    admit : callable
        Called with the route of each request that has one; raises `Problem` to refuse it.
    conclude : callable
        Called with the status of the answer to each that was let in; raises to have it not given.
    """

    def __init__(self, admit: Callable[[Callable[..., Any]], None], conclude: Callable[[int], None]) -> None:
        # orjson refuses what is nested too deeply where the standard library runs out of stack.
        super().__init__(
            enable_validation=True, json_body_deserializer=orjson.loads, serializer=_to_text, debug=False
        )
        self._admit = admit
        self._conclude = conclude

    @staticmethod
    def _compile_regex(rule: str, base_regex: str = "^{}$") -> re.Pattern[str]:
        """Let a card's key hold slashes; everything else is one part of the path."""
        parts = _PARAMETER.split(rule)
        pattern = "".join(
            re.escape(part) if i % 2 == 0 else f"(?P<{part}>{'.+' if part == 'key' else '[^/]+'})"
            for i, part in enumerate(parts)
        )
        return re.compile(base_regex.format(pattern), re.DOTALL)

    def _to_proxy_event(self, event: dict[str, Any]) -> BaseProxyEvent:
        return UrlEvent(event, self._json_body_deserializer)

    def _get_base_path(self) -> str:
        return ""

    def _call_route(self, route: Route, route_arguments: dict[str, str]) -> ResponseBuilder[Any]:
        try:
            self._admit(route.func)
            answered = super()._call_route(route, route_arguments)
            self._conclude(answered.response.status_code)
        except Exception as refusal:
            handled = self._call_exception_handler(refusal, route)
            if handled is None:
                raise
            return handled
        return answered

    def put_by(self, **what: Any) -> None:
        """Keep something for as long as the present request lasts; read it from `context`."""
        self.append_context(**what)  # type: ignore[no-untyped-call]

    def tidy_up(self) -> None:
        """Forget the request."""
        self.clear_context()  # type: ignore[no-untyped-call]

    def on_error(self, errors: list[type[Exception]], answer: Callable[[Any], Response[Any]]) -> None:
        """Have `answer` say what errors of these kinds come to."""
        self.exception_handler(errors)(answer)

    def methods_of(self, path: str) -> list[str]:
        """Return the methods that a path has, none for a path that there is not."""
        routes = self._static_routes + self._dynamic_routes
        found = {route.method for route in routes if route.rule.match(path)}
        return sorted(found | {"HEAD"} if "GET" in found else found)


def headers_of(event: Mapping[str, Any]) -> dict[str, str]:
    """Return an event's headers by their lower-case names, in whatever form a gateway gives them.

    A header that comes several times is one with its values joined (RFC 9110, 5.3).
    """
    given = event.get("headers") or {}
    found: dict[str, str] = {}
    for name, value in _pairs(given):
        if isinstance(name, str) and (texts := texts_of(value)):
            joined = [found[name.lower()]] if name.lower() in found else []
            found[name.lower()] = ", ".join((*joined, *texts))
    return found


def body_of(event: Mapping[str, Any]) -> str:
    """Return an event's body as text.

    Raises
    ------
    Problem
        400 ``json_invalid`` for a body in Base64 that holds no text, or of values that JSON has no form for.
    """
    body = event.get("body")
    if body is None:
        return ""
    if isinstance(body, str) and event.get("isBase64Encoded") is not True:
        return body
    try:
        if not isinstance(body, str):
            return orjson.dumps(body).decode()
        return base64.b64decode(body, validate=True).decode()
    except (ValueError, TypeError):
        raise Problem(400, "json_invalid", "send a JSON document in the body") from None


def texts_of(value: Any) -> list[str]:
    """Return the texts of a header's or a parameter's value; none for what cannot be one."""
    parts = value if isinstance(value, list) else [value]
    return [str(part) for part in parts if isinstance(part, str | int | float)]


def _pairs(given: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(given, Mapping):
        yield from given.items()
    elif isinstance(given, list):
        for each in given:
            if isinstance(each, Mapping):
                yield each.get("name", each.get("key")), each.get("value")
            elif isinstance(each, list) and len(each) == 2:
                yield each[0], each[1]


def _to_text(content: Any) -> str:
    return orjson.dumps(content).decode()
