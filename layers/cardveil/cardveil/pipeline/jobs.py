"""Asynchronous recognition: a picture is submitted as a job, and finished when callback or clock says so.

What becomes of a job by its state::

    Submitted, Running, Pause   left alone; after `job_patience_s` cancelled and recognised directly
    Success                     the picture goes through the pipeline with the job's positions
    Failed                      what it says of the picture stands; otherwise recognised directly
    Cancel, unknown to CI       recognised directly

A note in the bucket (`bucket.job_notes`) says which jobs are under way. It is written before the submission
and taken away, under the source's lease, after the sidecar's commit: so a job can be lost neither by a crash
nor by a lost answer or callback.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Final

from cardveil.core.errors import Halt, SourceGone
from cardveil.core.frozen import dataclass, replace
from cardveil.core.rate_limit import RateLimiter
from cardveil.core.retry import RetryPolicy
from cardveil.core.timing import Timings
from cardveil.pipeline.claim import Claim
from cardveil.pipeline.job_submission import Submissions
from cardveil.pipeline.pipeline import Outcome, Pipeline
from cardveil.pipeline.signing import ReferenceRefusedError, Signer
from cardveil.recognition.interfaces import CardRecogniser
from cardveil.recognition.license_jobs import Job, JobLocator, LicenseJobs, is_job_id
from cardveil.recognition.recognizer import CloudRecogniser, Stage
from cardveil.storage.circuit_breaker import BreakerGuard
from cardveil.storage.job_store import JobNote, JobNotes
from cardveil.storage.response_cache import ResponseCache
from cardveil.storage.source import Source

_EXECUTION: Final = "x-cos-meta-execution"


class Arrival(str, Enum):
    """What a callback turned out to be; only the first leads to any work."""

    ACCEPTED = "accepted"
    UNFINISHED = "unfinished"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    FORGED = "forged"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class CardProcessor:
    """Uploads and jobs of one bucket.

    Attributes
    ----------
    pipeline : Pipeline
        The way of one picture; what has no job goes it at once.
    now : callable
        Wall-clock seconds.
    """

    pipeline: Pipeline
    service: LicenseJobs
    notes: JobNotes
    signer: Signer
    retry_policy: RetryPolicy
    rate_limiter: RateLimiter
    now: Callable[[], float] = time.time

    def process(self, source: Source, timings: Timings | None = None, *, force: bool = False) -> Outcome:
        """Bring an upload to its final state, or submit it as a job; see `Pipeline.process`."""
        if not self.signer.secrets:
            return self.pipeline.process(source, timings, force=force)
        timings = timings or Timings()
        try:
            with self.pipeline.claim(source, timings) as claim:
                outcome = self.pipeline.existing_outcome(claim, force)
                if (
                    outcome is None
                    and self._wants_job(claim)
                    and (force or not self.pipeline.can_reuse_fields(claim))
                ):
                    outcome = self._submissions.submit(source, claim, timings, force=force)
                return outcome or self.pipeline.recognise_and_publish(source, claim, timings, force=force)
        except SourceGone:
            return Outcome("gone")

    def arrived(self, user_data: str | None, job_id: str, timings: Timings) -> tuple[Arrival, Outcome | None]:
        """Take a callback: believe its signature, then nothing but what CI itself says of the job.

        Parameters
        ----------
        user_data, job_id
            As the stranger gave them.

        Raises
        ------
        Retry, Halt
            As `Pipeline.process` does; the job is found by `due` later, too.
        """
        try:
            reference = self.signer.verify(user_data, self.now())
        except ReferenceRefusedError as refused:
            return Arrival(refused.reason), None
        if reference.bucket != self.pipeline.sources.bucket:
            return Arrival.UNKNOWN, None
        note = self.notes.get(reference.source)
        if note is None:
            # We sign nothing before its note is written, so this one was finished.
            return Arrival.DUPLICATE, None
        if note.nonce != reference.nonce:
            return Arrival.SUPERSEDED, None
        if not is_job_id(job_id) or (note.job_id and note.job_id != job_id):
            return Arrival.UNKNOWN, None
        job = self._query([job_id]).get(job_id)
        if job is None or not _belongs(job, note):
            return Arrival.UNKNOWN, None
        if not job.finished:
            return Arrival.UNFINISHED, None
        return Arrival.ACCEPTED, self.finish(note, job, timings)

    def finish(self, note: JobNote, job: Job | None, timings: Timings) -> Outcome:
        """Bring the source of a job to its final state and take the note away.

        Parameters
        ----------
        job : Job, optional
            The job, finished; without one the picture is recognised directly.
        """
        pipeline = self.pipeline
        if job is not None:
            pipeline = replace(pipeline, recogniser=partial(_with_job, pipeline.recogniser, job, note))
        source = note.of()
        try:
            with pipeline.claim(source, timings) as claim:
                outcome = pipeline.existing_outcome(claim, note.force) or pipeline.recognise_and_publish(
                    source, claim, timings, force=note.force
                )
                for tidying in claim.tidying:
                    tidying.result()  # what fails here is found again only as long as the note stands
                self.notes.drop(note)
                return outcome
        except SourceGone:
            self.notes.drop(note)
            return Outcome("gone")

    def due(self, notes: list[JobNote]) -> list[tuple[JobNote, Job | None]]:
        """Say which of some jobs are to be finished now; those that CI takes too long for are cancelled."""
        found: list[tuple[JobNote, Job | None]] = []
        known = self._query([note.job_id for note in notes if note.job_id])
        for note in notes:
            job = known.get(note.job_id)
            if not note.job_id:
                job = self.service.find(note.reference, note.submitted_at)
            if job is None or job.finished:
                found.append((note, job))
            elif self.now() - note.submitted_at > self.pipeline.settings.job_patience_s:
                self.cancel(job.job_id)
                found.append((note, None))
            elif (job.job_id, job.state) != (note.job_id, note.state):
                self.notes.put(replace(note, job_id=job.job_id, state=job.state))
        return found

    def overdue(self, note: JobNote) -> bool:
        """Say whether a job's callback should have come by now."""
        return self.now() - note.submitted_at >= self.pipeline.settings.job_overdue_s

    def cancel(self, job_id: str) -> None:
        """Cancel a job at CI. Its picture is recognised directly by whoever looks after it next."""
        try:
            self.service.cancel(job_id)
        except Halt as refused:
            # It has ended meanwhile, or is gone: CI refuses that as a wrong argument.
            if refused.code != "request_refused":
                raise

    @property
    def _submissions(self) -> Submissions:
        return Submissions(
            self.pipeline,
            self.service,
            self.notes,
            self.signer,
            self.retry_policy,
            self.rate_limiter,
            self.now,
        )

    def _wants_job(self, claim: Claim) -> bool:
        said = claim.stored.meta.get(_EXECUTION)
        return (said if said in {"direct", "job"} else self.pipeline.settings.execution) == "job"

    def _query(self, job_ids: list[str]) -> dict[str, Job]:
        return self.service.query(job_ids) if job_ids else {}


def _belongs(job: Job, note: JobNote) -> bool:
    """Say whether CI itself knows the job as the one that we submitted."""
    return job.user_data == note.reference and job.object_key == note.object_key


def _with_job(
    build: Callable[[Stage, ResponseCache, BreakerGuard], CardRecogniser],
    job: Job,
    note: JobNote,
    stage: Stage,
    answers: ResponseCache,
    guard: BreakerGuard,
) -> CardRecogniser:
    recogniser = build(stage, answers, guard)
    if not isinstance(recogniser, CloudRecogniser):
        raise TypeError("jobs need the vendor's recogniser")
    located = JobLocator(job, note.card_type, note.image_sha256, recogniser.locator)
    return replace(recogniser, locator=located)
