"""Handlers of single objects: put, get, head, delete and their tags.

What only reads the index, or a short file, is done at once: that takes less than handing it to a thread and
back. What commits is done in one, since the disk may take its time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from cardveil_cloud import xml
from cardveil_cloud.cos import acl
from cardveil_cloud.cos.attributes import (
    KEPT_HEADERS,
    as_header_value,
    check_customer_key,
    encryption_headers,
    from_headers,
    tags_from_xml,
    to_headers,
    version_header,
)
from cardveil_cloud.cos.bodies import receive_body, receive_xml
from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.conditions import byte_range, check_conditions
from cardveil_cloud.cos.encryption import check_readable, encrypted
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.records import ObjectInfo, Removal
from cardveil_cloud.cos.restoring import restore_header

_CHUNK = 256 * 1024


async def put_object(call: Call) -> Response:
    """PUT Object."""
    attributes = encrypted(call.context, call.principal, call.bucket, from_headers(call.headers, call.key))
    granted = acl.canned(call.headers, acl.OBJECTS, "default")
    body = await receive_body(call)
    info = await run_in_threadpool(
        call.context.store.put,
        call.bucket,
        call.key,
        body,
        attributes,
        forbid_overwrite=call.forbid_overwrite,
        origin=call.origin("ObjectCreated:Put"),
    )
    if granted is not None:
        await run_in_threadpool(call.context.store.set_acl, call.bucket, call.key, granted)
    await call.tell()
    return Response(headers=stored_headers(info))


def stored_headers(info: ObjectInfo) -> dict[str, str]:
    """What is told of an object that was just stored."""
    return {
        "etag": info.etag,
        "x-cos-hash-crc64ecma": str(info.crc64),
        **encryption_headers(info.attributes),
        **version_header(info),
    }


async def head_object(call: Call) -> Response:
    """HEAD Object."""
    info = call.context.store.head(call.bucket, call.key, call.version)
    check_customer_key(info, call.headers)
    check_conditions(info, call.headers)
    restoring = restore_header(info, call.context.store.now())
    return Response(headers={**to_headers(info), **restoring, "content-length": str(info.size)})


async def get_object(call: Call) -> Response:
    """GET Object, whole or one range of it."""
    info, file = call.context.store.open(call.bucket, call.key, call.version)
    try:
        check_customer_key(info, call.headers)
        check_readable(call.principal, info.attributes)
        check_conditions(info, call.headers)
        asked = byte_range(call.headers.get("range"), info.size)
        headers = to_headers(info)
        for name in KEPT_HEADERS:
            if f"response-{name}" in call.query:
                headers[name] = as_header_value(call.query[f"response-{name}"])
        begin, end = (0, info.size - 1) if asked is None else asked
        length = end - begin + 1
        headers["content-length"] = str(length)
        if asked is not None:
            headers["content-range"] = f"bytes {begin}-{end}/{info.size}"
        status = 200 if asked is None else 206
        file.seek(begin)
        if length <= _CHUNK:
            data = file.read(length)
            file.close()
            return Response(data, status_code=status, headers=headers)
    except BaseException:
        file.close()
        raise
    return StreamingResponse(_chunks(file, length), status_code=status, headers=headers)


async def _chunks(file: BinaryIO, length: int) -> AsyncIterator[bytes]:
    with file:
        while length > 0:
            chunk = await run_in_threadpool(file.read, min(_CHUNK, length))
            if not chunk:
                raise CosError("InternalError")
            length -= len(chunk)
            yield chunk


async def delete_object(call: Call) -> Response:
    """DELETE Object, or one version of it; it is no error when there is none."""
    removal = await remove(call, call.key, call.version)
    headers: dict[str, str] = {}
    if removal.marker or (removal.removed is not None and removal.removed.marker):
        headers["x-cos-delete-marker"] = "true"
    if removal.marker or call.version:
        headers["x-cos-version-id"] = removal.marker or call.version
    return Response(status_code=204, headers=headers)


async def remove(call: Call, key: str, version: str = "") -> Removal:
    """Delete one object, or one version of it, and tell of it."""
    removal = await run_in_threadpool(
        call.context.store.delete, call.bucket, key, version, call.origin("ObjectRemove")
    )
    await call.tell()
    return removal


async def put_object_tagging(call: Call) -> Response:
    """PUT Object tagging."""
    tags = tags_from_xml(await receive_xml(call))
    info = await run_in_threadpool(call.context.store.set_tags, call.bucket, call.key, tags, call.version)
    return Response(headers=version_header(info))


async def get_object_tagging(call: Call) -> Response:
    """GET Object tagging."""
    info = await run_in_threadpool(call.context.store.head, call.bucket, call.key, call.version)
    tags = [("Tag", [("Key", key), ("Value", value)]) for key, value in info.attributes.tags.items()]
    body = xml.render("Tagging", [("TagSet", tags)])
    return Response(body, headers=version_header(info), media_type="application/xml")


async def delete_object_tagging(call: Call) -> Response:
    """DELETE Object tagging."""
    info = await run_in_threadpool(call.context.store.set_tags, call.bucket, call.key, {}, call.version)
    return Response(status_code=204, headers=version_header(info))
