"""Where asynchronous events end that no retry could save: a file of JSON lines, and a list."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any


class DeadLetters:
    """Dead letters of one local cloud, oldest first; earlier runs' letters are read back from the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._letters: list[dict[str, Any]] = []
        if path.exists():
            lines = path.read_text("utf-8").splitlines()
            self._letters = [json.loads(line) for line in lines if line.strip()]

    def add(self, letter: dict[str, Any]) -> None:
        """Append one letter to the file and to the list."""
        with self._lock:
            with self._path.open("a", encoding="utf-8", errors="surrogatepass") as file:
                file.write(json.dumps(letter, ensure_ascii=False) + "\n")
            self._letters.append(letter)

    def all(self) -> list[dict[str, Any]]:
        """Return all letters, oldest first."""
        with self._lock:
            return list(self._letters)
