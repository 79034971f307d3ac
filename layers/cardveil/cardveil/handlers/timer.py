"""What a timer sets going: each sweep looks for what nothing else will finish, while there is time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError, Halt, Reject, Review, TakenByAnother
from cardveil.core.frozen import dataclass
from cardveil.core.importing import uncollected
from cardveil.core.rate_limit import RateLimiter
from cardveil.settings import Settings, from_environment, variable
from cardveil.storage.circuit_breaker import stops_everybody
from cardveil.storage.keys import digests_under
from cardveil.storage.objects import delete_under
from cardveil.storage.response_cache import expired

if TYPE_CHECKING:
    from cardveil.core.telemetry import Telemetry
    from cardveil.pipeline.entering import Entering
    from cardveil.pipeline.jobs import CardProcessor
    from cardveil.storage.job_store import JobNote
    from cardveil.storage.refusals import Refusals

T = TypeVar("T")
#: Jobs that CI is asked about at a time.
_BATCH: Final = 20
#: No further piece of work is begun when less than this share of the invocation's time is left.
_RESERVE: Final = 0.25
#: Who removes, in the ledger, and by which role.
_BY: Final = "schedule"
#: Of the time that is left, what the receiver of webhooks may take before the sweep's turn comes.
_TELLING_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class TimerRun:
    """One run of the schedule: what the sweeps work with, and how long they may."""

    processor: CardProcessor
    settings: Settings
    telemetry: Telemetry
    invocation: Invocation
    until_s: float
    now: Callable[[], float] = time.time
    entering: Entering | None = None

    @property
    def over(self) -> bool:
        """Whether no further piece of work should be begun."""
        return self.invocation.remaining_s() < self.until_s


def process_timer(
    invocation: Invocation,
    environment: Mapping[str, str],
    rate_limiter: RateLimiter | None = None,
    event: Any = None,
) -> dict[str, int]:
    """Finish what is overdue and tidy up, then sweep what the timer's message selects.

    Parameters
    ----------
    event : dict, optional
        The timer's event; its ``Message`` is a selection as JSON (see `sweep.selection`), or empty.

    Returns
    -------
    dict
        What was done, counted.

    Raises
    ------
    CardveilError
        The first failure, after everything was tried; what is left over is found by the next run.
    """
    with uncollected():
        from cardveil.core.telemetry import Telemetry
        from cardveil.pipeline.factory import build_processor

    settings = from_environment(environment)
    if not settings.bucket:
        raise Halt("setting_invalid", f"set {variable('bucket')} to the bucket to look after")
    telemetry = Telemetry(invocation, settings.log_level)
    processor = build_processor(
        settings,
        environment,
        invocation,
        bucket=settings.bucket,
        region=invocation.region,
        rate_limiter=rate_limiter,
        on_metric=telemetry.count,
    )
    run = TimerRun(
        processor,
        settings,
        telemetry,
        invocation,
        _RESERVE * invocation.remaining_s(),
        entering=_entering(processor, telemetry) if settings.ledger != "off" else None,
    )
    counts: Counter[str] = Counter()
    failures: list[CardveilError] = []
    for sweep in SWEEPS:
        try:
            sweep(run, counts, failures)
        except CardveilError as error:
            telemetry.failure(None, error)
            failures.append(error)
    if settings.sweep_execution != "off":
        try:
            sweep_bucket(run, environment, event, counts)
        except CardveilError as error:
            telemetry.failure(None, error)
            failures.append(error)
    if failures:
        raise failures[0]
    return dict(counts)


def _entering(processor: CardProcessor, telemetry: Telemetry) -> Entering:
    """Return what enters in the ledger what the schedule removes."""
    from cardveil.pipeline.entering import Entering
    from cardveil.storage.ledger import Ledger

    def failed(fault: CardveilError) -> None:
        telemetry.count("LedgerFailed")
        telemetry.failure(None, fault)

    pipeline = processor.pipeline
    request = pipeline.invocation.request_id
    return Entering(Ledger(), pipeline.sources, pipeline.settings, _BY, _BY, request, failed)


def sweep_bucket(run: TimerRun, environment: Mapping[str, str], event: Any, counts: Counter[str]) -> None:
    """Go on with the sweep that the timer's message selects, or begin it when it is due.

    Raises
    ------
    Halt
        When the message cannot be read, or the account or the settings refuse.
    """
    from cardveil.sweep.selection import selection_of_message
    from cardveil.sweep.sweep import build_context, sweep

    message = event.get("Message") if isinstance(event, Mapping) else None
    selection = selection_of_message(message, run.settings)
    context = build_context(run.settings, environment, run.invocation, telemetry=run.telemetry)
    swept = sweep(context, selection, every_s=run.settings.sweep_every_s)
    if swept is None:
        counts["sweep_elsewhere"] += 1
    else:
        counts[f"sweep_{swept.state}"] += 1
        counts["swept"] += swept.done


def finish_overdue(run: TimerRun, counts: Counter[str], failures: list[CardveilError]) -> None:
    """Finish the jobs whose callback did not come."""
    from cardveil.core.timing import Timings

    processor = run.processor
    notes = _readable(run, counts, processor.notes.names(), processor.notes.at)
    for batch in _batches(note for note in notes if processor.overdue(note)):
        for note, job in processor.due(batch):
            if run.over:
                return
            timings = Timings()
            try:
                # What another works on right now is not overdue: nothing is waited for.
                outcome = processor.finish(note, job, timings, wait=0.0)
            except TakenByAnother:
                counts["busy"] += 1
            except CardveilError as error:
                run.telemetry.failure(note.key, error)
                failures.append(error)
                if stops_everybody(error):
                    return
            else:
                run.telemetry.outcome(note.key, outcome, timings.elapsed_ms)
                run.telemetry.metric("JobOverdue", 1)
                counts["overdue"] += 1
        if run.over:
            return


def expire_answers(run: TimerRun, counts: Counter[str], failures: list[CardveilError]) -> None:  # noqa: ARG001
    """Delete kept answers that no retry has come for: they hold what a card says."""
    objects = run.processor.pipeline.sources
    for key in objects.list(f"{run.settings.state_prefix}answers/"):
        if run.over:
            return
        with of_this_object(run, counts):
            if expired(objects, key, run.now()):
                objects.delete(key)
                run.telemetry.metric("AnswersExpired", 1)
                counts["answers_expired"] += 1


def tidy_after_the_killed(run: TimerRun, counts: Counter[str], failures: list[CardveilError]) -> None:  # noqa: ARG001
    """Take away leases and staged copies that a killed instance has left and no delivery has come back for.

    A lease is not just deleted: it is taken over and given back, so that nobody else ever takes it twice.
    """
    pipeline, prefix = run.processor.pipeline, run.settings.state_prefix
    for source in dict.fromkeys(digests_under(pipeline.sources, prefix, "leases", "staged")):
        if run.over:
            return
        with of_this_object(run, counts):
            if _tidied(run, source):
                counts["tidied"] += 1


def _tidied(run: TimerRun, source: str) -> bool:
    """Tidy after what was done with a source, unless somebody is at work on it."""
    pipeline, prefix = run.processor.pipeline, run.settings.state_prefix
    lease_prefix = f"{prefix}leases/{source}/"
    if pipeline.leases.held(lease_prefix):
        return False  # looked at first, since on versioned buckets every claim succeeds
    if pipeline.leases.take(lease_prefix, run.invocation.remaining_s()) is None:
        return False
    try:
        if run.processor.notes.get(source) is None:
            delete_under(pipeline.sources, f"{prefix}staged/{source}/")
    finally:
        pipeline.leases.clear(lease_prefix)
    return True


@contextmanager
def of_this_object(
    run: TimerRun, counts: Counter[str], key: str = "", refusals: Refusals | None = None
) -> Iterator[None]:
    """Go on where what is refused or damaged is one object's alone; raises what is the account's."""
    try:
        yield
    except (Reject, Review) as refusal:
        run.telemetry.failure(key or None, refusal)
        counts["refused"] += 1
    except Halt as refusal:
        run.telemetry.failure(key or None, (refusals or run.processor.pipeline.refusals).of_one(refusal))
        counts["refused"] += 1


def _readable(
    run: TimerRun, counts: Counter[str], names: Iterable[str], read: Callable[[str], T | None]
) -> Iterator[T]:
    """Yield what stands under names, apart from what is gone, and from what may not or cannot be read."""
    for name in names:
        found = None
        with of_this_object(run, counts):
            found = read(name)
        if found is not None:
            yield found


def finish_erasures(run: TimerRun, counts: Counter[str], failures: list[CardveilError]) -> None:  # noqa: ARG001
    """Carry out the erasures that are wanted and not done: begun and killed, or found by a deletion."""
    from cardveil.pipeline.erasing import eraser_of
    from cardveil.storage.erasure import task_at, task_names

    eraser = eraser_of(run.processor, entering=run.entering)
    names = task_names(eraser.sources, run.settings)
    for task in _readable(run, counts, names, partial(task_at, eraser.sources)):
        if run.over:
            return
        with of_this_object(run, counts, task.key, eraser.refusals):
            done = eraser.carry_out(task)
            counts["erasure_busy" if done is None else f"erasure_{done.state}"] += 1
            if done and done.state == "erased":
                run.telemetry.metric("CardErased", 1, reason=done.reason)


def retain(run: TimerRun, counts: Counter[str], failures: list[CardveilError]) -> None:  # noqa: ARG001
    """Remove what was kept for its term: a run a day, over as many ticks as it takes."""
    if not run.settings.retention:
        return
    from cardveil.pipeline.retaining import tick

    # At most half of the time: sweeps come after it.
    until_s = (run.invocation.remaining_s() + run.until_s) / 2
    done = tick(
        run.processor, run.now(), lambda: run.invocation.remaining_s() < until_s, entering=run.entering
    )
    for kind, number in done.items():
        counts[f"retention_{kind}"] += number
        if kind == "review_due":
            run.telemetry.metric("ReviewDue", number)
        elif kind != "listed":
            run.telemetry.metric("RetentionRemoved", number, kind=kind)


def tell_receiver(run: TimerRun, counts: Counter[str], failures: list[CardveilError]) -> None:  # noqa: ARG001
    """Tell the receiver of webhooks what it was not told yet, for a share of the time."""
    from cardveil.pipeline.telling import teller_of

    teller = teller_of(run.processor.pipeline, run.telemetry.count)
    if teller is not None:
        until_s = (1.0 - _TELLING_SHARE) * run.invocation.remaining_s()
        counts.update(teller.tell_due(lambda: run.over or run.invocation.remaining_s() < until_s))


#: In the order in which they run; what is to be erased is not finished before.
SWEEPS: Final = (
    finish_erasures,
    finish_overdue,
    expire_answers,
    tidy_after_the_killed,
    tell_receiver,
    retain,
)


def _batches(notes: Iterator[JobNote]) -> Iterator[list[JobNote]]:
    while batch := list(islice(notes, _BATCH)):
        yield batch
