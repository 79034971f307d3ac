"""Whose a refusal is: an object's, or the account's if the same is refused of another object."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Final, Literal

import orjson

from cardveil.core.errors import CardveilError, Halt, Reject, Retry, Review, SourceGone
from cardveil.core.frozen import dataclass
from cardveil.settings import Settings
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.objects import Objects
from cardveil.storage.source import is_addressable

#: What is said of a source whose results or notes may not be read or written.
RESULT_REFUSED: Final = "result_refused"
#: Refusals that speak of everything by themselves.
_OF_ALL: Final = frozenset({"bucket_missing", "clock_wrong", "account_in_arrears"})
#: Requests that can be made of another object, too.
_ASKED: Final = frozenset(
    {
        "cos:HeadObject", "cos:GetObject", "cos:PutObject", "cos:DeleteObject", "cos:GetBucket",
        "cos:GetBucketObjectVersions",
    }
)  # fmt: skip

#: More than any key has after one that begins like it.
_LAST: Final = "\U0010ffff"
#: Sources that are asked for at most.
_PROBES: Final = 6
#: What is kept about single sources, under the prefix for state: by the digest of the source's key.
_STATE: Final = re.compile(
    r"((?:leases|staged|answers|history|unread|jobs|erasing|erased|retired|holds|webhooks/(?:notes|tries))/)"
    r"[0-9a-f]{64}(?:/.*|\.json|)"
)
#: Where no role deletes; what is written there to ask stays, always under the same name.
_NEVER_DELETED: Final = "erased/"
_MAX_NOTE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a refused object stands.

    Attributes
    ----------
    kind : str
        Whether it is a source, a result of one, or kept about one under the digest of its key.
    name : str
        The source's own, below the prefix; empty where only the digest of its key is told.
    of : callable
        Names what stands there of another source.
    lasting : bool
        Whether nothing is ever deleted there.
    """

    objects: Objects
    kind: Literal["source", "result", "state"]
    name: str
    of: Callable[[str], str]
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Refusals:
    """Judges refusals by asking the same of other objects: of other sources, or of what is kept about them.

    Attributes
    ----------
    sources, results : Objects
        The buckets of the sources, with all notes, and of the results.
    list_versions : callable, optional
        Lists versions under a prefix, for those who erase.
    """

    sources: Objects
    results: Objects
    settings: Settings
    list_versions: Callable[[Objects, str], object] | None = None

    def of_one(self, refusal: Halt) -> Review:
        """Return a refusal as the one object's that it is about.

        Raises
        ------
        CardveilError
            What is the account's, or cannot be told apart now.
        """
        error = self.judged(refusal)
        if not isinstance(error, Review):
            raise error from None
        return error

    def judged(self, refusal: CardveilError) -> CardveilError:
        """Return a refusal as what it is.

        Returns
        -------
        CardveilError
            `Review` ``source_refused`` or `RESULT_REFUSED` where the same is not refused of another source;
            otherwise what was given.
        """
        if not isinstance(refusal, Halt) or refusal.code in _OF_ALL:
            return refusal
        place = self._place(refusal.about)
        if place is None or not _can_be_asked(place, refusal):
            return refusal
        asked = 0
        try:
            for other in self._asked(place, refusal.api):
                asked += 1
                if not _refused_alike(place, other, refusal, self.list_versions):
                    return _of_object(place, refusal)
        except Retry as unknown:
            return unknown  # nothing can be said now
        except Halt:
            return refusal  # a role that may not list sources cannot ask for another
        # Where there is no other source, that the bucket could be listed tells.
        return refusal if asked else _of_object(place, refusal)

    def still_refused(self, key: str) -> bool:
        """Say whether results of a source could not be written, and cannot be now: nothing is to be paid."""
        keys = keys_of(key, self.settings)
        try:
            _, data = self.sources.get(keys.unread, max_bytes=_MAX_NOTE_BYTES)
            if orjson.loads(data or b"")["code"] != RESULT_REFUSED:
                return False
        except (SourceGone, ValueError, TypeError, KeyError):
            return False
        try:
            _write_beside(self.results, keys.redacted)
            _write_beside(self.results, keys.sidecar)
        except Halt:
            return True
        return False

    def _place(self, about: str) -> _Place | None:
        """Say where a key stands; None for what belongs to no single source, such as a prefix."""
        settings = self.settings
        if found := _STATE.fullmatch(about.removeprefix(settings.state_prefix)):
            kind = f"{settings.state_prefix}{found[1]}"
            return _Place(
                self.sources,
                "state",
                "",
                lambda other: f"{kind}{source_digest(other)}/",
                lasting=found[1] == _NEVER_DELETED,
            )
        name = about.removeprefix(settings.sidecar_prefix).removesuffix(".json")
        if about == f"{settings.sidecar_prefix}{name}.json":
            return _Place(self.results, "result", name, lambda other: keys_of(other, settings).sidecar)
        name = about.removeprefix(settings.redacted_prefix)
        if name and about == f"{settings.redacted_prefix}{name}":
            return _Place(self.results, "result", name, lambda other: keys_of(other, settings).redacted)
        name = about.removeprefix(settings.inbox_prefix)
        if name and about == f"{settings.inbox_prefix}{name}":
            return _Place(self.sources, "source", name, lambda other: other)
        return None

    def _asked(self, place: _Place, api: str | None) -> Iterator[str]:
        """Yield the sources of which the same is asked, until one is not refused alike.

        Of results and notes, and to be deleted, nothing need be there: first comes a source that nobody has
        made. A digest has nothing in common with another, and nobody else's lease may be touched: no other
        comes then.
        """
        if place.kind != "source" or api == "cos:DeleteObject":
            yield f"{self.settings.inbox_prefix}{'probe' if place.lasting else token_hex(16)}"
        if place.kind != "state":
            yield from self._others(place.name)

    def _others(self, name: str) -> Iterator[str]:
        """Yield other sources, those first whose names in the inbox have the least in common with this one.

        A policy forbids all that begins alike: behind each beginning another source is looked for.
        """
        inbox = self.settings.inbox_prefix
        ends = {0, 1, *(place + 1 for place, sign in enumerate(name) if sign == "/")}
        asked: set[str] = {f"{inbox}{name}"}
        for end in (*sorted(ends)[: _PROBES - 1], len(name)):
            after = f"{inbox}{name[:end]}{_LAST}" if end else ""
            other = self._next(after, asked)
            if other is not None:
                asked.add(other)
                yield other

    def _next(self, after: str, asked: set[str]) -> str | None:
        for entry in self.sources.entries(self.settings.inbox_prefix, after):
            if entry.key not in asked and is_addressable(entry.key) and not entry.key.endswith("/"):
                return entry.key
        return None


