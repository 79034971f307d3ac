"""CI's asynchronous `ImageLicenseRec` jobs: submit, query, find, cancel, and what a finished one says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from hashlib import sha256
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from cardveil.card.model import CardType
from cardveil.core.errors import Reject, Review, answer_unreadable, from_vendor
from cardveil.core.frozen import dataclass, replace
from cardveil.core.retry import RetryPolicy
from cardveil.recognition.ai_license import read_answer
from cardveil.recognition.interfaces import Image, Locator, Reading
from cardveil.recognition.parsing import many, text_of
from cardveil.settings import Settings
from cardveil.storage.vendor import vendor_errors

TAG: Final = "ImageLicenseRec"
#: States in which nothing more will happen by itself.
FINISHED: Final = frozenset({"Success", "Failed", "Cancel"})
#: Ids that one query may name: the page says no number, so few enough for a URL of a kilobyte.
QUERY_IDS: Final = 20
#: Pages of the list that are looked through for a submission whose answer was lost.
_PAGES: Final = 20
_PAGE_SIZE: Final = 100
#: CI writes its times with this offset, and its clock may differ from ours by so many seconds.
_CI_ZONE: Final = timezone(timedelta(hours=8))
_CLOCK_SKEW_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job as CI tells of it.

    Attributes
    ----------
    state : str
        ``Submitted``, ``Running``, ``Success``, ``Failed``, ``Pause`` or ``Cancel``.
    code : str
        CI's error code, of a failed one.
    result : mapping
        The content of ``<ImageLicenseRecResult>``, of a successful one.
    """

    job_id: str
    state: str
    code: str
    object_key: str
    user_data: str
    result: Mapping[str, Any]

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in FINISHED


