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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from hashlib import sha256
from typing import Final

from cardveil.bucket.answers import Answers
from cardveil.bucket.breaker import Gate
from cardveil.bucket.job_notes import JobNote, JobNotes
from cardveil.card import CardType, Side
from cardveil.errors import Halt, Reject
from cardveil.events.cos import Upload
from cardveil.examine import sent_copy
from cardveil.pacing import Pace
from cardveil.pipeline import Claim, Outcome, Pipeline, hint_of
from cardveil.recognition.cloud import CloudRecogniser, Stage
from cardveil.recognition.license_job import Job, JobLocator, LicenseJobs, is_job_id
from cardveil.recognition.reading import CardRecogniser, Image
from cardveil.retrying import Patience
from cardveil.signing import Reference, ReferenceRefusedError, Signer, source_digest
from cardveil.stages import Stages

#: References outlive the patience with their jobs by this much, in seconds.
_REFERENCE_MARGIN_S: Final = 86400.0
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
class Jobs:
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
    patience: Patience
    pace: Pace
    now: Callable[[], float] = time.time

    def process(self, upload: Upload, stages: Stages | None = None, *, anew: bool = False) -> Outcome:
        """Bring an upload to its final state, or submit it as a job; see `Pipeline.process`."""
        if not self.signer.secrets:
            return self.pipeline.process(upload, stages, anew=anew)
        stages = stages or Stages()
        try:
            with self.pipeline.claimed(upload, stages) as claim:
                outcome = self.pipeline.settled(claim, anew)
                if (
                    outcome is None
                    and self._wants_job(claim)
                    and (anew or not self.pipeline.renewable(claim))
                ):
                    outcome = self._submit(upload, claim, stages)
                return outcome or self.pipeline.conclude(upload, claim, stages, anew=anew)
        except Reject as refusal:
            if refusal.code == "source_gone":
                return Outcome("gone")
            raise

    def arrived(self, user_data: str | None, job_id: str, stages: Stages) -> tuple[Arrival, Outcome | None]:
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
        return Arrival.ACCEPTED, self.finish(note, job, stages)

    def finish(self, note: JobNote, job: Job | None, stages: Stages) -> Outcome:
        """Bring the source of a job to its final state and take the note away.

        Parameters
        ----------
        job : Job, optional
            The job, finished; without one the picture is recognised directly.
        """
        pipeline = self.pipeline
        if job is not None:
            pipeline = replace(pipeline, recogniser=partial(_with_job, pipeline.recogniser, job, note))
        upload = note.upload()
        try:
            with pipeline.claimed(upload, stages) as claim:
                outcome = pipeline.settled(claim) or pipeline.conclude(upload, claim, stages)
                self.notes.drop(note)
                return outcome
        except Reject as refusal:
            if refusal.code != "source_gone":
                raise
            self.notes.drop(note)
            return Outcome("gone")

    def due(self, notes: list[JobNote]) -> list[tuple[JobNote, Job | None]]:
        """Say which of some jobs are to be finished now; those that CI takes too long for are cancelled."""
        found: list[tuple[JobNote, Job | None]] = []
        known = self._query([note.job_id for note in notes if note.job_id])
        for note in notes:
            job = known.get(note.job_id)
            if not note.job_id:
                job = self.patience.call(partial(self.service.find, note.reference, note.submitted_at))
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
            self.patience.call(partial(self.service.cancel, job_id))
        except Halt as refused:
            # It has ended meanwhile, or is gone: CI refuses that as a wrong argument.
            if refused.code != "request_refused":
                raise

    def _wants_job(self, claim: Claim) -> bool:
        said = claim.stored.meta.get(_EXECUTION)
        return (said if said in {"direct", "job"} else self.pipeline.settings.execution) == "job"

    def _submit(self, upload: Upload, claim: Claim, stages: Stages) -> Outcome | None:
        """Submit a job under the lease; None when this picture is better recognised directly."""
        source = source_digest(upload.key)
        note = self.notes.get(source)
        if note and note.etag == claim.stored.etag:
            if note.job_id:
                return Outcome("submitted")
            since = note.submitted_at
        else:
            note = self._new_note(upload, claim, source, stages)
            since = 0.0
            if note is None:
                return None
            self.notes.put(note)
        try:
            with stages("recognise"):
                job = self._submitted(note, since)
        except Reject as refused:
            if refused.code == "source_gone":
                raise
            self.notes.drop(note)
            return None  # the direct way says so in the sidecar
        self.notes.put(replace(note, job_id=job.job_id, state=job.state))
        return Outcome("submitted")

    def _new_note(self, upload: Upload, claim: Claim, source: str, stages: Stages) -> JobNote | None:
        settings = self.pipeline.settings
        try:
            if claim.data is None:
                return None
            hint = hint_of(upload.key, claim.stored.meta, settings)
            if hint.side is Side.BACK:
                return None  # it has no positions for backs
            image = sent_copy(claim.data, upload.key, self.pipeline.rules, stages)
        except Reject:
            return None  # the direct way says so in the sidecar, and pays for nothing
        object_key = image.key or self._staged(claim, image)
        now = self.now()
        lifetime = settings.job_patience_s + _REFERENCE_MARGIN_S
        reference = Reference.to(self.pipeline.sources.bucket, upload.key, now + lifetime)
        return JobNote(
            source=source,
            key=upload.key,
            bucket=self.pipeline.sources.bucket,
            region=upload.region,
            etag=claim.stored.etag,
            object_key=object_key,
            image_sha256=sha256(image.data).hexdigest(),
            card_type=hint.card_type or CardType.ID_CARD,
            nonce=reference.nonce,
            reference=self.signer.sign(reference),
            submitted_at=now,
        )

    def _staged(self, claim: Claim, image: Image) -> str:
        key = claim.keys.job_copy
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
            gate.enter()
            self.pace.wait(self.pipeline.settings.calls_per_second, self.patience.remaining_s)
            tried = True
            return self.service.submit(note.object_key, note.card_type, note.reference)

        with ThreadPoolExecutor(max_workers=1) as pool:
            gate = Gate(self.pipeline.breaker, pool.submit(self.pipeline.breaker.look))
            try:
                job = self.patience.call(once)
                gate.answered()
                return job
            except Halt as halt:
                if halt.api:
                    gate.refused(halt)
                raise
            finally:
                gate.leave()

    def _query(self, job_ids: list[str]) -> dict[str, Job]:
        return self.patience.call(partial(self.service.query, job_ids)) if job_ids else {}


def _belongs(job: Job, note: JobNote) -> bool:
    """Say whether CI itself knows the job as the one that we submitted."""
    return job.user_data == note.reference and job.object_key == note.object_key


def _with_job(
    build: Callable[[Stage, Answers, Gate], CardRecogniser],
    job: Job,
    note: JobNote,
    stage: Stage,
    answers: Answers,
    gate: Gate,
) -> CardRecogniser:
    recogniser = build(stage, answers, gate)
    if not isinstance(recogniser, CloudRecogniser):
        raise TypeError("jobs need the vendor's recogniser")
    located = JobLocator(job, note.card_type, note.image_sha256, recogniser.locator)
    return replace(recogniser, locator=located)
