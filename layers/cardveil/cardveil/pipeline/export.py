"""All cards of an inbox as rows: digests, states, dates and codes, and texts only where they are asked for.

A row costs a GET. Few are held at a time, so that memory is the same for any number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from itertools import islice
from typing import Any, Final

from cardveil.card.model import FIELDS, PORTRAIT, CardType, Side
from cardveil.core.errors import SourceGone
from cardveil.core.frozen import dataclass
from cardveil.core.spreadsheet import BOM, line
from cardveil.redaction import Policy
from cardveil.settings import Settings
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.objects import Entry, Objects, moment
from cardveil.storage.sidecar import MAX_BYTES, read_sidecar
from cardveil.storage.sidecar_parts import parts_of
from cardveil.storage.source import is_source

FORMATS: Final = ("csv", "jsonl")
#: Which texts: none, those that the card's copy shows, or those too that it covers.
TEXTS: Final = ("none", "kept", "all")
#: A source without a result, with one of an older picture, and with one that cannot be read.
PENDING, OUTDATED, UNREADABLE = "pending", "outdated", "unreadable"
_COLUMNS: Final = (
    "source_sha256", "key", "state", "decided", "card", "card_type", "side", "uploaded_at", "recognised_at",
    "decided_at", "policy", "findings",
)  # fmt: skip
_FIELDS: Final = tuple(dict.fromkeys(name for names in FIELDS.values() for name in names if name != PORTRAIT))
_SIDE_BY_SIDE: Final = 16
#: Sidecars that are held at a time; each is some kilobytes, and never more than `MAX_BYTES`.
_TURN: Final = 64


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be exported.

    Attributes
    ----------
    format : str
        One of `FORMATS`.
    prefix : str
        Of the sources' keys.
    since : float
        Only what was uploaded, recognised or decided at or after this moment, in seconds since the epoch.
    texts : str
        One of `TEXTS`.
    with_key : bool
        Whether the source's key stands in the row.
    """

    format: str
    prefix: str = ""
    since: float = 0.0
    texts: str = "none"
    with_key: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """Makes the rows of one wish.

    Attributes
    ----------
    sources, results : Objects
        The buckets of the sources and of the results.
    policy : Policy
        The configured one: with `kept`, no text is given that it, or the card's own copy, covers.
    """

    sources: Objects
    results: Objects
    settings: Settings
    policy: Policy
    wish: Wish

    def head(self) -> str:
        """Return what stands before the first row."""
        return BOM + line(self._columns) if self.wish.format == "csv" else ""

    def rows(self, after: str = "") -> Iterator[tuple[str, str]]:
        """Yield each source's key after `after` with its lines: none where it is not asked for."""
        prefix = max(self.wish.prefix, self.settings.inbox_prefix, key=len)
        entries = (
            entry for entry in self.sources.entries(prefix, after) if is_source(entry.key, self.settings)
        )
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            while turn := list(islice(entries, _TURN)):
                yield from zip((entry.key for entry in turn), pool.map(self._lines, turn), strict=True)

    @property
    def _columns(self) -> tuple[str, ...]:
        return _COLUMNS + (_FIELDS if self.wish.texts != "none" else ())

    def _lines(self, entry: Entry) -> str:
        """Return a line for each card of a source, and one for a source without any."""
        try:
            _, data = self.results.get(keys_of(entry.key, self.settings).sidecar, max_bytes=MAX_BYTES)
            document, state = read_sidecar(data, entry.key), UNREADABLE
        except SourceGone:
            document, state = None, PENDING
        if document is not None:
            state = document["status"] if document["source"]["etag"] == entry.etag else OUTDATED
        row = self._row(entry, document, state)
        dates = [entry.modified, *(_seconds(row[name]) for name in ("recognised_at", "decided_at"))]
        if max(dates) < self.wish.since:
            return ""
        found = [(part, card) for part in parts_of(document) for card in part["cards"]] if document else []
        told = [self._of_card(document, number, *each) for number, each in enumerate(found, start=1)]
        return "".join(self._line(row | card) for card in told or [self._of_card(document, None, {}, None)])

    def _line(self, row: Mapping[str, Any]) -> str:
        if self.wish.format == "csv":
            return line(_text(row[name]) for name in self._columns)
        return json.dumps({name: row[name] for name in self._columns}, ensure_ascii=False) + "\n"

    def _row(self, entry: Entry, document: Mapping[str, Any] | None, state: str) -> dict[str, Any]:
        """Return what a row says of its source."""
        history = document.get("history", []) if document else []
        return {
            "source_sha256": source_digest(entry.key),
            "key": entry.key if self.wish.with_key else None,
            "state": state,
            "decided": bool(history),
            "uploaded_at": _iso(entry.modified),
            "recognised_at": document["created_at"] if document else None,
            "decided_at": history[-1]["at"] if history else None,
            "policy": _policy(document) if document else None,
            "findings": list(document["findings"]) if document else [],
        }

    def _of_card(
        self,
        document: Mapping[str, Any] | None,
        number: int | None,
        part: Mapping[str, Any],
        card: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """Return what a row says of its card, which is nothing where there is none.

        Parameters
        ----------
        number : int, optional
            Counted from 1, through all pages of a document.
        part : mapping
            The page that it is on, or the document itself.
        """
        said: dict[str, Any] = dict.fromkeys(("card_type", "side", *_FIELDS)) | {"card": number}
        if document is None or card is None:
            return said
        said |= {"card_type": card["type"], "side": card["side"]}
        done = document["redaction"]
        regions = part.get("regions", done["regions"]) if done else ()
        covered = {region["field"] for region in regions}
        card_type, side = CardType(card["type"]), Side(card["side"])
        for field in card["fields"]:
            name = field["name"]
            kept = name not in covered and self.policy.action_for(card_type, side, name) == "keep"
            if name in _FIELDS and (kept or self.wish.texts == "all"):
                said[name] = field["normalized"] or field["text"] or _token(field)
        return said


def _token(field: Mapping[str, Any]) -> str | None:
    """Return what stands for a text that is not kept: cards of one person join by it."""
    token = field.get("token")
    return f"token:{token}" if token else None


def _policy(document: Mapping[str, Any]) -> str:
    done = document["redaction"]
    return str(done["policy"]) if done else str(document["pipeline"]["policy_digest"])[:16]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _seconds(text: str | None) -> float:
    """Read a sidecar's moment; what cannot be read is as old as can be."""
    try:
        return moment(text) if text else 0.0
    except ValueError:
        return 0.0
