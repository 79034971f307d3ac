"""What recognisers find as plain JSON values, and back: for kept answers, and for the engine's process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardveil.card.model import Call, Card, CardType, Check, Field, Polygon, Side
from cardveil.core.errors import Reject
from cardveil.recognition.interfaces import Recognition, TextLine


def points(polygon: Polygon) -> list[list[float]]:
    """Return the points in full: an answer recalled must lead to the very same result."""
    return [[x, y] for x, y in polygon.points]


def line_document(line: TextLine) -> dict[str, Any]:
    """Return a line as plain values."""
    return {
        "text": line.text,
        "score": line.score,
        "polygon": points(line.polygon),
        "characters": [points(place) for place in line.characters],
    }


def line_of(document: Mapping[str, Any]) -> TextLine:
    """Return the line of plain values; raises KeyError, TypeError or ValueError for anything else."""
    return TextLine(
        document["text"],
        document["score"],
        Polygon.of(document["polygon"]),
        # Answers that an earlier version kept have none.
        tuple(Polygon.of(place) for place in document.get("characters", ())),
    )


def field_document(field: Field) -> dict[str, Any]:
    """Return a field as plain values."""
    return {
        "name": field.name,
        "text": field.text,
        "normalized": field.normalized,
        "score": field.score,
        "polygon": points(field.polygon) if field.polygon else None,
        "sources": list(field.sources),
        "checks": [[check.name, check.passed] for check in field.checks],
    }


def field_of(document: Mapping[str, Any]) -> Field:
    """Return the field of plain values; raises as `line_of` does."""
    return Field(
        name=document["name"],
        text=document["text"],
        normalized=document["normalized"],
        score=document["score"],
        polygon=Polygon.of(document["polygon"]) if document["polygon"] else None,
        sources=tuple(document["sources"]),
        # Answers that an earlier version kept have none.
        checks=tuple(Check(name, passed) for name, passed in document.get("checks", ())),
    )


def card_document(card: Card) -> dict[str, Any]:
    """Return a card as plain values, without what a witness saw on it."""
    return {
        "type": card.type.value,
        "side": card.side.value,
        "fields": [field_document(field) for field in card.fields],
        "outline": points(card.outline) if card.outline else None,
    }


def card_of(document: Mapping[str, Any]) -> Card:
    """Return the card of plain values; raises as `line_of` does."""
    return Card(
        CardType(document["type"]),
        Side(document["side"]),
        tuple(field_of(field) for field in document["fields"]),
        Polygon.of(document["outline"]) if document["outline"] else None,
    )


def recognition_document(recognition: Recognition) -> dict[str, Any]:
    """Return what the engine found as plain values: it warns of nothing, and refuses what shows no card."""
    refusal = recognition.refusal
    return {
        "cards": [card_document(card) for card in recognition.cards],
        "findings": list(recognition.findings),
        "lines": [line_document(line) for line in recognition.lines or ()],
        "calls": [[call.api, call.elapsed_ms] for call in recognition.calls],
        "refusal": [refusal.code, refusal.what_to_do] if refusal else None,
    }


def recognition_of(document: Mapping[str, Any]) -> Recognition:
    """Return what the engine found; raises as `line_of` does."""
    refusal = document["refusal"]
    return Recognition(
        cards=tuple(card_of(card) for card in document["cards"]),
        findings=tuple(str(code) for code in document["findings"]),
        calls=tuple(Call(api, "", elapsed_ms) for api, elapsed_ms in document["calls"]),
        refusal=Reject(refusal[0], refusal[1]) if refusal else None,
        lines=tuple(line_of(line) for line in document["lines"]),
    )
