"""The second look: a recogniser reads the copy and must find no part of what is covered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from cardveil.card.layout import find_layout
from cardveil.card.model import Card
from cardveil.core.errors import proof_failed
from cardveil.core.frozen import dataclass, replace
from cardveil.redaction.policy import Partial, Policy
from cardveil.redaction.results import RedactedCopy
from cardveil.redaction.text_roles import folded

#: So many digits in a row of a covered text are a finding, and so many characters that are not all digits.
_DIGITS, _CHARACTERS = 4, 2


@dataclass(frozen=True, slots=True)
class Hidden:
    """A field's text, of which the characters from `first` to before `last` must not be readable."""

    text: str
    first: int
    last: int


def forbidden_texts(card: Card, policy: Policy) -> dict[str, Hidden]:
    """Return for each field that `policy` covers its text, and the part of it that must not be readable."""
    found = {}
    for field in card.fields:
        action = policy.action_for(card.type, card.side, field.name)
        text = "".join((field.text or "").split())
        if not text or action == "keep":
            continue
        first, last = 0, len(text)
        if isinstance(action, Partial) and len(text) > action.keep_first + action.keep_last:
            first, last = action.keep_first, len(text) - action.keep_last
        found[field.name] = Hidden(text, first, last)
    return found


def kept_texts(card: Card, policy: Policy) -> list[str]:
    """Return the texts that `policy` leaves readable, parts of texts and printed labels among them."""
    kept = [
        f.text for f in card.fields if f.text and policy.action_for(card.type, card.side, f.name) == "keep"
    ]
    for hidden in forbidden_texts(card, policy).values():
        kept += [part for part in (hidden.text[: hidden.first], hidden.text[hidden.last :]) if part]
    layout = find_layout(card.type, card.side)
    return [*kept, *(layout.labels if layout else ())]


def prove_unreadable(
    copy: RedactedCopy,
    forbidden: Mapping[str, Hidden],
    read_text: Callable[[bytes], Iterable[str]],
    *,
    kept: Iterable[str] = (),
) -> RedactedCopy:
    """Read a copy and return it with that noted in its proof, if nothing of `forbidden` is found.

    Recognition cannot prove that a text is gone (it misses half of what is half covered): it is the second
    look, after the geometric proof that every copy has.

    Parameters
    ----------
    forbidden : mapping of field to Hidden
        See `forbidden_texts`. Any two characters in a row count of which one is hidden, of digits any four; a
        single hidden character counts when it is all that a line says beside labels.
    read_text : callable
        Takes the copy's bytes, returns the lines found.
    kept : iterable of str
        Texts that may be there; what they hold as well proves nothing. See `kept_texts`.

    Raises
    ------
    Review
        ``proof_failed``, naming the field and never its text.
    """
    allowed = [folded(text) for text in kept]
    lines = [folded(line) for line in read_text(copy.data)]
    for field, hidden in forbidden.items():
        telling = {part for part in _parts(hidden) if not any(part in text for text in allowed)}
        alone = folded(hidden.text[hidden.first : hidden.last])
        for line in lines:
            single = len(alone) == 1 and _without(line, allowed) == alone
            if single or any(part in line for part in telling):
                raise proof_failed(f"a recogniser still reads something of {field}")
    return replace(copy, proof=replace(copy.proof, recognised=True))


def _parts(hidden: Hidden) -> Iterator[str]:
    """Yield every part of a text that must not be found: it holds a hidden character."""
    first, last = len(folded(hidden.text[: hidden.first])), len(folded(hidden.text[: hidden.last]))
    text = folded(hidden.text)
    for start in range(len(text)):
        count = _CHARACTERS if not _is_number(text[start : start + _CHARACTERS]) else _DIGITS
        part = text[start : start + count]
        whole = len(part) == count and (count == _CHARACTERS or _is_number(part))
        if whole and start < last and start + count > first:
            yield part


def _is_number(text: str) -> bool:
    """Say whether a text is digits, but for the X that may end an ID number."""
    return bool(text) and (text.isdecimal() or (text[:-1].isdecimal() and text[-1] == "x"))


def _without(line: str, texts: Iterable[str]) -> str:
    """Return a line without the labels that it begins with or is made of."""
    for text in sorted(texts, key=len, reverse=True):
        if len(text) > 1:
            line = line.replace(text, "")
    return line
