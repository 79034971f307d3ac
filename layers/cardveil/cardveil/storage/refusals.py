"""Whose a refusal is: an object's, or the account's if another object is refused alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cardveil.core.errors import CardveilError, Halt, Retry, Review, SourceGone
from cardveil.core.frozen import dataclass
from cardveil.storage.objects import Objects
from cardveil.storage.source import is_addressable

#: Refused requests that read one object: what the same request for another object answers, tells.
_READS: Final = frozenset({"cos:GetObject", "cos:HeadObject"})
#: Refusals that speak of everything by themselves.
_OF_ALL: Final = frozenset({"bucket_missing", "clock_wrong", "account_in_arrears"})
#: More than any key has after one that begins like it.
_LAST: Final = "\U0010ffff"
#: Sources that are asked for at most.
_PROBES: Final = 6


@dataclass(frozen=True, slots=True)
class Refusals:
    """Judges refusals in one bucket by asking for other sources of it.

    Attributes
    ----------
    inbox_prefix : str
        Under which sources stand.
    """

    objects: Objects
    inbox_prefix: str

    def judged(self, key: str, refusal: CardveilError) -> CardveilError:
        """Return a refusal as what it is.

        Parameters
        ----------
        key : str
            The source with which it was met.

        Returns
        -------
        CardveilError
            `Review` ``source_refused`` where another source is not refused alike; otherwise what was given.
        """
        if not isinstance(refusal, Halt) or refusal.api not in _READS or refusal.code in _OF_ALL:
            return refusal
        try:
            asked = [self._answers_alike(other, refusal) for other in self._others(key)]
        except Retry as unknown:
            return unknown  # nothing can be said now
        except Halt:
            return refusal  # a role that may not list sources cannot ask for another
        # Where there is no other source, that the bucket could be listed tells.
        if asked and all(asked):
            return refusal
        return Review(
            "source_refused",
            "let the function's role read this object: a policy of the bucket or its key of KMS forbids it",
            api=refusal.api,
            vendor_code=refusal.vendor_code,
            request_id=refusal.request_id,
        )

    def _answers_alike(self, key: str, refusal: Halt) -> bool:
        try:
            if refusal.api == "cos:HeadObject":
                self.objects.head(key)
            else:
                self.objects.get(key, max_bytes=0)
        except Halt as another:
            return another.code == refusal.code
        except SourceGone:
            return False
        except Retry:
            raise
        except CardveilError:
            return False  # refused for a reason of its own
        return False

    def _others(self, key: str) -> Iterator[str]:
        """Yield other sources, those first whose keys have the least in common with `key`.

        A policy forbids all that begins alike: behind each beginning another source is looked for.
        """
        relative = key.removeprefix(self.inbox_prefix)
        ends = {0, 1, *(place + 1 for place, sign in enumerate(relative) if sign == "/")}
        asked: set[str] = {key}
        for end in (*sorted(ends)[: _PROBES - 1], len(relative)):
            after = f"{self.inbox_prefix}{relative[:end]}{_LAST}" if end else ""
            other = self._next(after, asked)
            if other is not None:
                asked.add(other)
                yield other

    def _next(self, after: str, asked: set[str]) -> str | None:
        for entry in self.objects.entries(self.inbox_prefix, after):
            if entry.key not in asked and is_addressable(entry.key) and not entry.key.endswith("/"):
                return entry.key
        return None
