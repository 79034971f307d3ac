"""Warnings by rule: what a client makes of a code must be tried, whether or not a picture can cause it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final, Protocol

#: Codes of IDCardOCR, and those of RecognizeMainlandIDCardOCR.
CI_CODES: Final = frozenset(range(9100, 9107))
API_CODES: Final = frozenset(range(-9109, -9100))


class Keys(Protocol):
    """Where the keys of a picture are looked up."""

    def keys_of(self, md5: bytes) -> Iterable[str]:
        """The keys of all objects with these bytes."""
        ...


class WarningRules:
    """Codes that are given for a picture besides those that it causes; safe to be used from threads.

    Parameters
    ----------
    keys
        Finds the keys of a picture that a call names by its bytes.
    rules
        Codes by pattern of the object's key (``*`` and ``?`` as in a shell) or by the SHA-256 digest of the
        picture in hexadecimal.
    """

    def __init__(self, keys: Keys, rules: Mapping[str, Iterable[int]] | None = None) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._rules: dict[str, frozenset[int]] = {}
        self.set(rules or {})

    def set(self, rules: Mapping[str, Iterable[int]]) -> None:
        """Replace all rules; `ValueError` for a code that neither API has."""
        read = {pattern: frozenset(codes) for pattern, codes in rules.items()}
        if any(codes - CI_CODES - API_CODES for codes in read.values()):
            raise ValueError("a warning's code is 9100 to 9106, or -9101 to -9109")
        with self._lock:
            self._rules = read

    def codes_for(self, picture: bytes) -> frozenset[int]:
        """The codes of all rules that fit a picture, by one of its keys or its digest."""
        with self._lock:
            rules = dict(self._rules)
        if not rules:
            return frozenset()
        names = [hashlib.sha256(picture).hexdigest()]
        names += self._keys.keys_of(hashlib.md5(picture, usedforsecurity=False).digest())
        found = (
            codes for pattern, codes in rules.items() if any(fnmatchcase(name, pattern) for name in names)
        )
        return frozenset().union(*found)
