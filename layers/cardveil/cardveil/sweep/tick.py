"""One tick of a run: works until its plan, its time or its luck ends, and writes down where it stands."""

from __future__ import annotations

import threading
import time
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from typing import Final

from cardveil.card.findings import Status
from cardveil.core.errors import BudgetSpent, CardveilError, Halt, Reject, Review
from cardveil.core.timing import Timings
from cardveil.pipeline.pipeline import Outcome
from cardveil.storage.circuit_breaker import stops_everybody
from cardveil.storage.keys import digests_under, keys_of, source_digest
from cardveil.storage.leases import Lease
from cardveil.storage.objects import Entry
from cardveil.sweep.budget import Budget
from cardveil.sweep.context import SweepContext
from cardveil.sweep.decide import CLOCK_SKEW_S, UpToDateMark
from cardveil.sweep.executors import Task, chosen_executor
from cardveil.sweep.leftovers import Leftovers
from cardveil.sweep.listing import Pair, Position
from cardveil.sweep.rate_limit import SweepRateLimiter
from cardveil.sweep.report import publish
from cardveil.sweep.run import Checkpoints, Run
from cardveil.sweep.selection import Selection
from cardveil.sweep.worker_pool import Done, Engine

#: Seconds between two checkpoints.
_CHECKPOINT_S: Final = 5.0
#: Outcomes of a source that waits for nothing any more.
_ENDED: Final = frozenset({"finished", "renewed", "already", "gone"})
#: After so many failures on end nothing new is begun: it is not the cards.
_STALLED: Final = 20
#: Nothing is begun in an invocation's last seconds: cards under way end, checkpoint and report are written.
_CLOSING_S: Final = 45.0


