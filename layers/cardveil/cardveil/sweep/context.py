"""What a sweep works with: what processes a source, the settings, and the plan over the bucket."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cardveil.core.errors import Halt
from cardveil.core.rate_limit import RateLimiter
from cardveil.pipeline.jobs import CardProcessor
from cardveil.pipeline.texts_at_rest import keeping_of
from cardveil.settings import Settings
from cardveil.storage.keys import keys_of
from cardveil.storage.objects import Entry, Objects
from cardveil.storage.source import is_source
from cardveil.sweep.decide import FREE, ChangeDetector, UpToDateMark
from cardveil.sweep.estimate import calls_of, proof_of
from cardveil.sweep.inventory import Inventory
from cardveil.sweep.listing import Pair, Position, in_step
from cardveil.sweep.run import Run
from cardveil.sweep.selection import Selection

if TYPE_CHECKING:
    from cardveil.core.telemetry import Telemetry

#: How long nobody else may go on with a sweep after its holder was last heard of, in seconds.
LEASE_S: Final = 60.0
_DIGEST: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SweepContext:
    """Everything that sweeps of one bucket need.

    Attributes
    ----------
    processor : CardProcessor
        The bucket, its breaker and its leases; the policy.
    build : callable
        Builds what processes a run's sources: at a rate of its own, with leases in a name of its own.
    invoke : callable, optional
        Makes the client of SCF's API, for the execution ``invoke``.
    stop : callable
        Whether a person wants it to stop.
    on_progress : callable
        Called with the run after each source, for progress.
    on_orphan : callable
        Called by a sweep, not by an estimate, with the key of each source that has results and is not there.
    lease_s : float
        How long the sweeps' lease holds after it was last renewed.
    """

    processor: CardProcessor
    build: Callable[[RateLimiter, str], CardProcessor]
    settings: Settings
    telemetry: Telemetry | None = None
    invoke: Callable[[], Any] | None = None
    stop: Callable[[], bool] = field(default=lambda: False)
    on_progress: Callable[[Run], None] = field(default=lambda _: None)
    on_orphan: Callable[[str], None] = field(default=lambda _: None)
    now: Callable[[], float] = field(default=time.time)
    lease_s: float = LEASE_S

    @property
    def prefix(self) -> str:
        """Where checkpoints, reports, the lease and the day's count stand."""
        return f"{self.settings.state_prefix}sweeps/"

    @property
    def buckets(self) -> tuple[Objects, Objects]:
        """The objects of the sources' and of the results' bucket."""
        return self.processor.pipeline.sources, self.processor.pipeline.results.objects

    @property
    def policy_digest(self) -> str:
        """The present policy, and after a slash how texts are kept, unless as they are."""
        tag = keeping_of(self.settings).tag
        return self.processor.pipeline.rules.policy.digest + (f"/{tag}" if tag else "")

    def change_detector(
        self, selection: Selection, started_at: float, verified: UpToDateMark | None
    ) -> ChangeDetector:
        """Return what decides over sources."""
        return ChangeDetector(selection, self.settings, self.policy_digest, started_at, self.now(), verified)

    def calls_for(self, reason: str, key: str) -> Counter[str]:
        """Return the paid calls that a source is expected to cost, by API."""
        return proof_of(self.settings) if reason in FREE else calls_of(key, self.settings)

    def plan(
        self,
        selection: Selection,
        start: Position,
        broken: Callable[[], None],
        on_orphan: Callable[[str], None] = lambda _: None,
    ) -> Generator[Pair, None, None]:
        """Yield the sources of a selection, from `start` on; raises what `Inventory.pairs` does.

        Parameters
        ----------
        broken : callable
            Told of each line of an inventory that cannot be read.
        on_orphan : callable
            Told the key of each source that has results and, by the listing, is not there.
        """
        sources, _ = self.buckets
        if selection.keys:
            return _named(selection.keys, start)
        if selection.inventory:
            inventory = Inventory(sources, selection.inventory, broken)
            return inventory.pairs(selection.prefix, start)
        if self.settings.result_names == "digest":
            # Results in the order of a hash: there is nothing to list in step with.
            return _alone(sources.entries(selection.prefix, start.source_after))
        return self._listed(selection.prefix, start, on_orphan)

    def _listed(
        self, prefix: str, start: Position, on_orphan: Callable[[str], None]
    ) -> Generator[Pair, None, None]:
        settings = self.settings
        below = f"{settings.sidecar_prefix}{prefix.removeprefix(settings.inbox_prefix)}"

        def sidecar_of(key: str) -> str | None:
            sidecar = keys_of(key, settings).sidecar
            named = f"{settings.sidecar_prefix}{key.removeprefix(settings.inbox_prefix)}.json"
            return sidecar if sidecar == named else None

        sources, results = self.buckets
        listed = sources.entries(prefix, start.source_after)
        sidecars = results.entries(below, start.sidecar_after)

        def orphan(sidecar: Entry) -> None:
            name = sidecar.key.removeprefix(settings.sidecar_prefix).removesuffix(".json")
            key = f"{settings.inbox_prefix}{name}"
            # What is named by a digest may be the sidecar of a long key, which is well.
            if is_source(key, settings) and not _DIGEST.fullmatch(name) and sidecar_of(key) == sidecar.key:
                on_orphan(key)

        return in_step(listed, sidecars, sidecar_of, start, orphan)


def _named(keys: tuple[str, ...], start: Position) -> Generator[Pair, None, None]:
    for line, key in enumerate(keys, start=1):
        if line > start.line:
            yield Pair(Entry(key, 0, "", 0.0), None, False, Position(line=line))


def _alone(sources: Iterator[Entry]) -> Generator[Pair, None, None]:
    for source in sources:
        yield Pair(source, None, False, Position(source_after=source.key))


def ready(context: SweepContext) -> None:
    """Refuse ways of execution that the settings do not allow.

    Raises
    ------
    Halt
        ``setting_invalid``.
    """
    if context.settings.sweep_execution == "job" and not context.processor.signer.secrets:
        raise Halt("setting_invalid", "set CARDVEIL_JOB_SECRETS: jobs need a secret for their references")
    if context.settings.sweep_execution == "invoke" and context.invoke is None:
        raise Halt("setting_invalid", "choose CARDVEIL_SWEEP_EXECUTION direct or job")
