"""Handler that brings an archived object's bytes back for some days."""

from __future__ import annotations

from email.utils import formatdate

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.cos.bodies import receive_xml
from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.records import ObjectInfo

_TIERS = frozenset({"Standard", "Expedited", "Bulk"})
_MAX_DAYS = 365


async def restore(call: Call) -> Response:
    """POST Object restore: 202 when it begins, 200 when the bytes are at hand and stay so for longer."""
    root = await receive_xml(call)
    days, tier = xml.text_of(root, "Days") or "", xml.text_of(root, "CASJobParameters/Tier")
    if root.tag != "RestoreRequest":
        raise CosError("MalformedXML")
    if not days.isdecimal() or not 1 <= int(days) <= _MAX_DAYS or (tier is not None and tier not in _TIERS):
        raise CosError("InvalidArgument")
    readable = await run_in_threadpool(
        call.context.store.restore,
        call.bucket,
        call.key,
        int(days),
        call.context.restore_s,
        call.version,
        call.origin("ObjectRestore:Post"),
    )
    await call.tell()
    return Response(status_code=200 if readable else 202)


def restore_header(info: ObjectInfo, now: float) -> dict[str, str]:
    """What a HEAD says of a restoration that was asked for."""
    if info.is_restoring(now):
        return {"x-cos-restore": 'ongoing-request="true"'}
    if info.restored_from <= now < info.restored_until:
        until = formatdate(info.restored_until, usegmt=True)
        return {"x-cos-restore": f'ongoing-request="false", expiry-date="{until}"'}
    return {}
