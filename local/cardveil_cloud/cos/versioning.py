"""Handlers of versions: the switch of a bucket, and the list of all that it keeps."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.cos.bodies import receive_xml
from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.copying import iso_time
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.parameters import bounded, encoder
from cardveil_cloud.cos.records import ObjectInfo

_XML = "application/xml"


async def put_versioning(call: Call) -> Response:
    """PUT Bucket versioning."""
    status = xml.text_of(await receive_xml(call), "Status")
    if status not in ("Enabled", "Suspended"):
        raise CosError("MalformedXML")
    await run_in_threadpool(call.context.store.set_versioning, call.bucket, status)
    return Response()


async def get_versioning(call: Call) -> Response:
    """GET Bucket versioning."""
    bucket = await run_in_threadpool(call.context.store.bucket, call.bucket)
    content = [("Status", bucket.versioning)] if bucket.versioning else None
    return Response(xml.render("VersioningConfiguration", content), media_type=_XML)


async def list_versions(call: Call) -> Response:
    """GET Bucket object versions: one page of all versions and delete markers."""
    body = await run_in_threadpool(_listed, call, bounded(call.query, "max-keys"), encoder(call.query))
    return Response(body, media_type=_XML)


def _listed(call: Call, limit: int, encode: Callable[[str], str]) -> bytes:
    query = call.query
    page = call.context.store.list_versions(
        call.bucket,
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        key_marker=query.get("key-marker", ""),
        version_marker=query.get("version-id-marker", ""),
        limit=limit,
    )
    content: list[tuple[str, xml.Content]] = [
        ("Name", call.bucket),
        ("EncodingType", query.get("encoding-type")),
        ("Prefix", encode(query.get("prefix", ""))),
        ("KeyMarker", encode(query.get("key-marker", ""))),
        ("VersionIdMarker", query.get("version-id-marker", "")),
        ("MaxKeys", limit),
        ("Delimiter", encode(query.get("delimiter", ""))),
        ("IsTruncated", "false" if page.next_key is None else "true"),
    ]
    if page.next_key is not None:
        content += [("NextKeyMarker", encode(page.next_key)), ("NextVersionIdMarker", page.next_version)]
    content += [_entry(call, info, latest, encode) for info, latest in page.entries]
    content += [("CommonPrefixes", [("Prefix", encode(prefix))]) for prefix in page.prefixes]
    return xml.render("ListVersionsResult", content)


def _entry(
    call: Call, info: ObjectInfo, latest: bool, encode: Callable[[str], str]
) -> tuple[str, xml.Content]:
    fields: list[tuple[str, xml.Content]] = [
        ("Key", encode(info.key)),
        ("VersionId", info.version),
        ("IsLatest", "true" if latest else "false"),
        ("LastModified", iso_time(info.modified, milliseconds=True)),
    ]
    if info.marker:
        return "DeleteMarker", [*fields, ("Owner", call.owner)]
    fields += [("ETag", info.etag), ("Size", info.size)]
    return "Version", [*fields, ("StorageClass", info.attributes.storage_class), ("Owner", call.owner)]
