"""Handlers of a bucket's policy: what it allows to others is kept and told, for no other account is here.

What it would forbid would have to be acted on, so that a policy that denies is refused by name.
"""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.errors import CosError

_NAME: Final = "policy"
# "Specifications and Limits": a bucket's policy has at most 20 KB.
_MAX_BYTES: Final = 20 * 1024


async def put_policy(call: Call) -> Response:
    """PUT Bucket policy."""
    body = bytearray()
    async for chunk in call.request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise CosError("MalformedPolicy")
    _check(bytes(body))
    await run_in_threadpool(call.context.store.configure, call.bucket, _NAME, bytes(body))
    return Response(status_code=204)


async def get_policy(call: Call) -> Response:
    """GET Bucket policy."""
    kept = await run_in_threadpool(call.context.store.configuration, call.bucket, _NAME)
    if kept is None:
        raise CosError("NoSuchBucketPolicy")
    document = json.loads(kept)
    # Answers begin with capitals, however it was sent.
    told = {name[:1].upper() + name[1:]: value for name, value in document.items()}
    return Response(json.dumps(told, ensure_ascii=False), media_type="application/json")


async def delete_policy(call: Call) -> Response:
    """DELETE Bucket policy."""
    await run_in_threadpool(call.context.store.configure, call.bucket, _NAME, None)
    return Response(status_code=204)


def _check(body: bytes) -> None:
    try:
        statements = _lower(json.loads(body))["statement"]
        effects = [str(_lower(statement)["effect"]).lower() for statement in statements]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CosError("MalformedPolicy") from error
    if not effects or not set(effects) <= {"allow", "deny"}:
        raise CosError("MalformedPolicy")
    if "deny" in effects:
        raise CosError("NotImplemented", "PutBucketPolicy with deny is not implemented by the local cloud.")


def _lower(document: Any) -> dict[str, Any]:
    return {str(name).lower(): value for name, value in document.items()}
