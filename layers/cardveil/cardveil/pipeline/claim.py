"""Claims a source: taken by a lease, fetched, and looked at; given back whatever happens."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cardveil.core.context import Invocation
from cardveil.core.errors import (
    RETRY_HINT,
    CardveilError,
    Halt,
    Reject,
    Review,
    SourceGone,
    TakenByAnother,
)
from cardveil.core.frozen import dataclass, field, replace
from cardveil.core.threads import background_tasks
from cardveil.core.timing import Timings
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.decided_policy import choice_of
from cardveil.pipeline.examine import PIPELINE_VERSION
from cardveil.pipeline.options import ProcessOptions
from cardveil.pipeline.texts_at_rest import keeping_of
from cardveil.storage.circuit_breaker import Open
from cardveil.storage.keys import Keys, keys_of, source_digest
from cardveil.storage.leases import Lease
from cardveil.storage.objects import Stored, delete_under
from cardveil.storage.response_cache import look
from cardveil.storage.results import Version
from cardveil.storage.source import Source

if TYPE_CHECKING:
    from cardveil.pipeline.pipeline import Pipeline

T = TypeVar("T")
#: Pause between two looks at a lease that somebody else holds, in seconds.
_WAIT_S: Final = 1.0
#: A lease outlives the function that took it by this much, so that nobody takes over from the living.
_LEASE_MARGIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A source that is ours for a while, and how it is to be processed.

    Attributes
    ----------
    stored, data : Stored, bytes or None
        The source as it was fetched; no data when it is larger than the settings allow.
    made : Stored or None
        The head of its present sidecar.
    version : Version
        What a result of it is made from and by now.
    weaker : bool
        Whether the options choose a policy that covers less than the source has.
    pool : Executor
        For what is done beside the work; it has ended when the source is given back.
    breaker : Future
        `CircuitBreaker.look`, asked for with the claim.
    kept : Future
        The answers that earlier tries have paid for; see `response_cache.look`.
    refusal : Reject or Review, optional
        Why the source could not be read, for a reason of its own; `stored` is then what else tells of it.
    tidying : list of Future
        What is still being deleted.
    heads : list of Future
        See `look_again`.
    """

    pipeline: Pipeline
    source: Source
    options: ProcessOptions
    rules: RedactionRules
    timings: Timings
    keys: Keys
    lease: Lease
    stored: Stored
    data: bytes | None
    made: Stored | None
    version: Version
    weaker: bool
    pool: Executor
    breaker: Future[Open | None]
    kept: Future[Mapping[str, Any] | None]
    refusal: Reject | Review | None = None
    tidying: list[Future[None]] = field(default_factory=list)
    heads: list[Future[Stored | None]] = field(default_factory=list)

    def look_again(self) -> None:
        """Ask, now that its result is committed, whether the source still stands; see `claim`.

        Whoever erases deletes the source first and the results after it: one of the two looks last.
        """
        self.heads.append(self.pool.submit(self.pipeline.sources.head, self.source.key))


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What is asked for beside the lease; see `Claim`."""

    source: Future[tuple[Stored, bytes | None]]
    made: Future[Stored | None]
    kept: Future[Mapping[str, Any] | None]
    breaker: Future[Open | None]


@contextmanager
def claim(pipeline: Pipeline, source: Source, timings: Timings, options: ProcessOptions) -> Iterator[Claim]:
    """Hold a source for as long as the block lasts; nobody else works on it meanwhile.

    Results of a source that went while they were written are taken away again.

    Raises
    ------
    TakenByAnother
        When it stays taken for too long.
    SourceGone
    """
    keys = keys_of(source.key, pipeline.settings)
    with background_tasks() as pool:
        with timings("claim"):
            claimed = _taken_and_fetched(pipeline, source, timings, options, keys, pool)
        try:
            if not claimed.lease.first:
                # Who had it before may have been killed: the copy of a job that is under way stays.
                delete_under(pipeline.sources, keys.staged_prefix, but=keys.job_copy)
            yield claimed
        finally:
            with timings("release"):
                _give_back(pipeline, claimed.lease, keys.lease_prefix)
                for tidying in claimed.tidying:
                    tidying.result()
        # Answered while the lease was given back.
        if claimed.heads and claimed.heads[-1].result() is None:
            _withdraw(pipeline, source, keys)


def _withdraw(pipeline: Pipeline, source: Source, keys: Keys) -> None:
    """Take a gone source's results away, unless it is back: the lease was given back meanwhile."""
    from cardveil.storage.erasure import SOURCE_DELETED, want  # hardly ever needed
    from cardveil.storage.retired import is_retired

    with held(pipeline, keys.lease_prefix):
        sidecar = pipeline.results.current(keys)
        if is_retired(pipeline.sources, pipeline.settings, source.key, sidecar):
            return  # its term has ended, and its results have terms of their own
        if pipeline.sources.head(source.key) is None:
            pipeline.results.withdraw(keys, source_digest(source.key))
            # For the versions of them, where the bucket keeps any.
            want(pipeline.sources, pipeline.settings, source.key, "pipeline", SOURCE_DELETED, time.time())


