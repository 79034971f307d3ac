"""Handler of Append Object: bytes that are added to the end of an object which was begun so.

Such an object has no versions, in a bucket that keeps them either (document 436/7741).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cardveil_cloud.cos.attributes import check_customer_key, from_headers
from cardveil_cloud.cos.blobs import Blob
from cardveil_cloud.cos.bodies import MAX_UPLOAD_BYTES, declared_md5
from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.encryption import encrypted
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.objects import stored_headers
from cardveil_cloud.cos.parameters import bounded
from cardveil_cloud.cos.records import APPENDABLE, OBJECT_TYPE, ObjectInfo

_CHUNK = 1 << 20


async def append_object(call: Call) -> Response:
    """Append Object: `position` must be where the object ends; 0 begins one."""
    position = bounded(call.query, "position", default=-1, ceiling=MAX_UPLOAD_BYTES)
    before = await run_in_threadpool(_before, call)
    size = before.size if before else 0
    if position != size:
        raise CosError("PositionNotEqualToLength", headers={"x-cos-next-append-position": str(size)})
    if before is None:
        attributes = from_headers(call.headers, call.key)
        attributes = replace(attributes, headers={**attributes.headers, OBJECT_TYPE: APPENDABLE})
        attributes = encrypted(call.context, call.principal, call.bucket, attributes)
    else:
        attributes = before.attributes
    blob = await _joined(call, before)
    info = await run_in_threadpool(
        call.context.store.put,
        call.bucket,
        call.key,
        blob,
        attributes,
        instead_of=before.blob if before else "",
        origin=call.origin("ObjectCreated:Append"),
    )
    await call.tell()
    headers = {**stored_headers(info), "x-cos-next-append-position": str(info.size)}
    return Response(headers=headers)


def _before(call: Call) -> ObjectInfo | None:
    """Return the object that is added to, None where there is none yet."""
    try:
        info = call.context.store.head(call.bucket, call.key)
    except CosError as error:
        if error.code == "NoSuchKey":
            return None
        raise
    if info.attributes.headers.get(OBJECT_TYPE) != APPENDABLE:
        raise CosError("ObjectNotAppendable")
    check_customer_key(info, call.headers)
    return info


async def _joined(call: Call, before: ObjectInfo | None) -> Blob:
    """Write what is there, and what comes, as one blob."""
    md5, digest = declared_md5(call.headers), hashlib.md5(usedforsecurity=False)
    store = call.context.store
    writer = await run_in_threadpool(store.writer)
    size = 0
    try:
        if before is not None:
            _, file = await run_in_threadpool(store.open, call.bucket, call.key)
            with file:
                while chunk := await run_in_threadpool(file.read, _CHUNK):
                    await run_in_threadpool(writer.write, chunk)
                    size += len(chunk)
        async for piece in call.request.stream():
            digest.update(piece)
            size += len(piece)
            if size > MAX_UPLOAD_BYTES:
                raise CosError("EntityTooLarge")
            await run_in_threadpool(writer.write, piece)
        if md5 is not None and md5 != digest.digest():
            raise CosError("BadDigest")
        return writer.finish()
    except BaseException:
        writer.discard()
        raise
