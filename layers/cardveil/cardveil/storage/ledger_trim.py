"""Removes the oldest segments of the ledger once their term has ended, and enters that first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from cardveil.core.frozen import dataclass
from cardveil.core.timing import iso
from cardveil.settings import Settings
from cardveil.storage.ledger import Ledger, Mark, ledger_prefix, segment_key
from cardveil.storage.ledger_check import TRIMMED, read_segment
from cardveil.storage.objects import CosObjects, Entry
from cardveil.storage.versions import delete_version, versions_of

_DAY_S: Final = 86400.0


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The segments of a chain that are due: all up to the last of them, by their keys."""

    last: Mark
    keys: tuple[str, ...]


def trim(objects: CosObjects, settings: Settings, ledger: Ledger, now: float, counts: Counter[str]) -> None:
    """Remove the beginnings of chains that are older than the ledger's term.

    What is removed is named by an entry that is durable before: `verify` takes no other gap.
    """
    days = settings.term("", "ledger")
    if days is None:
        return
    for beginning in _due(objects, settings, now - days * _DAY_S):
        entry = {
            "at": iso(now, "milliseconds"),
            "by": "schedule",
            "look": TRIMMED,
            "trimmed": beginning.last.text,
        }
        ledger.enter(objects, settings.state_prefix, [entry])
        for key in beginning.keys:
            for version in versions_of(objects, key):
                delete_version(objects, version)
            counts["ledger"] += 1


def _due(objects: CosObjects, settings: Settings, before: float) -> Iterator[_Beginning]:
    prefix = f"{ledger_prefix(settings.state_prefix)}chains/"
    listed = objects.entries(prefix)
    for chain, entries in groupby(listed, lambda entry: entry.key.removeprefix(prefix).partition("/")[0]):
        old: list[Entry] = []
        for entry in entries:
            if entry.modified >= before:
                break
            old.append(entry)
        if not old:
            continue
        number = old[-1].key.rpartition("/")[2].removesuffix(".jsonl")
        try:
            segment = read_segment(objects, old[-1].key)
        except ValueError:
            continue  # what cannot be read is for a person to see
        if (
            segment
            and number.isdigit()
            and old[-1].key == segment_key(settings.state_prefix, chain, int(number))
        ):
            yield _Beginning(Mark(chain, int(number), segment.sha256), tuple(entry.key for entry in old))
