"""Where each function needs each permission, and why: the one place that a person has to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cardveil.settings import Settings
from cardveil.settings.regions import EMBEDDED, VENDOR, located

#: The notes under the state prefix that functions keep: not what `cardveil deploy` puts beside them.
_NOTES: Final = ("leases/*", "staged/*", "answers/*", "jobs/*", "unread/*", "breaker.json", "breaker-probe/*")
_LISTED: Final = ("leases/*", "staged/*", "answers/*", "jobs/*", "unread/*", "breaker-probe/*")
#: The folders of those that hold what cards say, or their pictures and keys.
_OF_CARDS: Final = (
    "jobs", "staged", "answers", "history", "unread", "erasing", "retired", "retention", "webhooks",
)  # fmt: skip
_WORKERS: Final = ("on_upload", "on_callback", "on_schedule", "on_request")


@dataclass(frozen=True, slots=True)
class Grant:
    """One permission in one place.

    Attributes
    ----------
    places
        Key patterns in the bucket, ``results:`` before those in the bucket for results; none for a
        permission that knows no resource.
    functions
        Keys of the functions that need it.
    needs
        Setting with the value on which it is needed; empty: always.
    """

    action: str
    places: tuple[str, ...]
    functions: tuple[str, ...]
    why: str
    needs: str = ""


def grants(settings: Settings, region: str, *, jobs: bool) -> tuple[Grant, ...]:
    """Return all grants under the given settings.

    Parameters
    ----------
    region
        Of the bucket: it decides who reads the text, where the settings leave that open.
    jobs
        Whether jobs may be submitted (a secret for their references is set).

    Raises
    ------
    Halt
        ``cross_border`` (see `located`).
    """
    settings = located(settings, region)
    inbox = f"{settings.inbox_prefix}*"
    sidecars = f"results:{settings.sidecar_prefix}*"
    redacted = f"results:{settings.redacted_prefix}*"
    notes = tuple(f"{settings.state_prefix}{name}" for name in _NOTES)
    listed = tuple(f"{settings.state_prefix}{name}" for name in _LISTED)
    staged = f"{settings.state_prefix}staged/*"
    everywhere = _WORKERS
    history = f"{settings.state_prefix}history/*"
    desk = ("on_request",)
    sweeper = ("on_schedule",)
    sweeps = f"{settings.state_prefix}sweeps/*"
    webhooks = f"{settings.state_prefix}webhooks/*"
    erasing = ("on_request", "on_schedule")
    noting = ("on_upload", "on_request", "on_schedule")
    wanted, erased = f"{settings.state_prefix}erasing/*", f"{settings.state_prefix}erased/*"
    kept_of_cards = (inbox, sidecars, redacted, sweeps, *(f"{settings.state_prefix}{n}/*" for n in _OF_CARDS))
    ledger, run = f"{settings.state_prefix}ledger/", f"{settings.state_prefix}retention/*"
    retired, holds = f"{settings.state_prefix}retired/*", f"{settings.state_prefix}holds/*"
    # Whoever made the key; COS's own key has an id that the account learns with its first use.
    key_id = settings.encryption.partition(":")[2]
    key = f"key/creatorUin/*/{key_id}" if key_id else "key/*"
    found = [
        Grant("cos:GetObject", (inbox,), everywhere, "fetch the source; CI reads it by the same permission"),
        Grant("cos:HeadObject", (inbox,), everywhere, "confirm that the source has not changed"),
        Grant("cos:PutObject", (inbox,), desk, "store a picture that came over HTTP, sign upload links"),
        Grant("cos:GetBucket", (inbox,), desk, "list the cards"),
        Grant("cos:GetBucket", (inbox,), _WORKERS[:3], "find another source to compare a refusal with"),
        Grant("cos:HeadObject", (sidecars,), everywhere, "see whether there is a result already"),
        Grant("cos:PutObject", (sidecars,), everywhere, "write the result"),
        Grant("cos:GetObject", (sidecars,), desk, "answer with a result"),
        Grant(
            "cos:GetObject",
            (sidecars,),
            ("on_upload", "on_callback", "on_schedule"),
            "redact anew by a result's places, unpaid; mark a result that is being replaced",
        ),
        Grant("cos:HeadObject", (redacted,), everywhere, "see whether an older copy must go"),
        Grant("cos:PutObject", (redacted,), everywhere, "write the redacted copy"),
        Grant("cos:DeleteObject", (redacted,), everywhere, "remove a copy that a new result does not have"),
        Grant("cos:GetObject", (redacted,), desk, "show a copy, sign links to it"),
        Grant("cos:GetObject", notes, everywhere, "read leases, kept answers, jobs, the breaker"),
        Grant("cos:PutObject", notes, everywhere, "take leases, stage pictures, keep answers, note jobs"),
        Grant("cos:DeleteObject", notes, everywhere, "give leases back, clear away what was kept"),
        Grant(
            "cos:GetObject",
            (f"{settings.state_prefix}revoked-tokens.txt",),
            desk,
            "know which tokens let nobody in any more",
        ),
        Grant(
            "cos:PutObject",
            (history,),
            desk,
            "move old decisions out of a sidecar",
        ),
        *(
            Grant(action, (history,), everywhere, "take reasons out of old decisions", needs="less_texts")
            for action in ("cos:GetBucket", "cos:GetObject", "cos:PutObject")
        ),
        Grant("cos:GetBucket", listed, everywhere, "find leases, kept answers and jobs"),
        Grant("cos:DeleteObject", (sidecars,), everywhere, "remove the result of a source that went"),
        Grant("cos:HeadObject", (wanted,), noting, "see whether an erasure is under way"),
        Grant("cos:PutObject", (wanted,), everywhere, "note that a deleted source's results are to go"),
        Grant("cos:GetBucket", (erased,), noting, "see whether a card was erased before"),
        Grant("cos:GetObject", (erased,), noting, "read what remains of an erased card"),
        Grant(
            "cos:PutObject",
            (f"{ledger}*",),
            erasing,
            "enter looks and removals in the ledger",
            needs="ledger",
        ),
        Grant("cos:GetBucket", (f"{ledger}heads/*",), erasing, "find the ends of chains", needs="ledger"),
        Grant(
            "cos:DeleteObject",
            (f"{ledger}heads/*",),
            erasing,
            "take away what says where a chain ended, once another says so",
            needs="ledger",
        ),
        Grant(
            "cos:GetObject", (retired,), everywhere, "tell a source whose term had ended from a deleted one"
        ),
        Grant("cos:GetObject", (holds,), erasing, "see whether a card is on hold"),
        Grant("cos:PutObject", (holds,), desk, "hold a card"),
        Grant("cos:DeleteObject", (holds,), desk, "release a card"),
        Grant(
            "cos:GetBucket", (sidecars, redacted, inbox, run), sweeper, "find what is due", needs="retention"
        ),
        Grant("cos:GetObject", (sidecars, run), sweeper, "see whose a result is, go on", needs="retention"),
        Grant("cos:PutObject", (retired, run), sweeper, "note what is removed", needs="retention"),
        Grant("cos:DeleteObject", (run,), sweeper, "let another go on with it", needs="retention"),
        *(
            Grant(action, (f"{ledger}*",), sweeper, "remove segments whose term has ended", needs="retention")
            for action in (
                "cos:GetBucket",
                "cos:GetBucketObjectVersions",
                "cos:GetObject",
                "cos:DeleteObject",
            )
        ),
        Grant("cos:PutObject", (f"{ledger}*",), sweeper, "enter that they were removed", needs="retention"),
        Grant("cos:GetBucketObjectVersions", kept_of_cards, erasing, "find every version of a card"),
        Grant("cos:DeleteObject", (*kept_of_cards, wanted), erasing, "erase every version of a card"),
        Grant("cos:GetObject", (wanted, sweeps), erasing, "read what is to be erased, and who names it"),
        Grant("cos:GetBucket", (wanted,), erasing, "find the erasures that were not finished"),
        Grant("cos:PutObject", (erased,), erasing, "write down what was erased"),
        Grant("cos:PutObject", (webhooks,), everywhere, "note what the receiver of webhooks is to be told"),
        Grant("cos:GetObject", (webhooks,), everywhere, "read what it is to be told"),
        Grant("cos:GetBucket", (webhooks,), everywhere, "find what it was not told yet, and how often"),
        Grant("cos:DeleteObject", (webhooks,), everywhere, "clear away what it was told"),
        Grant(
            "ci:CreateAILicenseRecognitionJob",
            (inbox, staged),
            everywhere,
            "locate the fields (AILicenseRec)",
            needs="vendor",
        ),
        Grant(
            "ci:CreateOCRJob",
            (inbox, staged),
            everywhere,
            "locate the text of a back, prove a copy (general OCR)",
            needs="general_ocr",
        ),
        Grant(
            "ci:CreateIDCardOCRJob",
            (inbox, staged),
            everywhere,
            "read the text in region (IDCardOCR)",
            needs="text_provider=IDCardOCR",
        ),
        Grant(
            "ocr:RecognizeMainlandIDCardOCR",
            (),
            everywhere,
            "read the text (knows no resource)",
            needs="text_provider=RecognizeMainlandIDCardOCR",
        ),
        Grant("ci:CreateMediaJobs", ("*",), everywhere, "submit a job", needs="jobs"),
        Grant("ci:DescribeMediaJob", ("*",), everywhere, "read a job back from CI", needs="jobs"),
        Grant("ci:DescribeMediaJobs", ("*",), everywhere, "find a job whose answer was lost", needs="jobs"),
        Grant("ci:CancelMediaJob", ("*",), everywhere, "cancel a job that takes too long", needs="jobs"),
        Grant("cam:PassRole", (), everywhere, "hand CI's own role to a job", needs="jobs"),
        Grant("cos:GetBucket", (sidecars, sweeps), sweeper, "find what is to be swept", needs="sweep"),
        Grant("cos:GetObject", (sidecars, sweeps), sweeper, "read results and checkpoints", needs="sweep"),
        Grant("cos:PutObject", (sweeps,), sweeper, "write checkpoints", needs="sweep"),
        Grant("cos:DeleteObject", (sweeps,), sweeper, "clear checkpoints away", needs="sweep"),
        Grant("kms:GenerateDataKey", (key,), everywhere, "encrypt what is written", needs="encryption=kms"),
        Grant("kms:Decrypt", (key,), everywhere, "read what is encrypted", needs="encryption=kms"),
        Grant("scf:Invoke", (), sweeper, "hand cards to on_upload", needs="sweep_execution=invoke"),
    ]
    return tuple(grant for grant in found if _needed(grant.needs, settings, jobs))


def _needed(needs: str, settings: Settings, jobs: bool) -> bool:
    if needs == "jobs":
        return jobs
    if needs == "sweep":
        return settings.sweep_execution != "off"
    if needs == "retention":
        return bool(settings.retention)
    if needs == "ledger":
        return settings.ledger != "off"
    if needs == "encryption=kms":
        return settings.encryption.startswith("kms")
    if needs == "less_texts":
        return settings.sidecar_texts != "all"
    if needs == "vendor":
        return settings.engine != EMBEDDED
    if needs == "general_ocr":
        return settings.general_ocr or (settings.proof == "recognise" and settings.engine == VENDOR)
    name, _, value = needs.partition("=")
    return not needs or getattr(settings, name) == value


#: What the key that runs `cardveil deploy` may do: actions of SCF's API, and zips in the bucket.
DEPLOYER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "scf:GetFunction": "compare a function with what is wanted",
        "scf:CreateFunction": "make a function",
        "scf:UpdateFunctionCode": "give a function its new code",
        "scf:UpdateFunctionConfiguration": "give a function its new settings",
        "scf:PublishVersion": "keep a state to come back to",
        "scf:ListVersionByFunction": "find the version before",
        "scf:GetAlias": "see which version is live",
        "cam:GetRole": "see whether a role is there, before anything is made",
        "cam:ListAttachedRolePolicies": "see what is attached to a role",
        "cam:GetPolicy": "see what a role may do, and name what it lacks",
        "ci:DescribeMediaBuckets": "see whether the bucket is bound to CI, and AI recognition is on",
        "scf:UpdateAlias": "set another version live",
        "scf:ListFunctions": "see whether other stages use the layers, before they are removed",
        "scf:DeleteFunction": "remove a function that cardveil made",
        "scf:DeleteLayerVersion": "remove a layer that cardveil made",
        "scf:CreateTrigger": "make a trigger",
        "scf:DeleteTrigger": "remove a trigger that cardveil made",
        "scf:ListLayerVersions": "find a layer that holds these bytes already",
        "scf:PublishLayerVersion": "publish a layer",
        "scf:GetReservedConcurrencyConfig": "compare the reserved memory",
        "scf:PutReservedConcurrencyConfig": "reserve memory",
        "cam:PassRole": "give each function its role",
    }
)

#: What the key may do that looks after a deployment: `cardveil status`, `get`, `logs` and `redeliver`.
OPERATOR: Final[Mapping[str, str]] = MappingProxyType(
    {
        "scf:GetAlias": "see which version is live",
        "scf:GetFunction": "see a function's settings, its log's topic and its queue",
        "scf:Invoke": "send a dead letter's event again",
        "cos:GetBucket": "count the sources, find the last sweep",
        "cos:HeadObject": "see what became of a source",
        "cos:GetObject": "read a sidecar, a copy, the breaker",
        "cos:DeleteObject": "have a webhook's dead letter told again",
        "cls:SearchLog": "read the log",
        "tdmq:DescribeCmqQueueDetail": "count the dead letters",
        "cmqqueue:BatchReceiveMessage": "receive the dead letters",
        "cmqqueue:DeleteMessage": "delete a dead letter that was sent again",
    }
)
