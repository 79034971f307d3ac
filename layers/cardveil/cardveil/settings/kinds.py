"""The kinds of value that a setting may have: each reads a variable's text and says what it expects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from cardveil.card.model import CardType, Side
from cardveil.core.frozen import dataclass

#: Longest key that COS takes, in bytes of UTF-8 ("Object overview", COS documentation).
MAX_KEY_BYTES: Final = 850
#: Shortest secret that is taken: 32 characters of hexadecimal are 128 bits.
_SECRET_CHARACTERS: Final = 32
#: What a retention may be set for.
KEPT: Final = ("source", "copy", "sidecar", "ledger")
#: Six months, the shortest term of logs (Cybersecurity Law, article 21).
LEDGER_DAYS: Final = 184
_LONGEST_TERM_DAYS: Final = 100 * 365
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = rf"{_LABEL}(\.{_LABEL})+"
_LOOPBACK: Final = r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?"
#: Printable ASCII that needs no escaping in a URL (RFC 3986), its percent sign included.
_URL_TAIL: Final = r"(/[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{0,500})?"


@dataclass(frozen=True, slots=True)
class CardRule:
    """Uploads whose key begins with `prefix` show a card of this type (and side)."""

    prefix: str
    card_type: CardType
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """How long objects of one kind are kept, of the cards whose source's key begins with `prefix`."""

    prefix: str
    kind: str
    days: int


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    Attributes
    ----------
    parse
        Turns a variable's text into the value; raises ValueError for any other text.
    expected : str
        What the text must be, to follow "set X to".
    show
        Turns a value into a text that `parse` takes.
    secret : bool
        Whether values are never shown, in no page, plan or `repr`.
    """

    parse: Callable[[str], Any]
    expected: str
    show: Callable[[Any], str] = str
    secret: bool = False


def choice(*allowed: str) -> Kind:
    """One of a few words."""

    def parse(raw: str) -> str:
        if raw not in allowed:
            raise ValueError
        return raw

    return Kind(parse, _listed(allowed))


def flag() -> Kind:
    """A switch."""

    def parse(raw: str) -> bool:
        if raw.lower() in {"on", "true", "1", "yes"}:
            return True
        if raw.lower() in {"off", "false", "0", "no"}:
            return False
        raise ValueError

    return Kind(parse, "on or off", lambda value: "on" if value else "off")


def whole(low: int, high: int, unit: str = "") -> Kind:
    """A whole number within bounds."""

    def parse(raw: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", raw) or not low <= int(raw) <= high:
            raise ValueError
        return int(raw)

    return Kind(parse, f"a whole number{unit and ' of '}{unit} from {low} to {high}")


def number(low: float, high: float, unit: str) -> Kind:
    """A number within bounds, written without an exponent."""

    def parse(raw: str) -> float:
        if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", raw) or not low <= float(raw) <= high:
            raise ValueError
        return float(raw)

    return Kind(parse, f"{unit} from {low:g} to {high:.9g}", lambda value: f"{value:.9g}")


def matching(pattern: str, expected: str, *, optional: bool = False) -> Kind:
    """A text of one form; an optional one may be empty."""

    def parse(raw: str) -> str:
        if not (optional and not raw) and not re.fullmatch(pattern, raw, re.ASCII):
            raise ValueError
        return raw

    return Kind(parse, expected + (", or nothing" if optional else ""))


def prefix() -> Kind:
    """A key prefix: as COS stores it, so that listings, events and permissions mean the same keys by it."""
    return Kind(
        _prefix,
        f"a key prefix of at most {MAX_KEY_BYTES // 2} bytes without a leading slash, empty parts, `.`, "
        "`..`, control characters or wildcards",
    )


def bucket() -> Kind:
    """A bucket's full name ("Bucket overview", COS documentation); empty for none."""
    return matching(
        r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?-[0-9]{1,12}",
        "a bucket's full name, such as cards-1250000000",
        optional=True,
    )


def encryption() -> Kind:
    """How objects are encrypted at rest; a key of KMS is named by its id, a UUID."""
    return matching(
        r"AES256|none|kms(:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?",
        "AES256, kms, kms:KEY-ID or none",
    )


def region() -> Kind:
    """A region's name in its long form."""
    return matching(r"[a-z]{2}-[a-z]{2,20}(-[a-z0-9]{1,12})?", "a region, such as ap-shanghai")


