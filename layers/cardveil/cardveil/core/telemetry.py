"""Logs and metrics as JSON lines, in which a key is a digest and nothing of a card ever stands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from cardveil.core.privacy import DIGITS, digest

if TYPE_CHECKING:
    from enum import Enum

    from aws_lambda_powertools import Logger

    from cardveil.core.context import Invocation
    from cardveil.core.errors import CardveilError

#: Every metric: its unit and what it counts. A metric that is not here cannot be emitted.
METRICS: Final[Mapping[str, tuple[str, str]]] = {
    "CardFinished": ("Count", "sources brought to a final state by this run, by status"),
    "CardRenewed": ("Count", "sources redacted anew from stored places, by status: nothing was recognised"),
    "CardAlreadyDone": ("Count", "deliveries of sources that were done before"),
    "SourceGone": ("Count", "sources deleted before they were read"),
    "SourceUnread": ("Count", "sources that cannot be read for a reason of their own, as archived ones"),
    "PaidCalls": ("Count", "recognition calls made"),
    "CardFailed": ("Count", "sources left for a retry or for a person, by leaf and code"),
    "JobSubmitted": ("Count", "sources that were submitted as a job, or are under way as one"),
    "JobOverdue": ("Count", "jobs whose callback did not come, found by the schedule"),
    "CallbackReceived": ("Count", "callbacks, by outcome: only `accepted` ones led to any work"),
    "BreakerOpened": (
        "Count",
        "times that the account refused a call and paid calls were stopped, everywhere",
    ),
    "BreakerClosed": ("Count", "times that a probe succeeded and paid calls went on"),
    "PaidCallsStopped": ("Count", "sources left for later because the breaker is open"),
    "AnswersExpired": ("Count", "answers kept for a retry that never came, deleted by the schedule"),
    "CardErased": ("Count", "cards that the schedule erased, by reason"),
    "RetentionRemoved": ("Count", "objects whose term had ended, by what they were, or why they stayed"),
    "ReviewDue": ("Count", "cards that wait for a person and whose source goes within a week"),
    "LedgerFailed": ("Count", "entries of the access ledger that could not be written"),
    "CardsExported": ("Count", "parts of an export that were handed out over HTTP"),
    "WebhookTold": ("Count", "final states that the webhook's receiver has taken"),
    "WebhookFailed": (
        "Count",
        "messages that it did not take, by code: `refused` (its status), `redirected`, `unreachable` (or too "
        "slow), `address_refused` (its host leads inside), `bucket` (the note could not be read or written)",
    ),
    "WebhookDead": ("Count", "final states that it did not take at any try: dead letters"),
    "SweepTick": ("Count", "ticks of a sweep, by the run's state and code after it"),
    "SweepCards": ("Count", "sources that a sweep's tick took up"),
    "SweepPaidCalls": ("Count", "recognition calls that a sweep's tick made or had made"),
    "CardDuration": ("Milliseconds", "one source from claim to release"),
    "HttpRequests": ("Count", "requests to the HTTP API, by route and status"),
    "HttpDuration": ("Milliseconds", "one request from event to reply"),
}


class EndOfSource(Protocol):
    """How one source ended: a `pipeline.Outcome`."""

    @property
    def kind(self) -> str: ...
    @property
    def status(self) -> Enum | None: ...
    @property
    def findings(self) -> tuple[str, ...]: ...
    @property
    def paid_calls(self) -> int: ...


class Telemetry:
    """One invocation's log; every line carries the request id and the function's name."""

    def __init__(self, invocation: Invocation, level: str = "INFO") -> None:
        self._invocation = invocation
        self._level = level

    @cached_property
    def _logger(self) -> Logger:
        # With the first line: nothing has to wait for it before.
        from aws_lambda_powertools import Logger

        logger = Logger(
            service="cardveil", level=self._level, log_uncaught_exceptions=False, use_rfc3339=True
        )
        logger.append_keys(
            function_request_id=self._invocation.request_id, function_name=self._invocation.function_name
        )
        return logger

    def outcome(self, key: str, outcome: EndOfSource, elapsed_ms: Mapping[str, float]) -> None:
        """Log how one upload ended, with the milliseconds of its stages."""
        self.outcome_of(digest(key), outcome, elapsed_ms)

    def outcome_of(self, key_digest: str, outcome: EndOfSource, elapsed_ms: Mapping[str, float]) -> None:
        """The same for a source that only its key's digest is known of."""
        status = outcome.status.value if outcome.status else None
        self._logger.info(
            "card",
            extra={
                "key_digest": key_digest[:DIGITS],
                "outcome": outcome.kind,
                "status": status,
                "findings": list(outcome.findings),
                "stages_ms": dict(elapsed_ms),
            },
        )
        if outcome.kind == "finished":
            self.metric("CardFinished", 1, status=status)
        elif outcome.kind == "renewed":
            self.metric("CardRenewed", 1, status=status)
        elif outcome.kind == "already":
            self.metric("CardAlreadyDone", 1)
        elif outcome.kind == "gone":
            self.metric("SourceGone", 1)
        elif outcome.kind == "unread":
            self.metric("SourceUnread", 1)
        elif outcome.kind == "submitted":
            self.metric("JobSubmitted", 1)
        if outcome.paid_calls:
            self.metric("PaidCalls", outcome.paid_calls)
        self.metric("CardDuration", round(sum(elapsed_ms.values()), 1))

    def notice(self, code: str, reason: str) -> None:
        """Log something that works, but not as well as it could."""
        self._logger.warning("notice", extra={"code": code, "reason": reason})

    def failure(self, key: str | None, error: CardveilError) -> None:
        """Log an error of the tree: its code and what to do, the vendor's code and request id."""
        self._logger.error(
            "failed",
            extra={
                "key_digest": digest(key) if key else None,
                "leaf": error.leaf(),
                "code": error.code,
                "what_to_do": error.what_to_do,
                "api": error.api,
                "vendor_code": error.vendor_code,
                "vendor_request_id": error.request_id,
            },
        )
        self.metric("CardFailed", 1, leaf=error.leaf(), code=error.code)

    def callback(self, outcome: str) -> None:
        """Log what a callback turned out to be; nothing of what it said."""
        self._logger.info("callback", extra={"outcome": outcome})
        self.metric("CallbackReceived", 1, outcome=outcome)

    def count(self, name: str, code: str = "") -> None:
        """Emit a metric that counts one."""
        self.metric(name, 1, code=code)

    def request(self, route: str, status: int, elapsed_ms: float, **more: str) -> None:
        """Log one HTTP request by its route's name; `more` holds codes and digests, where there are any."""
        said = {name: text for name, text in more.items() if text}
        self._logger.info(
            "request", extra={"route": route, "status": status, "elapsed_ms": round(elapsed_ms, 1), **said}
        )
        self.metric("HttpRequests", 1, route=route, status=str(status))
        self.metric("HttpDuration", round(elapsed_ms, 1))

    def metric(self, name: str, value: float, **dimensions: str | None) -> None:
        """Emit one metric of `METRICS` as a log line of its own, for the log service to count."""
        unit, _ = METRICS[name]
        metric: dict[str, Any] = {"name": name, "value": value, "unit": unit}
        metric.update({key: text for key, text in dimensions.items() if text})
        self._logger.info("metric", extra={"metric": metric})
