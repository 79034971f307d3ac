"""Rules of COS's lifecycle for what the schedule need not, or cannot, remove: in the form of the SDK."""

from __future__ import annotations

from typing import Any, Final

from cardveil.settings import Settings

#: Parts of an upload that nobody completed hold parts of pictures.
_ABORT_DAYS: Final = 7
#: What was deleted or written over stays so long on a versioned bucket.
_OLD_VERSIONS_DAYS: Final = 1


def lifecycle(settings: Settings) -> tuple[dict[str, Any], list[str]]:
    """Return the rules, and why something is none.

    COS applies all rules that fit a key: a longer term of a longer prefix cannot be said. It knows no holds.

    Returns
    -------
    dict, list of str
        As ``put_bucket_lifecycle`` takes it, and sentences.
    """
    rules: list[dict[str, Any]] = [
        _rule(
            "cardveil-uploads", "", {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _ABORT_DAYS}}
        ),
        _rule(
            "cardveil-old-versions",
            settings.state_prefix,
            {"NoncurrentVersionExpiration": {"NoncurrentDays": _OLD_VERSIONS_DAYS}},
        ),
    ]
    notes = ["COS knows no holds: set rules with a term only where no card is ever put on hold"]
    for number, term in enumerate(settings.retention):
        place = _place(settings, term.kind, term.prefix)
        wider = [t for t in settings.retention if t.kind == term.kind and t is not term]
        if term.kind == "ledger":
            notes.append("ledger: left to the schedule, which enters what it removes")
        elif term.kind == "source" and settings.source_deleted == "erase":
            notes.append("source: left to the schedule, since results go with a source that COS deletes")
        elif place is None:
            notes.append(f"{term.kind}: left to the schedule, since results are named by digests")
        elif any(term.prefix.startswith(t.prefix) and t.days < term.days for t in wider):
            notes.append(f"{term.kind} with a longer term for a prefix: left to the schedule")
        else:
            action = {"Expiration": {"Days": term.days}}
            action["NoncurrentVersionExpiration"] = {"NoncurrentDays": _OLD_VERSIONS_DAYS}
            rules.append(_rule(f"cardveil-{term.kind}-{number}", place, action))
    return {"Rule": rules}, notes


def _place(settings: Settings, kind: str, prefix: str) -> str | None:
    """Return the prefix of the objects of a kind whose sources' keys begin with `prefix`."""
    if kind == "source":
        return prefix or settings.inbox_prefix
    own = settings.redacted_prefix if kind == "copy" else settings.sidecar_prefix
    if prefix and settings.result_names == "digest":
        return None
    return own + prefix.removeprefix(settings.inbox_prefix)


def _rule(name: str, prefix: str, action: dict[str, Any]) -> dict[str, Any]:
    return {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}, **action}
