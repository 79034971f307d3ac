"""One uploaded picture, start to end: claimed, fetched, examined, published, in exactly one final state."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import orjson

from cardveil.bucket.answers import Answers
from cardveil.bucket.breaker import Breaker, Gate, Open
from cardveil.bucket.keys import Keys, keys_of
from cardveil.bucket.leases import Lease, Leases
from cardveil.bucket.objects import Objects, Stored
from cardveil.bucket.results import Results, Version, staged
from cardveil.card import CardType, Side
from cardveil.errors import Halt, Reject, Retry
from cardveil.events.context import Invocation
from cardveil.events.cos import OUTPUT_MARK, Upload
from cardveil.examine import PIPELINE_VERSION, Rules, Verdict, examine, sidecar_of
from cardveil.findings import Status
from cardveil.recognition.cloud import Stage
from cardveil.recognition.reading import CardRecogniser, Hint, Image, Recognition
from cardveil.renewal import renew
from cardveil.settings import Settings
from cardveil.sidecar import SourceFacts, to_json
from cardveil.stages import Stages

#: Pause between two looks at a lease that somebody else holds, in seconds.
_WAIT_S: Final = 1.0
#: A lease outlives the function that took it by this much, so that nobody takes over from the living.
_LEASE_MARGIN_S: Final = 5.0
#: More than any card's sidecar has.
_MAX_SIDECAR_BYTES: Final = 4 * 1024 * 1024


#: Enough for all that is done beside the work: four requests of a claim; answers, a look, deletions.
_WORKERS: Final = 6


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

    @contextmanager
    def claimed(self, upload: Upload, stages: Stages) -> Iterator[Claim]:
        """Hold the source for as long as the block lasts; nobody else works on it meanwhile.

        Raises
        ------
        Retry
            ``taken_by_another`` when it stays taken until this invocation's end.
        Reject
            ``source_gone``.
        """
        keys = keys_of(upload.key, self.settings)
        with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
            with stages("claim"):
                claim = self._claim(upload, keys, pool)
            try:
                if not claim.lease.first:
                    # Who had it before may have been killed: the copy of a job that is under way stays.
                    self._delete_under(keys.staged_prefix, but=keys.job_copy)
                yield claim
            finally:
                with stages("release"):
                    self.leases.release(claim.lease, keys.lease_prefix)
                    for tidying in claim.tidying:
                        tidying.result()

    def settled(self, claim: Claim, anew: bool = False) -> Outcome | None:
        """Say that there is nothing to do, if so: it is our own output, or was finished before."""
        if OUTPUT_MARK in claim.stored.meta:
            return Outcome("own_output")
        version = self._version(claim)
        if claim.made and (version.decided(claim.made) if anew else version.made(claim.made)):
            # Who made it may have been killed between the commit and the tidying.
            self._delete_under(claim.keys.answers_prefix)
            return Outcome("already")
        return None

    def settled_meanwhile(self, claim: Claim, anew: bool = False) -> Outcome | None:
        """Say the same of the moment at which the claim was made; to be asked before anything is paid for."""
        return self.settled(replace(claim, made=claim.again.result()), anew)

    def renewable(self, claim: Claim) -> bool:
        """Say whether only the policy has changed since the present result, so that nothing need be paid."""
        return bool(claim.made and claim.data is not None and self._version(claim).located(claim.made))

    def _claim(self, upload: Upload, keys: Keys, pool: Executor) -> Claim:
        """Take the lease, waiting for another's; what is needed next is fetched meanwhile."""
        taking = pool.submit(self._take, keys)
        fetching = pool.submit(self.sources.get, upload.key, max_bytes=self.settings.max_bytes)
        looking = pool.submit(self.results.current, keys)
        breaker = pool.submit(self.breaker.look)
        budget = self.invocation.remaining_s()
        lease = taking.result()
        if lease and lease.first:
            with self._released_on_error(lease, keys):
                # That look may have been taken before the lease, while another was about to commit: one more,
                # now that nobody else can. It is awaited only before something is paid for.
                again = pool.submit(self.results.current, keys)
                return Claim(keys, lease, *fetching.result(), looking.result(), pool, breaker, again)
        while lease is None:
            pause = random.uniform(0.5, 1.5) * _WAIT_S  # noqa: S311 - only spreads waiters
            # Who waits to the end has no time left for the work, and would be ended in the middle of it.
            if self.invocation.remaining_s() - pause <= (1.0 - self.waiting_share) * budget:
                raise Retry("taken_by_another", "nothing: it is tried again")
            self.sleep(pause)
            lease = self._take(keys)
        with self._released_on_error(lease, keys):
            # Whoever held it before may have finished: look again.
            stored, data = self.sources.get(upload.key, max_bytes=self.settings.max_bytes)
            again = pool.submit(self.results.current, keys)
            breaker = pool.submit(self.breaker.look)
            return Claim(keys, lease, stored, data, again.result(), pool, breaker, again)

    def _take(self, keys: Keys) -> Lease | None:
        return self.leases.take(keys.lease_prefix, self.invocation.remaining_s() + _LEASE_MARGIN_S)

    @contextmanager
    def _released_on_error(self, lease: Lease, keys: Keys) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.leases.release(lease, keys.lease_prefix)
            raise

    def conclude(self, upload: Upload, claim: Claim, stages: Stages, *, anew: bool = False) -> Outcome:
        """Examine and publish what was claimed; raises as `process` does."""
        stored, keys = claim.stored, claim.keys
        answers = Answers(
            self.sources,
            keys.answers_prefix,
            # Asked for while the picture is looked at.
            claim.pool.submit(self._listed, keys.answers_prefix),
            self.settings.answers_kept_s,
            claim.pool,
        )
        confirmation = _Confirmation(partial(self.sources.head, upload.key), claim.pool)
        gate = Gate(self.breaker, claim.breaker, confirmation.start)
        try:
            recogniser = self.recogniser(partial(staged, self.sources, keys), answers, gate)
            document = None if anew else self._known(claim)
            if document is not None and claim.data is not None:
                verdict = renew(document, claim.data, recogniser, self.rules, stages)
            else:
                unless = partial(self.settled_meanwhile, claim, anew)
                verdict = self._examine(upload, claim, _Unless(unless, recogniser), stages)
        except _SettledError as settled:
            return settled.outcome
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
            raise Retry("staged_copy_gone", "nothing: it is tried again")
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

    def _listed(self, prefix: str) -> set[str]:
        return set(self.sources.list(prefix))

    def _delete_under(self, prefix: str, but: str = "") -> None:
        for key in list(self.sources.list(prefix)):
            if key != but:
                self.sources.delete(key)

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


