"""Has one test session recognise each picture once, whichever test, worker or process asks for it.

Most tests of a card's way ask the embedded recogniser for the same ten sample pictures, and it takes seconds
for each. What it says of the very same pixels is the same, so that a session keeps what this checkout's
recogniser has said in this run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from tests.support.once import once

from cardveil.card.model import CardType
from cardveil_ocr.recognizer import Recogniser
from cardveil_ocr.results import Found, TextLine

#: Names the session's folder to processes that a test starts; see `environment_of`.
VARIABLE: Final = "RECOGNISED_ONCE"
_ROOT: Final = Path(__file__).parents[2]
_T = TypeVar("_T")


def environment_of(folder: Path) -> dict[str, str]:
    """Return variables with which a Python that is started recognises as this session does."""
    path = os.pathsep.join(map(str, (_ROOT / "tests" / "support" / "started", _ROOT)))
    return {VARIABLE: str(folder), "PYTHONPATH": path}


class RecognisedOnce(Recogniser):
    """The recogniser, which looks up in a folder what it has said of the same pixels."""

    def __init__(self, *, threads: int = 2, folder: Path | None = None) -> None:
        super().__init__(threads=threads)
        self._folder = folder or Path(os.environ[VARIABLE])

    def look(self, picture: NDArray[np.uint8], *, card_type: CardType | None = None) -> Found:
        """Find cards and texts, or tell what was found."""
        look = super().look
        return self._once(f"look {card_type}", picture, lambda: look(picture, card_type=card_type))

    def read_text(self, picture: NDArray[np.uint8]) -> tuple[TextLine, ...]:
        """Read all text, or tell what was read."""
        read_text = super().read_text
        return self._once("read", picture, lambda: read_text(picture))

    def _once(self, asked: str, picture: NDArray[np.uint8], work: Callable[[], _T]) -> _T:
        said = hashlib.sha256(f"{asked} {picture.dtype} {picture.shape} ".encode())
        said.update(picture.tobytes())
        return once(self._folder, said.hexdigest(), work)
