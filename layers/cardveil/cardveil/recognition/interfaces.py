"""What every recogniser answers, whichever vendor it is: the one form that the rest of the package reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cardveil.card.model import Call, Card, CardType, Field, Polygon, Side, VendorWarning
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer of one API.

    Attributes
    ----------
    api : str
        The operation's name as the vendor writes it.
    fields : tuple of Field
        What was found; empty when the API saw no card. Polygons are in pixels of the picture that was sent.
    card_type, side : optional
        What the API took the card for, where it says so or it follows from the fields.
    findings : tuple of str
        Text codes of what lowers trust in the whole answer.
    elapsed_ms : float
        Wall-clock milliseconds of the call, retries apart.
    """

    api: str
    fields: tuple[Field, ...] = ()
    card_type: CardType | None = None
    side: Side | None = None
    warnings: tuple[VendorWarning, ...] = ()
    findings: tuple[str, ...] = ()
    request_id: str = ""
    elapsed_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text and where it stands.

    Attributes
    ----------
    score : float
        Confidence, 0 to 100.
    characters : tuple of Polygon
        The place of each character of `text`, one for one and in its order; empty where the recogniser places
        lines only.
    """

    text: str
    score: float
    polygon: Polygon
    characters: tuple[Polygon, ...] = ()

    def scaled(self, fx: float, fy: float) -> TextLine:
        """Return the line with x multiplied by `fx` and y by `fy`."""
        characters = tuple(place.scaled(fx, fy) for place in self.characters)
        return TextLine(self.text, self.score, self.polygon.scaled(fx, fy), characters)


@dataclass(frozen=True, slots=True)
class Image:
    """An upright picture ready to be sent.

    Attributes
    ----------
    data : bytes
        The encoded picture.
    key : str or None
        Where the very same bytes stand in the bucket, for APIs that read from there.
    """

    data: bytes
    width: int
    height: int
    key: str | None = None


class Locator(Protocol):
    """Finds where the fields of a card stand."""

    def locate(self, image: Image, card_type: CardType) -> Reading:
        """Locate the fields of a card of this type; no fields when there is no such card."""
        ...


class TextReader(Protocol):
    """Reads the text of an ID card, without saying where it stands."""

    def read(self, image: Image, side: Side | None) -> Reading:
        """Read the card; raises a leaf of the error tree when the API refuses."""
        ...


class TextLocator(Protocol):
    """Reads all text of a picture with its places (general OCR)."""

    def lines(self, image: Image) -> tuple[tuple[TextLine, ...], Reading]:
        """Return the lines, and the call's own record (a reading without fields)."""
        ...


@dataclass(frozen=True, slots=True)
class Hint:
    """What is known of a picture before it is looked at; None means that it must be found out."""

    card_type: CardType | None = None
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Recognition:
    """All that was found out about one picture.

    Attributes
    ----------
    cards : tuple of Card
        The cards, from the top; polygons in pixels of the picture that was recognised.
    refusal : Reject or Review, optional
        Why there is no card, or why a person must look.
    lines : tuple of TextLine, optional
        All text that the witness saw anywhere in the picture, polygons in pixels of the picture that was
        recognised. None when no witness looked, or it failed: then nothing is known of what else stands
        there, which is not the same as a picture without text (an empty tuple).
    """

    cards: tuple[Card, ...] = ()
    warnings: tuple[VendorWarning, ...] = ()
    findings: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    refusal: Reject | Review | None = None
    lines: tuple[TextLine, ...] | None = None


#: Is told the cards whose places are known, and what the witness saw (see `Recognition.lines`).
Located = Callable[[tuple[Card, ...], "tuple[TextLine, ...] | None"], None]


class CardRecogniser(Protocol):
    """Finds and reads the cards of a picture, by whatever means."""

    def recognise(self, image: Image, hint: Hint, located: Located | None = None) -> Recognition:
        """Recognise the cards.

        Parameters
        ----------
        located : callable, optional
            Told the cards and the witness's lines as soon as both are known, if the text is still to come;
            what the cards say and which findings they have may change until then.

        Raises
        ------
        Retry, Halt
            When nothing can be said of this picture now. `Reject` and `Review` are part of the answer.
        """
        ...

    def texts(self, image: Image) -> tuple[str, ...]:
        """Read whatever text there is, for the proof that a copy shows none of what was masked."""
        ...
