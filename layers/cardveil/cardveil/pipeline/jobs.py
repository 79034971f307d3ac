"""Asynchronous recognition: a picture is submitted as a job, and finished when callback or clock says so.

What becomes of a job by its state::

    Submitted, Running, Pause   left alone; after `job_patience_s` cancelled and recognised directly
    Success                     the picture goes through the pipeline with the job's positions
    Failed                      what it says of the picture stands; otherwise recognised directly
    Cancel, unknown to CI       recognised directly

A note in the bucket (`storage.job_store`) says which jobs are under way. It is written before the submission
and taken away, under the source's lease, after the sidecar's commit: so a job can be lost neither by a crash
nor by a lost answer or callback.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from functools import partial
from hashlib import sha256
from typing import Final

from cardveil.card.model import CardType, Side
from cardveil.core.errors import Halt, PermissionMissing, Reject, SourceGone
from cardveil.core.frozen import dataclass, replace
from cardveil.core.rate_limit import RateLimiter
from cardveil.core.retry import RetryPolicy
from cardveil.core.threads import background_tasks
from cardveil.core.timing import Timings
from cardveil.pipeline.claim import Claim
from cardveil.pipeline.examine import sent_copy
from cardveil.pipeline.options import ProcessOptions
from cardveil.pipeline.pipeline import Outcome, Pipeline
from cardveil.pipeline.signing import Reference, ReferenceRefusedError, Signer
from cardveil.recognition.interfaces import Image
from cardveil.recognition.license_jobs import Job, JobLocator, LicenseJobs, is_job_id
from cardveil.storage.circuit_breaker import BreakerGuard
from cardveil.storage.job_store import JobNote, JobNotes
from cardveil.storage.keys import source_digest
from cardveil.storage.source import Source

_EXECUTION: Final = "x-cos-meta-execution"
#: References outlive the patience with their jobs by this much, in seconds.
_REFERENCE_MARGIN_S: Final = 86400.0


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

    def process(
        self, source: Source, timings: Timings | None = None, *, options: ProcessOptions | None = None
    ) -> Outcome:
        """Bring a source to its final state, or submit it as a job; see `Pipeline.process`."""
        pipeline = self.pipeline
        if not self.signer.secrets:
            return pipeline.process(source, timings, options=options)
        try:
            with pipeline.claim(source, timings, options) as claimed:
                outcome = pipeline.existing_outcome(claimed)
                if outcome is None and self._wants_job(claimed) and not pipeline.can_reuse_fields(claimed):
                    outcome = self._submit(claimed)
                return outcome or pipeline.recognise_and_publish(claimed)
        except SourceGone:
            return Outcome("gone")
        except Halt as refusal:
            return pipeline.refused(source.key, refusal)

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
        try:
            note = self.notes.get(reference.source)
        except Halt as halt:
            # Signed with our secret, of a bucket that is not for us: nothing is wrong with the account.
            elsewhere = isinstance(halt, PermissionMissing) or halt.code == "bucket_missing"
            if not elsewhere or reference.bucket == self.pipeline.settings.bucket:
                raise
            return Arrival.UNKNOWN, None
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

    def finish(self, note: JobNote, job: Job | None, timings: Timings, *, wait: float = 0.5) -> Outcome:
        """Bring the source of a job to its final state and take the note away.

        Parameters
        ----------
        job : Job, optional
            The job, finished; without one the picture is recognised directly.
        wait : float
            See `ProcessOptions`.
        """
        pipeline = self.pipeline
        found = partial(JobLocator, job, note.card_type, note.image_sha256) if job else None
        options = ProcessOptions(force=note.force, wait=wait, locator=found)
        try:
            with pipeline.claim(note.of(), timings, options) as claimed:
                outcome = pipeline.existing_outcome(claimed) or pipeline.recognise_and_publish(claimed)
                for tidying in claimed.tidying:
                    tidying.result()  # what fails here is found again only as long as the note stands
                self.notes.drop(note)
                return outcome
        except SourceGone:
            self.notes.drop(note)
            return Outcome("gone")
        except Halt as refusal:
            return pipeline.refused(note.key, refusal)  # the note stands: the job is finished once it can be

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

    def _wants_job(self, claimed: Claim) -> bool:
        said = claimed.stored.meta.get(_EXECUTION)
        chosen = claimed.options.execution or self.pipeline.settings.execution
        return (said if said in {"direct", "job"} else chosen) == "job"

    def _query(self, job_ids: list[str]) -> dict[str, Job]:
        return self.service.query(job_ids) if job_ids else {}

    def _submit(self, claimed: Claim) -> Outcome | None:
        """Submit a job under the lease; None when this picture is better recognised directly.

        Whatever is lost or killed on the way, it is not paid for twice.
        """
        note = self.notes.get(source_digest(claimed.source.key))
        if note and note.etag == claimed.stored.etag:
            if note.job_id:
                return Outcome("submitted")
            since = note.submitted_at
        else:
            note, since = self._new_note(claimed), 0.0
            if note is None:
                return None
            self.notes.put(note)
        try:
            with claimed.timings("recognise"):
                job = self._submitted(note, since)
        except SourceGone:
            raise
        except Reject:
            self.notes.drop(note)
            return None  # the direct way says so in the sidecar
        self.notes.put(replace(note, job_id=job.job_id, state=job.state))
        return Outcome("submitted")

    def _new_note(self, claimed: Claim) -> JobNote | None:
        pipeline, source = self.pipeline, claimed.source
        try:
            if claimed.data is None:
                return None
            hint = pipeline.hint(claimed)
            if hint.side is Side.BACK:
                return None  # it has no positions for backs
            image = sent_copy(claimed.data, source.key, claimed.rules, claimed.timings)
        except Reject:
            return None  # the direct way says so in the sidecar, and pays for nothing
        now = self.now()
        lifetime = pipeline.settings.job_patience_s + _REFERENCE_MARGIN_S
        reference = Reference.to(pipeline.sources.bucket, source.key, now + lifetime)
        return JobNote(
            source=source_digest(source.key),
            key=source.key,
            bucket=pipeline.sources.bucket,
            region=source.region,
            etag=claimed.stored.etag,
            object_key=image.key or self._staged(claimed, image),
            image_sha256=sha256(image.data).hexdigest(),
            card_type=hint.card_type or CardType.ID_CARD,
            nonce=reference.nonce,
            reference=self.signer.sign(reference),
            submitted_at=now,
            force=claimed.options.force,
        )

    def _staged(self, claimed: Claim, image: Image) -> str:
        key = claimed.keys.job_copy
        self.pipeline.sources.put(
            key, image.data, media_type="application/octet-stream", meta={"kind": "staged"}
        )
        return key

    def _submitted(self, note: JobNote, since: float) -> Job:
        """Submit, once: before another try CI is asked whether the last one had an effect after all."""
        tried = since > 0

        def once() -> Job:
            nonlocal tried
            if tried and (job := self.service.find(note.reference, note.submitted_at)):
                return job
            guard.enter()
            self.rate_limiter.wait(self.pipeline.settings.calls_per_second, self.retry_policy.remaining_s)
            tried = True
            return self.service.submit(note.object_key, note.card_type, note.reference)

        breaker = self.pipeline.breaker
        with background_tasks() as pool, BreakerGuard(breaker, pool.submit(breaker.look)) as guard:
            try:
                job = self.retry_policy.call(once)
            except Halt as halt:
                if halt.api:
                    guard.refused(halt)
                raise
            guard.answered()
            return job


def _belongs(job: Job, note: JobNote) -> bool:
    """Say whether CI itself knows the job as the one that we submitted."""
    return job.user_data == note.reference and job.object_key == note.object_key
