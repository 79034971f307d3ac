"""The sidecar: the JSON document beside a source, and the commit of everything that was done to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from typing import Any, Final

from cardveil.card.findings import Status
from cardveil.card.model import Call, Card, CardType, Check, Field, Polygon, SeenText, Side, VendorWarning
from cardveil.core.frozen import dataclass, fields
from cardveil.storage.sidecar_upgrade import upgraded

SCHEMA: Final = "cardveil.sidecar/2"
#: More than any card's sidecar has; what is larger is not read.
MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of the source; sizes are None when it could not be read as a picture.

    Attributes
    ----------
    size : int
        Bytes.
    width, height : int or None
        Pixels of the upright picture, the frame of every polygon.
    orientation : int or None
        EXIF orientation of the stored picture, 1 to 8.
    """

    bucket: str
    key: str
    etag: str
    size: int
    width: int | None = None
    height: int | None = None
    orientation: int | None = None


@dataclass(frozen=True, slots=True)
class RegionDone:
    """One place that was covered, and why."""

    field: str
    polygon: Polygon
    action: str


@dataclass(frozen=True, slots=True)
class RedactionDone:
    """What was done to the copy, and how that was proven.

    Attributes
    ----------
    crop : (left, top, right, bottom) or None
        Which part of the upright source the copy shows, where it was cut to the card; polygons stay in the
        source's pixels.
    mark : str
        What is written over the copy, empty for nothing.
    """

    policy: str
    regions: tuple[RegionDone, ...]
    output_key: str
    output_sha256: str
    path: str
    proof: Mapping[str, Any]
    crop: tuple[int, int, int, int] | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class PageDone:
    """One page of a document; sizes and places are in pixels of the page as it was drawn."""

    width: int | None
    height: int | None
    status: Status
    findings: Sequence[str]
    cards: Sequence[Card]
    regions: tuple[RegionDone, ...]
    crop: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided over a card.

    Attributes
    ----------
    at : str
        ISO 8601, UTC.
    by : str
        The subject of the token that it was sent with.
    decision : str
        ``accept``, ``correct``, ``reject``, ``reopen`` (a rejection taken back) or ``policy`` (redacted
        anew by another policy).
    before, after : str
        The statuses.
    fields : tuple of str
        Names of the fields whose text or place was put right; never what they say.
    cards : tuple of int
        For each of `fields`, which card of the picture it is of, from 0; empty when all are of the first.
    settled : tuple of str
        Findings that the person has looked at.
    """

    at: str
    by: str
    decision: str
    reason: str
    before: str
    after: str
    fields: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()
    cards: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Everything that a sidecar says.

    Attributes
    ----------
    history : sequence of Decision
        What persons have decided, oldest first.
    policy : mapping, optional
        The policy itself, as `redaction.as_document` gives it: files of policies change.
    chosen : str
        The packaged policy that a machine's request has chosen; empty for the settings' alone.
    texts_kept : str
        How the texts of fields are kept; empty as they are.
    archived : int
        How many decisions before `history` stand in the archive; see `storage.archive`.
    pages : sequence of PageDone
        Of a document, whose cards stand there and not in `cards`.
    """

    source: SourceFacts
    status: Status
    cards: Sequence[Card]
    warnings: Sequence[VendorWarning]
    findings: Sequence[str]
    redaction: RedactionDone | None
    calls: Sequence[Call]
    pipeline_version: str
    policy_digest: str
    created_at: datetime
    history: Sequence[Decision] = ()
    policy: Mapping[str, Any] | None = None
    chosen: str = ""
    archived: int = 0
    pages: Sequence[PageDone] = ()
    texts_kept: str = ""


