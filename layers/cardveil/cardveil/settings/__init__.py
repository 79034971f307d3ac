"""The settings of every function: one table, from which reading, checking and documents are derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cardveil.core.errors import Halt
from cardveil.core.frozen import dataclass, field, fields
from cardveil.settings import kinds
from cardveil.settings.agreement import PREFIX as PREFIX
from cardveil.settings.agreement import disagreements
from cardveil.settings.agreement import variable as variable
from cardveil.settings.kinds import CardRule, Kind, Term

#: Packaged policies, vendor warnings and paid APIs by name: a test compares them with their own tables.
POLICIES: Final = ("strict", "standard", "minimal")
WARNINGS: Final = (
    "blurred", "border_incomplete", "doctored", "expired", "frame_occluded", "photocopied", "reflective",
    "rephotographed", "temporary", "unknown", "warnings_not_enabled",
)  # fmt: skip
APIS: Final = ("AILicenseRec", "IDCardOCR", "OCR", "RecognizeMainlandIDCardOCR")


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table: what values there are, and what they mean to an operator."""

    kind: Kind
    meaning: str


def _setting(default: Any, kind: Kind, meaning: str) -> Any:
    given = {"default_factory": default} if default is dict else {"default": default}
    return field(repr=not kind.secret, metadata={"setting": Setting(kind, meaning)}, **given)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may choose; the variable of each is ``CARDVEIL_`` and its name in capitals.

    Each line holds the default, the kind of value, and the meaning; `docs/settings.md` is made from them.
    """

    inbox_prefix: str = _setting("inbox/", kinds.prefix(), "where sources are looked for")
    sidecar_prefix: str = _setting("sidecars/", kinds.prefix(), "where sidecars go")
    redacted_prefix: str = _setting("redacted/", kinds.prefix(), "where redacted copies go")
    state_prefix: str = _setting(
        ".cardveil/",
        kinds.prefix(),
        "leases, jobs under way, answers kept for a retry, pictures staged for recognition, the breaker",
    )
    result_bucket: str = _setting(
        "", kinds.bucket(), "another bucket for the results; empty means the source's own"
    )
    result_names: str = _setting(
        "key",
        kinds.choice("key", "digest"),
        "`digest` names results by the SHA-256 of their source's key, for file names that hold ID numbers",
    )
    encryption: str = _setting(
        "AES256",
        kinds.encryption(),
        "encryption at rest of all that is written: `AES256` (keys of COS), `kms`, `kms:KEY-ID`, `none`",
    )
    sidecar_texts: str = _setting(
        "all",
        kinds.choice("all", "masked-as-tokens", "masked-as-ciphertext", "none"),
        "what sidecars keep of the texts of fields: `all`; for what the policy covers a token that only the "
        "key can make (`masked-as-tokens`), and a ciphertext that only the role `restore` has opened "
        "(`masked-as-ciphertext`); or `none`. Other than `all`, answers that were paid for are not kept, and "
        "neither are reasons of decisions",
    )
    text_key: tuple[str, ...] = _setting(
        (),
        kinds.secrets(),
        "secrets: the first makes tokens (another makes others, so that cards do not join) and seals texts; "
        "all open them",
    )
    source_deleted: str = _setting(
        "erase",
        kinds.choice("erase", "keep"),
        "what becomes of the results and older versions of a source that somebody deletes: the schedule "
        "erases them too, or they are kept",
    )
    retention: tuple[Term, ...] = _setting(
        (),
        kinds.retention(),
        "how long what is kept after it was written, by kind or by the prefix of the source's key: "
        "`source=30d;copy=365d;sidecar=365d;ledger=3y;inbox/hr/:source=7d`; the schedule removes what is "
        "due, but for cards on hold; what is not named stays",
    )
    policy: str = _setting(
        "standard",
        kinds.policy(*POLICIES),
        "what is covered: a packaged policy, or a file beside the function",
    )
    text_provider: str = _setting(
        "auto",
        kinds.choice("auto", "RecognizeMainlandIDCardOCR", "IDCardOCR", "none"),
        "who reads the text: `RecognizeMainlandIDCardOCR` (Singapore), `IDCardOCR` (the bucket's region), "
        "`none` (the text that `AILicenseRec` gives), or `auto`: `IDCardOCR`, and in Singapore the other",
    )
    engine: str = _setting(
        "vendor",
        kinds.choice("vendor", "embedded", "both"),
        "who recognises: the vendor's APIs; the engine in the layer `cardveil-engine` alone (`embedded`: "
        "nothing is paid, and no picture leaves the function); or `both`: the engine is the witness, and "
        "what the two do not agree on goes to review; see engine.md",
    )
    cross_border: str = _setting(
        "refused",
        kinds.choice("refused", "allowed"),
        "whether pictures of cards, and what they say, may be sent out of the bucket's country: to a text "
        "provider, or to the queue or URL that is told of jobs; Hong Kong is outside the mainland",
    )
    general_ocr: bool = _setting(
        True,
        kinds.flag(),
        "pay CI's general OCR at all: as the witness, and for the positions on an ID card's back; `off` "
        "sends backs to review",
    )
    witness: bool = _setting(
        True,
        kinds.flag(),
        "have general OCR read all text of every picture beside the other calls (paid); `off`, or where it "
        "fails: the finding `witness_missing`",
    )
    proof: str = _setting(
        "geometry",
        kinds.choice("geometry", "recognise"),
        "`recognise` has every copy read again as well (one more paid call)",
    )
    card_rules: tuple[CardRule, ...] = _setting(
        (),
        kinds.card_rules(),
        "what to expect by key: `inbox/licences/=DriverLicense;inbox/fronts/=IDCard/front`; saves calls. The "
        "longest prefix that fits decides",
    )
    harmless_warnings: frozenset[str] = _setting(
        frozenset(),
        kinds.names(*WARNINGS),
        "vendor warnings that do not send a card to review; all others do",
    )
    max_bytes: int = _setting(20 * 1024 * 1024, kinds.whole(1, 512 * 1024 * 1024, "bytes"), "largest source")
    # 900 s is SCF's longest time limit.
    call_timeout_s: float = _setting(
        15.0, kinds.number(0.1, 900, "seconds"), "time limit of one call to the vendor"
    )
    call_attempts: int = _setting(3, kinds.whole(1, 10), "how often a call that may be retried is tried")
    ocr_region: str = _setting(
        "ap-singapore",
        kinds.region(),
        "region of `RecognizeMainlandIDCardOCR`, which runs nowhere else today",
    )
    ocr_endpoint: str = _setting("ocr.intl.tencentcloudapi.com", kinds.api_host(), "its host")
    scheme: str = _setting(
        "https",
        kinds.choice("https", "http"),
        "`http` is for the local cloud only: it is refused without a proxy on loopback",
    )
    ca_directory: str = _setting(
        "", kinds.path(), "a hashed directory of CA certificates, quicker to load than one large file"
    )
    turbojpeg: str = _setting(
        "",
        kinds.path("off"),
        "path of libturbojpeg; empty looks for it; `off` redacts JPEGs by their pixels, slower and not "
        "bit-exact outside the cover",
    )
    log_level: str = _setting(
        "INFO", kinds.choice("DEBUG", "INFO", "WARNING", "ERROR"), "what is logged, at least"
    )
    execution: str = _setting(
        "direct",
        kinds.choice("direct", "job"),
        "`job` has uploads located by asynchronous jobs; an upload may say otherwise by "
        "`x-cos-meta-execution`",
    )
    job_secrets: tuple[str, ...] = _setting(
        (),
        kinds.secrets(),
        "secrets that sign the references of jobs: the first signs, all are accepted; none means no jobs",
    )
    job_callback: str = _setting(
        "",
        kinds.url(),
        "URL that is called when a job is done: that of `on_callback`; without one the schedule finds "
        "finished jobs",
    )
    job_callback_format: str = _setting("JSON", kinds.choice("JSON", "XML"), "form of the callback")
    job_queue: str = _setting(
        "", kinds.queue(), "a TDMQ queue that is told instead of the URL, e.g. `sh/Topic/cards`"
    )
    job_level: int = _setting(0, kinds.whole(0, 2), "priority of jobs")
    job_overdue_s: float = _setting(
        900.0,
        kinds.number(1, 86400, "seconds"),
        "a job whose callback has not come by then is asked about by the schedule",
    )
    job_patience_s: float = _setting(
        6 * 3600.0,
        kinds.number(1, 604800, "seconds"),
        "a job that is not finished by then is cancelled, and its picture recognised directly",
    )
    calls_per_second: float = _setting(
        5.0,
        kinds.number(0, 1000, "calls a second"),
        "paid calls a second of one instance, 0 for no limit; times the reserved concurrency it should not "
        "exceed the API's 20",
    )
    breaker_probe_s: float = _setting(
        300.0,
        kinds.number(1, 86400, "seconds"),
        "after a refusal of the account, when one call is let through to see whether it works again",
    )
    answers_kept_s: float = _setting(
        6 * 3600.0,
        kinds.number(0, 86400, "seconds"),
        "how long an answer that was paid for is kept until its sidecar is written; `0` keeps none and pays "
        "again",
    )
    sweep_execution: str = _setting(
        "direct",
        kinds.choice("off", "direct", "invoke", "job"),
        "how a timer's sweep has cards done: by itself, by the upload function, or as CI jobs; with `off` "
        "nothing finishes what an event's three tries could not; see Sweeps",
    )
    sweep_calls_per_second: float = _setting(
        5.0,
        kinds.number(0.01, 1000, "calls a second"),
        "paid calls of one API a second that a sweep makes (for `invoke`: cards), its share of the quota",
    )
    sweep_in_flight: int = _setting(8, kinds.whole(1, 256), "cards that a sweep has under way at a time")
    sweep_calls_per_run: int = _setting(
        300, kinds.whole(0, 10**9), "paid calls of one run; with `0` only what is free is done"
    )
    sweep_calls_per_day: int = _setting(
        1000, kinds.whole(0, 10**9), "paid calls of all sweeps of a day (UTC)"
    )
    sweep_every_s: float = _setting(
        3600.0,
        kinds.number(1, 31622400, "seconds"),
        "how long after a run began a timer begins the next one; 900 at most when something was left over",
    )
    sweep_min_age_s: float = _setting(
        900.0, kinds.number(0, 31622400, "seconds"), "younger sources are left to their own event"
    )
    sweep_function: str = _setting(
        "cardveil-on-upload", kinds.function(), "the upload function's name, for `invoke`"
    )
    prices: Mapping[str, float] = _setting(
        dict,
        kinds.prices(*APIS),
        "price of one call by its API, in any currency: `AILicenseRec=0.1;RecognizeMainlandIDCardOCR=0.15`; "
        "for dry runs",
    )
    bucket: str = _setting("", kinds.bucket(), "the bucket, for functions whose event names none")
    token_secrets: tuple[str, ...] = _setting(
        (),
        kinds.secrets(),
        "secrets that sign the HTTP API's tokens: the first signs, all are accepted, so that one can be "
        "replaced; none refuses every call",
    )
    revoked_tokens: frozenset[str] = _setting(
        frozenset(),
        kinds.ids(),
        "ids of tokens that let nobody in any more: a token's `jti`, or its SHA-256; the object "
        "`revoked-tokens.txt` under the state prefix (one a line) says the same without a deployment",
    )
    cors_origins: tuple[str, ...] = _setting(
        (), kinds.origins(), "origins of web pages elsewhere that may call the HTTP API"
    )
    ledger: str = _setting(
        "off",
        kinds.choice("off", "on", "strict"),
        "whether looks at cards over HTTP are entered in the bucket: `on` enters them, and links when made; "
        "with `strict` no look is answered without its entry, and no links are given",
    )
    purpose: str = _setting(
        "optional",
        kinds.choice("optional", "required"),
        "whether every look must say by the header `X-Cardveil-Purpose` what it is for",
    )
    link_seconds: int = _setting(
        300, kinds.whole(10, 3600, "seconds"), "how long a link to an object, or for an upload, holds"
    )

    def term(self, key: str, kind: str) -> int | None:
        """Return how many days what belongs to a source is kept, None where it stays."""
        found = (term for term in self.retention if term.kind == kind and key.startswith(term.prefix))
        return next((term.days for term in found), None)

    webhook: str = _setting(
        "",
        kinds.receiver(),
        "who is told, by a signed POST, of every final state of a card; see webhooks.md",
    )
    webhook_secret: tuple[str, ...] = _setting(
        (),
        kinds.signing_keys(),
        "secrets that sign what the webhook's receiver is told: it is signed with each, so that one can be "
        "replaced",
    )
    webhook_keys: bool = _setting(
        False,
        kinds.flag(),
        "whether the receiver is told the source's key itself, and not only its SHA-256: keys may hold ID "
        "numbers",
    )
    webhook_attempts: int = _setting(
        16,
        kinds.whole(1, 30),
        "how often the receiver is told in vain until it is a dead letter (16: in two days)",
    )

    @property
    def output_prefixes(self) -> tuple[str, str, str]:
        """The prefixes under which the package itself writes."""
        return self.sidecar_prefix, self.redacted_prefix, self.state_prefix


def table() -> dict[str, Setting]:
    """Return the table: each setting by its variable, in order."""
    return {variable(each.name): each.metadata["setting"] for each in fields(Settings)}


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises
    ------
    Halt
        ``setting_invalid``, naming the variable and the value expected, never the value given;
        ``setting_unknown`` for a ``CARDVEIL_`` variable that does not exist, so that no typing error is lost.
    """
    settings, wrong = _read(environment)
    for error in wrong.values():
        raise error
    return settings


def problems(environment: Mapping[str, str]) -> dict[str, Halt]:
    """Return everything for which `from_environment` would refuse an environment, by variable."""
    return _read(environment)[1]


def near(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that is most like a name, empty when none is."""
    import difflib

    found = difflib.get_close_matches(name, list(known), 1)
    return f": is {found[0]} meant?" if found else ""


def _read(environment: Mapping[str, str]) -> tuple[Settings, dict[str, Halt]]:
    known = table()
    values: dict[str, Any] = {}
    wrong: dict[str, Halt] = {}
    for name, raw in environment.items():
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            wrong[name] = Halt("setting_unknown", f"remove or rename {name}, no setting{near(name, known)}")
        elif "${" in raw:
            wrong[name] = _invalid(f"give {name} a value where it is deployed: a variable was not filled in")
        else:
            kind = known[name].kind
            try:
                values[name.removeprefix(PREFIX).lower()] = kind.parse(raw)
            except ValueError:
                wrong[name] = _invalid(f"set {name} to {kind.expected}")
    settings = Settings(**values)
    # Whether values agree is asked once each is in order.
    return settings, wrong or {name: _invalid(what) for name, what in disagreements(settings)}


def _invalid(what: str) -> Halt:
    return Halt("setting_invalid", what)
