"""Pages are recognised one after the other, each with a recogniser and a share of time of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cardveil.core.errors import out_of_time
from cardveil.core.frozen import dataclass
from cardveil.recognition.interfaces import CardRecogniser, Hint, Image, Located, Recognition

#: A page takes two seconds or so. With less time than this left the witness, which may take half of it, would
#: be missed, and less of the page be shown than there is to show.
_ROOM_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class PageByPage:
    """Builds a recogniser for each page.

    Attributes
    ----------
    build : callable
        Called when a page's turn comes: what a page may take is a share of the time that is left then.
    remaining_s : callable
        Seconds left for the document. Answers that were paid for are kept, so that the next try goes on.
    """

    build: Callable[[], CardRecogniser]
    remaining_s: Callable[[], float]

    def recognise(self, image: Image, hint: Hint, located: Located | None = None) -> Recognition:
        """Recognise a page; raises Retry ``out_of_time`` where it would not be done in time."""
        if self.remaining_s() < _ROOM_S:
            raise out_of_time()
        return self.build().recognise(image, hint, located)

    def texts(self, image: Image) -> tuple[str, ...]:
        """Read all text of a page's copy."""
        return self.build().texts(image)
