"""A sweep from outside: claimed by its lease, gone on with where the last tick stopped, or only reckoned."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from cardveil.pipeline.examine import PIPELINE_VERSION
from cardveil.sweep.context import SweepContext, ready
from cardveil.sweep.estimate import Estimate
from cardveil.sweep.listing import Pair, Position
from cardveil.sweep.run import Checkpoints, Run, new_run
from cardveil.sweep.selection import Selection
from cardveil.sweep.tick import Tick
from cardveil.sweep.worker_pool import Done, Engine

#: A run that left something over is followed by the next one after this many seconds at the latest.
_SOON_S: Final = 900.0


def sweep(context: SweepContext, selection: Selection, *, every_s: float = 0.0) -> Run | None:
    """Go on with the run of a selection, or begin one when it is due.

    Parameters
    ----------
    every_s : float
        A new run is begun so many seconds after the last one began; 0 for at once.

    Returns
    -------
    Run or None
        The run as it stands; None while another sweep is at work on the bucket.

    Raises
    ------
    Halt
        When an inventory cannot be used, or the account or the settings refuse.
    """
    ready(context)
    leases, prefix = context.processor.pipeline.leases, f"{context.prefix}lease/"
    lease = leases.take(prefix, context.lease_s)
    if lease is None:
        return None
    try:
        checkpoints = Checkpoints(context.processor.pipeline.sources, context.prefix)
        last = checkpoints.load(selection)
        if last and not _due(last, context, every_s):
            return last
        if last is None or last.over or not _same(last, context):
            last = new_run(
                selection,
                context.settings.sweep_execution,
                context.policy_digest,
                PIPELINE_VERSION,
                context.now(),
                last,
            )
        return Tick(context, selection, last, checkpoints, lease, prefix).work()
    finally:
        leases.release(lease, prefix)


def estimate(context: SweepContext, selection: Selection) -> Estimate:
    """Plan without doing anything: nothing is paid, nothing is written."""
    run = Checkpoints(context.processor.pipeline.sources, context.prefix).load(selection)
    taken = sum(run.histogram) if run else 0
    found = Estimate(context.settings, run.seconds / taken if run and taken else 1.0)
    judge = context.judge(selection, context.now(), run.verified if run else None)

    def work(pair: Pair, need: str) -> Done:
        asked = judge.by_look(pair, *context.buckets) if need == "look" else (need, pair.source)
        if asked is None:
            return Done("current")
        return Done("planned", asked[0], calls=context.calls_for(asked[0], asked[1].key))

    def need_of(pair: Pair) -> str | None:
        need = judge.by_listing(pair)
        found.looked += need == "look"
        return need

    def tell(done: Done) -> None:
        if done.outcome == "planned":
            found.add(done.reason, done.calls)

    engine = Engine(context.settings.sweep_in_flight, need_of, work, context.stop, tell, lambda *_: None)
    with closing(context.plan(selection, Position(), lambda: None)) as plan:
        _, found.listed, _ = engine.run(plan, Position())
    return found


def _due(last: Run, context: SweepContext, every_s: float) -> bool:
    if not last.over:
        return True
    return context.now() - last.started_at >= (min(every_s, _SOON_S) if last.left_over else every_s)


def _same(last: Run, context: SweepContext) -> bool:
    """Say whether a run was planned by the present policy and pipeline; otherwise it is begun anew."""
    return (last.policy_digest, last.pipeline) == (context.policy_digest, PIPELINE_VERSION)
