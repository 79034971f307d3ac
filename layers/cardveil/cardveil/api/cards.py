"""One card as a caller may see it: the sidecar without what is not for them, and links that end soon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardveil.api.context import RequestContext
from cardveil.api.looks import LINKED
from cardveil.api.problems import Problem
from cardveil.api.refs import keys_meant, reference, unknown
from cardveil.card.model import CardType, Side
from cardveil.core.errors import SourceGone
from cardveil.core.frozen import dataclass
from cardveil.core.timing import iso
from cardveil.storage.keys import keys_of
from cardveil.storage.objects import Stored
from cardveil.storage.sidecar import MAX_BYTES, read_sidecar
from cardveil.storage.sidecar_parts import parts_of


@dataclass(frozen=True, slots=True)
class Found:
    """A card of the bucket.

    Attributes
    ----------
    key : str
        Of the source.
    version : str
        The sidecar's ETag.
    document : mapping
        The sidecar, unmasked.
    """

    key: str
    version: str
    decided: bool
    document: Mapping[str, Any]


def find(context: RequestContext, named: str) -> Found:
    """Return the card that a path names.

    Raises
    ------
    Problem
        404 ``card_unknown``, or ``result_pending`` when the source is there but no result is yet.
    """
    keys = keys_meant(named, context.settings)
    for key in keys:
        if found := read(context, key):
            return found
    if any(context.pipeline.sources.head(key) for key in keys):
        raise Problem(
            404,
            "result_pending",
            "ask again: the picture is there but not its result",
            headers={"Retry-After": "2"},
        )
    raise unknown()


def read(context: RequestContext, key: str) -> Found | None:
    """Return the card of a source's key, None when it has no result.

    Raises
    ------
    Problem
        409 ``result_unreadable`` for a sidecar that is damaged, or is about another source.
    """
    objects = context.pipeline.results.objects
    try:
        stored, data = objects.get(keys_of(key, context.settings).sidecar, max_bytes=MAX_BYTES)
    except SourceGone:
        return None
    document = read_sidecar(data, key)
    if document is None:
        raise Problem(409, "result_unreadable", "delete the card's sidecar and submit its picture again")
    return Found(key, stored.etag, is_decided(stored), document)


def is_decided(sidecar: Stored) -> bool:
    """Say whether a person has decided over a card, from its sidecar's head."""
    return sidecar.meta.get("x-cos-meta-decided") == "yes"


def response(context: RequestContext, found: Found, *, warnings: bool = True) -> dict[str, Any]:
    """Return what the caller may see of a card."""
    context.saw(found.key)
    document = _unsealed(found.document)
    if "pages" in document:
        document["pages"] = [_unsealed(page) for page in document["pages"]]
    masked: list[list[str]] = []
    if not warnings:
        document["warnings"] = []
    reads = context.caller.may("read_text")
    parts: list[dict[str, Any]] = document.get("pages") or [document]
    for part in parts:
        shown = [(card, list[str]()) if reads else _masked(context, card) for card in part["cards"]]
        part["cards"] = [card for card, _ in shown]
        masked += [names for _, names in shown]
    if not reads and "history" in document:
        # A reason is free text: it may well say what a card says.
        document["history"] = [{**entry, "reason": ""} for entry in document["history"]]
    return {
        "ref": reference(found.key),
        "version": found.version,
        "decided": found.decided,
        "sidecar": document,
        "masked": masked,
        "restorable": _restorable(context, found.document),
        "links": _links(context, found),
    }


def _unsealed(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sidecar, or a page of it, without what is sealed: who does not open it need not have it."""
    return {
        **part,
        "cards": [
            {
                **card,
                "fields": [
                    {n: said for n, said in field.items() if n != "sealed"} for field in card["fields"]
                ],
            }
            for card in part["cards"]
        ],
    }


def _restorable(context: RequestContext, document: Mapping[str, Any]) -> list[list[str]]:
    """Return, for each card, the names of the fields whose sealed text the caller may have opened."""
    may = context.caller.may("restore")
    return [
        [field["name"] for field in card["fields"] if may and "sealed" in field]
        for part in parts_of(document)
        for card in part["cards"]
    ]


def _masked(context: RequestContext, card: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Take out the texts that the configured policy would cover: a copy shows the others anyway."""
    card_type, side = CardType(card["type"]), Side(card["side"])
    fields: list[Mapping[str, Any]] = []
    masked: list[str] = []
    for entry in card["fields"]:
        if context.policy.action_for(card_type, side, entry["name"]) == "keep":
            fields.append(entry)
            continue
        kept = {name: value for name, value in entry.items() if name not in {"token", "shown", "sealed"}}
        fields.append({**kept, "text": None, "normalized": None})
        if entry["text"] is not None or "token" in entry:
            masked.append(entry["name"])
    return {**card, "fields": fields}, list(dict.fromkeys(masked))


def _links(context: RequestContext, found: Found) -> dict[str, Any]:
    seconds = context.settings.link_seconds
    links: dict[str, Any] = {"expires_at": iso(context.now() + seconds)}
    if context.settings.ledger == "strict":
        return links  # what is read by a link leaves no entry
    done = found.document["redaction"]
    if done and context.caller.may(LINKED["redacted"]):
        links["redacted"] = context.outbox.link(done["output"]["key"], seconds)
    if context.caller.may(LINKED["source"]):
        links["source"] = context.inbox.link(found.key, seconds)
    return links
