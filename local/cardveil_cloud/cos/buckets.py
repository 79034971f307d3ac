"""Handlers of buckets: their list, their making and removal, listings, deletion of many keys."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.cos import acl
from cardveil_cloud.cos.attributes import tags_from_xml
from cardveil_cloud.cos.bodies import receive_xml
from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.configurations import MAX_TAGS, TAGGING
from cardveil_cloud.cos.copying import iso_time
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.objects import remove
from cardveil_cloud.cos.parameters import MAX_PAGE, bounded, encoder

# Bucket naming: lower-case letters, digits and hyphens, then the app id; 60 characters at most in all.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_MAX_NAME = 60
#: How `range` compares the time at which a bucket was made.
_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
# Nine digits are not enough for a time of today.
MAX_TIME = 10**12
# GET Service returns at most 2,000 buckets a page.
MAX_BUCKETS = 2000
_XML = "application/xml"


async def get_service(call: Call) -> Response:
    """GET Service: one page of the buckets, those of one region, tag or age if that is asked for."""
    query, here = call.query, call.context.region
    limit = bounded(query, "max-keys", default=MAX_BUCKETS, ceiling=MAX_BUCKETS)
    marker = query.get("marker", "")
    found = await run_in_threadpool(call.context.store.buckets)
    if query.get("region", here) != here:
        found = []
    tag = (query.get("tagkey"), query.get("tagvalue"))
    if tag != (None, None):
        found = [bucket for bucket in found if await run_in_threadpool(_has_tag, call, bucket.name, tag)]
    if "create-time" in query or "range" in query:
        at = bounded(query, "create-time", default=0, ceiling=MAX_TIME)
        compare = _COMPARISONS.get(query.get("range", ""))
        if compare is None:
            raise CosError("InvalidArgument")
        found = [bucket for bucket in found if compare(int(bucket.created), at)]
    after = [bucket for bucket in found if bucket.name > marker]
    buckets = after[:limit]
    more = len(after) > len(buckets)
    owner = f"qcs::cam::uin/{call.context.app_id}:uin/{call.context.app_id}"
    content: list[tuple[str, xml.Content]] = [
        ("Owner", [("ID", owner), ("DisplayName", call.context.app_id)]),
        (
            "Buckets",
            [
                (
                    "Bucket",
                    [
                        ("Name", bucket.name),
                        ("Location", call.context.region),
                        ("CreationDate", iso_time(bucket.created)),
                        ("BucketType", "cos"),
                    ],
                )
                for bucket in buckets
            ],
        ),
        ("Marker", marker),
        ("IsTruncated", "true" if more else "false"),
    ]
    if more and buckets:
        content.append(("NextMarker", buckets[-1].name))
    return Response(xml.render("ListAllMyBucketsResult", content), media_type=_XML)


def _has_tag(call: Call, bucket: str, tag: tuple[str | None, str | None]) -> bool:
    body = call.context.store.configuration(bucket, TAGGING.name)
    return body is not None and tag in tags_from_xml(xml.parse(body), most=MAX_TAGS).items()


async def put_bucket(call: Call) -> Response:
    """PUT Bucket."""
    stem, _, app_id = call.bucket.rpartition("-")
    if app_id != call.context.app_id or not _NAME.fullmatch(stem) or len(call.bucket) > _MAX_NAME:
        raise CosError("InvalidBucketName")
    granted = acl.canned(call.headers, acl.BUCKETS, "private")
    await run_in_threadpool(call.context.store.create_bucket, call.bucket)
    if granted is not None:
        await run_in_threadpool(call.context.store.configure, call.bucket, acl.NAME, granted)
    return Response()


async def head_bucket(call: Call) -> Response:
    """HEAD Bucket."""
    await run_in_threadpool(call.context.store.bucket, call.bucket)
    return Response(headers={"x-cos-bucket-region": call.context.region})


async def delete_bucket(call: Call) -> Response:
    """DELETE Bucket."""
    await run_in_threadpool(call.context.store.delete_bucket, call.bucket)
    return Response(status_code=204)


async def get_location(call: Call) -> Response:
    """GET Bucket location."""
    await run_in_threadpool(call.context.store.bucket, call.bucket)
    return Response(xml.render("LocationConstraint", call.context.region), media_type=_XML)


async def list_objects(call: Call) -> Response:
    """GET Bucket: one page of its objects."""
    body = await run_in_threadpool(_listed, call, bounded(call.query, "max-keys"), encoder(call.query))
    return Response(body, media_type=_XML)


def _listed(call: Call, limit: int, encode: Callable[[str], str]) -> bytes:
    query = call.query
    page = call.context.store.list(
        call.bucket,
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        marker=query.get("marker", ""),
        limit=limit,
    )
    content: list[tuple[str, xml.Content]] = [("Name", call.bucket)]
    if "encoding-type" in query:
        content.append(("EncodingType", query["encoding-type"]))
    content += [
        ("Prefix", encode(query.get("prefix", ""))),
        ("Marker", encode(query.get("marker", ""))),
        ("MaxKeys", limit),
        ("IsTruncated", "false" if page.next_marker is None else "true"),
    ]
    if query.get("delimiter"):
        content.append(("Delimiter", encode(query["delimiter"])))
    if page.next_marker is not None:
        content.append(("NextMarker", encode(page.next_marker.decode())))
    for info in page.entries:
        fields: list[tuple[str, xml.Content]] = [
            ("Key", encode(info.key)),
            ("LastModified", iso_time(info.modified, milliseconds=True)),
            ("ETag", info.etag),
            ("Size", info.size),
            ("Owner", call.owner),
            ("StorageClass", info.attributes.storage_class),
        ]
        content.append(("Contents", fields))
    content += [("CommonPrefixes", [("Prefix", encode(prefix.decode()))]) for prefix in page.prefixes]
    return xml.render("ListBucketResult", content)


async def delete_objects(call: Call) -> Response:
    """POST ?delete: many objects at once, each with an outcome of its own."""
    root = await receive_xml(call, md5_required=True)
    keys = [
        (xml.text_of(item, "Key") or "", xml.text_of(item, "VersionId") or "")
        for item in root.findall("Object")
    ]
    if root.tag != "Delete" or not 1 <= len(keys) <= MAX_PAGE or not all(key for key, _ in keys):
        raise CosError("MalformedXML")
    await run_in_threadpool(call.context.store.bucket, call.bucket)
    quiet = (xml.text_of(root, "Quiet") or "").lower() == "true"
    content: list[tuple[str, xml.Content]] = []
    for key, version in keys:
        named: list[tuple[str, xml.Content]] = [("Key", key), *([("VersionId", version)] if version else [])]
        try:
            call.principal.require("cos:DeleteMultipleObjects", f"cos/{call.bucket}/{key}")
            removal = await remove(call, key, version)
        except CosError as error:
            content.append(("Error", [*named, ("Code", error.code), ("Message", error.message)]))
            continue
        gone = removal.removed
        if removal.marker:
            named += [("DeleteMarker", "true"), ("DeleteMarkerVersionId", removal.marker)]
        elif gone is not None and gone.marker:
            named += [("DeleteMarker", "true"), ("DeleteMarkerVersionId", gone.version)]
        if not quiet:
            content.append(("Deleted", named))
    return Response(xml.render("DeleteResult", content), media_type=_XML)
