"""CI's asynchronous jobs at ``<bucket>.ci.<region>.myqcloud.com``: submitted, queried, listed, cancelled."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from cardveil_cloud import xml
from cardveil_cloud.accounts import CredentialStore
from cardveil_cloud.ci import license_rec, queues
from cardveil_cloud.ci.callbacks import Callbacks
from cardveil_cloud.ci.engine import RecognitionEngine
from cardveil_cloud.ci.errors import CiError, error_response, refused_signature
from cardveil_cloud.ci.job_xml import detail, job_of
from cardveil_cloud.ci.jobs_store import Job, JobStore, moment
from cardveil_cloud.ci.parameters import number
from cardveil_cloud.ci.pictures import PictureRefusedError
from cardveil_cloud.ci.service import Style
from cardveil_cloud.cos.casing import cased
from cardveil_cloud.cos.contracts import AnswerInstead, DropConnection
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.service import drop_connection
from cardveil_cloud.cos.signature import Principal, verify
from cardveil_cloud.cos.store import ObjectStore
from cardveil_cloud.faults import FaultHook
from cardveil_cloud.usage import UsageMeter
from cardveil_cloud.xml import Content

_log = logging.getLogger(__name__)

#: Ours: bodies of requests are some hundred bytes.
_BODY_LIMIT: Final = 64 * 1024
_OPERATION: Final = "ImageLicenseRec"
_HOST: Final = re.compile(r"(?:(?P<bucket>[a-z0-9-]+)\.)?ci\.(?P<region>[a-z0-9-]+)\.myqcloud\.com")
#: The role that CI works with in an account that has it bound.
_CI_ROLE: Final = "CI_QCSRole"
_STATES: Final = frozenset({"All", "Submitted", "Running", "Success", "Failed", "Pause", "Cancel"})
_Handler = Callable[[Request, str, str, Principal], Awaitable[Response]]


class CiJobs:
    """ASGI application for the host of jobs.

    Parameters
    ----------
    callbacks
        Tells whoever is to be told of a finished job.
    faults
        Called before and after each operation, with service ``ci``, and before each recognition of a job
        (operation ``ImageLicenseRec``), where an error makes the job fail.
    """

    def __init__(
        self,
        engine: RecognitionEngine,
        store: ObjectStore,
        credentials: CredentialStore,
        usage: UsageMeter,
        callbacks: Callbacks,
        *,
        region: str,
        faults: FaultHook,
        style: Style | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._store = store
        self._credentials = credentials
        self._usage = usage
        self._region = region
        self._faults = faults
        self._style = style or Style()
        self._clock = clock
        self.jobs = JobStore(self._recognise, self._tell, clock)
        self._callbacks = callbacks
        #: Paths of lists, and buckets that are not on them.
        self._off: set[tuple[str, str]] = set()

    def close(self) -> None:
        """Let go of what sends callbacks; the queue itself is stopped by its loop (`JobStore.stop`)."""
        self._callbacks.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        request_id = secrets.token_hex(16)
        try:
            response = await self._answer(request)
        except CiError as error:
            response = error_response(error, request_id)
        except CosError as error:
            response = error_response(CiError(error.code, error.message), request_id)
            if error.code != "AccessDenied":  # for which CI has a status of its own
                response.status_code = error.status
        except AnswerInstead as instead:
            response = instead.response
        except DropConnection:
            await drop_connection(receive, send)
            return
        except Exception:  # noqa: BLE001 - logged, and told to the client as CI would
            _log.exception("a CI request failed unexpectedly")
            response = error_response(CiError("InternalError"), request_id)
        response.headers["x-ci-request-id"] = request_id
        response.headers.setdefault("server", "tencent-ci")
        await response(scope, receive, cased(send))

    async def _answer(self, request: Request) -> Response:
        host = request.headers.get("host", "").partition(":")[0].lower()
        found = _HOST.fullmatch(host)
        if found is None or found["region"] != self._region:
            raise CiError("InvalidHost")
        bucket, region = found["bucket"] or "", found["region"]
        path, query = request.scope["path"], dict(request.query_params)
        try:
            principal = verify(request.method, path, query, request.headers, self._credentials, self._clock())
        except CosError as error:
            raise refused_signature(error, request.headers, query) from None
        if bucket:
            await run_in_threadpool(self._store.bucket, bucket)
        operation, work = self._operation(request.method, path, query, bucket)
        if bucket:
            principal.require(f"ci:{operation}", f"cos/{bucket}/")
        await self._faults.before("ci", operation, request)
        response = await work(request, bucket, region, principal)
        await self._faults.after("ci", operation, request)
        return response

    def _operation(self, method: str, path: str, query: dict[str, str], bucket: str) -> tuple[str, _Handler]:
        if method == "GET" and path in queues.BUCKETS and not bucket:
            return "DescribeMediaBuckets", self._buckets
        if method == "GET" and path in queues.QUEUES and bucket:
            return "DescribeMediaQueues", self._queues
        if not bucket:
            raise CiError("InvalidHost")
        if path in queues.BUCKETS and method in {"PUT", "POST", "DELETE"}:
            return ("DeleteMediaBucket" if method == "DELETE" else "CreateMediaBucket"), self._switch
        if path == "/jobs" and method == "POST":
            return "CreateMediaJobs", self._create
        if path == "/jobs" and method == "GET":
            return "DescribeMediaJobs", self._list
        if path.startswith("/jobs/") and method == "GET":
            return "DescribeMediaJob", self._describe
        if path.startswith("/jobs/") and method == "PUT" and "cancel" in query:
            return "CancelMediaJob", self._cancel
        if path == "/jobs" or path.startswith("/jobs/"):
            raise CiError("MethodNotAllowed")
        shown = re.sub(r"[^a-z0-9_/-]", "", path.lower())[:40]
        raise CiError("NotImplemented", f"{method} {shown} is not implemented by the local cloud.")

    async def _queues(self, request: Request, bucket: str, _region: str, _: Principal) -> Response:
        return _response(queues.listed_queues(self.jobs, bucket, request.query_params))

    async def _buckets(self, request: Request, _bucket: str, region: str, principal: Principal) -> Response:
        found = await run_in_threadpool(self._store.buckets)
        allows = partial(principal.credential.allows, "ci:DescribeMediaBuckets")
        seen = [each for each in found if allows(f"cos/{each.name}/")]
        path = request.scope["path"]
        bound = [each for each in seen if (path, each.name) not in self._off]
        return _response(queues.listed_buckets(bound, region, path, request.query_params))

    async def _switch(self, request: Request, bucket: str, region: str, _: Principal) -> Response:
        """Bind a bucket to one of CI's services, or not; here only the list tells the difference."""
        path = request.scope["path"]
        known = await run_in_threadpool(self._store.bucket, bucket)
        if request.method == "DELETE":
            self._off.add((path, bucket))
            content = queues.unbound(known)
        else:
            self._off.discard((path, bucket))
            content = queues.bound(path, known, region)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(_mapping(content))
        return _response(content)

    async def _create(self, request: Request, bucket: str, region: str, principal: Principal) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _BODY_LIMIT:
                raise CiError("InvalidArgument", "The body is too large.")
        job = job_of(body, bucket=bucket, region=region, queue_id=self.jobs.queue_id, now=self._clock())
        principal.require("cos:GetObject", f"cos/{bucket}/{job.object_key}")
        # A job works with CI's own role, which whoever submits it hands over.
        principal.require("cam:PassRole", f"cam/roleName/{_CI_ROLE}")
        self.jobs.submit(job)
        return _response([("JobsDetail", detail(job))])

    async def _describe(self, request: Request, bucket: str, _region: str, _: Principal) -> Response:
        ids = request.scope["path"].removeprefix("/jobs/").split(",")
        found = [job for job in map(self.jobs.get, ids) if job is not None and job.bucket == bucket]
        known = {job.job_id for job in found}
        content: list[tuple[str, Content]] = [("JobsDetail", detail(job)) for job in found]
        content += [("NonExistJobIds", job_id) for job_id in ids if job_id not in known]
        return _response(content)

    async def _list(self, request: Request, bucket: str, _region: str, _: Principal) -> Response:
        query = request.query_params
        states, size = query.get("states", "All").split(","), number(query, "size", 10)
        start, end = query.get("startCreationTime", ""), query.get("endCreationTime", "~")
        matching = [
            job
            for job in self.jobs.all()
            if job.bucket == bucket
            and job.tag == query.get("tag")
            and (states == ["All"] or job.state in states)
            and start <= moment(job.created) <= end
        ]
        if query.get("orderByTime", "Desc") == "Desc":
            matching.reverse()
        first = number(query, "nextToken", 0)
        if query.get("orderByTime", "Desc") not in ("Desc", "Asc") or not set(states) <= _STATES:
            raise CiError("InvalidArgument", "orderByTime or states is not what it may be.")
        page = matching[first : first + max(1, min(size, 100))]
        following = first + len(page)
        token = str(following) if following < len(matching) else ""
        return _response([("NextToken", token), *(("JobsDetail", detail(job)) for job in page)])

    async def _cancel(self, request: Request, bucket: str, _region: str, _: Principal) -> Response:
        job = self.jobs.get(request.scope["path"].removeprefix("/jobs/"))
        if job is None or job.bucket != bucket:
            raise CiError("InvalidArgument", "There is no such job.")
        if not self.jobs.cancel(job):
            raise CiError("InvalidArgument", "The job has ended already.")
        return Response(status_code=200)

    async def _recognise(self, job: Job) -> None:
        try:
            await self._faults.before("ci", _OPERATION, _request_of_queue())
            _, data = await run_in_threadpool(self._store.get, job.bucket, job.object_key)
            found = await self._engine.cards(data)
        except (CosError, CiError, PictureRefusedError) as error:
            job.code, job.message = error.code, "The job failed."
            return
        except (DropConnection, AnswerInstead):
            job.code, job.message = "InternalError", "The job failed."
            return
        self._usage.record(_OPERATION, data)
        card_type = license_rec.card_type_of({"CardType": job.card_type})
        job.result = license_rec.contents(
            found.cards, card_type, names=self._style.names, texts=self._style.texts
        )

    async def _tell(self, job: Job) -> None:
        for delay_s in self._faults.callbacks(job.job_id):
            self.jobs.later(self._callbacks.send(job, delay_s))


def _request_of_queue() -> Request:
    """Return the request that there is none of: a job's recognition answers nobody."""
    return Request({"type": "http", "method": "", "path": "", "headers": [], "query_string": b""})


def _mapping(content: Sequence[tuple[str, Content]]) -> dict[str, object]:
    """Return an answer in which no name repeats as it stands in JSON."""
    return {name: _mapping(inner) if isinstance(inner, (list, tuple)) else inner for name, inner in content}


def _response(content: Sequence[tuple[str, Content]]) -> Response:
    return Response(xml.render("Response", content), media_type="application/xml")