@dataclass
class Tick:
    """Works on a run under the sweeps' lease."""

    context: SweepContext
    selection: Selection
    run: Run
    checkpoints: Checkpoints
    lease: Lease
    lease_prefix: str
    _halt: Halt | None = None
    _lost: bool = False
    _failures: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def work(self) -> Run:
        """Work, and return the run as it then stands.

        Raises
        ------
        Halt
            What stopped it, after the checkpoint was written.
        """
        context, run = self.context, self.run
        invocation = context.processor.pipeline.invocation
        self._reserve_s = min(_CLOSING_S, invocation.remaining_s() / 2)
        self._budget = Budget(
            context.processor.pipeline.sources,
            f"{context.prefix}spent.json",
            context.settings.sweep_calls_per_run - run.paid_calls,
            context.settings.sweep_calls_per_day,
            context.now,
        )
        self._detector = context.change_detector(self.selection, run.started_at, run.verified)
        rate_limiter = SweepRateLimiter(context.settings.sweep_calls_per_second, self._budget)
        # Whoever goes on with a run holds the sweeps' lease: the leases of what was under way when the last
        # tick was killed are its own.
        processor = context.build(rate_limiter, f"sweep/{run.run_id}")
        self._execute = chosen_executor(context, processor, rate_limiter, self._stop)
        self._left = Leftovers(processor.pipeline.sources, processor.pipeline.leases, context.settings)
        prefix = f"{context.settings.state_prefix}"
        self._unread = frozenset(digests_under(processor.pipeline.sources, prefix, "unread"))
        if run.ticks and run.state == "running":
            self._left = self._left.look()  # the last tick was killed
        # While the breaker is open one card at a time asks whether the account works again: were several to
        # ask, all but one would be told that it does not.
        self._probing = context.processor.pipeline.breaker.look() is not None
        self._paid_before, self._worked_before = run.paid_calls, run.worked_s
        self._listed_before, self._done_before = run.listed, run.done
        self._began = self._saved = self._renewed = time.monotonic()
        run.ticks += 1
        run.state, run.code = "running", ""
        self._save(run.position)
        try:
            ended = self._engine()
        except Halt as halt:
            self._halt, ended = halt, False
        if self._lost:
            return run  # somebody else goes on with it by now: its checkpoint is theirs
        self._close(ended)
        if self._halt:
            raise self._halt
        return run

    def _engine(self) -> bool:
        settings = self.context.settings
        engine = Engine(
            settings.sweep_in_flight, self._need, self._work, self._stop, self._done_with, self._look_up
        )
        context = self.context
        plan = context.plan(self.selection, self.run.position, self._broken, context.on_orphan)
        with closing(plan):
            position, passed, ended = engine.run(plan, self.run.position)
        self.run.position = position
        self.run.listed = self._listed_before + passed
        return ended

    def _close(self, ended: bool) -> None:
        run, context = self.run, self.context
        if self._halt:
            run.state, run.code = "halted", self._halt.code
        elif ended:
            run.state, run.ended_at = "finished", context.now()
            run.position = Position()  # nothing goes on from there, and it holds the last source's key
            unfinished = run.left_over + run.counts["submitted"] + run.counts["invoked"]
            if self.selection.whole and not unfinished:
                margin = max(self.selection.min_age_s, CLOCK_SKEW_S)
                run.verified = UpToDateMark(run.policy_digest, run.pipeline, run.started_at - margin)
        else:
            run.state = "stalled" if self._failures >= _STALLED else "stopped"
        self._budget.settle()
        self._save(run.position)
        if run.over:
            publish(context.processor.pipeline.sources, context.prefix, run)
        if context.telemetry:
            context.telemetry.metric("SweepTick", 1, state=run.state, code=run.code)
            context.telemetry.metric("SweepCards", run.done - self._done_before)
            context.telemetry.metric("SweepPaidCalls", self._budget.made)

    def _stop(self) -> bool:
        remaining_s = self.context.processor.pipeline.invocation.remaining_s()
        over = remaining_s < self._reserve_s or self._failures >= _STALLED
        return bool(over or self._halt or self._lost or self.context.stop())

    def _need(self, pair: Pair) -> str | None:
        need = self._detector.by_listing(pair)
        if need is None and self._is_noted(pair.source.key):
            need = "look"  # it may have been restored, or been permitted, without any change to see
        if need is None and self._left.of(pair.source.key):
            need = "tidy"
        self.run.looked += need == "look"
        return need

    def _work(self, pair: Pair, need: str) -> Done:
        """Do one source, in a thread."""
        context = self.context
        if self._halt:
            return Done("unfinished")
        started, reason, timings = time.monotonic(), "", Timings()
        try:
            needed: tuple[str, Entry] | None = (need, pair.source)
            if need in {"look", "tidy"}:
                needed = self._detector.by_look(pair, *context.buckets)
            if needed is None and self._left.of(pair.source.key):
                self._left.tidy(pair.source.key)
            if needed is None or need == "tidy":
                self._settle(pair.source)
                return Done("current")
            reason, source = needed
            noted = self._is_noted(source.key)
            if noted and context.processor.pipeline.refusals.still_refused(source.key):
                return Done("unread", reason)
            calls = context.calls_for(reason, source.key)
            if calls.total() and self._budget.spent:
                return Done("over_budget", reason)
            task = Task(source, reason in self.selection.forced, calls.total())
            with self._turn if self._probing else nullcontext():
                if self._halt:
                    return Done("unfinished", reason)
                outcome = self._execute(task, timings)
                self._probing = False
            if noted and outcome.kind in _ENDED:
                context.processor.pipeline.sources.delete(keys_of(source.key, context.settings).unread)
        except CardveilError as error:
            try:
                outcome = self._refused(pair, error)
            except CardveilError as judged:
                return self._failed(pair.source.key, reason, judged)
        if context.telemetry:
            context.telemetry.outcome(pair.source.key, outcome, timings.elapsed_ms)
        return _done(outcome, reason, time.monotonic() - started)

    def _is_noted(self, key: str) -> bool:
        return bool(self._unread) and source_digest(key) in self._unread

    def _settle(self, source: Entry) -> None:
        """Take away what a finished source was noted for, and the note; it waits for nothing any more."""
        pipeline = self.context.processor.pipeline
        if not self._is_noted(source.key):
            return
        keys = keys_of(source.key, self.context.settings)
        made = pipeline.results.current(keys)
        if made is not None and self._detector.is_made(source, made):
            self._left.tidy(source.key)
            pipeline.sources.delete(keys.unread)

    def _refused(self, pair: Pair, error: CardveilError) -> Outcome:
        """Account for a source of which something is refused; raises all else."""
        if isinstance(error, Halt):
            return self.context.processor.pipeline.refused(pair.source.key, error)
        raise error

    def _failed(self, key: str, reason: str, error: CardveilError) -> Done:
        if isinstance(error, BudgetSpent):
            return Done("over_budget", reason)
        if self.context.telemetry:
            self.context.telemetry.failure(key, error)
        if stops_everybody(error):
            with self._lock:
                self._halt = self._halt or error
            return Done("unfinished", reason, error=error.code)
        return Done("failed", reason, error=error.code, of_object=isinstance(error, Reject | Review))

    def _done_with(self, done: Done) -> None:
        run = self.run
        if done.error:
            run.errors[done.error] += 1
        if done.outcome not in {"current", "unfinished"}:
            if not done.of_object:
                self._failures = self._failures + 1 if done.outcome == "failed" else 0
            run.counts[done.outcome] += 1
            run.reasons[done.reason] += 1
            run.findings.update(done.findings)
            if done.seconds:
                run.took(done.seconds)
        self.context.on_progress(run)

    def _broken(self) -> None:
        self.run.errors["inventory_line_broken"] += 1

    def _look_up(self, position: Position, passed: int) -> None:
        """Renew the lease and write a checkpoint, when it is time."""
        now = time.monotonic()
        leases = self.context.processor.pipeline.leases
        if now - self._renewed >= self.context.lease_s / 3:
            self._renewed = now
            self._lost = self._lost or not leases.renew(self.lease, self.lease_prefix, self.context.lease_s)
        if now - self._saved >= min(_CHECKPOINT_S, self.context.lease_s / 3) and not self._lost:
            self.run.listed = self._listed_before + passed
            self._save(position)

    def _save(self, position: Position) -> None:
        run = self.run
        self._saved = time.monotonic()
        run.position, run.updated_at = position, self.context.now()
        run.paid_calls = self._paid_before + self._budget.made
        run.worked_s = round(self._worked_before + self._saved - self._began, 1)
        self.checkpoints.save(self.selection, run)


def _done(outcome: Outcome, reason: str, seconds: float) -> Done:
    if outcome.kind == "unfinished":
        return Done("unfinished", reason)
    named = isinstance(outcome.status, Status) and outcome.kind != "unread"
    word = outcome.status.value if named and outcome.status else outcome.kind
    return Done(word, reason, outcome.findings, seconds=seconds)
