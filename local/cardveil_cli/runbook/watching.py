"""What each metric wants a person to do, and which of them are worth an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

#: A metric's meaning for whoever watches it; every metric of `cardveil.core.telemetry` stands here.
WATCHING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CardFinished": "the work done; when `needs_review` grows beside `redacted`, look at the findings",
        "CardRenewed": "results made anew after a change of the policy, without paying",
        "CardAlreadyDone": "duplicates; many of them: something delivers twice, which costs requests only",
        "SourceGone": "sources deleted too early; find out who deletes from the inbox",
        "SourceUnread": "by the finding in their sidecars: restore what is archived, permit what is refused",
        "PaidCalls": "what the vendor will bill; compare with uploads times calls a card",
        "CardFailed": "by leaf: Retry mends itself, Halt wants you now; the code is in the table below",
        "JobSubmitted": "jobs begun; compare with CallbackReceived",
        "JobOverdue": "callbacks that never came; if it goes on, check the callback's URL and CI's queue",
        "CallbackReceived": "by outcome; `forged` or `missing` from outside: somebody tries the URL",
        "BreakerOpened": "the account refuses calls: see the code of the last Halt, settle it",
        "BreakerClosed": "paid calls work again; nothing to do",
        "PaidCallsStopped": "work that waits for the breaker; it is done once the account works again",
        "AnswersExpired": "answers paid for and never used; find the failure that no retry came back for",
        "CardErased": "by reason; `source_deleted` without anybody having deleted: find out who did",
        "RetentionRemoved": "by kind; what is `held` stayed: see whether the holds still have their reasons",
        "ReviewDue": "decide over them in the console: within a week their sources go, and nobody can",
        "LedgerFailed": "looks refused (`strict`) or without an entry (`on`): see the last failure's code",
        "CardsExported": "who takes lists of cards away; the request line says by which caller",
        "WebhookTold": "what your receiver knows of",
        "WebhookFailed": "by code; the schedule tells again. If it goes on, look at the receiver",
        "WebhookDead": "your receiver does not know of these: mend it, then `cardveil redeliver`",
        "SweepTick": "by state; no tick for a day although sweeps are on: look at the timer",
        "SweepCards": "cards that a sweep handled",
        "SweepPaidCalls": "what a sweep has cost; its limits are settings",
        "CardDuration": "one card; beyond 10 s at the 95th percentile the vendor is slow or the memory short",
        "HttpRequests": "by route and status; 401 and 403 in numbers: somebody tries tokens",
        "HttpDuration": "one request; beyond the function URL's limit clients give up",
    }
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm on the log topic.

    Attributes
    ----------
    query : str
        In the log service's own language, with one number ``n``.
    condition : str
        When it goes off.
    """

    name: str
    metric: str
    query: str
    condition: str
    minutes: int
    why: str


def _count(metric: str, narrowed: str = "") -> str:
    also = f" AND {narrowed}" if narrowed else ""
    return f"metric.name:{metric}{also} | select sum(metric.value) as n"


ALARMS: Final = (
    Alarm(
        "cardveil-halt",
        "CardFailed",
        _count("CardFailed", "metric.leaf:Halt"),
        "$1.n > 0",
        5,
        "account or settings: nothing works until somebody acts",
    ),
    Alarm(
        "cardveil-breaker",
        "BreakerOpened",
        _count("BreakerOpened"),
        "$1.n > 0",
        5,
        "paid calls are stopped everywhere",
    ),
    Alarm(
        "cardveil-retries",
        "CardFailed",
        _count("CardFailed", "metric.leaf:Retry"),
        "$1.n > 50",
        15,
        "the vendor throttles or fails; lower the rate or wait",
    ),
    Alarm(
        "cardveil-jobs-overdue",
        "JobOverdue",
        _count("JobOverdue"),
        "$1.n > 10",
        60,
        "callbacks do not arrive",
    ),
    Alarm(
        "cardveil-strangers",
        "CallbackReceived",
        _count("CallbackReceived", "metric.outcome:forged"),
        "$1.n > 20",
        15,
        "somebody sends forged callbacks",
    ),
    Alarm(
        "cardveil-ledger",
        "LedgerFailed",
        _count("LedgerFailed"),
        "$1.n > 0",
        5,
        "the access ledger cannot be written: nobody sees a card, or looks leave no entry",
    ),
    Alarm(
        "cardveil-review-due",
        "ReviewDue",
        _count("ReviewDue"),
        "$1.n > 0",
        60,
        "cards wait for a person whose sources go within a week",
    ),
    Alarm(
        "cardveil-slow",
        "CardDuration",
        "metric.name:CardDuration | select approx_percentile(metric.value, 0.95) as n",
        "$1.n > 10000",
        15,
        "cards take longer than 10 s",
    ),
    Alarm(
        "cardveil-webhook",
        "WebhookDead",
        _count("WebhookDead"),
        "$1.n > 0",
        60,
        "the webhook's receiver has missed final states: mend it, then `cardveil redeliver`",
    ),
    Alarm(
        "cardveil-cost",
        "PaidCalls",
        _count("PaidCalls"),
        "$1.n > 2000",
        60,
        "more paid calls in an hour than your uploads explain: set your own number",
    ),
)
