"""Is the ledger whole? Every segment is read, and compared with all that others say of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from cardveil.core.errors import SourceGone
from cardveil.core.frozen import dataclass
from cardveil.storage.ledger import FORM, Mark, heads_prefix, ledger_prefix, segment_key
from cardveil.storage.objects import Objects

#: The look of an entry that names the last segment of a chain's removed beginning.
TRIMMED: Final = "trimmed"
#: The look of an entry by which a person says that a chain ends where nothing else says so.
SETTLED: Final = "settled"
#: The fault that a person may settle, who has looked why: an instance that was killed leaves it.
END_UNKNOWN: Final = "end_unknown"
_MAX_BYTES: Final = 64 * 1024 * 1024
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was written.

    Attributes
    ----------
    kind : str
        ``altered``: the bytes are not those that others name. ``missing``: there is no such segment.
        ``misplaced``: it says of itself that it stands elsewhere. ``unreadable``: it is no segment.
        ``end_unknown``: no head and no other chain names the last segment of this chain. ``stray``: an
        object that is no part of a ledger.
    place : str
        The object's key.
    """

    kind: str
    place: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    Attributes
    ----------
    ends : tuple of Mark
        The last segment of each chain: to be kept elsewhere and compared at the next verification.
    """

    chains: int
    segments: int
    entries: int
    faults: tuple[Fault, ...]
    ends: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it stands: what it says of itself, its entries, and the SHA-256 of its bytes."""

    header: Mapping[str, Any]
    entries: tuple[Mapping[str, Any], ...]
    sha256: str


