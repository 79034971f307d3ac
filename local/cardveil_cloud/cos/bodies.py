"""Request bodies: large ones stream to a file with their digests checked, small ones are read whole."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Mapping
from xml.etree.ElementTree import Element

from starlette.concurrency import run_in_threadpool

from cardveil_cloud import xml
from cardveil_cloud.cos.blobs import Blob
from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.storage import Storage

# PUT Object and Upload Part take at most 5 GB.
MAX_UPLOAD_BYTES = 5 << 30
# The largest XML that a client has reason to send: 1,000 keys of 850 bytes, or 10,000 parts.
_MAX_XML_BYTES = 4 << 20
_BUFFER = 1 << 20


def declared_md5(headers: Mapping[str, str]) -> bytes | None:
    """The digest in ``Content-MD5``; `CosError` ``InvalidDigest`` when it is none."""
    header = headers.get("content-md5")
    if header is None:
        return None
    try:
        digest = base64.b64decode(header, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CosError("InvalidDigest") from error
    if len(digest) != 16:
        raise CosError("InvalidDigest")
    return digest


async def receive_blob(call: Call) -> Blob:
    """Take the body in as a finished blob.

    Raises
    ------
    CosError
        ``MissingContentLength``, ``EntityTooLarge``, ``InvalidDigest``, ``BadDigest``.
    """
    body = await receive_body(call)
    return await run_in_threadpool(call.context.store.take, body) if isinstance(body, bytes) else body


async def receive_body(call: Call) -> bytes | Blob:
    """Take the body in: a short one as it is, a longer one as a finished blob; raises as `receive_blob`."""
    length = call.headers.get("content-length")
    if length is None and "transfer-encoding" not in call.headers:
        raise CosError("MissingContentLength")
    if length is not None and not (length.isascii() and length.isdecimal()):
        raise CosError("InvalidArgument")
    if length is not None and int(length) > MAX_UPLOAD_BYTES:
        raise CosError("EntityTooLarge")
    return await store_stream(call.context.store, call.request.stream(), declared_md5(call.headers))


async def store_stream(store: Storage, chunks: AsyncIterator[bytes], md5: bytes | None) -> bytes | Blob:
    """Return a stream's bytes when they are few, else write them to a blob.

    Raises
    ------
    CosError
        ``BadDigest`` when ``md5`` is given and differs.
    """
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        if len(buffer) >= _BUFFER:
            blob = await _write(store, bytes(buffer), chunks)
            break
    else:
        body = bytes(buffer)
        if md5 is not None and md5 != hashlib.md5(body, usedforsecurity=False).digest():
            raise CosError("BadDigest")
        return body
    if md5 is not None and md5 != blob.md5:
        await run_in_threadpool(store.discard, blob)
        raise CosError("BadDigest")
    return blob


async def _write(store: Storage, begun: bytes, chunks: AsyncIterator[bytes]) -> Blob:
    """Write a stream that is too long to be held, from what was read of it already."""
    writer = await run_in_threadpool(store.writer)
    try:
        size = len(begun)
        buffer = bytearray(begun)
        async for chunk in chunks:
            if len(buffer) >= _BUFFER:
                await run_in_threadpool(writer.write, bytes(buffer))
                buffer.clear()
            buffer += chunk
            size += len(chunk)
            if size > MAX_UPLOAD_BYTES:
                raise CosError("EntityTooLarge")
        await run_in_threadpool(writer.write, bytes(buffer))
        return writer.finish()
    except BaseException:
        writer.discard()
        raise


async def receive_xml(call: Call, *, md5_required: bool = False) -> Element:
    """Read the body as XML; raises as `receive_body_of_xml`."""
    return (await receive_body_of_xml(call, md5_required=md5_required))[1]


async def receive_body_of_xml(call: Call, *, md5_required: bool = False) -> tuple[bytes, Element]:
    """Read the body as XML, and return it as it was sent too.

    Raises
    ------
    CosError
        ``MissingContentMD5``, ``InvalidDigest``, ``BadDigest``, ``MalformedXML`` (also when it is too long).
    """
    md5 = declared_md5(call.headers)
    if md5 is None and md5_required:
        raise CosError("MissingContentMD5")
    body = bytearray()
    async for chunk in call.request.stream():
        body += chunk
        if len(body) > _MAX_XML_BYTES:
            raise CosError("MalformedXML")
    if md5 is not None and md5 != hashlib.md5(body, usedforsecurity=False).digest():
        raise CosError("BadDigest")
    try:
        return bytes(body), xml.parse(bytes(body))
    except xml.MalformedXmlError as error:
        raise CosError("MalformedXML") from error
