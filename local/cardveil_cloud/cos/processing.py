"""Requests with ``ci-process``: COS finds or stores the object, Cloud Infinite answers."""

from __future__ import annotations

import re
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.contracts import CiCall
from cardveil_cloud.cos.encryption import check_readable
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.routing import is_subresource
from cardveil_cloud.cos.signature import SIGNATURE_PARAMETERS

#: The permission of each operation, as its own page names it, by method and operation.
_ACTIONS: Final = {
    ("GET", "AILicenseRec"): "ci:CreateAILicenseRecognitionJob",
    ("GET", "IDCardOCR"): "ci:CreateIDCardOCRJob",
    ("PUT", "IDCardOCR"): "ci:CreateIDCardOCRJob",
    ("GET", "OCR"): "ci:CreateOCRJob",
}
#: "imageMogr2": operations one after the other; of them, this converts and sets the quality.
_RULE: Final = "imageMogr2/"
_CONVERSION: Final = re.compile(r"imageMogr2/format/jpe?g(?:/quality/(?P<quality>100|[1-9]?[0-9]))?")


def check_process(call: Call) -> None:
    """Refuse what can not be processed before anything is stored.

    Raises
    ------
    CosError
        ``NotImplemented`` with the operation's name, ``InvalidArgument`` (no CI here, or a PUT that names no
        object), ``MethodNotAllowed``, ``AccessDenied``.
    """
    method, process = call.request.method, call.query["ci-process"]
    if process not in {name for _, name in _ACTIONS}:
        shown = re.sub(r"[^A-Za-z0-9-]", "", process)[:40]
        raise CosError("NotImplemented", f"{shown} is not implemented by the local cloud.")
    if (method, process) not in _ACTIONS:
        raise CosError("MethodNotAllowed")
    if call.context.ci is None or (method == "PUT" and not call.key):
        raise CosError("InvalidArgument")
    if any(is_subresource(name) for name in call.query):
        raise CosError("InvalidArgument", "An operation and ci-process exclude each other.")
    resource = f"cos/{call.bucket}/{call.key}"
    call.principal.require(_ACTIONS[method, process], resource)
    if call.key:
        call.principal.require("cos:GetObject", resource)


def picture_rule(call: Call) -> str:
    """Return the rule of basic picture processing that a request's query is, empty where it is none.

    Raises
    ------
    CosError
        ``AccessDenied``, ``InvalidArgument`` (no CI here), ``NotImplemented`` for other operations.
    """
    rule = next((name for name in call.query if name.startswith(_RULE)), "")
    if not rule:
        return ""
    if call.request.method != "GET" or not call.key or not _CONVERSION.fullmatch(rule):
        operation = f"{call.request.method.capitalize()}Object"
        raise CosError("NotImplemented", f"{operation} with this processing is not implemented here.")
    if call.context.ci is None:
        raise CosError("InvalidArgument")
    call.principal.require("cos:GetObject", f"cos/{call.bucket}/{call.key}")
    return rule


async def convert(call: Call, rule: str) -> Response:
    """Hand the object to CI's basic processing; `CosError` when bucket or object is missing."""
    ci = call.context.ci
    if ci is None:
        raise CosError("InvalidArgument")
    info, data = await run_in_threadpool(call.context.store.get, call.bucket, call.key)
    check_readable(call.principal, info.attributes)
    quality = _CONVERSION.fullmatch(rule)
    params = {"quality": quality["quality"] or ""} if quality else {}
    return await ci.process(CiCall("imageMogr2", params, call.bucket, call.key, "GET", data, call.request_id))


async def process(call: Call) -> Response:
    """Hand the object, or without a key the bare call, to CI; `CosError` when bucket or object is missing."""
    ci = call.context.ci
    if ci is None:
        raise CosError("InvalidArgument")
    data = None
    if call.key:
        info, data = await run_in_threadpool(call.context.store.get, call.bucket, call.key)
        check_readable(call.principal, info.attributes)
    else:
        call.context.store.bucket(call.bucket)
    params = {name: value for name, value in call.query.items() if name not in SIGNATURE_PARAMETERS}
    return await ci.process(
        CiCall(
            process=call.query["ci-process"],
            params=params,
            bucket=call.bucket,
            key=call.key,
            method="PUT" if call.request.method == "PUT" else "GET",
            data=data,
            request_id=call.request_id,
        )
    )
