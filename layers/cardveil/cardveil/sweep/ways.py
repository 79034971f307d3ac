"""Which way a sweep has its cards done, by the settings, and the flows as they are a sweep's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cardveil.pipeline.factory import Recognisers
from cardveil.pipeline.jobs import Jobs
from cardveil.storage.leases import Leases
from cardveil.sweep.context import Means
from cardveil.sweep.executors import AsJob, Direct, Invoked, Way
from cardveil.sweep.rate_limit import SweepPace, Timed


def chosen_way(means: Means, flows: Jobs, pace: SweepPace, stop: Callable[[], bool]) -> Way:
    """Return the way of execution that the settings name."""
    settings, invocation = means.settings, flows.pipeline.invocation
    if settings.sweep_execution == "job":
        return AsJob(flows, invocation.region, settings.sweep_in_flight, stop)
    if settings.sweep_execution == "invoke" and means.invoke:
        app_id = invocation.app_id or flows.pipeline.sources.bucket.rpartition("-")[2]
        client = means.invoke()
        return Invoked(client, flows, invocation.region, app_id, settings.sweep_function, pace, stop)
    return Direct(flows, invocation.region)


def own(flows: Jobs, pace: SweepPace, run_id: str) -> Jobs:
    """Return the flows at the sweep's pace, with leases that the run's next tick may take over at once.

    Whoever goes on with a run holds the sweeps' lease: what was under way when the last was killed is its.
    """
    pipeline = flows.pipeline
    recogniser = pipeline.recogniser
    if isinstance(recogniser, Recognisers):
        recogniser = replace(
            recogniser,
            pace=pace,
            locator=Timed(recogniser.locator, pace),
            reader=Timed(recogniser.reader, pace) if recogniser.reader else None,
            general=Timed(recogniser.general, pace) if recogniser.general else None,
        )
    leases = Leases(pipeline.leases.objects, owner=f"sweep/{run_id}", now=pipeline.leases.now)
    return replace(flows, pace=pace, pipeline=replace(pipeline, recogniser=recogniser, leases=leases))
