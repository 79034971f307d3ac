"""Handlers that copy on the server's side: a whole object, or a range of one into a part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from urllib.parse import unquote_to_bytes

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.cos.attributes import check_customer_key, encryption_headers, from_headers, version_header
from cardveil_cloud.cos.blobs import Blob
from cardveil_cloud.cos.call import COS_HOST, Call
from cardveil_cloud.cos.conditions import check_conditions
from cardveil_cloud.cos.encryption import check_readable, encrypted
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.records import OBJECT_TYPE, Attributes, ObjectInfo
from cardveil_cloud.cos.store import ObjectStore

_CONDITIONS = "x-cos-copy-source-"
_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})")
_CHUNK = 1 << 20


async def put_object_copy(call: Call) -> Response:
    """PUT Object - Copy."""
    source = _source(call)
    info = await run_in_threadpool(_copy, call, source)
    await call.tell()
    body = xml.render(
        "CopyObjectResult",
        [
            ("ETag", info.etag),
            ("CRC64", str(info.crc64)),
            ("LastModified", iso_time(info.modified)),
            ("VersionId", info.version),
        ],
    )
    headers = {
        "x-cos-hash-crc64ecma": str(info.crc64),
        **encryption_headers(info.attributes),
        **version_header(info),
    }
    return Response(body, headers=headers, media_type="application/xml")


async def upload_part_copy(call: Call, upload_id: str, number: int) -> Response:
    """Upload Part - Copy."""
    blob = await run_in_threadpool(_copy_range, call, _source(call))
    part = await run_in_threadpool(
        call.context.uploads.put_part, call.bucket, call.key, upload_id, number, blob
    )
    body = xml.render("CopyPartResult", [("ETag", part.etag), ("LastModified", iso_time(part.modified))])
    return Response(body, media_type="application/xml")


def iso_time(seconds: float, *, milliseconds: bool = False) -> str:
    """A time as COS writes it in XML: ``2020-12-10T03:37:30Z``, or with ``.000``."""
    text = datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.000Z" if milliseconds else f"{text}Z"


def _source(call: Call) -> tuple[str, str, str]:
    """What ``x-cos-copy-source`` names, once the sender was found to be allowed to read there.

    Bucket, key and version, which is "" for the current one.
    """
    host, slash, rest = call.headers["x-cos-copy-source"].lstrip("/").partition("/")
    found = COS_HOST.fullmatch(host.lower())
    path, _, version = rest.partition("?")
    if found is None or not found["bucket"] or not slash or not path:
        raise CosError("InvalidCopySource")
    named = version.removeprefix("versionId=")
    if version and (named == version or not named):
        raise CosError("InvalidCopySource")
    if found["region"] != call.context.region:
        raise CosError("NoSuchBucket")
    try:
        key = unquote_to_bytes(path.encode("latin-1")).decode()
    except UnicodeDecodeError as error:
        raise CosError("InvalidCopySource") from error
    call.principal.require("cos:GetObject", f"cos/{found['bucket']}/{key}")
    return found["bucket"], key, named


def _copy(call: Call, where: tuple[str, str, str]) -> ObjectInfo:
    store = call.context.store
    while True:
        source = store.head(*where)
        check_customer_key(source, call.headers, prefix=_CONDITIONS)
        check_readable(call.principal, source.attributes)
        check_conditions(source, call.headers, prefix=_CONDITIONS)
        attributes = _attributes(call.headers, source, onto_itself=where == (call.bucket, call.key, ""))
        attributes = encrypted(call.context, call.principal, call.bucket, attributes)
        try:
            return store.put_copy(
                source,
                call.bucket,
                call.key,
                attributes,
                forbid_overwrite=call.forbid_overwrite,
                origin=call.origin("ObjectCreated:Copy"),
            )
        except FileNotFoundError:
            # Overwritten since; if nothing changed, the file is really missing.
            if store.head(*where).blob == source.blob:
                raise


def _attributes(headers: Mapping[str, str], source: ObjectInfo, *, onto_itself: bool) -> Attributes:
    given = from_headers(headers, source.key)
    replaced = _is_replaced(headers, "x-cos-metadata-directive")
    if onto_itself and not replaced and "x-cos-storage-class" not in headers:
        raise CosError("InvalidRequest")
    # How the source is encrypted says nothing of the copy.
    plain = source.attributes.headers.items() - encryption_headers(source.attributes).items()
    plain = {(name, value) for name, value in plain if name != OBJECT_TYPE}
    kept = given.headers if replaced else {**dict(plain), **encryption_headers(given)}
    tags = given.tags if _is_replaced(headers, "x-cos-tagging-directive") else source.attributes.tags
    return replace(given, headers=kept, tags=tags)


def _is_replaced(headers: Mapping[str, str], name: str) -> bool:
    directive = headers.get(name, "Copy").lower()
    if directive not in ("copy", "replaced"):
        raise CosError("InvalidArgument")
    return directive == "replaced"


def _copy_range(call: Call, where: tuple[str, str, str]) -> Blob:
    store: ObjectStore = call.context.store
    info, file = store.open(*where)
    with file:
        check_customer_key(info, call.headers, prefix=_CONDITIONS)
        check_readable(call.principal, info.attributes)
        check_conditions(info, call.headers, prefix=_CONDITIONS)
        begin, end = 0, info.size - 1
        if header := call.headers.get("x-cos-copy-source-range"):
            found = _RANGE.fullmatch(header)
            if found is None:
                raise CosError("InvalidArgument")
            begin, end = int(found[1]), int(found[2])
            if not begin <= end < info.size:
                raise CosError("InvalidRange")
        writer = store.writer()
        try:
            file.seek(begin)
            left = end - begin + 1
            while chunk := file.read(min(_CHUNK, left)):
                writer.write(chunk)
                left -= len(chunk)
            return writer.finish()
        except BaseException:
            writer.discard()
            raise
