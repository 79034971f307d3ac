"""The recogniser that the functions use: locator, text provider and witness side by side, then one card."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Final

from cardveil.card.model import FIELDS, Call, Card, CardType, Side
from cardveil.core.errors import CardveilError, Halt, Reject, Retry, Review
from cardveil.core.frozen import dataclass, replace
from cardveil.core.retry import RetryPolicy
from cardveil.core.threads import background_tasks
from cardveil.recognition.general_ocr import API as OCR
from cardveil.recognition.interfaces import (
    Hint,
    Image,
    Located,
    Locator,
    Reading,
    Recognition,
    TextLine,
    TextLocator,
    TextReader,
)
from cardveil.recognition.merge import join
from cardveil.recognition.text_matching import place_fields

NO_CARD: Final = "no_card"

#: Puts a picture that is not in the bucket there for a while, and gives its key.
Stage = Callable[[Image], AbstractContextManager[str]]


@dataclass(frozen=True, slots=True)
class CloudRecogniser:
    """Recognises through the vendor's APIs.

    Attributes
    ----------
    locator, reader, general
        The adapters; without `reader` the locator's own text is taken, without `general` the back of an ID
        card is never located.
    retry_policy : RetryPolicy
        How often and how long each call may be tried; once, where the adapters are patient themselves.
    stage : Stage
        Used for pictures that do not stand in the bucket as they are sent.
    witness : TextLocator, optional
        Reads all text of every picture, with a deadline of its own: a card is finished without it if need be.
    region_of, is_abroad : callable
        Where an API reads pictures, and whether that is outside the country of the bucket.
    """

    locator: Locator
    reader: TextReader | None
    general: TextLocator | None
    retry_policy: RetryPolicy
    stage: Stage
    witness: TextLocator | None = None
    region_of: Callable[[str], str] = lambda _: ""
    is_abroad: Callable[[str], bool] = lambda _: False

    def recognise(self, image: Image, hint: Hint, located: Located | None = None) -> Recognition:
        """Recognise the card; `Reject` and `Review` of the vendor become the answer's `refusal`."""
        with ExitStack() as stack:
            if image.key is None:
                image = replace(image, key=stack.enter_context(self.stage(image)))
            with background_tasks() as pool:
                return _Attempt(self, image, hint, located, pool).run()

    def texts(self, image: Image) -> tuple[str, ...]:
        """Read all text with the general recogniser."""
        if self.general is None:
            raise Review("proof_failed", "switch CARDVEIL_GENERAL_OCR on: the proof by recognition needs it")
        with ExitStack() as stack:
            if image.key is None:
                image = replace(image, key=stack.enter_context(self.stage(image)))
            lines, _ = self.retry_policy.call(partial(self.general.lines, image))
            return tuple(line.text for line in lines)


