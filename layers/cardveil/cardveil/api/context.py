"""What one request works with: its caller, the settings, and the bucket, built when it is first needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Final

from cardveil.api.fetch_url import Fetcher
from cardveil.api.looks import Looking
from cardveil.api.problems import Problem
from cardveil.api.revoked import RevokedTokens
from cardveil.api.tokens import Caller
from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError, Halt
from cardveil.core.rate_limit import RateLimiter
from cardveil.pipeline.entering import entered
from cardveil.pipeline.factory import build_processor
from cardveil.pipeline.jobs import CardProcessor
from cardveil.pipeline.pipeline import Pipeline
from cardveil.redaction import Policy, load_policy
from cardveil.settings import Settings
from cardveil.storage.ledger import Ledger
from cardveil.storage.objects import CosObjects, Objects
from cardveil.storage.source import Source

#: Part of the remaining time that fetching a URL may take.
_FETCH_SHARE: Final = 0.4


@dataclass(frozen=True, slots=True)
class FunctionContext:
    """What an invocation brings along, whoever calls; `on_metric` is called with the names of metrics.

    The rate limiter, the revoked tokens and the ledger's chain are the process's own. `built` holds what the
    request has worked with: of what that has committed the receiver of webhooks is told.
    """

    settings: Settings
    environment: Mapping[str, str]
    invocation: Invocation
    rate_limiter: RateLimiter
    on_metric: Callable[[str], None]
    revoked: RevokedTokens
    ledger: Ledger = field(default_factory=Ledger)
    built: list[CardProcessor] = field(default_factory=list)


@dataclass
class RequestContext:
    """One request's caller, and what it works with; nothing here is kept for the next one.

    Attributes
    ----------
    looking : Looking or None
        What the ledger is told of the request.
    on_fault : callable
        Called with what kept an entry from being written, where the request is answered all the same.
    """

    function: FunctionContext
    caller: Caller
    now: Callable[[], float] = field(default=time.time)
    looking: Looking | None = None
    on_fault: Callable[[CardveilError], None] = field(default=lambda _: None)

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.function.settings

    @property
    def invocation(self) -> Invocation:
        """The run of the function."""
        return self.function.invocation

    @cached_property
    def processor(self) -> CardProcessor:
        """What processes pictures of the bucket of the settings.

        Raises
        ------
        Halt
            ``setting_missing`` when no bucket is set.
        """
        if not self.settings.bucket:
            raise Halt("setting_missing", "set CARDVEIL_BUCKET to the bucket's full name")
        processor = build_processor(
            self.settings,
            self.function.environment,
            self.invocation,
            bucket=self.settings.bucket,
            region=self.invocation.region,
            rate_limiter=self.function.rate_limiter,
            on_metric=self.function.on_metric,
        )
        self.function.built.append(processor)
        return processor

    @property
    def pipeline(self) -> Pipeline:
        """The way of one picture."""
        return self.processor.pipeline

    @property
    def inbox(self) -> CosObjects:
        """The bucket of the sources."""
        return _cos(self.pipeline.sources)

    @property
    def outbox(self) -> CosObjects:
        """The bucket of the results."""
        return _cos(self.pipeline.results.objects)

    def source(self, key: str) -> Source:
        """Return a picture of the inbox as the pipeline takes it."""
        return Source(self.settings.bucket, self.invocation.region, key)

    @cached_property
    def policy(self) -> Policy:
        """The configured policy: what it keeps, every reader may see."""
        return self.pipeline.rules.policy

    @property
    def fetcher(self) -> Fetcher:
        """Fetches pictures from URLs."""
        limit_s = min(self.settings.call_timeout_s, self.invocation.remaining_s() * _FETCH_SHARE)
        return Fetcher(self.settings.max_bytes, limit_s)

    def is_revoked(self) -> bool:
        """Say whether the caller's token is revoked; raises what reading the bucket's list does."""
        return self.function.revoked.has(self.caller, self.settings, lambda: self.pipeline.sources)

    def describe(self, *details: str) -> None:
        """Note what the entry says beside the kind of look: codes alone."""
        if self.looking:
            self.looking.detail = ",".join(filter(None, (self.looking.detail, *details)))

    def saw(self, key: str) -> None:
        """Note a card that the answer shows."""
        if self.looking:
            self.looking.at(key)

    def saw_each(self, keys: Iterable[str]) -> None:
        """Note many cards that the answer shows."""
        if self.looking:
            self.looking.at_each(keys)

    def enter_first(self, key: str, *details: str) -> None:
        """Enter what is about to be done to a card.

        Raises
        ------
        CardveilError
            When it cannot be entered, and must be: nothing may be done then.
        """
        self.describe(*details)
        self.saw(key)
        self._enter()

    def conclude(self, status: int, code: str) -> None:
        """Enter the look whose answer is ready, or that what was entered before was refused.

        Raises
        ------
        CardveilError
            When it cannot be entered, and must be: the answer may not be given then.
        LookupError
            When what was shown was not said.
        """
        looking = self.looking
        if looking is None:
            return
        if looking.entered:
            if status != HTTPStatus.OK:
                self._enter(refused=code or str(status))
        elif status == HTTPStatus.OK:
            if looking.look.first or not (looking.cards or looking.look.many):
                raise LookupError("an answer shows a card of which nothing was noted")
            self._enter()

    def _enter(self, refused: str = "") -> None:
        if self.looking is None:
            return
        entry = self.looking.entry(self.now(), self.settings, refused)
        self.looking.mark = entered(
            self.function.ledger, self.pipeline.sources, self.settings, entry, self._not_entered
        )
        self.looking.entered = True

    def _not_entered(self, fault: CardveilError) -> None:
        self.function.on_metric("LedgerFailed")
        if self.settings.ledger != "strict":
            self.on_fault(fault)

    def require(self, role: str) -> None:
        """Refuse a caller without a role.

        Raises
        ------
        Problem
            403 ``role_missing``.
        """
        if not self.caller.may(role):
            raise Problem(403, "role_missing", f"use a token with the role {role}")

    def named_policy(self, name: str) -> Policy:
        """Return the policy of a name: the configured one, where it has that name, or a packaged one."""
        return self.policy if name == self.policy.name else load_policy(name)


def _cos(objects: Objects) -> CosObjects:
    if not isinstance(objects, CosObjects):
        raise TypeError("links lead to objects of COS only")
    return objects