def to_json(sidecar: Sidecar) -> bytes:
    """Return the document as UTF-8 JSON."""
    source = sidecar.source
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "source": {
            "bucket": source.bucket,
            "key": source.key,
            "etag": source.etag,
            "size": source.size,
            "width": source.width,
            "height": source.height,
            "orientation": source.orientation,
        },
        "status": sidecar.status.value,
        "cards": [as_card(card) for card in sidecar.cards],
        "warnings": [{"code": warning.code, "name": warning.name} for warning in sidecar.warnings],
        "findings": list(sidecar.findings),
        "redaction": _redaction(sidecar.redaction),
        "calls": [{each.name: getattr(call, each.name) for each in fields(call)} for call in sidecar.calls],
        "pipeline": {"version": sidecar.pipeline_version, "policy_digest": sidecar.policy_digest},
        "created_at": sidecar.created_at.isoformat(timespec="seconds"),
    }
    if sidecar.pages:
        document["pages"] = [_page(page) for page in sidecar.pages]
    if sidecar.policy is not None:
        document["pipeline"]["policy"] = dict(sidecar.policy)
    if sidecar.chosen:
        document["pipeline"]["chosen"] = sidecar.chosen
    if sidecar.texts_kept:
        document["pipeline"]["texts"] = sidecar.texts_kept
    if sidecar.archived:
        document["archived"] = sidecar.archived
    if sidecar.history:
        document["history"] = [as_entry(decision) for decision in sidecar.history]
    import orjson  # only who writes or reads sidecars needs it: the library does neither

    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def as_entry(decision: Decision) -> dict[str, Any]:
    """Return a decision as it stands in a sidecar's history."""
    entry = {each.name: getattr(decision, each.name) for each in fields(decision)}
    return entry if decision.cards else {name: said for name, said in entry.items() if name != "cards"}


