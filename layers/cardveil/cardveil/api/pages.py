"""What a browser is given without a token: the console and the documentation; neither loads anything else."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import orjson
from aws_lambda_powertools.event_handler import Response

from cardveil.api.auth import ANYBODY, requires_role
from cardveil.api.models import CODE_FORM
from cardveil.api.openapi import document
from cardveil.api.resolver import UrlResolver
from cardveil.card.model import FIELDS

#: One script in several files; a block keeps their names off the window.
_SCRIPTS: Final = (
    "base.js",
    "drafts.js",
    "inbox.js",
    "sending.js",
    "viewer.js",
    "card.js",
    "fields.js",
    "marks.js",
    "decide.js",
    "page.js",
)
_STYLE: Final = "/*style*/"
_SCRIPT: Final = "/*script*/"
_WORDS: Final = "/*words*/"
_FIELDS: Final = "/*fields*/"
_CODE: Final = "/*code*/"


def add_pages(app: UrlResolver) -> None:
    """Add the pages and the API's document to `app`."""

    @lru_cache(maxsize=1)
    def api() -> dict[str, Any]:
        return document(app)

    @app.get("/", include_in_schema=False)
    @requires_role(ANYBODY)
    def console() -> Response[Any]:
        fields = orjson.dumps({f"{kind.value}/{side.value}": names for (kind, side), names in FIELDS.items()})
        style = _part("console.css")
        script = "".join(("'use strict';\n{\n", *(_part(name) for name in _SCRIPTS), "}\n"))
        script = script.replace(_FIELDS, fields.decode()).replace(_CODE, orjson.dumps(CODE_FORM).decode())
        script = script.replace(_WORDS, _part("words.json").strip())
        html = _part("console.html").replace(_STYLE, style).replace(_SCRIPT, script)
        return _page(html, style, script)

    @app.get("/docs", include_in_schema=False)
    @requires_role(ANYBODY)
    def docs() -> Response[Any]:
        from cardveil.api.documentation import documentation

        style = _part("docs.css")
        return _page(documentation(api(), style), style, "")

    @app.get("/openapi.json", include_in_schema=False)
    @requires_role(ANYBODY)
    def openapi() -> Response[Any]:
        return Response(200, "application/json", orjson.dumps(api()).decode())


@lru_cache(maxsize=16)
def _part(name: str) -> str:
    return (resources.files("cardveil.api") / "assets" / name).read_text("utf-8")


def _page(html: str, style: str, script: str) -> Response[Any]:
    """Give a page that runs nothing and fetches nothing but what it was written with."""
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src {_source(style)}",
            f"script-src {_source(script) if script else chr(39) + 'none' + chr(39)}",
            "img-src data: blob:",
            # Large pictures are sent to the bucket itself, by a link of the API.
            "connect-src 'self' https://*.myqcloud.com",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return Response(200, "text/html; charset=utf-8", html, {"Content-Security-Policy": policy})


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
