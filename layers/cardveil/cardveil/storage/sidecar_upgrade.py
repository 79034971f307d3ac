"""Reads sidecars of earlier schemas as if they had been written today: buckets are full of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: One card, called `card`, beside what a witness saw in the picture.
ONE_CARD: Final = "cardveil.sidecar/1"


def upgraded(document: Mapping[str, Any], schema: str) -> Mapping[str, Any]:
    """Return a sidecar of the first schema in the form of today's; any other is returned as it is.

    Parameters
    ----------
    schema : str
        The name of today's.

    Raises
    ------
    KeyError, TypeError
        When the document lacks what every sidecar of its schema has.
    """
    if document.get("schema") != ONE_CARD:
        return document
    rest = {name: part for name, part in document.items() if name not in {"card", "texts"}}
    card = document["card"]
    texts = {"texts": document["texts"]} if "texts" in document else {}
    cards = [] if card is None else [{**card, "outline": None, **texts}]
    return {**rest, "schema": schema, "cards": cards}
