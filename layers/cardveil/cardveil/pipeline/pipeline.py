"""One uploaded picture, start to end: claim, recognise, redact, confirm, publish. Read this module first.

Every source ends in exactly one final state, which its sidecar tells. The sidecar is written last: a crash
anywhere before leaves a state from which the next delivery, or the next sweep, finishes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from cardveil.card.findings import Status
from cardveil.core.context import Invocation
from cardveil.core.errors import (
    RETRY_HINT,
    CardveilError,
    Halt,
    PermissionMissing,
    PolicyWeaker,
    Reject,
    Retry,
    Review,
    SourceGone,
)
from cardveil.core.frozen import dataclass, field, replace
from cardveil.core.threads import background_tasks
from cardveil.core.timing import Timings
from cardveil.pipeline.claim import Claim, Confirmation, claim, held
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.decided_policy import POLICY_META
from cardveil.pipeline.examine import ProcessingResult, examine_source, sidecar_of
from cardveil.pipeline.options import ProcessOptions
from cardveil.pipeline.renewal import re_redact
from cardveil.pipeline.texts_at_rest import ALL, keeping_of
from cardveil.recognition.hints import hint_of
from cardveil.recognition.interfaces import CardRecogniser, Hint
from cardveil.recognition.recognizer import Stage
from cardveil.recognition.staging import staged
from cardveil.redaction import BUILT_IN, may_have_pages
from cardveil.settings import Settings
from cardveil.settings.kinds import CardRule
from cardveil.settings.regions import EMBEDDED
from cardveil.storage.circuit_breaker import BreakerGuard, CircuitBreaker
from cardveil.storage.keys import Keys, keys_of
from cardveil.storage.leases import Leases
from cardveil.storage.objects import Objects, Stored
from cardveil.storage.response_cache import ResponseCache
from cardveil.storage.results import Results, unread
from cardveil.storage.sidecar import MAX_BYTES, SourceFacts, read_sidecar, to_json
from cardveil.storage.source import Source

if TYPE_CHECKING:
    from cardveil.redaction.documents import Converted
    from cardveil.storage.refusals import Refusals


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one source ended.

    Attributes
    ----------
    kind : str
        ``finished`` (this run), ``renewed`` (this run, from an earlier one's places, under another policy),
        ``already`` (by an earlier one), ``gone`` (deleted before it was read), ``submitted`` (a job
        finishes it) or ``unread`` (it cannot be read for now, and its sidecar says why).
    """

    kind: str
    status: Status | None = None
    findings: tuple[str, ...] = ()
    paid_calls: int = 0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that one invocation needs to process the sources of one bucket; see `factory`.

    Attributes
    ----------
    sources : Objects
        The bucket of the sources; leases and staged copies stand there too.
    results : Results
        Where results go.
    breaker : CircuitBreaker
        Stops paid calls while the account refuses them.
    recogniser : callable
        Builds the recogniser of one source from the means to stage a copy of it, the answers that were paid
        for before, the breaker's guard, and the call's options.
    converted : callable, optional
        Has CI make a JPEG of the source of this key.
    """

    settings: Settings
    rules: RedactionRules
    sources: Objects
    results: Results
    leases: Leases
    breaker: CircuitBreaker
    recogniser: Callable[[Stage, ResponseCache, BreakerGuard, ProcessOptions], CardRecogniser]
    invocation: Invocation
    sleep: Callable[[float], None] = field(default=time.sleep)
    converted: Callable[[str], bytes] | None = None

    def process(
        self, source: Source, timings: Timings | None = None, *, options: ProcessOptions | None = None
    ) -> Outcome:
        """Bring one source to its final state.

        Raises
        ------
        Retry
            When it is not in its final state yet, and may be later.
        Halt
            When nothing will work until somebody changes the account or the settings.
        """
        try:
            with self.claim(source, timings, options) as claimed:
                return self.existing_outcome(claimed) or self.recognise_and_publish(claimed)
        except SourceGone:
            return Outcome("gone")
        except Halt as refusal:
            return self.refused(source.key, refusal)

    def claim(
        self, source: Source, timings: Timings | None = None, options: ProcessOptions | None = None
    ) -> AbstractContextManager[Claim]:
        """Hold the source for as long as the block lasts; see `claim.claim`."""
        return claim(self, source, timings or Timings(), options or ProcessOptions())

    def converting(self, rules: RedactionRules, key: str) -> RedactionRules:
        """Return the rules for one source, with CI as its converter: no such decoder is in this process."""
        converted = self.converted
        if converted is None:
            return rules

        def convert(_data: bytes, _facts: object) -> Converted:
            from cardveil.redaction.documents import Converted

            return Converted(converted(key), upright=False)

        return replace(rules, converter=convert)

    @property
    def refusals(self) -> Refusals:
        """What judges refusals."""
        from cardveil.storage.refusals import Refusals  # of no use to a picture of which nothing is refused

        return Refusals(self.sources, self.results.objects, self.settings)

    def judged(self, error: CardveilError) -> CardveilError:
        """Return an error as one object's or the account's; see `Refusals.judged`."""
        return self.refusals.judged(error)

    def of_one_object(self, refusal: Halt) -> Review:
        """Return a refusal as the one object's that it is about.

        Raises
        ------
        CardveilError
            What is the account's, or cannot be told apart now.
        """
        return self.refusals.of_one(refusal)

    def refused(self, key: str, refusal: Halt) -> Outcome:
        """Note, for the sweeps, a source of which something may not be read or written: it waits for that.

        Raises
        ------
        CardveilError
            What is the account's, or cannot be told apart now.
        """
        error = self.of_one_object(refusal)
        self._note_unread(keys_of(key, self.settings), error)
        return Outcome("unread", Status.NEEDS_REVIEW, (error.code,))

    def existing_outcome(self, claimed: Claim) -> Outcome | None:
        """Say that there is nothing to do, if so: it was finished before, or a person has decided.

        Raises
        ------
        PolicyWeaker
            When the options choose a policy that covers less than the source has.
        """
        made, version = claimed.made, claimed.version
        decided = made is not None and version.decided(made)
        if made is not None and version.unfinished(made):
            from cardveil.pipeline.decisions import finish  # hardly ever needed

            finish(self, claimed)
        if claimed.weaker and not decided:
            raise PolicyWeaker("policy_weaker", "name a policy that covers as much, or decide by a review")
        if made is None or not (decided or self._stands(claimed, made)):
            return None
        if not version.keeps_texts_so(made):
            from cardveil.pipeline.decisions import keep_less  # once, after the setting was changed

            keep_less(self, claimed)
        # Who made it may have been killed between the commit and the tidying.
        if claimed.kept.result() is not None:
            self.sources.delete(claimed.keys.answers)
        return Outcome("already")

    def _stands(self, claimed: Claim, made: Stored) -> bool:
        version = claimed.version
        known = version.made(made) and version.chosen_in(made) == version.chosen
        return known and not claimed.options.force

    def can_reuse_fields(self, claimed: Claim) -> bool:
        """Say whether only the policy has changed since the present result, so that nothing need be paid."""
        known = claimed.made is not None and claimed.version.located(claimed.made)
        return known and claimed.data is not None and not claimed.options.force

    def recognise_and_publish(self, claimed: Claim) -> Outcome:
        """Bring what was claimed to its final state; raises as `process` does."""
        if claimed.refusal is not None:
            return self._publish_refusal(claimed, claimed.refusal)
        keeping = keeping_of(self.settings)
        # An answer says all that a card says.
        kept_s = self.settings.answers_kept_s if keeping.mode == ALL else 0.0
        answers = ResponseCache(self.sources, claimed.keys.answers, claimed.kept, kept_s, claimed.pool)
        confirmation = Confirmation(partial(self.sources.head, claimed.source.key), claimed.pool)
        sidecar = self._reusable_sidecar(claimed)
        try:
            with BreakerGuard(self.breaker, claimed.breaker, confirmation.start) as guard:
                recogniser = self._recogniser(claimed, answers, guard)
                known = _redacted_anew(sidecar, claimed, recogniser)
                result = known or self._recognise_and_redact(claimed, recogniser)
            paid = 0 if known else sum(call.api != EMBEDDED for call in result.calls)
            with claimed.timings("confirm"):
                # CI reads by key: had the object been replaced meanwhile, the places were another picture's.
                now = confirmation.result()
            if now is None or now.etag != claimed.stored.etag:
                claimed.tidying.extend(answers.forget())
                if now is not None:
                    raise Retry("source_changed", "nothing: the new picture is processed instead")
                return Outcome("gone", paid_calls=paid)
            if "decoder_missing" in result.findings:
                # Where it is installed it can be read: the sweeps try again.
                from cardveil.redaction.documents import decoder_missing

                return self._publish_refusal(claimed, decoder_missing())
            if "source_gone" in result.findings:
                # Not the source, then, but the copy of it that was staged.
                raise Retry("staged_copy_gone", RETRY_HINT)
            try:
                result = self._publish(claimed, result)
            except Halt as refusal:
                # What was paid for is kept: it may be permitted soon.
                return self._publish_refusal(claimed, self.of_one_object(refusal))
            claimed.tidying.extend(answers.forget())
            claimed.look_again()
        finally:
            answers.settle()
        return Outcome("renewed" if known else "finished", result.status, result.findings, paid)

    def _recogniser(self, claimed: Claim, answers: ResponseCache, guard: BreakerGuard) -> CardRecogniser:
        """Build the recogniser of a source: one of its own for each page, where it has several."""
        stage = partial(staged, self.sources, claimed.keys)
        build = partial(self.recogniser, stage, answers, guard, claimed.options)
        if claimed.data is None or not may_have_pages(claimed.data):
            return build()
        from cardveil.recognition.page_by_page import PageByPage  # pictures need none of it

        return PageByPage(build, self.invocation.limited(claimed.options.limit_s).remaining_s)

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
            with BreakerGuard(self.breaker, pool.submit(self.breaker.look)) as guard:
                yield self.recogniser(partial(staged, self.sources, keys), answers, guard, ProcessOptions())

    def held(self, keys: Keys) -> AbstractContextManager[None]:
        """Hold the lease alone of a source; see `claim.held`."""
        return held(self, keys.lease_prefix)

    def hint(self, claimed: Claim) -> Hint:
        """Return which card is to be expected; raises Reject ``hint_invalid``."""
        if claimed.stored.meta.get(POLICY_META, BUILT_IN[0]) not in BUILT_IN:
            raise Reject("hint_invalid", f"name one of {', '.join(BUILT_IN)} in {POLICY_META}")
        wanted = claimed.options.card_type
        rules = self.settings.card_rules if wanted is None else (CardRule("", wanted),)
        return hint_of(claimed.source.key, claimed.stored.meta, rules)

    def _publish_refusal(self, claimed: Claim, refusal: Reject | Review) -> Outcome:
        """Say in the sidecar why a source cannot be read; one that may be read later is noted for the sweeps.

        Only what its key alone forbids is final: of all else the same object may be readable tomorrow.
        """
        if isinstance(refusal, Review):
            status, outcome = Status.NEEDS_REVIEW, Outcome("unread", Status.NEEDS_REVIEW, (refusal.code,))
            if claimed.made is not None and claimed.version.waits(claimed.made, refusal.code):
                return outcome
            self._note_unread(claimed.keys, refusal)
        else:
            status, outcome = Status.REJECTED, Outcome("finished", Status.REJECTED, (refusal.code,))
        self._publish(claimed, ProcessingResult(status, findings=(refusal.code,)), refusal)
        return outcome

    def _note_unread(self, keys: Keys, refusal: Review) -> None:
        note = orjson.dumps({"code": refusal.code})
        self.sources.put(keys.unread, note, media_type="application/json", meta={"kind": "unread"})

    def _reusable_sidecar(self, claimed: Claim) -> Mapping[str, Any] | None:
        """Return the sidecar from which the source can be redacted anew, None where it must be recognised."""
        if not self.can_reuse_fields(claimed):
            return None
        try:
            _, data = self.results.objects.get(claimed.keys.sidecar, max_bytes=MAX_BYTES)
        except (Reject, PermissionMissing):
            return None  # a role that may not read results: it is recognised again
        document = read_sidecar(data, claimed.source.key)
        same = document is not None and document["source"]["etag"] == claimed.stored.etag
        if document is None or not same or document.get("history"):
            return None
        lacking = keeping_of(self.settings).lacks_texts(document, claimed.rules.policy)
        return None if lacking else document

    def _recognise_and_redact(self, claimed: Claim, recogniser: CardRecogniser) -> ProcessingResult:
        try:
            if claimed.data is None:
                raise Reject("picture_too_large", "upload a smaller picture, or raise CARDVEIL_MAX_BYTES")
            hint = self.hint(claimed)
        except Reject as refusal:
            return ProcessingResult(Status.REJECTED, findings=(refusal.code,))
        key, timings = claimed.source.key, claimed.timings
        return examine_source(claimed.data, hint, recogniser, claimed.rules, key=key, timings=timings)

    def _publish(
        self, claimed: Claim, result: ProcessingResult, refusal: Reject | Review | None = None
    ) -> ProcessingResult:
        """Write the copy, then the sidecar: with it the source is in its final state, or waits for it.

        Returns
        -------
        ProcessingResult
            What was published: not a document of which nobody could read what its sidecar says.
        """
        stored, keys, policy = claimed.stored, claimed.keys, claimed.rules.policy
        source = SourceFacts(self.sources.bucket, claimed.source.key, stored.etag, stored.size)
        sidecar = sidecar_of(result, source, policy, keys.redacted)
        kept = keeping_of(self.settings).sidecar(replace(sidecar, chosen=claimed.version.chosen), policy)
        document = to_json(kept)
        if len(document) > MAX_BYTES:
            told = ProcessingResult(Status.REJECTED, findings=("document_too_long",), calls=result.calls)
            return self._publish(claimed, told)
        copy = (result.copy.data, result.copy.media_type) if result.copy else None
        with claimed.timings("publish"):
            replaces = claimed.made is not None
            waits = refusal.code if isinstance(refusal, Review) else ""
            self.results.commit(
                keys, claimed.version, result.status, document, copy, replaces=replaces, unread=waits
            )
            if not waits and claimed.made is not None and unread(claimed.made):
                self.sources.delete(keys.unread)
        return result


def _redacted_anew(
    sidecar: Mapping[str, Any] | None, claimed: Claim, recogniser: CardRecogniser
) -> ProcessingResult | None:
    """Redact from the places that a sidecar knows; None where the source must be recognised."""
    if sidecar is None or claimed.data is None:
        return None
    told = (sidecar, claimed.data, recogniser, claimed.rules, claimed.timings)
    if "pages" not in sidecar:
        return re_redact(*told)
    from cardveil.pipeline.document_renewal import re_redact_document  # pictures need none of it

    return re_redact_document(*told)
