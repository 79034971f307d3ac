"""One uploaded picture, start to end: claimed, fetched, examined, published, in exactly one final state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final

import orjson

from cardveil.card.findings import Status
from cardveil.core.context import Invocation
from cardveil.core.errors import RETRY_HINT, PermissionMissing, Reject, Retry, SourceGone
from cardveil.core.frozen import dataclass, field
from cardveil.core.threads import background_tasks
from cardveil.core.timing import Timings
from cardveil.pipeline.claim import Claim, Claims
from cardveil.pipeline.confirmation import Confirmation
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import PIPELINE_VERSION, ProcessingResult, examine, sidecar_of
from cardveil.pipeline.renewal import re_redact
from cardveil.recognition.hints import hint_of
from cardveil.recognition.interfaces import CardRecogniser
from cardveil.recognition.recognizer import Stage
from cardveil.recognition.staging import staged
from cardveil.settings import Settings
from cardveil.storage.circuit_breaker import BreakerGuard, CircuitBreaker
from cardveil.storage.keys import Keys
from cardveil.storage.leases import Leases
from cardveil.storage.objects import Objects
from cardveil.storage.response_cache import ResponseCache
from cardveil.storage.results import Results, Version
from cardveil.storage.sidecar import SourceFacts, to_json
from cardveil.storage.source import OUTPUT_MARK, Source

#: More than any card's sidecar has.
_MAX_SIDECAR_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one upload ended.

    Attributes
    ----------
    kind : str
        ``finished`` (this run), ``renewed`` (this run, from an earlier one's places, under another policy),
        ``already`` (by an earlier one), ``gone`` (deleted before it was read), ``submitted`` (a job finishes
        it) or ``own_output``.
    """

    kind: str
    status: Status | None = None
    findings: tuple[str, ...] = ()
    paid_calls: int = 0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that one invocation needs to process uploads of one bucket.

    Attributes
    ----------
    sources : Objects
        The bucket of the uploads; leases and staged copies stand there too.
    results : Results
        Where results go.
    breaker : Breaker
        Stops paid calls while the account refuses them.
    recogniser : callable
        Builds the recogniser of one picture from the means to stage a copy of it, the answers that were paid
        for before, and the breaker's gate.
    waiting_share : float
        Share of the invocation's time that may be spent on waiting for a source that another works on.
    """

    settings: Settings
    rules: RedactionRules
    sources: Objects
    results: Results
    leases: Leases
    breaker: CircuitBreaker
    recogniser: Callable[[Stage, ResponseCache, BreakerGuard], CardRecogniser]
    invocation: Invocation
    sleep: Callable[[float], None] = field(default=time.sleep)
    waiting_share: float = 0.5

    def process(self, source: Source, timings: Timings | None = None, *, force: bool = False) -> Outcome:
        """Bring one upload to its final state.

        Parameters
        ----------
        force : bool
            Recognise it again although there is a result, unless a person has decided that.

        Raises
        ------
        Retry
            When it is not in its final state yet, and may be later.
        Halt
            When nothing will work until somebody changes the account or the settings.
        """
        timings = timings or Timings()
        try:
            with self.claim(source, timings) as claim:
                return self.existing_outcome(claim, force) or self.recognise_and_publish(
                    source, claim, timings, force=force
                )
        except SourceGone:
            return Outcome("gone")

    def claim(self, source: Source, timings: Timings) -> AbstractContextManager[Claim]:
        """Hold the source for as long as the block lasts; see `Claims.claim`."""
        return self._claims().claim(source, timings)

    def held(self, keys: Keys) -> AbstractContextManager[None]:
        """Hold the lease alone of a source; see `Claims.held`."""
        return self._claims().held(keys.lease_prefix)

    def _claims(self) -> Claims:
        return Claims(
            self.settings,
            self.sources,
            self.results,
            self.leases,
            self.breaker,
            self.invocation,
            self.sleep,
            self.waiting_share,
        )

    def existing_outcome(self, claim: Claim, force: bool = False) -> Outcome | None:
        """Say that there is nothing to do, if so: it is our own output, or was finished before."""
        if OUTPUT_MARK in claim.stored.meta:
            return Outcome("own_output")
        version = self._version(claim)
        if claim.made and (version.decided(claim.made) if force else version.made(claim.made)):
            # Who made it may have been killed between the commit and the tidying.
            if claim.kept.result() is not None:
                self.sources.delete(claim.keys.answers)
            return Outcome("already")
        return None

    def can_reuse_fields(self, claim: Claim) -> bool:
        """Say whether only the policy has changed since the present result, so that nothing need be paid."""
        return bool(claim.made and claim.data is not None and self._version(claim).located(claim.made))

    def recognise_and_publish(
        self, source: Source, claim: Claim, timings: Timings, *, force: bool = False
    ) -> Outcome:
        """Examine and publish what was claimed; raises as `process` does."""
        kept_s = self.settings.answers_kept_s
        answers = ResponseCache(self.sources, claim.keys.answers, claim.kept, kept_s, claim.pool)
        try:
            return self._conclude(source, claim, timings, answers, force)
        finally:
            answers.settle()

    @contextmanager
    def recognising(self, keys: Keys) -> Iterator[CardRecogniser]:
        """Give a recogniser for the proof of a copy of a source whose places are known: no answer is kept.

        Raises
        ------
        Halt
            When it is asked something, and the breaker is open.
        """
        with background_tasks() as pool:
            none: Future[Mapping[str, Any] | None] = Future()
            none.set_result(None)
            answers = ResponseCache(self.sources, keys.answers, none, 0.0, pool)
            guard = BreakerGuard(self.breaker, pool.submit(self.breaker.look))
            try:
                yield self.recogniser(partial(staged, self.sources, keys), answers, guard)
            finally:
                guard.leave()

    def _conclude(
        self, source: Source, claim: Claim, timings: Timings, answers: ResponseCache, force: bool
    ) -> Outcome:
        stored, keys = claim.stored, claim.keys
        confirmation = Confirmation(partial(self.sources.head, source.key), claim.pool)
        guard = BreakerGuard(self.breaker, claim.breaker, confirmation.start)
        try:
            recogniser = self.recogniser(partial(staged, self.sources, keys), answers, guard)
            document = None if force else self._known(claim)
            if document is not None and claim.data is not None:
                verdict = re_redact(document, claim.data, recogniser, self.rules, timings)
            else:
                verdict = self._examine(source, claim, recogniser, timings)
        finally:
            guard.leave()
        paid = len(verdict.calls) if document is None else 0
        with timings("confirm"):
            # CI reads by key: had the object been replaced meanwhile, the places were another picture's.
            now = confirmation.result()
        if now is None or now.etag != stored.etag:
            claim.tidying.extend(answers.forget())
            if now is None:
                return Outcome("gone", paid_calls=paid)
            raise Retry("source_changed", "nothing: the new picture is processed instead")
        if "source_gone" in verdict.findings:
            # Not the source, then, but the copy of it that was staged.
            raise Retry("staged_copy_gone", RETRY_HINT)
        facts = SourceFacts(self.sources.bucket, source.key, stored.etag, stored.size)
        sidecar = to_json(sidecar_of(verdict, facts, self.rules.policy, keys.redacted))
        with timings("publish"):
            copy = (verdict.copy.data, verdict.copy.media_type) if verdict.copy else None
            self.results.commit(keys, self._version(claim), verdict.status, sidecar, copy)
        claim.tidying.extend(answers.forget())
        kind = "finished" if document is None else "renewed"
        return Outcome(kind, verdict.status, verdict.findings, paid)

    def _known(self, claim: Claim) -> Mapping[str, Any] | None:
        """Return the sidecar from which the source can be redacted anew, None where it must be recognised."""
        if not self.can_reuse_fields(claim):
            return None
        try:
            _, data = self.results.objects.get(claim.keys.sidecar, max_bytes=_MAX_SIDECAR_BYTES)
            document = orjson.loads(data or b"")
            known = document["source"]["etag"] == claim.stored.etag and not document.get("history")
        except (Reject, orjson.JSONDecodeError, KeyError, TypeError):
            return None
        except PermissionMissing:
            return None  # a role that may not read results: it is recognised again
        return document if known else None

    def _version(self, claim: Claim) -> Version:
        return Version(claim.stored.etag, self.rules.policy.digest, PIPELINE_VERSION)

    def _examine(
        self, source: Source, claim: Claim, recogniser: CardRecogniser, timings: Timings
    ) -> ProcessingResult:
        try:
            if claim.data is None:
                raise Reject("picture_too_large", "upload a smaller picture, or raise CARDVEIL_MAX_BYTES")
            hint = hint_of(source.key, claim.stored.meta, self.settings)
        except Reject as refusal:
            return ProcessingResult(Status.REJECTED, findings=(refusal.code,))
        return examine(claim.data, hint, recogniser, self.rules, key=source.key, timings=timings)
