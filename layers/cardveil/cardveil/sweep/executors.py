"""The three executors of a sweep: a card is done by itself, by the upload function, or as a CI job."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

import orjson

from cardveil.card.findings import Status
from cardveil.core.errors import Halt, from_vendor
from cardveil.core.timing import Timings
from cardveil.pipeline.examine import PIPELINE_VERSION
from cardveil.pipeline.jobs import CardProcessor
from cardveil.pipeline.options import ProcessOptions
from cardveil.pipeline.pipeline import Outcome
from cardveil.pipeline.texts_at_rest import keeping_of
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.objects import Entry
from cardveil.storage.results import Version
from cardveil.storage.source import Source
from cardveil.storage.vendor import vendor_errors
from cardveil.sweep.context import SweepContext
from cardveil.sweep.rate_limit import SweepRateLimiter

#: Longest that one card may take in a sweep, in seconds; its lease holds as long.
CARD_S: Final = 60.0
#: How long the upload function is waited for: its own limit, and a retry of the platform a minute later.
_INVOKED_S: Final = 150.0
_LOOK_S: Final = 1.0
_INVOKE: Final = "invoke"


@dataclass(frozen=True, slots=True)
class Task:
    """One source to be done: recognised again (`force`) although it has a result, for `calls` paid calls."""

    source: Entry
    force: bool
    calls: int


class Executor(Protocol):
    """A way of execution."""

    def __call__(self, task: Task, timings: Timings) -> Outcome:
        """Bring one source on its way; raises as `Pipeline.process` does."""
        ...


@dataclass(frozen=True, slots=True)
class DirectExecutor:
    """In this very process; a source that a job is under way for is left to it."""

    processor: CardProcessor
    region: str

    def __call__(self, task: Task, timings: Timings) -> Outcome:
        """Process a source; see `Pipeline.process`."""
        processor, source = self.processor, task.source
        if processor.signer.secrets:
            note = processor.notes.get(source_digest(source.key))
            if note is not None and note.etag == source.etag:
                return Outcome("submitted")
        named = source_of(source, processor.pipeline.sources.bucket, self.region)
        options = ProcessOptions(force=task.force, limit_s=CARD_S)
        return processor.pipeline.process(named, timings, options=options)


@dataclass(frozen=True, slots=True)
class JobExecutor:
    """As CI jobs, which call back when they are done; at most `in_flight` are under way."""

    processor: CardProcessor
    region: str
    in_flight: int
    stop: Callable[[], bool]
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, task: Task, timings: Timings) -> Outcome:
        """Submit a source, or process it where no job can."""
        while (
            sum(1 for _ in self.processor.notes.objects.list(self.processor.notes.prefix)) >= self.in_flight
        ):
            if self.stop():
                return Outcome("unfinished")
            self.sleep(_LOOK_S)
        source = source_of(task.source, self.processor.pipeline.sources.bucket, self.region)
        options = ProcessOptions(force=task.force, execution="job", limit_s=CARD_S)
        return self.processor.process(source, timings, options=options)


@dataclass(frozen=True, slots=True)
class InvokeExecutor:
    """By asynchronous invocations of the upload function: the platform spreads them over its instances.

    The function is given the event that COS would have given it, and is done when the sidecar says so. What
    costs nothing is done here instead: it takes less time than an invocation.

    Attributes
    ----------
    client : tencentcloud.common.common_client.CommonClient
        For SCF's API.
    """

    client: Any
    processor: CardProcessor
    region: str
    app_id: str
    function: str
    rate_limiter: SweepRateLimiter
    stop: Callable[[], bool]
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, task: Task, timings: Timings) -> Outcome:
        """Have a source processed, and wait for its result."""
        if task.force:
            raise Halt(
                "sweep_selection_invalid", "choose direct or job: events do nothing that is done already"
            )
        pipeline = self.processor.pipeline
        if not task.calls:
            return DirectExecutor(self.processor, self.region)(task, timings)
        with timings("recognise"):
            # What the function will pay for is counted here: this process does not see its calls.
            self.rate_limiter.wait(0.0, pipeline.invocation.remaining_s, _INVOKE, task.calls)
            self.processor.retry_policy.call(lambda: self._invoke(task.source))
            return self._result(task.source)

    def _invoke(self, source: Entry) -> None:
        event = created_event(source, self.processor.pipeline.sources.bucket, self.region, self.app_id)
        request = {
            "FunctionName": self.function,
            "InvocationType": "Event",
            "ClientContext": orjson.dumps(event).decode(),
        }
        with vendor_errors("Invoke"):
            answer = self.client.call_json("Invoke", request)
        refused = answer.get("Response", {}).get("Error")
        if refused:
            raise from_vendor(
                str(refused.get("Code", "")), api="Invoke", request_id=answer["Response"].get("RequestId")
            )

    def _result(self, source: Entry) -> Outcome:
        pipeline = self.processor.pipeline
        keys = keys_of(source.key, pipeline.settings)
        digest, texts = pipeline.rules.policy.digest, keeping_of(pipeline.settings).tag
        version = Version(source.etag, digest, PIPELINE_VERSION, source_digest(source.key), texts=texts)
        waited = 0.0
        while waited < _INVOKED_S:
            if self.stop():
                return Outcome("invoked")
            self.sleep(_LOOK_S)
            waited += _LOOK_S
            made = pipeline.results.current(keys)
            if made is not None and version.made(made):
                return Outcome("finished", Status(made.meta.get("x-cos-meta-status", "needs_review")))
        return Outcome("invoked")


def chosen_executor(
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


def source_of(entry: Entry, bucket: str, region: str) -> Source:
    """Return a listing's entry as the pipeline takes it."""
    return Source(bucket, region, entry.key, entry.etag)


def created_event(source: Entry, bucket: str, region: str, app_id: str) -> dict[str, Any]:
    """Return the event that COS sends when a source is created, as far as `handlers.upload` reads it."""
    name = bucket.removesuffix(f"-{app_id}")
    return {
        "Records": [
            {
                "cos": {
                    "cosBucket": {"appid": app_id, "cosRegion": region, "name": name},
                    "cosObject": {
                        "key": f"/{app_id}/{name}/{source.key}",
                        "meta": {"ETag": f'"{source.etag}"'},
                        "size": source.size,
                        "url": f"http://{bucket}.cos.{region}.myqcloud.com/{quote(source.key, safe='/~')}",
                    },
                    "cosSchemaVersion": "1.0",
                },
                "event": {"eventName": "cos:ObjectCreated:Put", "eventSource": "qcs::cos"},
            }
        ]
    }
