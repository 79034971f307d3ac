"""A sweep from outside: claimed by its lease, gone on with where the last tick stopped, or only reckoned."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Any, Final

from cardveil.core.context import Invocation
from cardveil.core.errors import Halt, Reject, Review
from cardveil.core.telemetry import Telemetry
from cardveil.pipeline.examine import PIPELINE_VERSION
from cardveil.pipeline.factory import build_processor
from cardveil.pipeline.pipeline import Pipeline
from cardveil.settings import Settings, variable
from cardveil.settings.regions import located
from cardveil.storage.erasure import want_as_deleted
from cardveil.storage.vendor import credentials_from, scf_client
from cardveil.sweep.context import LEASE_S, SweepContext, ready
from cardveil.sweep.decide import FREE
from cardveil.sweep.estimate import Estimate, blank_calls_of, may_be_document
from cardveil.sweep.listing import Pair, Position
from cardveil.sweep.run import Checkpoints, Run, new_run
from cardveil.sweep.selection import Selection
from cardveil.sweep.tick import Tick
from cardveil.sweep.worker_pool import Done, Engine

#: A run that left something over is followed by the next one after this many seconds at the latest.
_SOON_S: Final = 900.0
#: Documents of which an estimate counts the pages.
_COUNTED: Final = 20


def build_context(
    settings: Settings,
    environment: Mapping[str, str],
    invocation: Invocation,
    *,
    telemetry: Telemetry | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Run], None] = lambda _: None,
    lease_s: float = LEASE_S,
) -> SweepContext:
    """Build what sweeps of the bucket of the settings work with.

    Raises
    ------
    Halt
        When a setting or the credentials are missing or wrong.
    """
    if not settings.bucket:
        raise Halt("setting_invalid", f"set {variable('bucket')} to the bucket to sweep")
    settings = located(settings, invocation.region)
    build = partial(
        build_processor,
        settings,
        environment,
        invocation,
        bucket=settings.bucket,
        region=invocation.region,
        on_metric=telemetry.count if telemetry else lambda _: None,
    )
    processor = build()
    return SweepContext(
        processor,
        lambda rate_limiter, owner: build(rate_limiter=rate_limiter, lease_owner=owner),
        settings,
        telemetry,
        partial(_scf, settings, environment, invocation.region),
        stop,
        on_progress,
        partial(_delete_with, processor.pipeline, settings),
        lease_s=lease_s,
    )


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
    """Plan without doing anything: nothing is paid, nothing is written.

    The pages of a few documents are counted; others are taken to have as many.
    """
    run = Checkpoints(context.processor.pipeline.sources, context.prefix).load(selection)
    taken = sum(run.histogram) if run else 0
    found = Estimate(context.settings, run.seconds / taken if run and taken else 1.0)
    detector = context.change_detector(selection, context.now(), run.verified if run else None)
    turn = threading.Lock()

    def work(pair: Pair, need: str) -> Done:
        found_need = detector.by_look(pair, *context.buckets) if need == "look" else (need, pair.source)
        if found_need is None:
            return Done("current")
        reason, source = found_need
        if reason not in FREE and may_be_document(source.key):
            blank = blank_calls_of(source.key, context.settings)
            with turn:
                counted = found.documents.total() < _COUNTED
                found.add_pages(blank, _pages(context, source.key) if counted else None)
        return Done("planned", reason, calls=context.calls_for(reason, source.key))

    def need_of(pair: Pair) -> str | None:
        need = detector.by_listing(pair)
        found.looked += need == "look"
        return need

    def count(done: Done) -> None:
        if done.outcome == "planned":
            found.add(done.reason, done.calls)

    engine = Engine(context.settings.sweep_in_flight, need_of, work, context.stop, count, lambda *_: None)
    with closing(context.plan(selection, Position(), lambda: None)) as plan:
        _, found.listed, _ = engine.run(plan, Position())
    found.settle()
    return found


def _pages(context: SweepContext, key: str) -> int:
    """Count the pages of a source; one, where that cannot be known."""
    from cardveil.pipeline.document import page_count  # pictures need none of it

    try:
        _, data = context.buckets[0].get(key, max_bytes=context.settings.max_bytes)
        return 1 if data is None else page_count(data, context.processor.pipeline.rules)
    except (Reject, Review):
        return 1


def _delete_with(pipeline: Pipeline, settings: Settings, key: str) -> None:
    """Have the schedule erase what is left of a source that is not there any more."""
    want_as_deleted(pipeline.sources, pipeline.results.objects, settings, key, time.time())


def _due(last: Run, context: SweepContext, every_s: float) -> bool:
    if not last.over:
        return True
    return context.now() - last.started_at >= (min(every_s, _SOON_S) if last.left_over else every_s)


def _same(last: Run, context: SweepContext) -> bool:
    """Say whether a run was planned by the present policy and pipeline; otherwise it is begun again."""
    return (last.policy_digest, last.pipeline) == (context.policy_digest, PIPELINE_VERSION)


def _scf(settings: Settings, environment: Mapping[str, str], region: str) -> Any:
    proxy = environment.get("http_proxy") or environment.get("HTTP_PROXY")
    proxy = proxy if settings.scheme == "http" else None
    return scf_client(settings, credentials_from(environment), region, proxy)