def api_host() -> Kind:
    """A host of the vendor's APIs: signed requests and pictures go there, so no other is taken."""
    return matching(
        rf"({_LABEL}\.){{1,4}}tencentcloudapi\.com|{_LOOPBACK}",
        "a host below tencentcloudapi.com without a path (localhost for tests)",
    )


def url() -> Kind:
    """An address over HTTPS, or on this machine; empty for none."""
    return matching(
        rf"https://{_HOST}(:\d{{1,5}})?{_URL_TAIL}|http://{_LOOPBACK}{_URL_TAIL}",
        "a URL that begins with https:// (http:// on localhost only)",
        optional=True,
    )


def receiver() -> Kind:
    """A public host over HTTPS, or this machine; empty for none. It may hold a token: shown like a secret."""

    def parse(raw: str) -> str:
        from cardveil.core.addresses import AddressRefusedError, target_of  # few functions have a receiver

        try:
            local = not raw or re.fullmatch(rf"http://{_LOOPBACK}{_URL_TAIL}", raw, re.ASCII)
            if not local and target_of(raw).scheme != "https":
                raise ValueError
        except AddressRefusedError:
            raise ValueError from None
        return raw

    return Kind(parse, "a URL of a public host that begins with https://, or nothing", secret=True)


def signing_keys() -> Kind:
    """Secrets that sign what is sent, as they are or in the form of Standard Webhooks."""

    def parse(raw: str) -> tuple[str, ...]:
        import base64  # few functions have such a secret

        for secret in (found := _parts(raw, ",")):
            if not re.fullmatch(rf"[ -~]{{{_SECRET_CHARACTERS},}}", secret):
                raise ValueError
            if secret.startswith("whsec_"):
                base64.b64decode(secret.removeprefix("whsec_"), validate=True)  # its error is a ValueError
        return found

    expected = (
        f"secrets of at least {_SECRET_CHARACTERS} printable characters, or whsec_ and Base64, by commas"
    )
    return Kind(parse, expected, ",".join, secret=True)


def origins() -> Kind:
    """Origins of web pages, over HTTPS or on this machine."""
    form = rf"https://{_HOST}(:\d{{1,5}})?|http://{_LOOPBACK}"

    def parse(raw: str) -> tuple[str, ...]:
        found = _parts(raw, ",")
        if not all(re.fullmatch(form, origin, re.ASCII) for origin in found):
            raise ValueError
        return found

    return Kind(parse, "origins such as https://desk.example.com, separated by commas", ",".join)


def path(*words: str, endings: str = "") -> Kind:
    """An absolute path, one of the words, or nothing."""
    form = rf"(/[\w.@+-]+)+{endings}"

    def parse(raw: str) -> str:
        if raw and raw not in words and (not re.fullmatch(form, raw) or ".." in raw.split("/")):
            raise ValueError
        return raw

    return Kind(parse, f"an absolute path{''.join(f', {word}' for word in words)}, or nothing")


def policy(*packaged: str) -> Kind:
    """A packaged policy's name, or a YAML file."""

    def parse(raw: str) -> str:
        file = re.fullmatch(r"/?([\w.@ +-]+/)*[\w.@ +-]+\.ya?ml", raw)
        if raw not in packaged and (not file or ".." in raw.split("/")):
            raise ValueError
        return raw

    return Kind(parse, f"{_listed((*packaged, 'the path of a file that ends in .yml'))}")


def names(*allowed: str) -> Kind:
    """Some of a table's names."""

    def parse(raw: str) -> frozenset[str]:
        found = frozenset(_parts(raw, ","))
        if not found <= set(allowed):
            raise ValueError
        return found

    return Kind(
        parse, f"any of {', '.join(allowed)}, separated by commas", lambda value: ",".join(sorted(value))
    )


def secrets() -> Kind:
    """Secrets that sign; the first is for what is new, and all are accepted."""

    def parse(raw: str) -> tuple[str, ...]:
        found = _parts(raw, ",")
        if not all(re.fullmatch(rf"[ -~]{{{_SECRET_CHARACTERS},}}", secret) for secret in found):
            raise ValueError
        return found

    expected = (
        f"one or more secrets of at least {_SECRET_CHARACTERS} printable characters, separated by commas"
    )
    return Kind(parse, expected, ",".join, secret=True)


