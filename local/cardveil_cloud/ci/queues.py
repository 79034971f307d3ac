"""The queues and buckets that CI lists, by whatever path a client asks: here each bucket has one queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from cardveil_cloud.ci.errors import CiError
from cardveil_cloud.ci.jobs_store import JobStore, moment
from cardveil_cloud.ci.parameters import number
from cardveil_cloud.cos.records import Bucket
from cardveil_cloud.xml import Content

#: Paths of the lists of queues: media processing, pictures, AI.
QUEUES: Final = ("/queue", "/picqueue", "/ai_queue")
#: Paths of the lists of buckets that CI is bound to, and what each calls one.
BUCKETS: Final[Mapping[str, str]] = {
    "/mediabucket": "MediaBucket",
    "/picbucket": "PicBucket",
    "/ai_bucket": "AiBucket",
}
Item = TypeVar("Item")
_PAGE: Final = 10
_LARGEST_PAGE: Final = 100


def listed_queues(jobs: JobStore, bucket: str, query: Mapping[str, str]) -> list[tuple[str, Content]]:
    """Return the answer to a list of queues.

    Raises
    ------
    CiError
        ``InvalidArgument`` for a page that is no number, or an unknown state.
    """
    state = query.get("state") or "All"
    if state not in {"All", "Active", "Paused"}:
        raise CiError("InvalidArgument", "state is not what it may be.")
    asked = [name for name in (query.get("queueIds") or "").split(",") if name]
    now = "Paused" if jobs.paused else "Active"
    found = [jobs.queue_id] if state in {"All", now} and jobs.queue_id in (asked or [jobs.queue_id]) else []
    shown, pages = _page(found, query)
    entries: list[tuple[str, Content]] = [
        (
            "QueueList",
            [
                ("QueueId", queue_id),
                ("Name", "queue-1"),
                ("State", now),
                ("MaxSize", 10000),
                ("MaxConcurrent", 10),
                ("CreateTime", moment(jobs.created)),
                ("UpdateTime", moment(jobs.created)),
                ("BucketId", bucket),
                ("NotifyConfig", [("State", "Off")]),
            ],
        )
        for queue_id in shown
    ]
    missing: list[tuple[str, Content]] = [("NonExistPIDs", name) for name in asked if name != jobs.queue_id]
    return [*pages, *entries, *missing]


def listed_buckets(
    buckets: Sequence[Bucket], region: str, path: str, query: Mapping[str, str]
) -> list[tuple[str, Content]]:
    """Return the answer to a list of buckets; all that are given are bound. Raises as `listed_queues`."""
    regions = [name for name in (query.get("regions") or "").split(",") if name] or [region]
    names = [name for name in (query.get("bucketNames") or "").split(",") if name]
    part = query.get("bucketName") or ""
    found = [
        bucket
        for bucket in buckets
        if {region, "All"} & set(regions) and part in bucket.name and bucket.name in (names or [bucket.name])
    ]
    shown, pages = _page(found, query)
    entries: list[tuple[str, Content]] = [
        (
            f"{BUCKETS[path]}List",
            [
                ("Name", bucket.name.rpartition("-")[0]),
                ("BucketId", bucket.name),
                ("Region", region),
                ("CreateTime", moment(bucket.created)),
            ],
        )
        for bucket in shown
    ]
    return [*pages, *entries]


def bound(path: str, bucket: Bucket, region: str) -> list[tuple[str, Content]]:
    """Return the answer to binding a bucket; unlike a list's, its name has the account's number."""
    told: list[tuple[str, Content]] = [
        ("Name", bucket.name),
        ("BucketId", bucket.name),
        ("Region", region),
        ("CreateTime", moment(bucket.created)),
    ]
    return [(BUCKETS[path], told)]


def unbound(bucket: Bucket) -> list[tuple[str, Content]]:
    """Return the answer to letting go of a bucket."""
    return [("BucketName", bucket.name)]


def _page(found: Sequence[Item], query: Mapping[str, str]) -> tuple[list[Item], list[tuple[str, Content]]]:
    page, size = number(query, "pageNumber", 1), number(query, "pageSize", _PAGE)
    if page < 1 or not 1 <= size <= _LARGEST_PAGE:
        raise CiError("InvalidArgument", "pageNumber or pageSize is not what it may be.")
    told: list[tuple[str, Content]] = [("TotalCount", len(found)), ("PageNumber", page), ("PageSize", size)]
    return list(found[(page - 1) * size : page * size]), told
