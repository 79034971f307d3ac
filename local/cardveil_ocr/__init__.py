"""The embedded recogniser: what reads cards where no vendor is called."""

from __future__ import annotations

from cardveil_ocr.recognizer import Recogniser
from cardveil_ocr.results import Found, FoundCard, TextLine

__all__ = ["Found", "FoundCard", "Recogniser", "TextLine"]
