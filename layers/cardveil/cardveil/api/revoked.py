"""Tokens that let nobody in any more, though signed and in date: a list that works within a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from cardveil.api.tokens import Caller
from cardveil.core.errors import Halt, SourceGone
from cardveil.settings import Settings
from cardveil.storage.objects import Objects

#: Below the state prefix: one id a line, and what follows ``#`` is a remark.
NAME: Final = "revoked-tokens.txt"
#: How long an instance goes by what it has read, in seconds.
_HOLDS_S: Final = 30.0
_MAX_BYTES: Final = 1024 * 1024


class RevokedTokens:
    """The ids of revoked tokens, of the settings and of the bucket; one for the process, passed on.

    An id is a token's ``jti``, or the SHA-256 of the whole token (hex), for those that have none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read: tuple[str, float, frozenset[str]] | None = None

    def has(self, caller: Caller, settings: Settings, bucket: Callable[[], Objects]) -> bool:
        """Say whether a caller's token is revoked.

        Parameters
        ----------
        bucket : callable
            Gives the bucket of the sources, when the list there has to be read.

        Raises
        ------
        CardveilError
            When the list cannot be read: nobody is let in then. A list that is not there is empty.
        """
        ids = caller.token_ids
        return not ids.isdisjoint(settings.revoked_tokens) or not ids.isdisjoint(
            self._listed(settings, bucket)
        )

    def _listed(self, settings: Settings, bucket: Callable[[], Objects]) -> frozenset[str]:
        key = f"{settings.state_prefix}{NAME}"
        place = f"{settings.bucket}/{key}"
        with self._lock:
            if self._read is None or self._read[0] != place or self._clock() - self._read[1] >= _HOLDS_S:
                # The time before the reading: what is written meanwhile is not missed for longer.
                self._read = place, self._clock(), ids_of(read_list(bucket(), key))
            return self._read[2]


def read_list(objects: Objects, key: str) -> str:
    """Return the list as it stands, with its remarks; empty where there is none.

    Raises
    ------
    Halt
        ``revoked_unreadable``.
    """
    try:
        _, data = objects.get(key, max_bytes=_MAX_BYTES)
        lines = data.decode("utf-8-sig") if data is not None else None
    except SourceGone:
        return ""
    except UnicodeDecodeError:
        lines = None
    if lines is None:
        raise Halt("revoked_unreadable", f"write {NAME} in UTF-8, with one token's id a line, below 1 MB")
    return lines


def ids_of(lines: str) -> frozenset[str]:
    """Return the ids of a list."""
    return frozenset(filter(None, (line.partition("#")[0].strip() for line in lines.splitlines())))
