"""The second look: a recogniser reads the copy and must find none of the covered texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cardveil.card.model import Card
from cardveil.core.errors import proof_failed
from cardveil.core.frozen import replace
from cardveil.redaction.policy import Partial, Policy
from cardveil.redaction.results import RedactedCopy

#: So many digits in a row of a covered number are a finding, whatever stands around them.
_RUN: Final = 4


def forbidden_texts(card: Card, policy: Policy) -> dict[str, str]:
    """Return for each field that `policy` covers the part of its text that must not be readable."""
    found = {}
    for field in card.fields:
        action = policy.action_for(card.type, card.side, field.name)
        if not field.text or action == "keep":
            continue
        text = field.text
        if isinstance(action, Partial) and len(text) > action.keep_first + action.keep_last:
            text = text[action.keep_first : len(text) - action.keep_last]
        found[field.name] = text
    return found


def kept_texts(card: Card, policy: Policy) -> list[str]:
    """Return the texts that `policy` leaves readable, whose digits prove nothing when they are found."""
    kept = [f for f in card.fields if f.text and policy.action_for(card.type, card.side, f.name) == "keep"]
    return [field.text or "" for field in kept]


def prove_unreadable(
    copy: RedactedCopy,
    forbidden: Mapping[str, str],
    read_text: Callable[[bytes], Iterable[str]],
    *,
    kept: Iterable[str] = (),
) -> RedactedCopy:
    """Read a copy and return it with that noted in its proof, if none of `forbidden` is found.

    Recognition cannot prove that a text is gone (it misses half of what is half covered): it is the second
    look, after the geometric proof that every copy has.

    Parameters
    ----------
    forbidden : mapping of field to text
        See `forbidden_texts`. A text of one character counts only when it is a line of its own. Of texts that
        hold four digits in a row or more, any four of them in a row count.
    read_text : callable
        Takes the copy's bytes, returns the lines found.
    kept : iterable of str
        Texts that may be there; digits that they hold are not counted. See `kept_texts`.

    Raises
    ------
    Review
        ``proof_failed``, naming the field and never its text.
    """
    lines = [_plain(line) for line in read_text(copy.data)]
    everything = "\n".join(lines)
    allowed = {run for text in kept for run in _runs(_plain(text))}
    digits = {run for line in lines for run in _runs(line)}
    for field, text in forbidden.items():
        wanted = _plain(text)
        if not wanted:
            continue
        whole = wanted in lines if len(wanted) == 1 else wanted in everything
        if whole or (_runs(wanted) - allowed) & digits:
            raise proof_failed(f"a recogniser still reads something of {field}")
    return replace(copy, proof=replace(copy.proof, recognised=True))


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum())


def _runs(text: str) -> set[str]:
    windows = (text[start : start + _RUN] for start in range(len(text) - _RUN + 1))
    return {window for window in windows if window.isdecimal()}
