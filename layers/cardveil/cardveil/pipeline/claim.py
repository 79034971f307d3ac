"""Claims a source: taken by a lease, fetched, and looked at, all at once; given back whatever happens."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

from cardveil.core.context import Invocation
from cardveil.core.errors import RETRY_HINT, TakenByAnother
from cardveil.core.frozen import dataclass, field
from cardveil.core.threads import background_tasks
from cardveil.core.timing import Timings
from cardveil.settings import Settings
from cardveil.storage.circuit_breaker import CircuitBreaker, Open
from cardveil.storage.keys import Keys, keys_of
from cardveil.storage.leases import Lease, Leases
from cardveil.storage.objects import Objects, Stored, delete_under
from cardveil.storage.response_cache import look
from cardveil.storage.results import Results
from cardveil.storage.source import Source

T = TypeVar("T")
#: Pause between two looks at a lease that somebody else holds, in seconds.
_WAIT_S: Final = 1.0
#: A lease outlives the function that took it by this much, so that nobody takes over from the living.
_LEASE_MARGIN_S: Final = 5.0


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
        `CircuitBreaker.look`, asked for with the claim.
    kept : Future
        The answers that were kept before the source was ours; see `answers.look`.
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
    kept: Future[Mapping[str, Any] | None]
    tidying: list[Future[None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What is fetched while the lease is taken; see `Claim`."""

    source: Future[tuple[Stored, bytes | None]]
    made: Future[Stored | None]
    kept: Future[Mapping[str, Any] | None]
    breaker: Future[Open | None]

    def claim(self, keys: Keys, lease: Lease, pool: Executor) -> Claim:
        """Return the claim, as soon as source and result are there."""
        return Claim(keys, lease, *self.source.result(), self.made.result(), pool, self.breaker, self.kept)


@dataclass(frozen=True, slots=True)
class Claims:
    """Takes sources of one bucket for one invocation; the attributes are those of `Pipeline`."""

    settings: Settings
    sources: Objects
    results: Results
    leases: Leases
    breaker: CircuitBreaker
    invocation: Invocation
    sleep: Callable[[float], None]
    waiting_share: float

    @contextmanager
    def claim(self, source: Source, timings: Timings) -> Iterator[Claim]:
        """Hold the source for as long as the block lasts; nobody else works on it meanwhile.

        Raises
        ------
        TakenByAnother
            When it stays taken until this invocation's end.
        SourceGone
        """
        keys = keys_of(source.key, self.settings)
        with background_tasks() as pool:
            with timings("claim"):
                claim = self._claim(source, keys, pool)
            try:
                if not claim.lease.first:
                    # Who had it before may have been killed: the copy of a job that is under way stays.
                    delete_under(self.sources, keys.staged_prefix, but=keys.job_copy)
                yield claim
            finally:
                with timings("release"):
                    self.leases.release(claim.lease, keys.lease_prefix)
                    for tidying in claim.tidying:
                        tidying.result()

    def _claim(self, source: Source, keys: Keys, pool: Executor) -> Claim:
        """Take the lease, waiting for another's; what is needed next is fetched meanwhile."""
        taken: Future[Lease | None] = Future()
        asked: list[_Fetched] = []

        def ask() -> None:
            asked.append(self._ask(source, keys, pool, taken))

        try:
            # Asked once the lease's request is on its way: it is likely to be answered after that one.
            lease = self._take(keys.lease_prefix, ask)
        except BaseException as failure:
            taken.set_exception(failure)
            raise
        taken.set_result(lease)
        fresh = bool(asked and lease and lease.first)
        if lease is None:
            lease = self._awaited(keys.lease_prefix)
        with self._released_on_error(lease, keys):
            if not fresh:
                ask()  # whoever held it before may have finished: look again
            return asked[-1].claim(keys, lease, pool)

    def _ask(self, source: Source, keys: Keys, pool: Executor, taken: Future[Lease | None]) -> _Fetched:
        """Have all that is needed next fetched."""
        return _Fetched(
            source=pool.submit(self.sources.get, source.key, max_bytes=self.settings.max_bytes),
            made=pool.submit(_once_taken, taken, partial(self.results.current, keys)),
            kept=pool.submit(_once_taken, taken, partial(look, self.sources, keys.answers)),
            breaker=pool.submit(self.breaker.look),
        )

    @contextmanager
    def held(self, prefix: str) -> Iterator[None]:
        """Hold a lease, waiting for another's; raises `TakenByAnother` as `claim` does."""
        lease = self._take(prefix) or self._awaited(prefix)
        try:
            yield
        finally:
            self.leases.release(lease, prefix)

    def _take(self, prefix: str, meanwhile: Callable[[], None] | None = None) -> Lease | None:
        return self.leases.take(prefix, self.invocation.remaining_s() + _LEASE_MARGIN_S, meanwhile)

    def _awaited(self, prefix: str) -> Lease:
        """Take a lease that another holds, as soon as it is given back."""
        budget = self.invocation.remaining_s()
        while True:
            pause = random.uniform(0.5, 1.5) * _WAIT_S  # noqa: S311 - only spreads waiters
            # Who waits to the end has no time left for the work, and would be ended in the middle of it.
            if self.invocation.remaining_s() - pause <= (1.0 - self.waiting_share) * budget:
                raise TakenByAnother("taken_by_another", RETRY_HINT)
            self.sleep(pause)
            if lease := self._take(prefix):
                return lease

    @contextmanager
    def _released_on_error(self, lease: Lease, keys: Keys) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.leases.release(lease, keys.lease_prefix)
            raise


def _once_taken(taken: Future[Lease | None], seen: Callable[[], T]) -> T:
    """Return what is seen once a lease is taken: at once, where the look was answered after the lease was.

    Another may commit and give its lease back between our look and our claim. Its giving back is sent when
    its commit is answered: a whole round trip lies between the two. If our lease was answered before our look
    was, then the look was served after the lease, or before it by less than an answer's way back: it saw the
    commit.
    """
    found = seen()
    if taken.done():
        return found
    taken.result()
    return seen()
