"""Logs and metrics as JSON lines, in which a key is a digest and nothing of a card ever stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from cardveil.privacy import digest

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from cardveil.errors import CardveilError
    from cardveil.events.context import Invocation
    from cardveil.pipeline import Outcome

#: Every metric: its unit and what it counts. A metric that is not here cannot be emitted.
METRICS: Final[Mapping[str, tuple[str, str]]] = {
    "CardFinished": ("Count", "sources brought to a final state by this run, by status"),
    "CardAlreadyDone": ("Count", "deliveries of sources that were done before"),
    "SourceGone": ("Count", "sources deleted before they were read"),
    "PaidCalls": ("Count", "recognition calls made"),
    "CardFailed": ("Count", "sources left for a retry or for a person, by leaf and code"),
    "PassedOver": ("Count", "records that were not ours"),
    "CardDuration": ("Milliseconds", "one source from claim to release"),
}


class Telemetry:
    """One invocation's log; every line carries the request id and the function's name."""

    def __init__(self, invocation: Invocation, level: str = "INFO") -> None:
        from aws_lambda_powertools import Logger

        self._logger: Logger = Logger(
            service="cardveil", level=level, log_uncaught_exceptions=False, use_rfc3339=True
        )
        self._logger.append_keys(
            function_request_id=invocation.request_id, function_name=invocation.function_name
        )

    def outcome(self, key: str, outcome: Outcome, elapsed_ms: Mapping[str, float]) -> None:
        """Log how one upload ended, with the milliseconds of its stages."""
        status = outcome.status.value if outcome.status else None
        self._logger.info(
            "card",
            extra={
                "key_digest": digest(key),
                "outcome": outcome.kind,
                "status": status,
                "findings": list(outcome.findings),
                "stages_ms": dict(elapsed_ms),
            },
        )
        if outcome.kind == "finished":
            self.metric("CardFinished", 1, status=status)
        elif outcome.kind == "already":
            self.metric("CardAlreadyDone", 1)
        elif outcome.kind == "gone":
            self.metric("SourceGone", 1)
        if outcome.paid_calls:
            self.metric("PaidCalls", outcome.paid_calls)
        self.metric("CardDuration", round(sum(elapsed_ms.values()), 1))

    def failure(self, key: str | None, error: CardveilError) -> None:
        """Log an error of the tree: its code and what to do, the vendor's code and request id."""
        self._logger.error(
            "failed",
            extra={
                "key_digest": digest(key) if key else None,
                "leaf": type(error).__name__,
                "code": error.code,
                "what_to_do": error.what_to_do,
                "api": error.api,
                "vendor_code": error.vendor_code,
                "vendor_request_id": error.request_id,
            },
        )
        self.metric("CardFailed", 1, leaf=type(error).__name__, code=error.code)

    def metric(self, name: str, value: float, **dimensions: str | None) -> None:
        """Emit one metric of `METRICS` as a log line of its own, for the log service to count."""
        unit, _ = METRICS[name]
        metric: dict[str, Any] = {"name": name, "value": value, "unit": unit}
        metric.update({key: text for key, text in dimensions.items() if text})
        self._logger.info("metric", extra={"metric": metric})
