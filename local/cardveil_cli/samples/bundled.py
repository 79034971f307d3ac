"""The few pictures that are kept with the code, so that a demonstration needs no fonts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from cardveil.card.model import CardType, Polygon, Side
from cardveil_cli.samples.truth import CardTruth, FieldTruth


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A kept file and its truth; `verdict` is the status that it should come to."""

    file: str
    verdict: str
    orientation: int
    width: int
    height: int
    cards: tuple[CardTruth, ...]

    def read(self) -> bytes:
        """Return the stored bytes."""
        return resources.files("cardveil_cli.samples").joinpath("pictures").joinpath(self.file).read_bytes()


@lru_cache(maxsize=1)
def kept_pictures() -> tuple[KeptPicture, ...]:
    """Return the kept pictures with their truth, in the order of their names."""
    folder = resources.files("cardveil_cli.samples").joinpath("pictures")
    text = folder.joinpath("truth.json").read_text("utf-8")
    return tuple(_kept(entry) for entry in json.loads(text))


def _kept(entry: dict[str, Any]) -> KeptPicture:
    return KeptPicture(
        file=entry["file"],
        verdict=entry["verdict"],
        orientation=entry["orientation"],
        width=entry["width"],
        height=entry["height"],
        cards=tuple(_card(card) for card in entry["cards"]),
    )


def _card(entry: dict[str, Any]) -> CardTruth:
    return CardTruth(
        type=CardType(entry["type"]),
        side=Side(entry["side"]),
        corners=Polygon.of(entry["corners"]),
        rare=entry["rare"],
        fields=tuple(
            FieldTruth(
                name=field["name"],
                text=field["text"],
                normalized=field["normalized"],
                polygon=Polygon.of(field["polygon"]),
                ink_number=field["ink_number"],
            )
            for field in entry["fields"]
        ),
    )
