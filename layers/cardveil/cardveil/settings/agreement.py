"""Whether settings agree: each is in order alone, and together they would lose something or do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cardveil.settings import Settings

PREFIX: Final = "CARDVEIL_"


def variable(setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{setting.upper()}"


def disagreements(settings: Settings) -> Iterator[tuple[str, str]]:
    """Find values that are in order alone and not together, by variable."""
    outputs = {
        variable(name): str(getattr(settings, name))
        for name in ("sidecar_prefix", "redacted_prefix", "state_prefix")
    }
    for name, prefix in outputs.items():
        if not prefix:
            yield name, f"set {name} to a prefix that is not empty"
            continue
        # Otherwise the package would process its own output.
        if settings.inbox_prefix.startswith(prefix):
            yield name, f"set {name} to a prefix that {variable('inbox_prefix')} does not begin with"
        for other, second in outputs.items():
            if other != name and prefix.startswith(second):
                yield name, f"set {name} and {other} to prefixes apart from each other"
    for prefix in dict.fromkeys(term.prefix for term in settings.retention):
        source, sidecar = (settings.term(prefix, kind) for kind in ("source", "sidecar"))
        if prefix and not prefix.startswith(settings.inbox_prefix):
            yield variable("retention"), f"set {variable('retention')} for prefixes in the inbox"
        if sidecar is not None and (source is None or sidecar < source):
            # A source without its sidecar would be recognised, and paid for, again.
            yield variable("retention"), f"set {variable('retention')}: a sidecar stays as long as its source"
    if settings.purpose == "required" and settings.ledger == "off":
        name = variable("ledger")
        yield name, f"set {name} to on or strict: purposes are entered there"
    if settings.sidecar_texts.startswith("masked") and not settings.text_key:
        name = variable("text_key")
        yield name, f"set {name}: tokens are made by it"
    if settings.sidecar_texts != "all" and settings.proof == "recognise":
        name = variable("sidecar_texts")
        yield name, f"set {name} to all: a copy cannot be read again for texts that are not kept"
    if "job" in (settings.execution, settings.sweep_execution) and not settings.job_secrets:
        name = variable("job_secrets")
        yield name, f"set {name}: jobs need a secret for their references"
    jobs = (settings.execution, settings.sweep_execution, "job" if settings.job_secrets else "")
    if settings.engine == "embedded" and "job" in jobs:
        name = variable("engine")
        yield name, f"set {name} to vendor or both, or take the settings of jobs away: jobs are the vendor's"
    name = variable("webhook")
    if settings.webhook.startswith("http:") and settings.scheme != "http":
        yield name, f"set {name} to a URL that begins with https://: only the local cloud tells this machine"
    if settings.webhook and not settings.webhook_secret:
        name = variable("webhook_secret")
        yield name, f"set {name}: without a secret the receiver cannot tell who has sent what"