def _can_be_asked(place: _Place, refusal: Halt) -> bool:
    """Say whether the same can be asked of another object; where sources stand nothing is written."""
    if place.kind == "source":
        # Where sources stand nothing is written, and no listing is one source's but that of its versions.
        return refusal.api in _ASKED - {"cos:PutObject", "cos:GetBucket"}
    return refusal.api in _ASKED


def _of_object(place: _Place, refusal: Halt) -> Review:
    code, what_to_do = (
        (
            "source_refused",
            "let the function's role read this object: a policy of the bucket or its key of KMS forbids it",
        )
        if place.kind == "source"
        else (
            RESULT_REFUSED,
            "let the function's role read and write this source's results and notes: a policy of the bucket"
            " forbids one of them",
        )
    )
    return Review(
        code,
        what_to_do,
        api=refusal.api,
        vendor_code=refusal.vendor_code,
        request_id=refusal.request_id,
    )


def _refused_alike(
    place: _Place, other: str, refusal: Halt, list_versions: Callable[[Objects, str], object] | None
) -> bool:
    """Ask the same of another source's object; nothing of it is changed."""
    at, objects = place.of(other), place.objects
    try:
        match refusal.api:
            case "cos:HeadObject":
                objects.head(at)
            case "cos:PutObject" if place.lasting:
                _write(objects, f"{at}probe")
            case "cos:PutObject":
                _write_beside(objects, at)
            case "cos:DeleteObject":
                objects.delete(_beside(at))
            case "cos:GetBucket":
                next(iter(objects.list(at)), None)
            case "cos:GetBucketObjectVersions":
                if list_versions is None:
                    return True  # who erases nothing has no such permission
                list_versions(objects, at)
            case _:
                objects.get(at, max_bytes=0)
    except Halt as another:
        return another.code == refusal.code
    except (Reject, Review):
        return False  # it is not there, or refused for a reason of its own
    return False


def _write_beside(objects: Objects, key: str) -> None:
    """Write an empty object where a key stands, and take it away again."""
    name = _beside(key)
    _write(objects, name)
    objects.delete(name)


def _write(objects: Objects, name: str) -> None:
    objects.put(name, b"", media_type="application/octet-stream", meta={"kind": "probe"})


def _beside(key: str) -> str:
    """Return a key that nobody has, in the same folder."""
    folder, slash, _ = key.rpartition("/")
    return f"{folder}{slash}{token_hex(16)}"