@contextmanager
def held(pipeline: Pipeline, prefix: str) -> Iterator[None]:
    """Hold the lease alone that `prefix` stands for; raises `TakenByAnother` as `claim` does."""
    invocation, options = pipeline.invocation, ProcessOptions()
    lease = _take(pipeline, prefix, invocation) or _wait_for(pipeline, prefix, invocation, options)
    try:
        yield
    finally:
        pipeline.leases.release(lease, prefix)


def _taken_and_fetched(
    pipeline: Pipeline,
    source: Source,
    timings: Timings,
    options: ProcessOptions,
    keys: Keys,
    pool: Executor,
) -> Claim:
    """Take the lease, waiting for another's; what is needed next is asked for beside it."""
    invocation = pipeline.invocation.limited(options.limit_s)
    # First of all, so that it is likely to be answered before the looks: a round trip is saved then.
    taking = pool.submit(_take, pipeline, keys.lease_prefix, invocation)
    beside = _ask(pipeline, source, keys, pool, taking)
    lease = taking.result()
    fresh = lease is not None and lease.first
    if lease is None:
        lease = _wait_for(pipeline, keys.lease_prefix, invocation, options)
    try:
        # Whoever held the lease before may have finished: all is looked at again.
        fetched = beside if fresh else _ask(pipeline, source, keys, pool, taking)
        stored, data, refusal = _read(pipeline, source, fetched.source)
        made = fetched.made.result()
        rules, version, weaker = _rules(pipeline, source, options, stored, made)
        return Claim(
            pipeline=pipeline,
            source=source,
            options=options,
            rules=rules,
            timings=timings,
            keys=keys,
            lease=lease,
            stored=stored,
            data=data,
            made=made,
            version=version,
            weaker=weaker,
            pool=pool,
            breaker=fetched.breaker,
            kept=fetched.kept,
            refusal=refusal,
        )
    except BaseException:
        _give_back(pipeline, lease, keys.lease_prefix)
        raise


def _give_back(pipeline: Pipeline, lease: Lease, prefix: str) -> None:
    try:
        pipeline.leases.release(lease, prefix)
    except Halt as refusal:
        pipeline.of_one_object(refusal)  # this one may not be deleted: it runs out by itself


def _read(
    pipeline: Pipeline, source: Source, reading: Future[tuple[Stored, bytes | None]]
) -> tuple[Stored, bytes | None, Reject | Review | None]:
    """Return the source as it was fetched, or what else is known of it and why it could not be read.

    Raises
    ------
    SourceGone
    Retry, Halt
        What is no fault of this object.
    """
    try:
        stored, data = reading.result()
    except SourceGone:
        raise
    except CardveilError as error:
        refusal = pipeline.judged(error)
        if not isinstance(refusal, Reject | Review):
            raise refusal from None
        return _told_of(pipeline, source), None, refusal
    return stored, data, None