@dataclass(frozen=True, slots=True)
class Claim:
    """A source that is ours for a while.

    Attributes
    ----------
    data : bytes or None
        None when it is larger than the settings allow.
    pool : Executor
        For what is done beside the work; it has ended when the source is given back.
    breaker : Future
        `Breaker.look`, asked for with the claim.
    again : Future
        The result that was there once the source was ours; `made` may be older.
    tidying : list of Future
        What is still being deleted.
    """

    keys: Keys
    lease: Lease
    stored: Stored
    data: bytes | None
    made: Stored | None
    pool: Executor
    breaker: Future[Open | None]
    again: Future[Stored | None]
    tidying: list[Future[None]] = field(default_factory=list)


class _SettledError(Exception):
    """There is nothing to do after all."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.kind)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class _Unless:
    """A recogniser that is not asked if another has finished the picture just before it became ours."""

    settled: Callable[[], Outcome | None]
    recogniser: CardRecogniser

    def recognise(self, image: Image, hint: Hint) -> Recognition:
        """See `CardRecogniser.recognise`; raises `_SettledError`."""
        if outcome := self.settled():
            raise _SettledError(outcome)
        return self.recogniser.recognise(image, hint)

    def texts(self, image: Image) -> tuple[str, ...]:
        """See `CardRecogniser.texts`."""
        return self.recogniser.texts(image)


class _Confirmation:
    """Looks whether the source is still the one that was fetched: as soon as services have read it by key."""

    def __init__(self, look: Callable[[], Stored | None], pool: Executor) -> None:
        self._look = look
        self._pool = pool
        self._lock = threading.Lock()
        self._latest: Future[Stored | None] | None = None

    def start(self) -> None:
        """Look now; what was seen before counts no more."""
        with self._lock:
            self._latest = self._pool.submit(self._look)

    def result(self) -> Stored | None:
        """Return the source's head as it was after the last reading."""
        return self._latest.result() if self._latest else self._look()


def hint_of(key: str, meta: Mapping[str, str], settings: Settings) -> Hint:
    """Say what card is to be expected: by the object's metadata, else by the settings' rules, else unknown.

    Raises
    ------
    Reject
        ``hint_invalid`` when the metadata names a card type or side that does not exist.
    """
    card_type, side = meta.get("x-cos-meta-card-type"), meta.get("x-cos-meta-card-side")
    try:
        if card_type or side:
            return Hint(CardType(card_type) if card_type else None, Side(side.lower()) if side else None)
    except ValueError:
        raise Reject(
            "hint_invalid", "set x-cos-meta-card-type to IDCard or DriverLicense, card-side to front or back"
        ) from None
    for rule in settings.card_rules:
        if key.startswith(rule.prefix):
            return Hint(rule.card_type, rule.side)
    return Hint()
