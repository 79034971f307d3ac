"""Handlers of a bucket's configurations, kept as they were sent: tags, CORS, lifecycle, encryption."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.cos import cors
from cardveil_cloud.cos.attributes import tags_from_xml
from cardveil_cloud.cos.bodies import receive_body_of_xml
from cardveil_cloud.cos.call import Call
from cardveil_cloud.cos.errors import CosError

#: Bucket tagging: at most 50 tags. Lifecycle and CORS: at most 1,000 and 100 rules.
MAX_TAGS, _MAX_LIFECYCLE_RULES = 50, 1000
_RULE_ID = re.compile(r"[^\x00-\x1f]{0,255}")


@dataclass(frozen=True, slots=True)
class Configuration:
    """One kind: its name in the store, what of a body is kept, and the code when there is none."""

    name: str
    read: Callable[[Element, bytes], bytes]
    missing: str

    async def put(self, call: Call) -> Response:
        """Keep what was sent."""
        body, root = await receive_body_of_xml(call)
        kept = self.read(root, body)
        await run_in_threadpool(call.context.store.configure, call.bucket, self.name, kept)
        return Response()

    async def get(self, call: Call) -> Response:
        """Return what was kept."""
        body = await run_in_threadpool(call.context.store.configuration, call.bucket, self.name)
        if body is None:
            raise CosError(self.missing)
        return Response(body, media_type="application/xml")

    async def delete(self, call: Call) -> Response:
        """Forget what was kept; it is no error when there is nothing."""
        await run_in_threadpool(call.context.store.configure, call.bucket, self.name, None)
        return Response(status_code=204)


#: The element that holds a bucket's own encryption.
DEFAULT_ENCRYPTION = "Rule/ApplyServerSideEncryptionByDefault"
_ALGORITHMS = frozenset({"AES256", "KMS"})


def _read_tags(root: Element, body: bytes) -> bytes:
    tags_from_xml(root, most=MAX_TAGS)
    return body


def _read_cors(root: Element, body: bytes) -> bytes:
    cors.rules_of(root)
    return body


def _read_lifecycle(root: Element, body: bytes) -> bytes:
    rules = root.findall("Rule")
    if root.tag != "LifecycleConfiguration" or not 1 <= len(rules) <= _MAX_LIFECYCLE_RULES:
        raise CosError("MalformedXML")
    names = [name for rule in rules if (name := xml.text_of(rule, "ID"))]
    if len(set(names)) != len(names) or not all(map(_RULE_ID.fullmatch, names)):
        raise CosError("InvalidArgument")
    actions = {
        "Expiration",
        "Transition",
        "NoncurrentVersionExpiration",
        "NoncurrentVersionTransition",
        "AbortIncompleteMultipartUpload",
    }
    for rule in rules:
        status = xml.text_of(rule, "Status")
        if status not in ("Enabled", "Disabled") or not actions & {child.tag for child in rule}:
            raise CosError("MalformedXML")
        for days in rule.iter("Days"):
            if not (days.text or "").isdecimal():
                raise CosError("InvalidArgument")
    return body


def _read_encryption(root: Element, _: bytes) -> bytes:
    """Both names of the rule's element are taken, as clients write it; the answer has the first."""
    rule = root.find(DEFAULT_ENCRYPTION)
    if rule is None:
        rule = root.find("Rule/ApplySideEncryptionConfiguration")
    algorithm = None if rule is None else xml.text_of(rule, "SSEAlgorithm")
    if root.tag != "ServerSideEncryptionConfiguration" or rule is None or algorithm not in _ALGORITHMS:
        raise CosError("MalformedXML")
    key = xml.text_of(rule, "KMSMasterKeyID")
    content: list[tuple[str, xml.Content]] = [("SSEAlgorithm", algorithm)]
    if key:
        content.append(("KMSMasterKeyID", key))
    named = [("Rule", [("ApplyServerSideEncryptionByDefault", content)])]
    return xml.render("ServerSideEncryptionConfiguration", named)


TAGGING = Configuration("tagging", _read_tags, "NoSuchTagSet")
CORS = Configuration("cors", _read_cors, "NoSuchCORSConfiguration")
LIFECYCLE = Configuration("lifecycle", _read_lifecycle, "NoSuchLifecycleConfiguration")
ENCRYPTION = Configuration("encryption", _read_encryption, "NoSuchEncryptionConfiguration")
