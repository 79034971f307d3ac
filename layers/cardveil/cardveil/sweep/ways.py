"""Which way a sweep has its cards done, by the settings, and the flows as they are a sweep's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cardveil.pipeline.factory import RecognizerFactory
from cardveil.pipeline.jobs import CardProcessor
from cardveil.storage.leases import Leases
from cardveil.sweep.context import SweepContext
from cardveil.sweep.executors import DirectExecutor, Executor, InvokeExecutor, JobExecutor
from cardveil.sweep.rate_limit import SweepRateLimiter


def chosen_way(
    context: SweepContext, processor: CardProcessor, rate_limiter: SweepRateLimiter, stop: Callable[[], bool]
) -> Executor:
    """Return the way of execution that the settings name."""
    settings, invocation = context.settings, processor.pipeline.invocation
    if settings.sweep_execution == "job":
        return JobExecutor(processor, invocation.region, settings.sweep_in_flight, stop)
    if settings.sweep_execution == "invoke" and context.invoke:
        app_id = invocation.app_id or processor.pipeline.sources.bucket.rpartition("-")[2]
        client = context.invoke()
        return InvokeExecutor(
            client, processor, invocation.region, app_id, settings.sweep_function, rate_limiter, stop
        )
    return DirectExecutor(processor, invocation.region)


def own(processor: CardProcessor, rate_limiter: SweepRateLimiter, run_id: str) -> CardProcessor:
    """Return the flows at the sweep's pace, with leases that the run's next tick may take over at once.

    Whoever goes on with a run holds the sweeps' lease: what was under way when the last was killed is its.
    """
    pipeline = processor.pipeline
    recogniser = pipeline.recogniser
    if isinstance(recogniser, RecognizerFactory):
        recogniser = replace(
            recogniser,
            rate_limiter=rate_limiter,
        )
    leases = Leases(pipeline.leases.objects, owner=f"sweep/{run_id}", now=pipeline.leases.now)
    return replace(
        processor, rate_limiter=rate_limiter, pipeline=replace(pipeline, recogniser=recogniser, leases=leases)
    )
