"""Where asynchronous events end that no retry could save: a file of JSON lines, and a list."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from cardveil_cloud import files


class DeadLetters:
    """Dead letters of one local cloud, oldest first; earlier runs' letters are read back from the file.

    Lines that cannot be read (the last one, when the machine stopped while it was written) stay in the
    file, which is set aside; the others are written anew.

    Attributes
    ----------
    notices : list of str
        What was found at the start and has to be told.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._letters: list[dict[str, Any]] = []
        self.notices: list[str] = []
        if path.exists():
            self._read(path.read_bytes())

    def add(self, letter: dict[str, Any]) -> None:
        """Append one letter to the file and to the list, unless one of its request is there already."""
        with self._lock:
            if any(known.get("RequestId") == letter["RequestId"] for known in self._letters):
                return
            with files.open_private(self._path, "ab") as file:
                file.write(_line(letter))
            self._letters.append(letter)

    def all(self) -> list[dict[str, Any]]:
        """Return all letters, oldest first."""
        with self._lock:
            return list(self._letters)

    def _read(self, content: bytes) -> None:
        lines = [line for line in content.split(b"\n") if line.strip()]
        read = [_letter(line) for line in lines]
        self._letters = [letter for letter in read if letter is not None]
        damaged = len(lines) - len(self._letters)
        if damaged:
            aside = files.set_aside(self._path)
            files.write(self._path, b"".join(map(_line, self._letters)))
            self.notices.append(f"{damaged} dead letter(s) could not be read: {aside.name} is kept")
        elif content and not content.endswith(b"\n"):
            with files.open_private(self._path, "ab") as file:
                file.write(b"\n")


def _line(letter: dict[str, Any]) -> bytes:
    return json.dumps(letter, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _letter(line: bytes) -> dict[str, Any] | None:
    try:
        letter = json.loads(line.decode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return letter if isinstance(letter, dict) else None