class _Attempt:
    """One picture on its way through the calls; collects what is to be remembered of each."""

    def __init__(
        self, recogniser: CloudRecogniser, image: Image, hint: Hint, told: Located | None, pool: Executor
    ) -> None:
        self._cloud = recogniser
        self._image = image
        self._hint = hint
        self._told = told
        self._pool = pool
        self._looking: Future[tuple[TextLine, ...]] | None = None
        self._readings: list[Reading] = []
        self._findings: list[str] = []
        self._refusal: Reject | Review | None = None

    def run(self) -> Recognition:
        looking = self._cloud.witness
        card_type, side = self._hint.card_type, self._hint.side
        if looking is None and side is Side.BACK and card_type is not CardType.DRIVER_LICENSE:
            looking = self._cloud.general  # it will be paid for anyway
        if looking:
            self._looking = self._pool.submit(self._look, looking)
        if self._hint.card_type is not CardType.DRIVER_LICENSE:
            found = self._id_cards()
            if found or self._hint.card_type is CardType.ID_CARD or self._asks_for_review():
                return self._answer(found)
        licence = self._licence()
        return self._answer((licence,) if licence else ())

    def _id_cards(self) -> tuple[Card, ...]:
        """Return the front and the back, as far as there are; a picture may show both."""
        locating = None if self._hint.side is Side.BACK else self._pool.submit(self._locate_and_tell)
        # In this thread: it takes longest.
        read = self._read() if self._cloud.reader else None
        located = locating.result() if locating else None
        if read:
            self._findings.extend(read.findings)
        front, back = _sides(read)
        cards = []
        if located and located.fields:
            cards.append(self._front(located, front))
            if front is None and back is not None:
                # Whose front it is nobody has read.
                self._findings.append("several_cards")
                back = None
        elif front is not None:
            self._findings.append("positions_missing")
            cards.append(self._joined(CardType.ID_CARD, Side.FRONT, None, front))
        if back is not None:
            cards.append(self._back(back, alone=not cards))
        return tuple(cards)

    def _front(self, located: Reading, read: Reading | None) -> Card:
        if self._cloud.reader and (read is None or not read.fields):
            self._findings.append("text_missing")
        return self._joined(CardType.ID_CARD, Side.FRONT, located, read)

    def _back(self, read: Reading, *, alone: bool) -> Card:
        if alone and self._hint.side is Side.FRONT:
            self._findings.append("wrong_side")
        if self._looking is None and self._cloud.general:
            self._looking = self._pool.submit(self._look, self._cloud.general)
        try:
            lines = self._looking.result() if self._looking else ()
        except (Reject, Review):
            lines = ()  # a person can tell the places; what failed in passing is tried again as a whole
        read = replace(read, fields=place_fields(read.fields, lines, OCR))
        if any(field.polygon is None for field in read.fields):
            self._findings.append("positions_missing")
        return self._joined(CardType.ID_CARD, Side.BACK, read, None)

    def _licence(self) -> Card | None:
        located = self._locate(CardType.DRIVER_LICENSE)
        if not located.fields:
            return None
        # What the ID-card APIs said of a licence is beside the point.
        self._refusal = None
        return self._joined(CardType.DRIVER_LICENSE, Side.FRONT, located, None)

    def _joined(self, card_type: CardType, side: Side, located: Reading | None, read: Reading | None) -> Card:
        card, findings = join(card_type, side, located, read)
        self._findings.extend(findings)
        return card

    def _locate(self, card_type: CardType) -> Reading:
        reading = self._cloud.retry_policy.call(partial(self._cloud.locator.locate, self._image, card_type))
        self._readings.append(reading)
        return reading

    def _locate_and_tell(self) -> Reading:
        located = self._locate(CardType.ID_CARD)
        if self._told and self._cloud.reader and located.fields:
            # While the text is waited for.
            card, _ = join(CardType.ID_CARD, Side.FRONT, located, None)
            self._told((card,), self._seen((card,)))
        return located

    def _look(self, general: TextLocator) -> tuple[TextLine, ...]:
        lines, reading = self._cloud.retry_policy.call(partial(general.lines, self._image))
        self._readings.append(reading)
        return lines

    def _seen(self, cards: tuple[Card, ...]) -> tuple[TextLine, ...] | None:
        """Wait for the witness, and return all text that it saw; None without one, and when it failed.

        Raises
        ------
        Halt
            What the account refuses the witness it would refuse the next picture as well. That paid calls are
            stopped is no refusal: a card that needed none of them is finished.
        """
        if self._looking is None:
            return None
        from cardveil.recognition.witness import sees  # while the calls are waited for

        try:
            lines = self._looking.result()
        except Halt as halt:
            if halt.api:
                raise
            return None
        except (Retry, Reject, Review):
            return None
        seen = bool(cards) and all(sees(card, lines) for card in cards)
        return lines if self._cloud.witness and seen else None

    def _read(self) -> Reading | None:
        """Return the text provider's answer; its refusal is kept, to be weighed against the locator's."""
        if self._cloud.reader is None:
            raise ValueError("there is no text provider")
        try:
            reading = self._cloud.retry_policy.call(
                partial(self._cloud.reader.read, self._image, self._hint.side)
            )
        except (Reject, Review) as refusal:
            self._readings.append(Reading(api=refusal.api or "", request_id=refusal.request_id or ""))
            self._refusal = refusal
            return None
        self._readings.append(reading)
        return reading

    def _asks_for_review(self) -> bool:
        return isinstance(self._refusal, Review)

    def _answer(self, cards: tuple[Card, ...]) -> Recognition:
        refusal: CardveilError | None = self._refusal
        if cards and isinstance(refusal, Reject):
            refusal = None  # one API saw a card: what the other says is in the findings
        if not cards and refusal is None:
            refusal = Reject(NO_CARD, "upload a picture of an ID card or of a licence's main page")
        lines = self._seen(cards)
        if cards and lines is None:
            self._findings.append("witness_missing")
        elif len(cards) == 1 and lines is not None:
            from cardveil.recognition.witness import findings_of  # `_seen` has imported it

            self._findings.extend(findings_of(cards[0], lines))
        calls = tuple(
            Call(r.api, r.request_id, round(r.elapsed_ms, 1), self._cloud.region_of(r.api))
            for r in self._readings
        )
        if any(call.region and self._cloud.is_abroad(call.region) for call in calls):
            self._findings.append("sent_abroad")
        return Recognition(
            cards=cards,
            warnings=tuple(warning for reading in self._readings for warning in reading.warnings),
            findings=tuple(dict.fromkeys(self._findings)),
            calls=calls,
            refusal=refusal if isinstance(refusal, Reject | Review) else None,
            lines=lines,
        )


def _sides(read: Reading | None) -> tuple[Reading | None, Reading | None]:
    """Return what was read of the front and of the back: fields tell the sides."""
    if read is None:
        return None, None
    names = FIELDS[CardType.ID_CARD, Side.BACK]
    back = tuple(field for field in read.fields if field.name in names)
    front = tuple(field for field in read.fields if field.name not in names)
    return (
        replace(read, fields=front, side=Side.FRONT) if front else None,
        replace(read, fields=back, side=Side.BACK) if back else None,
    )
