"""First on PYTHONPATH, this has a Python that a test starts recognise as the session does."""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGE = "cardveil_ocr"


class _AtRecogniser(MetaPathFinder):
    """Waits for the recogniser's import, so that no other process pays for it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find the package as usual, and have its recogniser replaced once it is loaded."""
        if name != _PACKAGE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_and_replace(module: ModuleType) -> None:
            load(module)
            ours = importlib.import_module("tests.support.recognised_once")
            module.Recogniser = ours.RecognisedOnce  # type: ignore[attr-defined]

        spec.loader.exec_module = load_and_replace  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _AtRecogniser())
