"""The embedded recogniser in the form that the package asks of any recogniser, for work without a server."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from cardveil.card.model import Call, CardType, Side
from cardveil.core.errors import Reject
from cardveil.core.frozen import replace
from cardveil.recognition.interfaces import Hint, Image, Located, Recognition, TextLine
from cardveil.recognition.merge import check
from cardveil.recognition.witness import findings_of, titles_among

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cardveil_ocr import Recogniser

API: Final = "embedded"


class EmbeddedRecogniser:
    """Recognises in this process; the models are loaded at the first picture and kept.

    Parameters
    ----------
    load : callable
        Gives the engine; called once, since loading takes longer than a picture.
    """

    def __init__(self, load: Callable[[], Recogniser]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._engine: Recogniser | None = None

    def recognise(
        self,
        image: Image,
        hint: Hint,
        located: Located | None = None,  # noqa: ARG002 - places and texts are known at once here
    ) -> Recognition:
        """Recognise the cards of a picture, from the top.

        The engine is its own witness: it tells all text that it saw, on the card and beside it.
        """
        started = time.perf_counter()
        seen = self._ready().look(_pixels(image.data), card_type=hint.card_type)
        calls = (Call(API, "", round((time.perf_counter() - started) * 1000, 1)),)
        lines = tuple(TextLine(line.text, line.score, line.polygon, line.characters) for line in seen.lines)
        if not seen.cards:
            refusal = Reject("no_card", "upload a picture of an ID card or of a licence's main page")
            return Recognition(calls=calls, refusal=refusal, findings=titles_among(lines), lines=lines)
        cards, findings = [], list[str]()
        for found in seen.cards:
            card, more = check(replace(found.card, outline=found.outline))
            cards.append(card)
            findings += [*found.findings, *more]
        if len(cards) == 1:  # of several each one's own text is told apart first: see `pipeline.examine`
            findings += findings_of(cards[0], lines, cards[0].outline)
        return Recognition(tuple(cards), findings=tuple(dict.fromkeys(findings)), calls=calls, lines=lines)

    def texts(self, image: Image) -> tuple[str, ...]:
        """Read all text of a picture."""
        return tuple(line.text for line in self._ready().read_text(_pixels(image.data)))

    def _ready(self) -> Recogniser:
        with self._lock:
            if self._engine is None:
                self._engine = self._load()
            return self._engine


def embedded_recogniser(threads: int) -> EmbeddedRecogniser:
    """Return the recogniser with its usual engine; see `Recogniser`."""

    def load() -> Recogniser:
        from cardveil_ocr import Recogniser

        return Recogniser(threads=threads)

    return EmbeddedRecogniser(load)


def hint_of_names(card_type: str | None, side: str | None) -> Hint:
    """Return the hint that a user gave by name."""
    return Hint(CardType(card_type) if card_type else None, Side(side) if side else None)


def _pixels(data: bytes) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image as Pillow

    with Pillow.open(io.BytesIO(data)) as opened:
        # `convert` copies even what is in RGB already.
        pixels: Any = np.asarray(opened if opened.mode == "RGB" else opened.convert("RGB"))
    return pixels  # type: ignore[no-any-return]