def read_source_key(data: bytes | None) -> str | None:
    """Return the key of the source that a written sidecar is about, None where it cannot be read."""
    import orjson

    try:
        return str(orjson.loads(data or b"")["source"]["key"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def read_sidecar(data: bytes | None, key: str) -> Mapping[str, Any] | None:
    """Read a written sidecar; None when it is damaged, too large (no data), or about another source.

    One of an earlier schema is given in the form of today's. Every part that is read of it later is read here
    once, so that no reader meets a form that it cannot take.

    Parameters
    ----------
    key : str
        Of the source that was asked for.
    """
    import orjson

    try:
        document = upgraded(orjson.loads(data or b""), SCHEMA)
        source, done, made_by = document["source"], document["redaction"], document["pipeline"]
        texts = (source["bucket"], source["etag"], made_by["version"], made_by["policy_digest"])
        sizes = [source[name] for name in ("width", "height", "orientation") if source[name] is not None]
        lists = [document["findings"], document["warnings"], document["calls"], document.get("history", [])]
        whole = (
            all(isinstance(text, str) for text in (*texts, *document["findings"]))
            and all(type(size) is int and size > 0 for size in (*sizes, source["size"] + 1))
            and all(isinstance(each, list) for each in lists)
        )
        Status(document["status"])
        for warning in document["warnings"]:
            VendorWarning(int(warning["code"]), str(warning["name"]))
        calls_of(document)
        if done is not None:
            str(done["policy"]), done["output"]["key"].encode(), done["output"]["sha256"].encode()
            dict(done["proof"])
        cards_of(document), history_of(document), int(document.get("archived", 0))
        for page in document.get("pages", ()):
            cards_of(page)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
    known = document["schema"] == SCHEMA and isinstance(document["cards"], list)
    return document if whole and known and source["key"] == key else None


def cards_of(document: Mapping[str, Any]) -> tuple[Card, ...]:
    """Read the cards of a written sidecar."""
    return tuple(
        Card(
            CardType(card["type"]),
            Side(card["side"]),
            tuple(_read_field(field) for field in card["fields"]),
            Polygon.of(card["outline"]) if card["outline"] else None,
            # Where no witness looked, or nobody asked one (earlier versions), there are none.
            tuple(_read_text(text) for text in card["texts"]) if "texts" in card else None,
        )
        for card in document["cards"]
    )


def calls_of(document: Mapping[str, Any]) -> tuple[Call, ...]:
    """Read the paid calls of a written sidecar; those of earlier versions do not say where they went."""
    return tuple(
        Call(str(c["api"]), str(c["request_id"]), float(c["elapsed_ms"]), str(c.get("region", "")))
        for c in document["calls"]
    )


def history_of(document: Mapping[str, Any]) -> tuple[Decision, ...]:
    """Read the decisions of a written sidecar, oldest first."""
    return tuple(
        Decision(
            **{
                **entry,
                "fields": tuple(entry["fields"]),
                "settled": tuple(entry["settled"]),
                "cards": tuple(int(number) for number in entry.get("cards", ())),
            }
        )
        for entry in document.get("history", ())
    )


def _read_text(entry: Mapping[str, Any]) -> SeenText:
    return SeenText(
        entry["role"],
        entry["name"],
        Polygon.of(entry["polygon"]),
        entry["slack"],
        entry["start"],
        tuple(Polygon.of(polygon) for polygon in entry["characters"]),
    )


def _read_field(entry: Mapping[str, Any]) -> Field:
    return Field(
        name=entry["name"],
        text=entry["text"],
        normalized=entry["normalized"],
        score=entry["score"],
        polygon=Polygon.of(entry["polygon"]) if entry["polygon"] else None,
        sources=tuple(entry["sources"]),
        checks=tuple(Check(check["name"], check["passed"]) for check in entry["checks"]),
        token=entry.get("token"),
        shown=entry.get("shown"),
        sealed=entry.get("sealed"),
    )


def schema() -> dict[str, Any]:
    """Return the JSON Schema that every written sidecar is valid against."""
    data = resources.files("cardveil.storage").joinpath("sidecar.schema.json").read_bytes()
    import orjson

    document: dict[str, Any] = orjson.loads(data)
    return document


def _page(page: PageDone) -> dict[str, Any]:
    document: dict[str, Any] = {
        "width": page.width,
        "height": page.height,
        "status": page.status.value,
        "findings": list(page.findings),
        "cards": [as_card(card) for card in page.cards],
        "regions": [_region(region) for region in page.regions],
    }
    if page.crop is not None:
        document["crop"] = list(page.crop)
    return document


def _region(region: RegionDone) -> dict[str, Any]:
    return {"field": region.field, "polygon": region.polygon.as_lists(), "action": region.action}


def as_card(card: Card) -> dict[str, Any]:
    """Return a card as it stands in a sidecar."""
    document: dict[str, Any] = {
        "type": card.type.value,
        "side": card.side.value,
        "outline": card.outline.as_lists() if card.outline else None,
        "fields": [_field(field) for field in card.fields],
    }
    if card.texts is not None:
        document["texts"] = [_seen_text(text) for text in card.texts]
    return document


def _field(field: Field) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": field.name,
        "text": field.text,
        "normalized": field.normalized,
        "score": field.score,
        "polygon": field.polygon.as_lists() if field.polygon else None,
        "sources": list(field.sources),
        "checks": [{"name": check.name, "passed": check.passed} for check in field.checks],
    }
    kept = {"token": field.token, "shown": field.shown, "sealed": field.sealed}
    return {**told, **{name: text for name, text in kept.items() if text is not None}}


def _seen_text(text: SeenText) -> dict[str, Any]:
    return {
        "role": text.role,
        "name": text.name,
        "polygon": text.polygon.as_lists(),
        "slack": round(text.slack, 2),
        "start": text.start,
        # Only parts of fields are ever cut between their characters.
        "characters": [each.as_lists() for each in text.characters] if text.role == "field" else [],
    }


def _redaction(done: RedactionDone | None) -> dict[str, Any] | None:
    if done is None:
        return None
    document: dict[str, Any] = {
        "policy": done.policy,
        "regions": [_region(region) for region in done.regions],
        "output": {"key": done.output_key, "sha256": done.output_sha256},
        "path": done.path,
        "proof": dict(done.proof),
    }
    if done.crop is not None:
        document["crop"] = list(done.crop)
    if done.mark:
        document["mark"] = done.mark
    return document