def _told_of(pipeline: Pipeline, source: Source) -> Stored:
    """Return the head of a source that cannot be read, or what the event or the listing has told."""
    try:
        found = pipeline.sources.head(source.key)
    except (Halt, Reject, Review):
        return Stored(source.etag, 0, source.meta)
    if found is None:
        raise SourceGone("source_gone", "nothing: the object was deleted before it was read")
    return found


def _rules(
    pipeline: Pipeline, source: Source, options: ProcessOptions, stored: Stored, made: Stored | None
) -> tuple[RedactionRules, Version, bool]:
    """Return what the source is redacted by, as far as it has a policy of its own, and by what version."""
    rules = pipeline.converting(options.rules or pipeline.rules, source.key)
    digest = rules.policy.digest
    texts = keeping_of(pipeline.settings).tag
    version = Version(stored.etag, digest, PIPELINE_VERSION, source_digest(source.key), texts=texts)
    choice = choice_of(rules.policy, stored, version, made, options.chosen)
    if choice.name:
        version = replace(version, chosen=choice.name, applied=choice.policy.digest)
    return replace(rules, policy=choice.policy), version, choice.weaker


def _ask(
    pipeline: Pipeline, source: Source, keys: Keys, pool: Executor, taking: Future[Lease | None]
) -> _Fetched:
    """Ask for all that is needed next."""
    return _Fetched(
        source=pool.submit(pipeline.sources.get, source.key, max_bytes=pipeline.settings.max_bytes),
        made=pool.submit(_not_older, taking, partial(pipeline.results.current, keys)),
        kept=pool.submit(_not_older, taking, partial(look, pipeline.sources, keys.answers)),
        breaker=pool.submit(pipeline.breaker.look),
    )


def _not_older(taking: Future[Lease | None], seen: Callable[[], T]) -> T:
    """Return what is seen once a lease is taken: at once, where the look was answered after the lease was.

    Another may commit and give its lease back between our look and our claim. Its giving back is sent when
    its commit is answered: a whole round trip lies between the two. If our lease was answered before our look
    was, then the look was served after the lease, or before it by less than an answer's way back: it saw the
    commit.
    """
    found = seen()
    if taking.done():
        return found
    taking.result()
    return seen()


def _take(pipeline: Pipeline, prefix: str, invocation: Invocation) -> Lease | None:
    return pipeline.leases.take(prefix, invocation.remaining_s() + _LEASE_MARGIN_S)


def _wait_for(pipeline: Pipeline, prefix: str, invocation: Invocation, options: ProcessOptions) -> Lease:
    """Take a lease that another holds, as soon as it is given back."""
    budget = invocation.remaining_s()
    while True:
        pause = random.uniform(0.5, 1.5) * _WAIT_S  # noqa: S311 - only spreads waiters
        # Who waits to the end has no time left for the work, and would be ended in the middle of it.
        if invocation.remaining_s() - pause <= (1.0 - options.wait) * budget:
            raise TakenByAnother("taken_by_another", RETRY_HINT)
        pipeline.sleep(pause)
        if lease := _take(pipeline, prefix, invocation):
            return lease


class Confirmation:
    """Whether a source is still the one that was fetched: services read it by its key, at another moment."""

    def __init__(self, head: Callable[[], Stored | None], pool: Executor) -> None:
        self._head = head
        self._pool = pool
        self._lock = threading.Lock()
        self._latest: Future[Stored | None] | None = None

    def start(self) -> None:
        """Look now, since a service has just read it; what was seen before counts no more."""
        with self._lock:
            self._latest = self._pool.submit(self._head)

    def result(self) -> Stored | None:
        """Return the source's head as it was after the last reading."""
        return self._latest.result() if self._latest else self._head()
