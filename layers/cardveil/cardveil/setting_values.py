"""What the text of each setting's variable must be, and the value that it stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from cardveil.card.model import CardType, Side
from cardveil.core.frozen import dataclass

#: Longest key that COS takes, in bytes of UTF-8 ("Object overview", COS documentation).
MAX_KEY_BYTES: Final = 850
#: Shortest secret that is taken: 32 characters of hexadecimal are 128 bits.
_SECRET_CHARACTERS: Final = 32
_ORIGIN: Final = r"https?://[a-z0-9.-]+(:\d{1,5})?"


@dataclass(frozen=True, slots=True)
class CardRule:
    """Uploads whose key begins with `prefix` show a card of this type (and side)."""

    prefix: str
    card_type: CardType
    side: Side | None = None


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in allowed:
            raise ValueError
        return raw

    return parse


def _flag(raw: str) -> bool:
    if raw.lower() in {"on", "true", "1", "yes"}:
        return True
    if raw.lower() in {"off", "false", "0", "no"}:
        return False
    raise ValueError


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not low <= (value := int(raw)) <= high:
            raise ValueError
        return value

    return parse


def _seconds(raw: str) -> float:
    # 900 s is SCF's longest time limit; `not` also refuses nan.
    if not 0 < (value := float(raw)) <= 900:
        raise ValueError
    return value


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(raw: str) -> float:
        if not low <= (value := float(raw)) <= high:  # also refuses nan
            raise ValueError
        return value

    return parse


def _secrets(raw: str) -> tuple[str, ...]:
    secrets = tuple(filter(None, (part.strip() for part in raw.split(","))))
    if any(len(secret) < _SECRET_CHARACTERS for secret in secrets):
        raise ValueError
    return secrets


def _url(raw: str) -> str:
    if raw and not re.fullmatch(r"https?://[!-~]{1,500}", raw):
        raise ValueError
    return raw


def _queue(raw: str) -> str:
    # CI's CallBackMqConfig: regions sh, bj, gz, cd, hk; modes Queue and Topic.
    if raw and not re.fullmatch(r"(sh|bj|gz|cd|hk)/(Queue|Topic)/[!-.0-~]{1,128}", raw):
        raise ValueError
    return raw


def _prefix(raw: str) -> str:
    # The local trigger, the listing and the event all carry keys without a leading slash.
    if raw.startswith("/") or len(raw.encode()) > MAX_KEY_BYTES // 2:
        raise ValueError
    return raw


def _rules(raw: str) -> tuple[CardRule, ...]:
    rules = []
    for part in filter(None, (part.strip() for part in raw.split(";"))):
        prefix, equals, kind = part.rpartition("=")
        card_type, _, side = kind.partition("/")
        if not equals:
            raise ValueError
        rules.append(CardRule(prefix, CardType(card_type), Side(side) if side else None))
    return tuple(sorted(rules, key=lambda rule: len(rule.prefix), reverse=True))


def _prices(raw: str) -> Mapping[str, float]:
    prices = {}
    for part in filter(None, (part.strip() for part in raw.split(";"))):
        api, equals, price = part.partition("=")
        if not equals or not api.strip() or not 0 <= float(price) < 1e6:
            raise ValueError
        prices[api.strip()] = float(price)
    return prices


def _function(raw: str) -> str:
    # SCF's "FunctionName": 2 to 60 letters, digits, hyphens and underscores, a letter first, no sign last.
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,58}[A-Za-z0-9]", raw):
        raise ValueError
    return raw


def _words(raw: str) -> frozenset[str]:
    return frozenset(filter(None, (word.strip() for word in raw.split(","))))


def _origins(raw: str) -> tuple[str, ...]:
    origins = tuple(filter(None, (origin.strip() for origin in raw.split(","))))
    if not all(re.fullmatch(_ORIGIN, origin) for origin in origins):
        raise ValueError
    return origins


_PREFIX = (_prefix, "a key prefix without a leading slash")
#: How a setting is read, and what is expected of its text; one that is not here is any text.
PARSERS: Final[Mapping[str, tuple[Callable[[str], object], str]]] = {
    "inbox_prefix": _PREFIX,
    "sidecar_prefix": _PREFIX,
    "redacted_prefix": _PREFIX,
    "state_prefix": _PREFIX,
    "result_names": (_one_of("key", "digest"), "key or digest"),
    "text_provider": (
        _one_of("RecognizeMainlandIDCardOCR", "IDCardOCR", "none"),
        "RecognizeMainlandIDCardOCR, IDCardOCR or none",
    ),
    "general_ocr": (_flag, "on or off"),
    "witness": (_flag, "on or off"),
    "proof": (_one_of("geometry", "recognise"), "geometry or recognise"),
    "card_rules": (_rules, "prefix=CardType[/side];… with IDCard or DriverLicense, front or back"),
    "harmless_warnings": (_words, "warning names separated by commas"),
    "max_bytes": (_whole(1, 512 * 1024 * 1024), "a number of bytes from 1 to 536870912"),
    "call_timeout_s": (_seconds, "seconds above 0 and up to 900"),
    "call_attempts": (_whole(1, 10), "a whole number from 1 to 10"),
    "scheme": (_one_of("https", "http"), "https (http only for the local cloud)"),
    "execution": (_one_of("direct", "job"), "direct or job"),
    "job_secrets": (_secrets, "one or more secrets of at least 32 characters, separated by commas"),
    "job_callback": (_url, "a URL that begins with https://"),
    "job_callback_format": (_one_of("JSON", "XML"), "JSON or XML"),
    "job_queue": (_queue, "region/mode/name with sh, bj, gz, cd or hk, and Queue or Topic"),
    "job_level": (_whole(0, 2), "0, 1 or 2"),
    "job_overdue_s": (_number(1, 86400), "seconds from 1 to 86400"),
    "job_patience_s": (_number(1, 604800), "seconds from 1 to 604800"),
    "calls_per_second": (_number(0, 1000), "calls a second, 0 for no limit"),
    "breaker_probe_s": (_number(1, 86400), "seconds from 1 to 86400"),
    "answers_kept_s": (_number(0, 86400), "seconds from 0 to 86400"),
    "sweep_execution": (_one_of("off", "direct", "invoke", "job"), "off, direct, invoke or job"),
    "sweep_calls_per_second": (_number(0.01, 1000), "calls a second from 0.01 to 1000"),
    "sweep_in_flight": (_whole(1, 256), "a whole number from 1 to 256"),
    "sweep_calls_per_run": (_whole(0, 10**9), "a number of calls, 0 or more"),
    "sweep_calls_per_day": (_whole(0, 10**9), "a number of calls, 0 or more"),
    "sweep_every_s": (_number(1, 31622400), "seconds from 1 to 31622400"),
    "sweep_min_age_s": (_number(0, 31622400), "seconds from 0 to 31622400"),
    "sweep_function": (_function, "a function's name"),
    "prices": (_prices, "API=price of one call, separated by semicolons"),
    "log_level": (_one_of("DEBUG", "INFO", "WARNING", "ERROR"), "DEBUG, INFO, WARNING or ERROR"),
    "token_secrets": (_secrets, "one or more secrets of at least 32 characters, separated by commas"),
    "cors_origins": (_origins, "origins such as https://desk.example.com, separated by commas"),
    "link_seconds": (_whole(10, 3600), "a number of seconds from 10 to 3600"),
}
