"""POST Object: an upload from a browser's form, whose permission is a signed policy in one of its fields."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timezone
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.cos.attributes import as_header_value, from_headers
from cardveil_cloud.cos.bodies import declared_md5, store_stream
from cardveil_cloud.cos.call import Call, Context, Target, check_key
from cardveil_cloud.cos.encryption import encrypted
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.objects import stored_headers
from cardveil_cloud.cos.signature import Principal, check_window, find_credential, hmac_sha1

_CHUNK = 1 << 20
_MAX_FIELDS = 100
# What a URL holds as it is.
_URL = ":/?#[]@!$&'()*+,;=%~"
# Fields that a policy need not mention.
_FREE = frozenset({"file", "policy", "q-signature", "x-cos-security-token", "submit"})


async def post_object(context: Context, request: Request, target: Target, request_id: str) -> Response:
    """Store the form's file.

    Raises
    ------
    CosError
        ``MalformedPOSTRequest``, ``IncorrectNumberOfFilesInPostRequest``, ``InvalidPolicyDocument``, and what
        a signature and a PUT Object may be refused with.
    """
    try:
        form = await request.form(max_files=2, max_fields=_MAX_FIELDS)
    except HTTPException as error:
        raise CosError("MalformedPOSTRequest") from error
    try:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        if len(files) != 1:
            raise CosError("IncorrectNumberOfFilesInPostRequest")
        file = files[0]
        fields = {name.lower(): value for name, value in form.items() if isinstance(value, str)}
        key = fields.get("key", "").replace("${filename}", file.filename or "")
        if not key:
            raise CosError("InvalidArgument")
        check_key(key)
        principal = _authorise(context, {**fields, "bucket": target.bucket, "key": key}, file.size or 0)
        principal.require("cos:PostObject", f"cos/{target.bucket}/{key}")
        attributes = from_headers({name: as_header_value(value) for name, value in fields.items()}, key)
        attributes = encrypted(context, principal, target.bucket, attributes)
        blob = await store_stream(context.store, _chunks(file), declared_md5(fields))
    finally:
        await form.close()
    call = Call(context, request, target, principal, request_id)
    info = await run_in_threadpool(
        context.store.put,
        target.bucket,
        key,
        blob,
        attributes,
        forbid_overwrite=fields.get("x-cos-forbid-overwrite", "").lower() == "true",
        origin=call.origin("ObjectCreated:Post"),
    )
    await call.tell()
    location = f"http://{target.host}/{quote(key)}"
    headers = {**stored_headers(info), "location": location}
    if redirect := fields.get("success_action_redirect"):
        query = urlencode({"bucket": target.bucket, "key": key, "etag": info.etag})
        headers["location"] = f"{quote(redirect, safe=_URL)}{'&' if '?' in redirect else '?'}{query}"
        return Response(status_code=303, headers=headers)
    if fields.get("success_action_status") == "201":
        content = [("Location", location), ("Bucket", target.bucket), ("Key", key), ("ETag", info.etag)]
        body = xml.render("PostResponse", content)
        return Response(body, status_code=201, headers=headers, media_type="application/xml")
    return Response(status_code=200 if fields.get("success_action_status") == "200" else 204, headers=headers)


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk


def _authorise(context: Context, fields: Mapping[str, str], size: int) -> Principal:
    """Check the signature of the policy, and then the form against the policy."""
    names = ("q-sign-algorithm", "q-ak", "q-key-time", "q-signature", "policy")
    if any(name not in fields for name in names) or fields["q-sign-algorithm"] != "sha1":
        raise CosError("AccessDenied")
    now = context.clock()
    token = fields.get("x-cos-security-token")
    credential = find_credential(fields["q-ak"], token, context.credentials, now)
    check_window(fields["q-key-time"], now)
    try:
        policy = base64.b64decode(fields["policy"], validate=True)
    except binascii.Error as error:
        raise CosError("InvalidPolicyDocument") from error
    digest = hashlib.sha1(policy).hexdigest()  # noqa: S324 - the protocol's algorithm
    expected = hmac_sha1(hmac_sha1(credential.secret_key, fields["q-key-time"]), digest)
    if not hmac.compare_digest(expected.encode(), fields["q-signature"].encode()):
        raise CosError("SignatureDoesNotMatch")
    if not _fits(policy, fields, size, now):
        raise CosError("InvalidPolicyDocument")
    return Principal(credential)


def _fits(policy: bytes, fields: Mapping[str, str], size: int, now: float) -> bool:
    """Whether the policy still holds, every one of its conditions is met, and no field goes unmentioned."""
    try:
        document = json.loads(policy)
        expiry = datetime.fromisoformat(document["expiration"].replace("Z", "+00:00"))
        conditions = [_condition(item) for item in document["conditions"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CosError("InvalidPolicyDocument") from error
    if (expiry if expiry.tzinfo else expiry.replace(tzinfo=timezone.utc)).timestamp() < now:
        return False
    # The signature's window is called q-sign-time in policies and q-key-time in forms.
    values = {**fields, "q-sign-time": fields["q-key-time"]}
    mentioned = {name for _, name, _ in conditions} | _FREE | {"bucket", "q-key-time", "q-sign-time"}
    if any(name not in mentioned and not name.startswith("x-ignore-") for name in fields):
        return False
    return all(_is_met(condition, values, size) for condition in conditions)


def _condition(item: object) -> tuple[str, str, object]:
    """One condition as operator, field and operand; `ValueError` when it is of no known form."""
    if isinstance(item, dict) and len(item) == 1:
        ((name, value),) = item.items()
        return "eq", name.lower(), value
    if isinstance(item, list) and len(item) == 3:
        operator, name, value = item
        if operator == "content-length-range":
            return operator, "", (int(name), int(value))
        if operator in ("eq", "starts-with") and name.startswith("$"):
            return operator, name[1:].lower(), value
    raise ValueError("unknown condition")


def _is_met(condition: tuple[str, str, object], values: Mapping[str, str], size: int) -> bool:
    operator, name, operand = condition
    if isinstance(operand, tuple):
        least, most = operand
        return bool(least <= size <= most)
    value = values.get(name, "")
    return value.startswith(str(operand)) if operator == "starts-with" else value == str(operand)
