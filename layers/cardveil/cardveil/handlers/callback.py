"""A job says that it is done: every callback is checked, answered, counted, and acted on at most once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError, Reject
from cardveil.core.frozen import dataclass
from cardveil.core.importing import uncollected
from cardveil.core.rate_limit import Pause, RateLimiter
from cardveil.handlers.callback_event import Delivery, JobCallback, read_callback, read_delivery
from cardveil.pipeline.signing import ReferenceRefusedError, Signer
from cardveil.settings import Settings, from_environment

if TYPE_CHECKING:
    from cardveil.core.telemetry import Telemetry

#: The HTTP answer to each outcome. Only an `accepted` callback has led to any work.
STATUSES: Final[Mapping[str, HTTPStatus]] = {
    "accepted": HTTPStatus.OK,
    "duplicate": HTTPStatus.OK,
    "unfinished": HTTPStatus.ACCEPTED,
    "unreadable": HTTPStatus.BAD_REQUEST,
    "missing": HTTPStatus.UNAUTHORIZED,
    "forged": HTTPStatus.FORBIDDEN,
    "expired": HTTPStatus.FORBIDDEN,
    "unknown": HTTPStatus.NOT_FOUND,
    "wrong_method": HTTPStatus.METHOD_NOT_ALLOWED,
    "superseded": HTTPStatus.GONE,
    "oversized": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "later": HTTPStatus.SERVICE_UNAVAILABLE,
}
#: Longest that CI waits for its answer because of the receiver of webhooks, in seconds.
_TELLING_S: Final = 1.0
#: When a caller may try again, in seconds.
_RETRY_AFTER: Final = "60"


@dataclass(frozen=True, slots=True)
class CallbackHandler:
    """What one invocation needs to take callbacks."""

    settings: Settings
    environment: Mapping[str, str]
    invocation: Invocation
    telemetry: Telemetry
    rate_limiter: RateLimiter | None
    pause: Pause
    now: Callable[[], float] = time.time

    def receive(self, delivery: Delivery) -> tuple[list[str], list[CardveilError]]:
        """Take every callback; return what each turned out to be, and what went wrong on the way."""
        outcomes: list[str] = []
        failures: list[CardveilError] = []
        for body in delivery.bodies:
            try:
                jobs = read_callback(body)
            except Reject as refused:
                outcomes.append("oversized" if refused.code == "callback_too_large" else "unreadable")
                continue
            for job in jobs:
                try:
                    outcomes.append(self._take(job))
                except CardveilError as error:
                    self.telemetry.failure(None, error)
                    failures.append(error)
                    outcomes.append("later")
        for outcome in outcomes:
            self.telemetry.callback(outcome)
        return outcomes, failures

    def _take(self, job: JobCallback) -> str:
        try:
            # Before any SDK is loaded or any request made: strangers cost nothing.
            reference = Signer(self.settings.job_secrets).verify(job.user_data, self.now())
        except ReferenceRefusedError as refused:
            return refused.reason
        with uncollected():
            from cardveil.core.timing import Timings
            from cardveil.pipeline.factory import build_processor

        processor = build_processor(
            self.settings,
            self.environment,
            self.invocation,
            bucket=reference.bucket,
            region=self.invocation.region,
            rate_limiter=self.rate_limiter,
            on_metric=self.telemetry.count,
        )
        timings = Timings()
        arrival, outcome = processor.arrived(job.user_data, job.job_id, timings)
        if outcome:
            self.telemetry.outcome_of(reference.source, outcome, timings.elapsed_ms)
        if self.settings.webhook:
            from cardveil.pipeline.telling import tell_committed

            tell_committed(processor.pipeline, self.pause, _TELLING_S, self.telemetry.count)
        return arrival.value


def process_callback(
    event: Any,
    invocation: Invocation,
    environment: Mapping[str, str],
    rate_limiter: RateLimiter | None = None,
    pause: Pause | None = None,
) -> dict[str, Any]:
    """Take the callbacks of one event.

    Returns
    -------
    dict
        The HTTP answer for a function URL; for a queue the outcomes, counted.

    Raises
    ------
    CardveilError
        For a queue, when something failed that a later delivery may mend.
    """
    from cardveil.core.telemetry import Telemetry

    settings = from_environment(environment)
    telemetry = Telemetry(invocation, settings.log_level)
    delivery = read_delivery(event)
    if delivery.http and delivery.method != "POST":
        telemetry.callback("wrong_method")
        return _answer(["wrong_method"])
    handler = CallbackHandler(settings, environment, invocation, telemetry, rate_limiter, pause or Pause())
    outcomes, failures = handler.receive(delivery)
    if delivery.http:
        return _answer(outcomes)
    if failures:
        raise failures[0]
    return dict(Counter(outcomes))


def _answer(outcomes: list[str]) -> dict[str, Any]:
    """Answer for all jobs of a callback: the worst outcome decides."""
    worst = max(outcomes, key=lambda outcome: STATUSES[outcome])
    headers = {"Content-Type": "application/json"}
    if worst == "later":
        headers["Retry-After"] = _RETRY_AFTER
    if worst == "wrong_method":
        headers["Allow"] = "POST"
    return {
        "statusCode": int(STATUSES[worst]),
        "headers": headers,
        "body": f'{{"outcome": "{worst}"}}',
    }
