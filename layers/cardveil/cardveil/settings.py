"""The settings of every function: typed, and refused before any work with the variable named."""

from __future__ import annotations

from collections.abc import Mapping

from cardveil.core.errors import Halt
from cardveil.core.frozen import dataclass, field, fields
from cardveil.setting_values import PARSERS, CardRule


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
        Whether CI's general OCR is paid at all: for the positions of an ID card's back, and as the witness.
    witness : bool
        Whether general OCR reads all text of every picture beside the other calls (paid), so that text which
        belongs to no field is found.
    proof : str
        ``geometry``, or ``recognise`` to have every copy read again by the recogniser (paid) as well.
    card_rules : tuple of CardRule
        ``prefix=CardType[/side]``, separated by ``;``. The longest prefix that fits decides.
    harmless_warnings : frozenset of str
        Vendor warnings, by name, that do not send a card to review; all others do.
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
    turbojpeg : str
        Path of libturbojpeg, or ``off`` to redact JPEGs by their pixels; empty to look for it.
    log_level : str
        ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``.
    execution : str
        ``direct``, or ``job`` to have uploads located by an asynchronous job. An upload may say otherwise by
        ``x-cos-meta-execution``.
    job_secrets : tuple of str
        Secrets of at least 32 characters that sign the references of jobs; the first signs, all are
        accepted. Without one there are no jobs.
    job_callback, job_callback_format : str
        URL that CI calls when a job is done, empty for none (the schedule finds it), ``JSON`` or ``XML``.
    job_queue : str
        ``region/mode/name`` of a TDMQ queue that is told instead of the URL, e.g. ``sh/Topic/cards``.
    job_level : int
        Priority of jobs, 0 to 2.
    job_overdue_s, job_patience_s : float
        Seconds after which a job whose callback has not come is asked about, and after which one that is not
        finished is cancelled and its picture recognised directly.
    calls_per_second : float
        Paid calls a second of one instance; 0 for no limit.
    breaker_probe_s : float
        Seconds after which an open breaker lets one call through to see whether the account works again.
    answers_kept_s : float
        Seconds for which an answer that was paid for is kept until its sidecar is written; 0 keeps none.
    sweep_execution : str
        How a timer's sweep has cards done: ``direct`` (by itself), ``invoke`` (asynchronously by the upload
        function), ``job`` (as a CI job); ``off`` for no sweep.
    sweep_calls_per_second : float
        Paid calls of one API a second that a sweep makes: its share of the quota. For ``invoke``, cards.
    sweep_in_flight : int
        Cards that a sweep has under way at a time.
    sweep_calls_per_run, sweep_calls_per_day : int
        Paid calls that one run, and all sweeps of a day (UTC), may make; with 0 only what is free is done.
    sweep_every_s, sweep_min_age_s : float
        Seconds after which a timer begins a new run, and the age below which sources are left to their event.
    sweep_function : str
        Name of the upload function, for ``invoke``.
    prices : mapping
        Price of one call by its API, in any one currency: what a dry run reckons with.
    bucket : str
        Full name of the bucket, for functions whose event names none.
    token_secrets : tuple of str
        Secrets that sign the HTTP API's tokens; the first is for new ones. None: the API refuses every call.
    cors_origins : tuple of str
        Origins of web pages that may call the HTTP API from elsewhere.
    link_seconds : int
        How long a link to an object, or for an upload, holds.
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
    witness: bool = True
    proof: str = "geometry"
    card_rules: tuple[CardRule, ...] = ()
    harmless_warnings: frozenset[str] = frozenset()
    max_bytes: int = 20 * 1024 * 1024
    call_timeout_s: float = 15.0
    call_attempts: int = 3
    ocr_region: str = "ap-singapore"
    ocr_endpoint: str = "ocr.intl.tencentcloudapi.com"
    scheme: str = "https"
    ca_directory: str = ""
    turbojpeg: str = ""
    log_level: str = "INFO"
    execution: str = "direct"
    job_secrets: tuple[str, ...] = field(default=(), repr=False)
    job_callback: str = ""
    job_callback_format: str = "JSON"
    job_queue: str = ""
    job_level: int = 0
    job_overdue_s: float = 900.0
    job_patience_s: float = 6 * 3600.0
    calls_per_second: float = 5.0
    breaker_probe_s: float = 300.0
    answers_kept_s: float = 6 * 3600.0
    sweep_execution: str = "off"
    sweep_calls_per_second: float = 5.0
    sweep_in_flight: int = 8
    sweep_calls_per_run: int = 1000
    sweep_calls_per_day: int = 5000
    sweep_every_s: float = 86400.0
    sweep_min_age_s: float = 900.0
    sweep_function: str = "cardveil-on-upload"
    prices: Mapping[str, float] = field(default_factory=dict)
    bucket: str = ""
    token_secrets: tuple[str, ...] = field(default=(), repr=False)
    cors_origins: tuple[str, ...] = ()
    link_seconds: int = 300

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
        parse, expected = PARSERS.get(known[name], (str, "text"))
        try:
            values[known[name]] = parse(raw)
        except ValueError:
            raise Halt("setting_invalid", f"set {name} to {expected}") from None
    settings = Settings(**values)  # type: ignore[arg-type]  # each parser returns its field's own type
    _check_prefixes(settings)
    if settings.execution == "job" and not settings.job_secrets:
        raise Halt(
            "setting_invalid", f"set {variable('job_secrets')}: jobs need a secret for their references"
        )
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
