"""Where asynchronous events end that no retry could save: a file of JSON lines, read as a queue is."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardveil_cloud import files

Letter = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A letter that was handed out: nobody else gets it until then (seconds since the epoch)."""

    handle: str
    until: float


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
        self._letters: list[Letter] = []
        self._hidden: dict[str, Hidden] = {}
        self.notices: list[str] = []
        if path.exists():
            self._read(path.read_bytes())

    def add(self, letter: Letter) -> None:
        """Append one letter to the file and to the list, unless one of its request is there already."""
        with self._lock:
            if any(known.get("RequestId") == letter["RequestId"] for known in self._letters):
                return
            with files.open_private(self._path, "ab") as file:
                file.write(_line(letter))
            self._letters.append(letter)

    def all(self) -> list[Letter]:
        """Return all letters, oldest first."""
        with self._lock:
            return list(self._letters)

    def hidden(self, now: float) -> set[str]:
        """Return the request ids of the letters that are handed out."""
        with self._lock:
            return {request_id for request_id, each in self._hidden.items() if each.until > now}

    def receive(
        self, wanted: Callable[[Letter], bool], most: int, now: float, invisible_s: float
    ) -> list[tuple[Hidden, Letter]]:
        """Hand out the oldest letters that nobody has; others get them after `invisible_s` seconds."""
        with self._lock:
            free = [
                each
                for each in self._letters
                if wanted(each) and getattr(self._hidden.get(each["RequestId"]), "until", 0.0) <= now
            ]
            found = []
            for letter in free[:most]:
                hidden = Hidden(secrets.token_hex(16), now + invisible_s)
                self._hidden[letter["RequestId"]] = hidden
                found.append((hidden, letter))
            return found

    def remove(self, handle: str, now: float) -> bool:
        """Delete a letter by the handle it was handed out with; False when that is not good any more."""
        with self._lock:
            request_id = next(
                (name for name, each in self._hidden.items() if each.handle == handle and each.until > now),
                None,
            )
            if request_id is None:
                return False
            left = [each for each in self._letters if each["RequestId"] != request_id]
            files.write(self._path, b"".join(map(_line, left)))
            self._letters = left
            del self._hidden[request_id]
            return True

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


def _line(letter: Letter) -> bytes:
    return json.dumps(letter, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _letter(line: bytes) -> Letter | None:
    try:
        letter = json.loads(line.decode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return letter if isinstance(letter, dict) and letter.get("RequestId") else None
