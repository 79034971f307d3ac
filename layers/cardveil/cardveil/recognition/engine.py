"""The embedded engine as recogniser of cards, and as the witness beside the vendor's APIs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from cardveil.core.errors import Review
from cardveil.core.frozen import dataclass, field
from cardveil.recognition.engine_process import EngineProcess
from cardveil.recognition.interfaces import Hint, Image, Located, Reading, Recognition, TextLine
from cardveil.recognition.plain import recognition_of
from cardveil.settings.regions import EMBEDDED

T = TypeVar("T")
#: What sidecars name it; a call of it costs nothing.
API: Final = EMBEDDED


@dataclass(frozen=True, slots=True)
class EngineRecogniser:
    """Recognises in this function: no picture leaves it, and nothing is paid.

    Attributes
    ----------
    process : EngineProcess
        Where the engine runs.
    remaining_s : callable
        Seconds that are left of the invocation.
    """

    process: EngineProcess
    remaining_s: Callable[[], float]

    def recognise(
        self,
        image: Image,
        hint: Hint,
        located: Located | None = None,  # noqa: ARG002 - places and texts are known at once here
    ) -> Recognition:
        """Recognise the cards; raises as `EngineProcess.ask` does, but for `Review`, which is an answer."""
        asked = {"do": "recognise", "card_type": hint.card_type.value if hint.card_type else None}
        try:
            return _understood(self.process.ask(asked, image.data, self.remaining_s()), recognition_of)
        except Review as refusal:
            return Recognition(refusal=refusal)

    def texts(self, image: Image) -> tuple[str, ...]:
        """Read all text of a picture; raises as `EngineProcess.ask` does."""
        answer = self.process.ask({"do": "texts"}, image.data, self.remaining_s())
        return _understood(answer, lambda said: tuple(str(text) for text in said["texts"]))


@dataclass(frozen=True, slots=True)
class EngineWitness:
    """The engine beside the vendor's APIs: its look at a picture is taken once, for all that ask of it.

    Attributes
    ----------
    looks : dict
        What was seen, by the picture's bytes.
    """

    engine: EngineRecogniser
    looks: dict[bytes, Recognition] = field(default_factory=dict)

    def look(self, image: Image) -> Recognition:
        """Return all that the engine saw; raises Review ``engine_failed``, and as `EngineRecogniser` does."""
        if image.data not in self.looks:
            # It is told of no expectation: what it sees it sees by itself.
            self.looks[image.data] = self.engine.recognise(image, Hint())
        seen = self.looks[image.data]
        if isinstance(seen.refusal, Review):
            raise seen.refusal
        return seen

    def lines(self, image: Image) -> tuple[tuple[TextLine, ...], Reading]:
        """See `TextLocator.lines`."""
        seen = self.look(image)
        return seen.lines or (), Reading(api=API, elapsed_ms=seen.calls[0].elapsed_ms if seen.calls else 0.0)


def _understood(answer: dict[str, Any], read: Callable[[dict[str, Any]], T]) -> T:
    """Return what an answer says; one that nobody understands is as good as none."""
    try:
        return read(answer)
    except (KeyError, IndexError, TypeError, ValueError):
        raise Review("engine_failed", "look at the picture: the engine's answer could not be read") from None
