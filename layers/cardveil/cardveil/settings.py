"""The settings of every function: typed, and refused before any work with the variable named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Final

from cardveil.card import CardType, Side
from cardveil.errors import Halt

#: Longest key that COS takes, in bytes of UTF-8 ("Object overview", COS documentation).
MAX_KEY_BYTES: Final = 850


@dataclass(frozen=True, slots=True)
class CardRule:
    """Uploads whose key begins with `prefix` show a card of this type (and side)."""

    prefix: str
    card_type: CardType
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may choose; the variable of each is ``CARDVEIL_`` and its name in capitals.

    Attributes
    ----------
    inbox_prefix, sidecar_prefix, redacted_prefix, state_prefix : str
        Where sources are looked for, and where sidecars, copies and the package's own notes are written.
    result_bucket : str
        Full name of the bucket for results; empty means the source's own.
    result_names : str
        ``key`` names results like their source, ``digest`` by the SHA-256 of its key.
    policy : str
        A packaged policy's name, or the path of a YAML file beside the function.
    text_provider : str
        ``RecognizeMainlandIDCardOCR`` (Singapore), ``IDCardOCR`` (in region) or ``none``.
    general_ocr : bool
        Whether CI's general OCR is paid for the positions of an ID card's back.
    proof : str
        ``geometry``, or ``recognise`` to have every copy read again by the recogniser (paid) as well.
    card_rules : tuple of CardRule
        ``prefix=CardType[/side]``, separated by ``;``. The longest prefix that fits decides.
    review_warnings : frozenset of str
        Vendor warnings, by name, that send a card to review.
    max_bytes : int
        Largest source in bytes.
    call_timeout_s, call_attempts : float, int
        Time limit of one vendor call, and how often one that may be retried is tried.
    ocr_region, ocr_endpoint : str
        Where `RecognizeMainlandIDCardOCR` is called.
    scheme : str
        ``https``; ``http`` is for the local cloud only and needs a proxy on loopback.
    ca_directory : str
        A hashed directory of CA certificates, quicker to load than the bundled file; empty for the file.
    log_level : str
        ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``.
    """

    inbox_prefix: str = "inbox/"
    sidecar_prefix: str = "sidecars/"
    redacted_prefix: str = "redacted/"
    state_prefix: str = ".cardveil/"
    result_bucket: str = ""
    result_names: str = "key"
    policy: str = "standard"
    text_provider: str = "RecognizeMainlandIDCardOCR"
    general_ocr: bool = True
    proof: str = "geometry"
    card_rules: tuple[CardRule, ...] = ()
    review_warnings: frozenset[str] = frozenset(
        {"border_incomplete", "frame_occluded", "doctored", "blurred"}
    )
    max_bytes: int = 20 * 1024 * 1024
    call_timeout_s: float = 15.0
    call_attempts: int = 3
    ocr_region: str = "ap-singapore"
    ocr_endpoint: str = "ocr.intl.tencentcloudapi.com"
    scheme: str = "https"
    ca_directory: str = ""
    log_level: str = "INFO"

    @property
    def output_prefixes(self) -> tuple[str, str, str]:
        """The prefixes under which the package itself writes."""
        return self.sidecar_prefix, self.redacted_prefix, self.state_prefix


def variable(setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"CARDVEIL_{setting.upper()}"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises
    ------
    Halt
        ``setting_invalid``, naming the variable and the value expected, never the value given;
        ``setting_unknown`` for a ``CARDVEIL_`` variable that does not exist, so that no typing error is lost.
    """
    known = {variable(field.name): field.name for field in fields(Settings)}
    values: dict[str, object] = {}
    for name, raw in environment.items():
        if not name.startswith("CARDVEIL_"):
            continue
        if name not in known:
            raise Halt("setting_unknown", f"remove or rename {name}: there is no such setting")
        parse, expected = _PARSERS.get(known[name], (str, "text"))
        try:
            values[known[name]] = parse(raw)
        except ValueError:
            raise Halt("setting_invalid", f"set {name} to {expected}") from None
    settings = Settings(**values)  # type: ignore[arg-type]  # each parser returns its field's own type
    _check_prefixes(settings)
    return settings


def _check_prefixes(settings: Settings) -> None:
    """Refuse prefixes with which the package would process its own output, or nothing at all."""
    outputs = {
        "sidecar_prefix": settings.sidecar_prefix,
        "redacted_prefix": settings.redacted_prefix,
        "state_prefix": settings.state_prefix,
    }
    for name, prefix in outputs.items():
        if not prefix:
            raise Halt("setting_invalid", f"set {variable(name)} to a prefix that is not empty")
        if settings.inbox_prefix.startswith(prefix):
            raise Halt(
                "setting_invalid",
                f"set {variable(name)} to a prefix that {variable('inbox_prefix')} does not begin with",
            )
    names = list(outputs)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            a, b = outputs[one], outputs[other]
            if a.startswith(b) or b.startswith(a):
                raise Halt(
                    "setting_invalid",
                    f"set {variable(one)} and {variable(other)} to prefixes apart from each other",
                )


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


def _words(raw: str) -> frozenset[str]:
    return frozenset(filter(None, (word.strip() for word in raw.split(","))))


_PREFIX = (_prefix, "a key prefix without a leading slash")
_PARSERS: Final[Mapping[str, tuple[Callable[[str], object], str]]] = {
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
    "proof": (_one_of("geometry", "recognise"), "geometry or recognise"),
    "card_rules": (_rules, "prefix=CardType[/side];… with IDCard or DriverLicense, front or back"),
    "review_warnings": (_words, "warning names separated by commas"),
    "max_bytes": (_whole(1, 512 * 1024 * 1024), "a number of bytes from 1 to 536870912"),
    "call_timeout_s": (_seconds, "seconds above 0 and up to 900"),
    "call_attempts": (_whole(1, 10), "a whole number from 1 to 10"),
    "scheme": (_one_of("https", "http"), "https (http only for the local cloud)"),
    "log_level": (_one_of("DEBUG", "INFO", "WARNING", "ERROR"), "DEBUG, INFO, WARNING or ERROR"),
}
