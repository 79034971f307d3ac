"""The documentation page, written from the API's own document: plain HTML that loads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

import orjson

_CODE: Final = re.compile(r"`([^`]*)`")
_METHODS: Final = ("get", "post", "delete")


def documentation(api: Mapping[str, Any], style: str) -> str:
    """Return the page.

    Parameters
    ----------
    api : mapping
        An OpenAPI 3.1 document.
    """
    parts = "".join(_operations(api))
    models = "".join(_models(api))
    links = "".join(
        f'<li><a href="#{_anchor(method, path)}"><code>{method.upper()} {escape(path)}</code></a></li>'
        for path, item in sorted(api["paths"].items())
        for method in _METHODS
        if method in item
    )
    title = escape(api["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><style>{style}</style></head>'
        f"<body><header><h1>{title} API</h1>"
        f"<p>{_prose(api['info']['description'])}</p>"
        '<p><a href="openapi.json">OpenAPI document</a></p></header>'
        f'<nav aria-label="Operations"><ul>{links}</ul></nav>'
        f"<main>{parts}<h2>Models</h2>{models}</main></body></html>"
    )


def _operations(api: Mapping[str, Any]) -> Iterator[str]:
    for path, item in sorted(api["paths"].items()):
        for method in _METHODS:
            if method not in item:
                continue
            operation = item[method]
            yield (
                f'<section id="{_anchor(method, path)}"><h2><code>{method.upper()} {escape(path)}</code></h2>'
                f"<p>{_prose(operation['summary'])}. {_prose(operation.get('description', ''))}</p>"
                f"{_parameters(operation)}{_body(operation)}{_answers(operation)}</section>"
            )


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}</td>"
        f"<td>{_shape(p['schema'])}</td><td>{_prose(p.get('description', ''))}</td></tr>"
        for p in operation.get("parameters", ())
    )
    if not rows:
        return ""
    head = "<tr><th>name</th><th>in</th><th>form</th><th>meaning</th></tr>"
    return f"<h3>Parameters</h3><table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _body(operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return "".join(
        f"<h3>Body: {escape(kind)}</h3><p>{_shape(c['schema'])}</p>" for kind, c in content.items()
    )


def _answers(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{status}</td><td>{escape(answer['description'])}</td>"
        f"<td>{', '.join(_shape(c['schema']) for c in answer.get('content', {}).values())}</td></tr>"
        for status, answer in sorted(operation["responses"].items(), key=lambda pair: str(pair[0]))
    )
    head = "<tr><th>status</th><th>meaning</th><th>form</th></tr>"
    return f"<h3>Answers</h3><table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _models(api: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(api["components"]["schemas"].items()):
        text = orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode()
        yield (
            f'<details id="model-{escape(name)}"><summary><code>{escape(name)}</code> '
            f"{escape(schema.get('description', ''))}</summary>"
            f'<pre tabindex="0" aria-label="{escape(name)}">{escape(text)}</pre></details>'
        )


def _shape(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#model-{escape(name)}"><code>{escape(name)}</code></a>'
    shown = {key: value for key, value in schema.items() if key not in {"title", "description"}}
    return f"<code>{escape(orjson.dumps(shown).decode())}</code>"


def _prose(text: str) -> str:
    """Write Markdown's one sign that is used here, the backtick, as HTML."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _anchor(method: str, path: str) -> str:
    return f"{method}-{escape(path).strip('/').replace('/', '-').replace('{', '').replace('}', '')}"
