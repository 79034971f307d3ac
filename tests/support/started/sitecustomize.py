"""First on PYTHONPATH, this has a Python that a test starts recognise as the session does."""

from __future__ import annotations

import importlib
import sys
from importlib.abc import MetaPathFinder
from typing import Any


class _AfterRecogniser(MetaPathFinder):
    """Waits for the import of `cardveil_ocr`, so that no other process pays for it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Take the other recogniser in the place of the one that is imported."""
        if name != "cardveil_ocr":
            return
        sys.meta_path.remove(self)
        ours = importlib.import_module("tests.support.recognised_once")
        importlib.import_module("cardveil_ocr").Recogniser = ours.RecognisedOnce


sys.meta_path.insert(0, _AfterRecogniser())
