"""What CI and the OCR API need of a recogniser, and one that looks answers up instead of recognising."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cardveil.card.model import Card, CardType, Polygon
from cardveil_cloud.ci.pictures import decode

Pixels = NDArray[np.uint8]


class FoundCard(Protocol):
    """A card in a picture; polygons in pixels of that picture."""

    @property
    def card(self) -> Card: ...
    @property
    def outline(self) -> Polygon: ...
    @property
    def findings(self) -> tuple[str, ...]: ...
    @property
    def texts(self) -> Mapping[str, Polygon]: ...


class TextLine(Protocol):
    """A line of text in a picture; `score` from 0 to 100, `characters` one for each of `text`, or none."""

    @property
    def text(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def polygon(self) -> Polygon: ...
    @property
    def characters(self) -> tuple[Polygon, ...]: ...


class CardRecogniser(Protocol):
    """Finds and reads cards in RGB pictures of shape (height, width, 3)."""

    def recognise(self, picture: Pixels, *, card_type: CardType | None = None) -> Sequence[FoundCard]:
        """Return the cards that are in the picture; none is an answer."""
        ...

    def read_text(self, picture: Pixels) -> Sequence[TextLine]:
        """Return all lines of text, whatever they stand on."""
        ...


@dataclass(frozen=True, slots=True)
class KnownCard:
    """A card whose truth is known beforehand."""

    card: Card
    outline: Polygon
    findings: tuple[str, ...] = ()
    texts: Mapping[str, Polygon] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownLine:
    """A line of text whose truth is known beforehand."""

    text: str
    score: float
    polygon: Polygon
    characters: tuple[Polygon, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownPicture:
    """Everything that is known to be in one picture."""

    cards: tuple[KnownCard, ...] = ()
    lines: tuple[KnownLine, ...] = ()


class TableRecogniser:
    """A recogniser with a table of pictures: for tests of everything around recognition.

    It takes microseconds where the real one takes a second, and it is always right, so what a test then
    sees wrong was not misread. A picture that is not in the table holds no card.

    Parameters
    ----------
    pictures
        Encoded pictures and what is in them. They are compared by their pixels, not by their files.
    delay_s
        How long each recognition takes, to make calls overlap.
    """

    def __init__(self, pictures: Mapping[bytes, KnownPicture], *, delay_s: float = 0.0) -> None:
        self._table: dict[str, KnownPicture] = {}
        self._delay_s = delay_s
        self._pause = threading.Event()
        self.recognitions = 0
        for data, known in pictures.items():
            self.learn(data, known)

    def learn(self, data: bytes, known: KnownPicture) -> None:
        """Put an encoded picture into the table, in place of what was known of it."""
        self._table[_digest_of(data)] = known

    def recognise(self, picture: Pixels, *, card_type: CardType | None = None) -> tuple[KnownCard, ...]:
        """Return the cards of a known picture, of one type if `card_type` is given."""
        cards = self._look_up(picture).cards
        return tuple(known for known in cards if card_type in {None, known.card.type})

    def read_text(self, picture: Pixels) -> tuple[KnownLine, ...]:
        """Return the lines of a known picture."""
        return self._look_up(picture).lines

    def _look_up(self, picture: Pixels) -> KnownPicture:
        self.recognitions += 1
        self._pause.wait(self._delay_s)
        return self._table.get(_digest(picture), KnownPicture())


@lru_cache(maxsize=32)
def _digest_of(data: bytes) -> str:
    """Return the digest of an encoded picture; most tables know the same few, and decoding takes a while."""
    return _digest(decode(data).pixels)


def _digest(pixels: Pixels) -> str:
    return hashlib.sha256(str(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
