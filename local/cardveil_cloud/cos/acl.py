"""Access control lists: kept and told as they were set. They let nobody in: no other account is here.

A request without a signature is refused whatever a list says, since nothing that listens here is public.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.cos.bodies import receive_xml
from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.errors import CosError

#: Canned lists, of a bucket and of an object; an object's own is its bucket's.
BUCKETS: Final = frozenset({"private", "public-read", "public-read-write", "authenticated-read"})
OBJECTS: Final = frozenset(
    {
        "default",
        "private",
        "public-read",
        "authenticated-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    }
)
GRANT_HEADERS: Final[Mapping[str, str]] = {
    "x-cos-grant-read": "READ",
    "x-cos-grant-write": "WRITE",
    "x-cos-grant-read-acp": "READ_ACP",
    "x-cos-grant-write-acp": "WRITE_ACP",
    "x-cos-grant-full-control": "FULL_CONTROL",
}
_PERMISSIONS: Final = frozenset(GRANT_HEADERS.values())
#: What a bucket's list is called among its configurations.
NAME: Final = "acl"
#: What a canned list grants to everybody.
_GROUP: Final = "http://cam.qcloud.com/groups/global/AllUsers"
_PUBLIC: Final[Mapping[str, tuple[str, ...]]] = {
    "public-read": ("READ",),
    "public-read-write": ("READ", "WRITE"),
}
_GRANTEE: Final = re.compile(r'\s*id="(qcs::cam::[!-~]{1,200}?)"\s*')
_MAX_GRANTS: Final = 100

Grants = tuple[tuple[str, str], ...]


async def put_bucket_acl(call: Call) -> Response:
    """PUT Bucket acl."""
    document = await _asked(call, BUCKETS, "private")
    await run_in_threadpool(call.context.store.configure, call.bucket, NAME, document)
    return Response()


async def get_bucket_acl(call: Call) -> Response:
    """GET Bucket acl."""
    kept = await run_in_threadpool(call.context.store.configuration, call.bucket, NAME)
    return _told(call, kept, "private")


async def put_object_acl(call: Call) -> Response:
    """PUT Object acl."""
    document = await _asked(call, OBJECTS, "default")
    await run_in_threadpool(call.context.store.set_acl, call.bucket, call.key, document, call.version)
    return Response()


async def get_object_acl(call: Call) -> Response:
    """GET Object acl."""
    kept = await run_in_threadpool(call.context.store.acl, call.bucket, call.key, call.version)
    return _told(call, kept, "default")


def canned(headers: Mapping[str, str], known: frozenset[str], default: str) -> bytes | None:
    """Read the canned list that comes with what is made; None where it is what it would be anyway.

    Raises
    ------
    CosError
        ``InvalidArgument``.
    """
    name = headers.get("x-cos-acl") or default
    if name not in known:
        raise CosError("InvalidArgument")
    return None if name == default else _kept(name, [], listed=False)


async def _asked(call: Call, known: frozenset[str], default: str) -> bytes:
    """Read the list of a request, from its headers or from its body.

    Raises
    ------
    CosError
        ``InvalidArgument``, ``MalformedXML``.
    """
    given = {name: call.headers[name] for name in GRANT_HEADERS if call.headers.get(name)}
    name = call.headers.get("x-cos-acl", "")
    if name or given:
        if name and name not in known:
            raise CosError("InvalidArgument")
        grants = [
            (_grantee(each), GRANT_HEADERS[header])
            for header, value in given.items()
            for each in value.split(",")
        ]
        return _kept(name or default, grants, listed=False)
    return _kept(default, _grants_of(await receive_xml(call)), listed=True)


def _grantee(text: str) -> str:
    found = _GRANTEE.fullmatch(text)
    if found is None:
        raise CosError("InvalidArgument")
    return found[1]


def _grants_of(root: Element) -> list[tuple[str, str]]:
    if root.tag != "AccessControlPolicy":
        raise CosError("MalformedXML")
    grants = [
        (
            xml.text_of(grant, "Grantee/ID") or xml.text_of(grant, "Grantee/URI") or "",
            xml.text_of(grant, "Permission") or "",
        )
        for grant in root.findall("AccessControlList/Grant")
    ]
    if not all(who and what in _PERMISSIONS for who, what in grants):
        raise CosError("MalformedXML")
    return grants


def _kept(name: str, grants: list[tuple[str, str]], *, listed: bool) -> bytes:
    if len(grants) > _MAX_GRANTS:
        raise CosError("InvalidArgument")
    return json.dumps({"acl": name, "grants": grants, "listed": listed}).encode()


def _told(call: Call, kept: bytes | None, default: str) -> Response:
    document: dict[str, Any] = {"acl": default, "grants": [], "listed": False}
    document |= json.loads(kept) if kept else {}
    owner = f"qcs::cam::uin/{call.context.app_id}:uin/{call.context.app_id}"
    grants: Grants = tuple((who, what) for who, what in document["grants"])
    if not document["listed"]:
        public = tuple((_GROUP, what) for what in _PUBLIC.get(document["acl"], ()))
        # The owner's own is listed where no other is granted anything by name.
        grants = (*public, *grants) if grants else ((owner, "FULL_CONTROL"), *public)
    content: list[tuple[str, xml.Content]] = [
        ("Owner", [("ID", owner), ("DisplayName", owner)]),
        ("AccessControlList", [("Grant", _grant(who, what)) for who, what in grants]),
    ]
    return Response(
        xml.render("AccessControlPolicy", content),
        headers={"x-cos-acl": document["acl"]},
        media_type="application/xml",
    )


def _grant(who: str, what: str) -> list[tuple[str, xml.Content]]:
    kind, name = ("Group", "URI") if who.startswith("http") else ("CanonicalUser", "ID")
    told: list[tuple[str, xml.Content]] = [(name, who)]
    if name == "ID":
        told.append(("DisplayName", who))
    grantee = f'Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{kind}"'
    return [(grantee, told), ("Permission", what)]
