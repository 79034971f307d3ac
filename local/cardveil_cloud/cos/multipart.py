"""Handlers of multipart uploads."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.cos.attributes import encryption_headers, from_headers
from cardveil_cloud.cos.bodies import receive_blob, receive_xml
from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.copying import iso_time, upload_part_copy
from cardveil_cloud.cos.encryption import encrypted
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.objects import stored_headers
from cardveil_cloud.cos.parameters import bounded, encoder
from cardveil_cloud.cos.uploads import MAX_PART_NUMBER

_NUMBER = re.compile(r"[0-9]{1,6}")


async def initiate(call: Call) -> Response:
    """Initiate Multipart Upload."""
    attributes = encrypted(call.context, call.principal, call.bucket, from_headers(call.headers, call.key))
    upload = await run_in_threadpool(call.context.uploads.begin, call.bucket, call.key, attributes)
    body = xml.render(
        "InitiateMultipartUploadResult",
        [("Bucket", call.bucket), ("Key", call.key), ("UploadId", upload.id)],
    )
    return Response(body, headers=encryption_headers(attributes), media_type="application/xml")


async def upload_part(call: Call) -> Response:
    """Upload Part, from the body or from another object."""
    number = _part_number(call.query.get("partNumber", ""))
    upload_id = call.query["uploadId"]
    if "x-cos-copy-source" in call.headers:
        return await upload_part_copy(call, upload_id, number)
    blob = await receive_blob(call)
    part = await run_in_threadpool(
        call.context.uploads.put_part, call.bucket, call.key, upload_id, number, blob
    )
    return Response(headers={"etag": part.etag, "x-cos-hash-crc64ecma": str(blob.crc64)})


async def complete(call: Call) -> Response:
    """Complete Multipart Upload."""
    root = await receive_xml(call)
    if root.tag != "CompleteMultipartUpload":
        raise CosError("MalformedXML")
    chosen = [
        (_part_number(xml.text_of(part, "PartNumber") or ""), xml.text_of(part, "ETag") or "")
        for part in root.findall("Part")
    ]
    info = await run_in_threadpool(
        call.context.uploads.complete,
        call.bucket,
        call.key,
        call.query["uploadId"],
        chosen,
        forbid_overwrite=call.forbid_overwrite,
        origin=call.origin("ObjectCreated:CompleteMultipartUpload"),
    )
    await call.tell()
    body = xml.render(
        "CompleteMultipartUploadResult",
        [
            ("Location", f"http://{call.target.host}/{quote(call.key)}"),
            ("Bucket", call.bucket),
            ("Key", call.key),
            ("ETag", info.etag),
        ],
    )
    headers = stored_headers(info)
    del headers["etag"]
    return Response(body, headers=headers, media_type="application/xml")


async def abort(call: Call) -> Response:
    """Abort Multipart Upload."""
    await run_in_threadpool(call.context.uploads.abort, call.bucket, call.key, call.query["uploadId"])
    return Response(status_code=204)


async def list_parts(call: Call) -> Response:
    """List Parts."""
    limit = bounded(call.query, "max-parts")
    marker = bounded(call.query, "part-number-marker", default=0, ceiling=MAX_PART_NUMBER)
    encode = encoder(call.query)
    upload, parts = await run_in_threadpool(
        call.context.uploads.parts, call.bucket, call.key, call.query["uploadId"]
    )
    after = [part for part in parts if part.number > marker]
    shown = after[:limit]
    more = len(after) > len(shown)
    content: list[tuple[str, xml.Content]] = [
        ("Bucket", call.bucket),
        ("EncodingType", call.query.get("encoding-type")),
        ("Key", encode(call.key)),
        ("UploadId", upload.id),
        ("Initiator", call.owner),
        ("Owner", call.owner),
        ("StorageClass", upload.attributes.storage_class),
        ("PartNumberMarker", marker),
        ("MaxParts", limit),
        ("IsTruncated", "true" if more else "false"),
    ]
    if more and shown:
        content.append(("NextPartNumberMarker", shown[-1].number))
    for part in shown:
        fields: list[tuple[str, xml.Content]] = [
            ("PartNumber", part.number),
            ("LastModified", iso_time(part.modified, milliseconds=True)),
            ("ETag", part.etag),
            ("Size", part.size),
        ]
        content.append(("Part", fields))
    return Response(xml.render("ListPartsResult", content), media_type="application/xml")


async def list_uploads(call: Call) -> Response:
    """List Multipart Uploads."""
    query = call.query
    limit = bounded(query, "max-uploads")
    encode = encoder(query)
    page = await run_in_threadpool(
        call.context.uploads.list,
        call.bucket,
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        key_marker=query.get("key-marker", ""),
        id_marker=query.get("upload-id-marker", ""),
        limit=limit,
    )
    content: list[tuple[str, xml.Content]] = [
        ("Bucket", call.bucket),
        ("EncodingType", query.get("encoding-type")),
        ("KeyMarker", encode(query.get("key-marker", ""))),
        ("UploadIdMarker", query.get("upload-id-marker", "")),
        ("MaxUploads", limit),
        ("Prefix", encode(query.get("prefix", ""))),
        ("Delimiter", encode(query.get("delimiter", ""))),
        ("IsTruncated", "false" if page.next_key is None else "true"),
    ]
    if page.next_key is not None:
        content += [("NextKeyMarker", encode(page.next_key)), ("NextUploadIdMarker", page.next_id)]
    for upload in page.uploads:
        fields: list[tuple[str, xml.Content]] = [
            ("Key", encode(upload.key)),
            ("UploadId", upload.id),
            ("StorageClass", upload.attributes.storage_class),
            ("Initiator", call.owner),
            ("Owner", call.owner),
            ("Initiated", iso_time(upload.initiated, milliseconds=True)),
        ]
        content.append(("Upload", fields))
    content += [("CommonPrefixes", [("Prefix", encode(prefix))]) for prefix in page.prefixes]
    return Response(xml.render("ListMultipartUploadsResult", content), media_type="application/xml")


def _part_number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_PART_NUMBER:
        raise CosError("InvalidArgument")
    return int(text)
