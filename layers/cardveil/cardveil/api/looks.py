"""Which route is which kind of look, and the entry that each request leaves in the access ledger."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from cardveil.api.models import CODE_FORM, CODE_LENGTH
from cardveil.api.problems import Problem
from cardveil.api.tokens import Caller
from cardveil.settings import Settings
from cardveil.storage.keys import source_digest
from cardveil.storage.ledger import Mark, entry_of

PURPOSE_HEADER: Final = "x-cardveil-purpose"
#: The client's address as the platform gives it; what proxies before it say, anybody can say.
_ADDRESS: Final = "x-scf-remote-addr"


@dataclass(frozen=True, slots=True)
class Look:
    """What a route shows or changes.

    Attributes
    ----------
    masked : str
        What it is for callers from whom texts that the policy covers are kept.
    first : bool
        Whether it is entered before the work, since the work cannot be taken back; a refusal is entered too.
    links : bool
        Whether the answer may hold links to the objects themselves.
    many : bool
        Whether it shows as many cards as there are, and so perhaps none.
    """

    kind: str
    masked: str = ""
    first: bool = False
    links: bool = False
    many: bool = False


#: By the name of the route's function; what is in neither table answers nobody.
LOOKS: Final[Mapping[str, Look]] = MappingProxyType(
    {
        "submit": Look("submission", links=True),
        "list_cards": Look("list", many=True),
        "export": Look("export", many=True),
        "card": Look("text", masked="masked_text", links=True),
        "source_view": Look("source"),
        "redacted_view": Look("copy"),
        "review": Look("decision", first=True, links=True),
        "erase": Look("erasure", first=True),
        "hold": Look("hold", first=True),
        "release": Look("release", first=True),
        "restore": Look("restoring", first=True),
    }
)
#: Routes that show nothing of a card, and why.
UNSEEN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "health": "says that the function answers",
        "console": "a page without data",
        "docs": "a page without data",
        "openapi": "a document without data",
        "upload": "gives a place for a picture that is still to come",
        "submit_job": "answers the key that the caller has sent",
        "job": "answers how far a job is, with the key by which the caller has asked",
    }
)


@dataclass
class Looking:
    """One request's look, from its admission to its answer.

    Attributes
    ----------
    cards : list of str
        Digests of the keys of the cards that were shown or changed.
    entered : bool
        Whether it was tried to enter it, and the work may go on.
    mark : Mark or None
        The segment of the ledger that holds the entry.
    """

    look: Look
    caller: Caller
    purpose: str
    address: str
    request_id: str
    cards: list[str] = field(default_factory=list)
    detail: str = ""
    entered: bool = False
    mark: Mark | None = None

    def at(self, key: str) -> None:
        """Note that a card was shown."""
        digest = source_digest(key)
        if digest not in self.cards:
            self.cards.append(digest)

    def at_each(self, keys: Iterable[str]) -> None:
        """Note that cards were shown, many of them and each once."""
        self.cards.extend(map(source_digest, keys))

    def entry(self, at: float, settings: Settings, refused: str = "") -> dict[str, Any]:
        """Return the entry: who, what, which cards, when, why, from where."""
        reads = self.caller.may("read_text")
        entry = entry_of(
            at,
            self.caller.subject,
            self.caller.roles,
            self.look.kind if reads or not self.look.masked else self.look.masked,
            self.cards,
            why=self.purpose,
            address=self.address,
            request=self.request_id,
            detail=self.detail,
            refused=refused,
        )
        if not refused and self.look.links and settings.ledger != "strict":
            entry["links"] = [kind for kind, role in LINKED.items() if self.caller.may(role)]
        return entry


#: Links to objects that an answer may hold, by the role for which it does.
LINKED: Final[Mapping[str, str]] = MappingProxyType({"redacted": "read", "source": "read_text"})


def looking(
    route: str, caller: Caller, headers: Mapping[str, str], settings: Settings, request_id: str
) -> Looking | None:
    """Return the look that a request is about to take, None when it takes none, or no ledger is kept.

    Parameters
    ----------
    headers
        By lower-case name.

    Raises
    ------
    Problem
        422 ``purpose_missing``, or ``purpose_refused`` for one that is no code.
    LookupError
        For a route of which neither table says anything.
    """
    look = None if route in UNSEEN else LOOKS[route]
    if look is None or settings.ledger == "off":
        return None
    purpose = headers.get(PURPOSE_HEADER, "").strip()
    if purpose and not (len(purpose) <= CODE_LENGTH and re.fullmatch(CODE_FORM, purpose)):
        raise Problem(
            422, "purpose_refused", "give a code in X-Cardveil-Purpose, as kyc-check or ticket:1234, no words"
        )
    if not purpose and settings.purpose == "required":
        raise Problem(422, "purpose_missing", "say in X-Cardveil-Purpose what the look is for, by a code")
    return Looking(look, caller, purpose, _address(headers), request_id)


def _address(headers: Mapping[str, str]) -> str:
    try:
        return str(ipaddress.ip_address(headers.get(_ADDRESS, "").strip()))
    except ValueError:
        return ""
