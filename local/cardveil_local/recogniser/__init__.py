"""The embedded recogniser: what reads cards where no vendor is called."""

from __future__ import annotations

from cardveil_local.recogniser.recogniser import Recogniser
from cardveil_local.recogniser.results import FoundCard, TextLine

__all__ = ["FoundCard", "Recogniser", "TextLine"]