@dataclass(frozen=True, slots=True)
class LicenseJobs:
    """Speaks to CI about the jobs of one bucket; `client` is a ``qcloud_cos.CosS3Client``.

    Questions are asked patiently, each page of a list for itself; a submission is made once, since only its
    caller can tell whether to make it again.
    """

    client: Any
    bucket: str
    settings: Settings
    retry_policy: RetryPolicy

    def submit(self, object_key: str, card_type: CardType, reference: str) -> Job:
        """Submit a job. A lost answer does not tell whether there is one now: see `find`.

        Raises
        ------
        CardveilError
            The leaf of the vendor's code.
        """
        answer = self._asked(
            "CreateMediaJobs",
            lambda: self.client.ci_create_media_jobs(
                self.bucket, self._request(object_key, card_type, reference)
            ),
        )
        jobs = _jobs_of(answer)
        if len(jobs) != 1 or not jobs[0].job_id:
            raise answer_unreadable(TAG)
        return jobs[0]

    def query(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Return the jobs that CI knows, by their ids."""
        found: dict[str, Job] = {}
        for start in range(0, len(job_ids), QUERY_IDS):
            some = ",".join(job_ids[start : start + QUERY_IDS])
            answer = self.retry_policy.call(partial(self._described, some))
            found.update({job.job_id: job for job in _jobs_of(answer)})
        return found

    def find(self, reference: str, since: float) -> Job | None:
        """Return the job that carries a reference, None when there is none.

        Parameters
        ----------
        since : float
            When it may have been submitted first, in seconds since the epoch.
        """
        for job in self._listed(since - _CLOCK_SKEW_S):
            if job.user_data == reference:
                return job
        return None

    def cancel(self, job_id: str) -> None:
        """Cancel a job; one that has ended already stays as it is.

        Raises
        ------
        CardveilError
            The leaf of the vendor's code.
        """
        self.retry_policy.call(
            lambda: self._asked("CancelMediaJob", lambda: self.client.ci_cancel_jobs(self.bucket, job_id))
        )

    def _listed(self, since: float) -> Iterator[Job]:
        # The oldest first: what was submitted at that moment stands on the first page or the next.
        token, start = "", datetime.fromtimestamp(since, _CI_ZONE).strftime("%Y-%m-%dT%H:%M:%S%z")
        for _ in range(_PAGES):
            answer = self.retry_policy.call(partial(self._page, start, token))
            yield from _jobs_of(answer)
            token = text_of(_content(answer).get("NextToken")) or ""
            if not token:
                return

    def _page(self, start: str, token: str) -> Any:
        return self._asked(
            "DescribeMediaJobs",
            lambda: self.client.ci_list_media_jobs(
                self.bucket,
                TAG,
                StartCreationTime=start,
                OrderByTime="Asc",
                Size=_PAGE_SIZE,
                NextToken=token,
            ),
        )

    def _described(self, job_ids: str) -> Any:
        return self._asked("DescribeMediaJob", lambda: self.client.ci_get_media_jobs(self.bucket, job_ids))

    def _request(self, object_key: str, card_type: CardType, reference: str) -> dict[str, Any]:
        settings = self.settings
        request: dict[str, Any] = {
            "Tag": TAG,
            "Input": {"Object": object_key},
            "Operation": {
                TAG: {"CardType": card_type.value},
                "UserData": reference,
                "JobLevel": str(settings.job_level),
            },
            "CallBackFormat": settings.job_callback_format,
        }
        if settings.job_queue:
            region, mode, name = settings.job_queue.split("/", 2)
            request["CallBackType"] = "TDMQ"
            request["CallBackMqConfig"] = {"MqRegion": region, "MqMode": mode, "MqName": name}
        else:
            request["CallBackType"] = "URL"
            # "When set to no, the callback address will not trigger a callback."
            request["CallBack"] = settings.job_callback or "no"
        return request

    def _asked(self, operation: str, call: Any) -> Any:
        with vendor_errors(f"{TAG}.{operation}"):
            try:
                return call()
            except ParseError:
                raise answer_unreadable(TAG) from None


@dataclass(frozen=True, slots=True)
class JobLocator:
    """Answers from a finished job where it was about this very picture; otherwise somebody else does.

    Attributes
    ----------
    image_sha256 : str
        Of the bytes that the job read.
    """

    job: Job
    card_type: CardType
    image_sha256: str
    otherwise: Locator

    def locate(self, image: Image, card_type: CardType) -> Reading:
        """See `Locator.locate`; a job that failed says what the call would have said."""
        if card_type is not self.card_type or sha256(image.data).hexdigest() != self.image_sha256:
            return self.otherwise.locate(image, card_type)
        if self.job.state == "Success":
            reading = read_answer(self.job.result, card_type, self.job.job_id)
            fields = tuple(replace(field, sources=(TAG,)) for field in reading.fields)
            return replace(reading, api=TAG, fields=fields)
        # Cancelled, or failed in a way that another try may mend: the picture must end somewhere.
        if refusal := refusal_of(self.job):
            raise refusal
        return self.otherwise.locate(image, card_type)


def refusal_of(job: Job) -> Reject | Review | None:
    """Return what a failed job's code says of the picture; None when it says nothing of it.

    What it says of the account the direct call that follows will say again, and that one minds the breaker.
    """
    result_code = text_of(job.result.get("Code")) or ""
    code = job.code if job.code not in {"", "Success"} else result_code
    if job.state != "Failed" or code in {"", "Success"}:
        return None
    error = from_vendor(code, api=TAG, status=500)
    return error if isinstance(error, Reject | Review) else None


def _content(answer: Any) -> Mapping[str, Any]:
    if isinstance(answer, Mapping):
        inner = answer.get("Response", answer)
        if isinstance(inner, Mapping):
            return inner
    raise answer_unreadable(TAG)


def _jobs_of(answer: Any) -> list[Job]:
    return [
        _job(detail) for detail in many(_content(answer).get("JobsDetail")) if isinstance(detail, Mapping)
    ]


def _job(detail: Mapping[str, Any]) -> Job:
    operation, given = detail.get("Operation"), detail.get("Input")
    operation = operation if isinstance(operation, Mapping) else {}
    result = operation.get("ImageLicenseRecResult")
    return Job(
        job_id=text_of(detail.get("JobId")) or "",
        state=text_of(detail.get("State")) or "",
        code=text_of(detail.get("Code")) or "",
        object_key=(str(given.get("Object") or "") if isinstance(given, Mapping) else ""),
        user_data=text_of(operation.get("UserData")) or "",
        result=result if isinstance(result, Mapping) else {},
    )


def is_job_id(text: str) -> bool:
    """Say whether a text can be a job's id: ids go into a URL, and some come from strangers."""
    return bool(re.fullmatch(r"[A-Za-z0-9]{1,64}", text))
