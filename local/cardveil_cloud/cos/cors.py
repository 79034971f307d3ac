"""Requests from web pages of other origins: what a bucket's CORS rules let a browser do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.cos.call import Context, Target
from cardveil_cloud.cos.errors import CosError

_METHODS = frozenset({"GET", "PUT", "HEAD", "POST", "DELETE"})
_MAX_RULES = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; header names in lower case."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    max_age: str | None

    def fits(self, origin: str, method: str, headers: Sequence[str]) -> bool:
        """Whether a page of this origin may send this method with these headers."""
        return (
            method in self.methods
            and any(_fits(pattern, origin) for pattern in self.origins)
            and all(any(_fits(pattern, name) for pattern in self.headers) for name in headers)
        )

    def answer(self, origin: str) -> dict[str, str]:
        """The headers that tell a browser what it may do, and to whom an answer may be shown."""
        told = {
            "access-control-allow-origin": "*" if "*" in self.origins else origin,
            "access-control-allow-methods": ",".join(self.methods),
            "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        }
        if self.exposed:
            told["access-control-expose-headers"] = ",".join(self.exposed)
        if self.max_age:
            told["access-control-max-age"] = self.max_age
        return told


def rules_of(root: Element) -> list[Rule]:
    """Read a CORS configuration; `CosError` ``MalformedXML`` or ``InvalidArgument``."""
    found = root.findall("CORSRule")
    if root.tag != "CORSConfiguration" or not 1 <= len(found) <= _MAX_RULES:
        raise CosError("MalformedXML")
    rules = [_rule(element) for element in found]
    for rule in rules:
        if not rule.origins or not rule.methods:
            raise CosError("MalformedXML")
        if not set(rule.methods) <= _METHODS or any(origin.count("*") > 1 for origin in rule.origins):
            raise CosError("InvalidArgument")
    return rules


def preflight(context: Context, request: Request, target: Target) -> Response:
    """OPTIONS Object: whether a browser may send what it is about to; such a request is not signed.

    Raises
    ------
    CosError
        ``NoSuchBucket``, ``InvalidArgument`` (no preflight at all), ``AccessForbidden``.
    """
    origin, method = request.headers.get("origin"), request.headers.get("access-control-request-method")
    if not origin or not method:
        raise CosError("InvalidArgument")
    asked = request.headers.get("access-control-request-headers", "")
    headers = [name.strip().lower() for name in asked.split(",") if name.strip()]
    rule = _matching(context, target.bucket, origin, method, headers)
    if rule is None:
        raise CosError("AccessForbidden")
    told = rule.answer(origin)
    if headers:
        told["access-control-allow-headers"] = ",".join(headers)
    return Response(headers=told)


def headers_for(context: Context, bucket: str, method: str, headers: Mapping[str, str]) -> dict[str, str]:
    """What is added to the answer of a request that a web page sent; nothing where no rule fits."""
    origin = headers.get("origin")
    if not origin or not bucket:
        return {}
    try:
        rule = _matching(context, bucket, origin, method, ())
    except CosError:  # there is no such bucket, which the answer itself says
        return {}
    return rule.answer(origin) if rule is not None else {}


def _matching(context: Context, bucket: str, origin: str, method: str, headers: Sequence[str]) -> Rule | None:
    body = context.store.configuration(bucket, "cors")
    rules = rules_of(xml.parse(body)) if body is not None else []
    return next((rule for rule in rules if rule.fits(origin, method, headers)), None)


def _rule(element: Element) -> Rule:
    def texts(name: str) -> tuple[str, ...]:
        return tuple((child.text or "").strip() for child in element.findall(name))

    return Rule(
        origins=texts("AllowedOrigin"),
        methods=texts("AllowedMethod"),
        headers=tuple(name.lower() for name in texts("AllowedHeader")),
        exposed=texts("ExposeHeader"),
        max_age=xml.text_of(element, "MaxAgeSeconds"),
    )


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