def ids() -> Kind:
    """Ids of tokens."""

    def parse(raw: str) -> frozenset[str]:
        found = _parts(raw, ",")
        if not all(re.fullmatch(r"[!-~]{1,128}", each) for each in found):
            raise ValueError
        return frozenset(found)

    return Kind(
        parse,
        "ids of up to 128 printable characters, separated by commas",
        lambda value: ",".join(sorted(value)),
    )


def queue() -> Kind:
    """CI's CallBackMqConfig: regions sh, bj, gz, cd, hk; modes Queue and Topic."""
    return matching(
        r"(sh|bj|gz|cd|hk)/(Queue|Topic)/[A-Za-z0-9_-]{1,128}",
        "region/mode/name with sh, bj, gz, cd or hk, and Queue or Topic",
        optional=True,
    )


def function() -> Kind:
    """SCF's "FunctionName": 2 to 60 letters, digits, hyphens, underscores, a letter first, no sign last."""
    return matching(r"[A-Za-z][A-Za-z0-9_-]{0,58}[A-Za-z0-9]", "a function's name")


def card_rules() -> Kind:
    """What uploads show, by the prefix of their keys; the longest prefix comes first."""

    def parse(raw: str) -> tuple[CardRule, ...]:
        rules = []
        for part in _parts(raw, ";"):
            start, equals, kind = part.rpartition("=")
            card_type, slash, side = kind.partition("/")
            if not equals:
                raise ValueError
            rules.append(CardRule(_prefix(start), CardType(card_type), Side(side) if slash else None))
        if len({rule.prefix for rule in rules}) != len(rules):
            raise ValueError
        return tuple(sorted(rules, key=lambda rule: len(rule.prefix), reverse=True))

    def show(rules: tuple[CardRule, ...]) -> str:
        return ";".join(
            f"{each.prefix}={each.card_type.value}{f'/{each.side.value}' if each.side else ''}"
            for each in rules
        )

    return Kind(
        parse,
        "prefix=CardType[/side] with IDCard or DriverLicense, front or back, separated by semicolons",
        show,
    )


def retention() -> Kind:
    """How long what is kept; the longest prefix that fits decides, and stands first."""

    def parse(raw: str) -> tuple[Term, ...]:
        terms = []
        for part in _parts(raw, ";"):
            what, equals, term = (each.strip() for each in part.rpartition("="))
            prefix, colon, kind = what.rpartition(":")
            found = re.fullmatch(r"([1-9][0-9]{0,4})([dy])", term)
            if not equals or not found or kind not in KEPT or (colon and (not prefix or kind == "ledger")):
                raise ValueError
            days = int(found[1]) * (365 if found[2] == "y" else 1)
            if days > _LONGEST_TERM_DAYS or (kind == "ledger" and days < LEDGER_DAYS):
                raise ValueError
            terms.append(Term(_prefix(prefix), kind, days))
        if len({(term.prefix, term.kind) for term in terms}) != len(terms):
            raise ValueError
        return tuple(sorted(terms, key=lambda term: len(term.prefix), reverse=True))

    def show(terms: tuple[Term, ...]) -> str:
        return ";".join(f"{t.prefix}{':' if t.prefix else ''}{t.kind}={t.days}d" for t in terms)

    return Kind(
        parse,
        "[prefix:]kind=term, separated by semicolons, with source, copy, sidecar or ledger, and a term as "
        f"30d or 3y, at least {LEDGER_DAYS}d for the ledger",
        show,
    )


def prices(*apis: str) -> Kind:
    """The price of one call, by API."""
    price = number(0, 1_000_000, "a price")

    def parse(raw: str) -> Mapping[str, float]:
        found = {}
        for part in _parts(raw, ";"):
            api, _, amount = (each.strip() for each in part.partition("="))
            if api not in apis or api in found:
                raise ValueError
            found[api] = float(price.parse(amount))
        return found

    return Kind(
        parse,
        f"API=price of one call, separated by semicolons, with {_listed(apis)}",
        lambda value: ";".join(f"{api}={amount:.9g}" for api, amount in value.items()),
    )


def _prefix(raw: str) -> str:
    # Wildcards would widen the permissions that are made from it. Surrogates cannot be encoded: ValueError.
    if len(raw.encode()) > MAX_KEY_BYTES // 2 or not raw.isprintable() or re.search(r"[*?\\]", raw):
        raise ValueError
    parts = raw.removesuffix("/").split("/") if raw else []
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError
    return raw


def _parts(raw: str, separator: str) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in raw.split(separator))))


def _listed(words: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
