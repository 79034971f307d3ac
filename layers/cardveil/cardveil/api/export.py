"""All cards as CSV or JSON lines over HTTP, in parts: SCF takes no answer of more than 6 MB.

A part ends at a row; the next one is asked for by the cursor that a `Link` header carries. Parts set one
after the other are the whole file: only the first one has the heading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from cardveil.api.context import RequestContext
from cardveil.api.listing import checked_prefix
from cardveil.api.problems import Problem
from cardveil.api.sealed import opened, sealed
from cardveil.core.frozen import dataclass
from cardveil.pipeline.export import Export, Wish
from cardveil.storage.objects import moment

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
}
#: Bytes of one part as the platform carries it, in JSON, with every character that is not ASCII escaped.
_MOST_BYTES: Final = 4 * 1024 * 1024
#: No further row is begun with less time left than this, in seconds.
_SECONDS_KEPT: Final = 5.0
_PURPOSE: Final = "export"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an export; `cursor` goes on, and is empty at the end."""

    content: str
    cursor: str
    rows: int


def export(
    context: RequestContext, *, format: str, prefix: str, since: str, texts: str, cursor: str | None
) -> Part:
    """Return the next part of an export.

    Raises
    ------
    Problem
        403 ``role_missing``: texts want `read_text`; a prefix wants `read`, as keys in the rows do, since
        prefixes that are tried one after the other would tell them. 422 ``prefix_refused``,
        ``since_refused`` or ``cursor_refused``.
    """
    if texts != "none":
        context.require("read_text")
    if prefix:
        context.require("read")
    wish = Wish(format, checked_prefix(context, prefix), _since(since), texts, context.caller.may("read"))
    pipeline, after = context.pipeline, _after(context, cursor)
    exported = Export(pipeline.sources, pipeline.results.objects, context.settings, context.policy, wish)
    context.describe(format, f"texts:{texts}" if texts != "none" else "")
    context.function.on_metric("CardsExported")
    return _part(context, exported, after)


def _part(context: RequestContext, exported: Export, after: str) -> Part:
    lines = [] if after else [exported.head()]
    shown: list[str] = []
    size, last, cursor = 0, after, ""
    for key, text in exported.rows(after):
        size += len(json.dumps(text))
        if size > _MOST_BYTES or context.invocation.remaining_s() < _SECONDS_KEPT:
            cursor = sealed(context.settings.token_secrets[0], _PURPOSE, last)
            break
        if text:
            lines.append(text)
            shown.append(key)
        last = key
    context.saw_each(shown)
    return Part("".join(lines), cursor, len(shown))


def _after(context: RequestContext, cursor: str | None) -> str:
    try:
        return opened(context.settings.token_secrets, _PURPOSE, cursor) if cursor else ""
    except ValueError:
        raise Problem(422, "cursor_refused", "give the cursor as the part before gave it") from None


def _since(text: str) -> float:
    try:
        return moment(text) if text else 0.0
    except ValueError:
        raise Problem(422, "since_refused", "give a date or a time in ISO 8601, as 2026-11-28") from None


def headers_of(part: Part, asked: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a part: where the next one is, and the name under which a browser keeps the file.

    Parameters
    ----------
    asked : mapping
        The query, without its cursor.
    """
    from urllib.parse import urlencode

    name = f"cards.{asked['format']}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if part.cursor:
        query = urlencode({**{name: text for name, text in asked.items() if text}, "cursor": part.cursor})
        headers["Link"] = f'<export?{query}>; rel="next"'
    return headers
