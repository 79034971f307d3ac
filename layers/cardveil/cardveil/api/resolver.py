"""SCF's function-URL event and reply, fitted to Powertools' event handler, which knows AWS's forms only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

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
        query: Mapping[str, Any] = self.get("queryString") or {}
        return {
            name: [str(part) for part in value] if isinstance(value, list) else [str(value)]
            for name, value in query.items()
        }

    def header_serializer(self) -> BaseHeadersSerializer:
        """Return how headers are written in the reply."""
        return _PlainHeaders()


class UrlResolver(ApiGatewayResolver):
    """Routes function-URL events; a caller is let in or refused before anything of the body is read.

    Parameters
    ----------
    admit : callable
        Called with the route of each request that has one; raises `Problem` to refuse it.
    """

    def __init__(self, admit: Callable[[Callable[..., Any]], None]) -> None:
        # orjson refuses what is nested too deeply where the standard library runs out of stack.
        super().__init__(
            enable_validation=True, json_body_deserializer=orjson.loads, serializer=_to_text, debug=False
        )
        self._admit = admit

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
        except Problem as refusal:
            handled = self._call_exception_handler(refusal, route)
            if handled is None:
                raise
            return handled
        return super()._call_route(route, route_arguments)

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
        return sorted({route.method for route in routes if route.rule.match(path)})


def _to_text(content: Any) -> str:
    return orjson.dumps(content).decode()
