"""Submits a picture as a job, once: whatever is lost or killed on the way, it is not paid for again."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from cardveil.card.model import CardType, Side
from cardveil.core.errors import Halt, Reject, SourceGone
from cardveil.core.frozen import dataclass, replace
from cardveil.core.rate_limit import RateLimiter
from cardveil.core.retry import RetryPolicy
from cardveil.core.threads import background_tasks
from cardveil.core.timing import Timings
from cardveil.pipeline.claim import Claim
from cardveil.pipeline.examine import sent_copy
from cardveil.pipeline.pipeline import Outcome, Pipeline
from cardveil.pipeline.signing import Reference, Signer
from cardveil.recognition.hints import hint_of
from cardveil.recognition.interfaces import Image
from cardveil.recognition.license_jobs import Job, LicenseJobs
from cardveil.storage.circuit_breaker import BreakerGuard
from cardveil.storage.job_store import JobNote, JobNotes
from cardveil.storage.keys import source_digest
from cardveil.storage.source import Source

#: References outlive the patience with their jobs by this much, in seconds.
_REFERENCE_MARGIN_S: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Submissions:
    """What submits jobs for the pictures of one bucket; see `jobs.CardProcessor`."""

    pipeline: Pipeline
    service: LicenseJobs
    notes: JobNotes
    signer: Signer
    retry_policy: RetryPolicy
    rate_limiter: RateLimiter
    now: Callable[[], float]

    def submit(self, source: Source, claim: Claim, timings: Timings, *, force: bool) -> Outcome | None:
        """Submit a job under the lease; None when this picture is better recognised directly."""
        note = self.notes.get(source_digest(source.key))
        if note and note.etag == claim.stored.etag:
            if note.job_id:
                return Outcome("submitted")
            since = note.submitted_at
        else:
            note = self._new_note(source, claim, timings, force)
            since = 0.0
            if note is None:
                return None
            self.notes.put(note)
        try:
            with timings("recognise"):
                job = self._submitted(note, since)
        except SourceGone:
            raise
        except Reject:
            self.notes.drop(note)
            return None  # the direct way says so in the sidecar
        self.notes.put(replace(note, job_id=job.job_id, state=job.state))
        return Outcome("submitted")

    def _new_note(self, source: Source, claim: Claim, timings: Timings, force: bool) -> JobNote | None:
        settings = self.pipeline.settings
        try:
            if claim.data is None:
                return None
            hint = hint_of(source.key, claim.stored.meta, settings)
            if hint.side is Side.BACK:
                return None  # it has no positions for backs
            image = sent_copy(claim.data, source.key, self.pipeline.rules, timings)
        except Reject:
            return None  # the direct way says so in the sidecar, and pays for nothing
        object_key = image.key or self._staged(claim, image)
        now = self.now()
        lifetime = settings.job_patience_s + _REFERENCE_MARGIN_S
        reference = Reference.to(self.pipeline.sources.bucket, source.key, now + lifetime)
        return JobNote(
            source=source_digest(source.key),
            key=source.key,
            bucket=self.pipeline.sources.bucket,
            region=source.region,
            etag=claim.stored.etag,
            object_key=object_key,
            image_sha256=sha256(image.data).hexdigest(),
            card_type=hint.card_type or CardType.ID_CARD,
            nonce=reference.nonce,
            reference=self.signer.sign(reference),
            submitted_at=now,
            force=force,
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
            guard.enter()
            self.rate_limiter.wait(self.pipeline.settings.calls_per_second, self.retry_policy.remaining_s)
            tried = True
            return self.service.submit(note.object_key, note.card_type, note.reference)

        with background_tasks() as pool:
            guard = BreakerGuard(self.pipeline.breaker, pool.submit(self.pipeline.breaker.look))
            try:
                job = self.retry_policy.call(once)
                guard.answered()
                return job
            except Halt as halt:
                if halt.api:
                    guard.refused(halt)
                raise
            finally:
                guard.leave()
