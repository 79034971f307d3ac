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
from cardveil.core.errors import LATER, Halt, Reject, Retry
from cardveil.core.frozen import dataclass, field
from cardveil.core.threads import beside
from cardveil.core.timing import Stages
from cardveil.handlers.cos_event import OUTPUT_MARK, Upload
from cardveil.pipeline.claim import Claim, Claims
from cardveil.pipeline.confirmation import Confirmation
from cardveil.pipeline.covering import Rules
from cardveil.pipeline.examine import PIPELINE_VERSION, Verdict, examine, sidecar_of
from cardveil.pipeline.renewal import renew
from cardveil.recognition.hints import hint_of
from cardveil.recognition.interfaces import CardRecogniser
from cardveil.recognition.recognizer import Stage
from cardveil.settings import Settings
from cardveil.storage.circuit_breaker import Breaker, Gate
from cardveil.storage.keys import Keys
from cardveil.storage.leases import Leases
from cardveil.storage.objects import Objects
from cardveil.storage.response_cache import Answers
from cardveil.storage.results import Results, Version, staged
from cardveil.storage.sidecar import SourceFacts, to_json

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
    rules: Rules
    sources: Objects
    results: Results
    leases: Leases
    breaker: Breaker
    recogniser: Callable[[Stage, Answers, Gate], CardRecogniser]
    invocation: Invocation
    sleep: Callable[[float], None] = field(default=time.sleep)
    waiting_share: float = 0.5

    def process(self, upload: Upload, stages: Stages | None = None, *, anew: bool = False) -> Outcome:
        """Bring one upload to its final state.

        Parameters
        ----------
        anew : bool
            Recognise it again although there is a result, unless a person has decided that.

        Raises
        ------
        Retry
            When it is not in its final state yet, and may be later.
        Halt
            When nothing will work until somebody changes the account or the settings.
        """
        stages = stages or Stages()
        try:
            with self.claimed(upload, stages) as claim:
                return self.settled(claim, anew) or self.conclude(upload, claim, stages, anew=anew)
        except Reject as refusal:
            if refusal.code == "source_gone":
                return Outcome("gone")
            raise

    def claimed(self, upload: Upload, stages: Stages) -> AbstractContextManager[Claim]:
        """Hold the source for as long as the block lasts; see `Claims.claimed`."""
        return self._claims().claimed(upload, stages)

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

    def settled(self, claim: Claim, anew: bool = False) -> Outcome | None:
        """Say that there is nothing to do, if so: it is our own output, or was finished before."""
        if OUTPUT_MARK in claim.stored.meta:
            return Outcome("own_output")
        version = self._version(claim)
        if claim.made and (version.decided(claim.made) if anew else version.made(claim.made)):
            # Who made it may have been killed between the commit and the tidying.
            if claim.kept.result() is not None:
                self.sources.delete(claim.keys.answers)
            return Outcome("already")
        return None

    def renewable(self, claim: Claim) -> bool:
        """Say whether only the policy has changed since the present result, so that nothing need be paid."""
        return bool(claim.made and claim.data is not None and self._version(claim).located(claim.made))

    def conclude(self, upload: Upload, claim: Claim, stages: Stages, *, anew: bool = False) -> Outcome:
        """Examine and publish what was claimed; raises as `process` does."""
        kept_s = self.settings.answers_kept_s
        answers = Answers(self.sources, claim.keys.answers, claim.kept, kept_s, claim.pool)
        try:
            return self._conclude(upload, claim, stages, answers, anew)
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
        with beside() as pool:
            none: Future[Mapping[str, Any] | None] = Future()
            none.set_result(None)
            answers = Answers(self.sources, keys.answers, none, 0.0, pool)
            gate = Gate(self.breaker, pool.submit(self.breaker.look))
            try:
                yield self.recogniser(partial(staged, self.sources, keys), answers, gate)
            finally:
                gate.leave()

    def _conclude(
        self, upload: Upload, claim: Claim, stages: Stages, answers: Answers, anew: bool
    ) -> Outcome:
        stored, keys = claim.stored, claim.keys
        confirmation = Confirmation(partial(self.sources.head, upload.key), claim.pool)
        gate = Gate(self.breaker, claim.breaker, confirmation.start)
        try:
            recogniser = self.recogniser(partial(staged, self.sources, keys), answers, gate)
            document = None if anew else self._known(claim)
            if document is not None and claim.data is not None:
                verdict = renew(document, claim.data, recogniser, self.rules, stages)
            else:
                verdict = self._examine(upload, claim, recogniser, stages)
        finally:
            gate.leave()
        paid = len(verdict.calls) if document is None else 0
        with stages("confirm"):
            # CI reads by key: had the object been replaced meanwhile, the places were another picture's.
            now = confirmation.result()
        if now is None or now.etag != stored.etag:
            claim.tidying.extend(answers.forget())
            if now is None:
                return Outcome("gone", paid_calls=paid)
            raise Retry("source_changed", "nothing: the new picture is processed instead")
        if "source_gone" in verdict.findings:
            # Not the source, then, but the copy of it that was staged.
            raise Retry("staged_copy_gone", LATER)
        source = SourceFacts(self.sources.bucket, upload.key, stored.etag, stored.size)
        sidecar = to_json(sidecar_of(verdict, source, self.rules.policy, keys.redacted))
        with stages("publish"):
            copy = (verdict.copy.data, verdict.copy.media_type) if verdict.copy else None
            self.results.commit(keys, self._version(claim), verdict.status, sidecar, copy)
        claim.tidying.extend(answers.forget())
        kind = "finished" if document is None else "renewed"
        return Outcome(kind, verdict.status, verdict.findings, paid)

    def _known(self, claim: Claim) -> Mapping[str, Any] | None:
        """Return the sidecar from which the source can be redacted anew, None where it must be recognised."""
        if not self.renewable(claim):
            return None
        try:
            _, data = self.results.objects.get(claim.keys.sidecar, max_bytes=_MAX_SIDECAR_BYTES)
            document = orjson.loads(data or b"")
            known = document["source"]["etag"] == claim.stored.etag and not document.get("history")
        except (Reject, orjson.JSONDecodeError, KeyError, TypeError):
            return None
        except Halt as refused:
            if refused.code != "permission_missing":
                raise
            return None  # a role that may not read results: it is recognised again
        return document if known else None

    def _version(self, claim: Claim) -> Version:
        return Version(claim.stored.etag, self.rules.policy.digest, PIPELINE_VERSION)

    def _examine(self, upload: Upload, claim: Claim, recogniser: CardRecogniser, stages: Stages) -> Verdict:
        try:
            if claim.data is None:
                raise Reject("picture_too_large", "upload a smaller picture, or raise CARDVEIL_MAX_BYTES")
            hint = hint_of(upload.key, claim.stored.meta, self.settings)
        except Reject as refusal:
            return Verdict(Status.REJECTED, findings=(refusal.code,))
        return examine(claim.data, hint, recogniser, self.rules, key=upload.key, stages=stages)
