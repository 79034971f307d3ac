"""What a sweep is to look at: read from a timer's message or a command line, refused where senseless."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import orjson

from cardveil.core.errors import Halt
from cardveil.settings import Settings

#: What a source may be found to be; the last three are the statuses of a result, and recognise it anew.
STATES: Final = ("missing", "outdated", "redacted", "needs_review", "rejected")
#: Looked for when nothing else is said.
DEFAULT_STATES: Final = ("missing", "outdated")
_MOST_KEYS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which sources a sweep looks at, and which of them it brings up to date.

    Attributes
    ----------
    prefix, suffix : str
        Of the sources' keys; the prefix begins with the inbox's.
    min_age_s, max_age_s : float
        Seconds since the upload; younger ones are left to their own event. 0 for no upper limit.
    states : tuple of str
        Some of `STATES`.
    policy_digest, pipeline : str
        Only sources whose present result was made by this policy, this version; empty for any.
    keys : tuple of str
        These sources instead of a listing.
    inventory : str
        Key of the ``manifest.json`` of a COS inventory report that is read instead of a listing.
    """

    prefix: str = ""
    suffix: str = ""
    min_age_s: float = 0.0
    max_age_s: float = 0.0
    states: tuple[str, ...] = DEFAULT_STATES
    policy_digest: str = ""
    pipeline: str = ""
    keys: tuple[str, ...] = ()
    inventory: str = ""

    @property
    def digest(self) -> str:
        """The name of what was selected: the run of the same selection goes on where it stopped."""
        return hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]

    @property
    def forced(self) -> frozenset[str]:
        """Statuses whose sources are recognised anew although their result is up to date."""
        return frozenset(self.states) - set(DEFAULT_STATES)

    @property
    def whole(self) -> bool:
        """Whether, when it is done, every result under the prefix is known to be up to date."""
        plain = not (self.suffix or self.max_age_s or self.policy_digest or self.pipeline or self.keys)
        return plain and not self.inventory and {"missing", "outdated"} <= set(self.states)


def selection_of(document: Mapping[str, Any], settings: Settings) -> Selection:
    """Read a selection.

    Raises
    ------
    Halt
        ``sweep_selection_invalid``, naming what is wrong and never its value.
    """
    known = {field.name for field in fields(Selection)}
    for name in document:
        if name not in known:
            raise _invalid("name only " + ", ".join(sorted(known)))
    texts = {name: document.get(name, "") for name in known - {"states", "keys", "min_age_s", "max_age_s"}}
    if not all(isinstance(text, str) for text in texts.values()):
        raise _invalid("write prefixes, suffixes, digests, versions and keys as texts")
    texts["prefix"] = texts["prefix"] or settings.inbox_prefix
    states = _texts(document, "states") or DEFAULT_STATES
    if not set(states) <= set(STATES):
        raise _invalid("choose the states from " + ", ".join(STATES))
    ages = {"min_age_s": document.get("min_age_s", settings.sweep_min_age_s)}
    ages["max_age_s"] = document.get("max_age_s", 0.0)
    if not all(isinstance(age, int | float) and 0 <= age < 1e10 for age in ages.values()):
        raise _invalid("write ages as seconds, 0 or more")
    keys = _texts(document, "keys")
    if len(keys) > _MOST_KEYS:
        raise _invalid(f"name at most {_MOST_KEYS} keys; use an inventory, or a prefix, for more")
    if keys and texts["inventory"]:
        raise _invalid("give keys or an inventory, not both")
    for prefix in (texts["prefix"], *keys):
        _check_place(prefix, settings)
    return Selection(
        **texts,
        min_age_s=float(ages["min_age_s"]),
        max_age_s=float(ages["max_age_s"]),
        states=tuple(sorted(set(states))),
        keys=tuple(dict.fromkeys(keys)),
    )


def selection_of_message(message: Any, settings: Settings) -> Selection:
    """Read a timer's message: empty for the whole inbox, else a selection as JSON.

    Raises
    ------
    Halt
        ``timer_message_unreadable`` or ``sweep_selection_invalid``; the text holds nothing of the message.
    """
    try:
        document = orjson.loads(message) if message else {}
    except (orjson.JSONDecodeError, TypeError):
        document = None
    if not isinstance(document, dict):
        raise Halt(
            "timer_message_unreadable", "write the timer's message as a JSON object, or leave it empty"
        )
    return selection_of(document, settings)


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name) or ()
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise _invalid(f"write {name} as a list of texts")
    return tuple(value)


def _check_place(prefix: str, settings: Settings) -> None:
    if not prefix.startswith(settings.inbox_prefix):
        raise _invalid("begin prefix and keys with the inbox's prefix")
    if prefix.startswith(settings.output_prefixes):
        raise _invalid("choose a prefix outside the results: they are not sources")


def _invalid(what_to_do: str) -> Halt:
    return Halt("sweep_selection_invalid", what_to_do)