def chains_of(objects: Objects, state_prefix: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each chain with the keys of its objects, in their order; one chain's are held at a time."""
    prefix, chain = f"{ledger_prefix(state_prefix)}chains/", ""
    keys: list[str] = []
    for key in objects.list(prefix):
        found = key.removeprefix(prefix).partition("/")[0]
        if found != chain and keys:
            yield chain, keys
            keys = []
        chain = found
        keys.append(key)
    if keys:
        yield chain, keys


def read_segment(objects: Objects, key: str) -> Segment | None:
    """Return a segment, None when there is none of that name; raises ValueError when it is no segment."""
    try:
        _, data = objects.get(key, max_bytes=_MAX_BYTES)
    except SourceGone:
        return None
    lines = [orjson.loads(line) for line in (data or b"").splitlines()]
    if not lines or not all(isinstance(line, dict) for line in lines) or lines[0].get("form") != FORM:
        raise ValueError("no segment of a ledger")
    return Segment(lines[0], tuple(lines[1:]), hashlib.sha256(data or b"").hexdigest())


def verify(objects: Objects, state_prefix: str, known: tuple[Mark, ...] = ()) -> Verdict:
    """Read the whole ledger and return all that is wrong with it.

    Parameters
    ----------
    known : tuple of Mark
        The ends of an earlier verification, which were kept elsewhere.
    """
    found = _once(objects, state_prefix, known)
    # What was being written is written by the second reading; what is wrong stays so.
    return _once(objects, state_prefix, known) if found.faults else found


def _once(objects: Objects, state_prefix: str, known: tuple[Mark, ...]) -> Verdict:
    check = _Check(objects, state_prefix)
    # Before the segments: what is written meanwhile has its head among those that are listed after them.
    named = [*known, *check.heads()]
    for chain, keys in chains_of(objects, state_prefix):
        check.read(chain, keys)
    check.compare(named)
    return Verdict(len(check.digests), check.segments, check.entries, tuple(check.faults), check.ends())


class _Check:
    """One verification; of each segment its digest is kept, 32 bytes."""

    def __init__(self, objects: Objects, state_prefix: str) -> None:
        self._objects, self._state_prefix = objects, state_prefix
        self.digests: dict[str, bytearray] = {}
        self.segments = self.entries = 0
        self.faults: list[Fault] = []
        self._named: list[Mark] = []
        self._doubted: set[Mark] = set()
        self._trimmed: dict[str, Mark] = {}
        self._gaps: list[Mark] = []

    def heads(self) -> list[Mark]:
        """Return what the heads name."""
        prefix, found = heads_prefix(self._state_prefix), []
        for entry in self._objects.entries(prefix):
            try:
                found.append(Mark.of(entry.key.removeprefix(prefix)))
            except ValueError:
                self._fault("stray", entry.key)
            if entry.size:
                self._fault("altered", entry.key)
        return found

    def read(self, chain: str, keys: list[str]) -> None:
        """Read a chain from its first segment to its last."""
        digests = self.digests.setdefault(chain, bytearray())
        before, expected = "", 1
        for key in keys:
            number = _number(key)
            if number is None or key != segment_key(self._state_prefix, chain, number):
                self._fault("stray", key)
                continue
            for gone in range(expected, number):
                self._gaps.append(Mark(chain, gone, ""))
                digests += bytes(_DIGEST_BYTES)
                before = ""
            expected = number + 1
            before = self._segment(Mark(chain, number, before), key)
            digests += bytes.fromhex(before) if before else bytes(_DIGEST_BYTES)

    def _segment(self, place: Mark, key: str) -> str:
        """Take a segment in whose predecessor's digest is in `place`; return its own digest."""
        self.segments += 1
        try:
            segment = read_segment(self._objects, key)
            if segment is None:
                self._fault("missing", key)
                return ""
            header = segment.header
            self._named += [Mark.of(text) for text in header.get("links", ())]
            self._doubted.update(Mark.of(text) for text in header.get("doubted", ()))
            for entry in segment.entries:
                if entry.get("look") == TRIMMED:
                    self._trim(Mark.of(entry["trimmed"]))
                elif entry.get("look") == SETTLED:
                    self._named.append(Mark.of(entry["settled"]))
        except (ValueError, TypeError, AttributeError, KeyError):
            self._fault("unreadable", key)
            return ""
        self.entries += len(segment.entries)
        if (header.get("chain"), header.get("number")) != (place.chain, place.number):
            self._fault("misplaced", key)
        elif header.get("before") != place.sha256 and (place.sha256 or place.number == 1):
            # The one before is another than the one that was followed.
            self._fault("altered", segment_key(self._state_prefix, place.chain, max(1, place.number - 1)))
        return segment.sha256

    def _trim(self, mark: Mark) -> None:
        if mark.number > self._trimmed.get(mark.chain, Mark("", 0, "")).number:
            self._trimmed[mark.chain] = mark

    def _is_trimmed(self, mark: Mark) -> bool:
        """Say whether a segment is one of those that were removed when their term had ended."""
        trimmed = self._trimmed.get(mark.chain)
        return trimmed is not None and mark.number <= trimmed.number

    def compare(self, named: list[Mark]) -> None:
        """Compare what was read with all that names it, and see whether each chain's end is named."""
        for gap in self._gaps:
            if not self._is_trimmed(gap):
                self._missing(gap.chain, gap.number)
        marks = {*named, *self._named}
        later = {*self.heads()}
        reached: Counter[str] = Counter()
        for mark in sorted({*marks, *later, *self._doubted}, key=lambda mark: mark.text):
            found = self._digest(mark)
            if found == mark.sha256 or (mark in later - marks and found is None):
                reached[mark.chain] = max(reached[mark.chain], mark.number)
            elif mark not in self._doubted and not (found is None and self._is_trimmed(mark)):
                kind = "missing" if found is None else "altered"
                self._fault(kind, segment_key(self._state_prefix, mark.chain, mark.number))
        for chain, digests in self.digests.items():
            last = len(digests) // _DIGEST_BYTES
            if reached[chain] < last:
                self._fault(END_UNKNOWN, segment_key(self._state_prefix, chain, last))

    def ends(self) -> tuple[Mark, ...]:
        """Return the last segment of each chain."""
        last = ((chain, len(digests) // _DIGEST_BYTES) for chain, digests in self.digests.items())
        found = (Mark(chain, number, self._digest(Mark(chain, number, "")) or "") for chain, number in last)
        return tuple(mark for mark in found if mark.sha256)

    def _digest(self, mark: Mark) -> str | None:
        """Return the digest of the segment that stands where a mark says, None when there is none."""
        end = mark.number * _DIGEST_BYTES
        found = bytes(self.digests.get(mark.chain, b"")[end - _DIGEST_BYTES : end])
        return found.hex() if any(found) else None

    def _missing(self, chain: str, number: int) -> None:
        self._fault("missing", segment_key(self._state_prefix, chain, number))

    def _fault(self, kind: str, key: str) -> None:
        fault = Fault(kind, key)
        if fault not in self.faults:
            self.faults.append(fault)


def _number(key: str) -> int | None:
    name = key.rpartition("/")[2].removesuffix(".jsonl")
    return int(name) if len(name) == 8 and name.isdigit() else None
