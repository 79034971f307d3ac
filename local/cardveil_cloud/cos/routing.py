"""Which operation a request is: its name, the permission it needs, and the handler that does it.

Only what is listed here is done. A subresource or a parameter that is not in the lists is refused by name:
passed over, it would turn a request into another operation altogether. Headers that the service does not
know do nothing, as with the real one; those by which it would do more than the operation are refused.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from cardveil_cloud.cos import (
    acl,
    appending,
    bucket_policy,
    buckets,
    multipart,
    objects,
    restoring,
    versioning,
)
from cardveil_cloud.cos.attributes import KEPT_HEADERS
from cardveil_cloud.cos.call import Call, Target
from cardveil_cloud.cos.configurations import CORS, ENCRYPTION, LIFECYCLE, TAGGING
from cardveil_cloud.cos.copying import put_object_copy
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.signature import SIGNATURE_PARAMETERS

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation by the name that COS gives it, with the query parameters that it takes."""

    name: str
    handler: Handler
    parameters: tuple[str, ...] = ()
    action: str = ""  # the permission, where it is not named like the operation

    @property
    def permission(self) -> str:
        """The CAM action that the sender must be allowed."""
        return self.action or f"cos:{self.name}"


_LIST = ("prefix", "delimiter", "encoding-type")
_VERSION = ("versionId",)
_RESPONSE = tuple(f"response-{name}" for name in KEPT_HEADERS)
# (method, subresource): the first subresource of a table that is in the query decides; "" stands for none.
_OBJECT: Mapping[tuple[str, str], Operation] = {
    ("PUT", "uploadId"): Operation("UploadPart", multipart.upload_part, ("partNumber",)),
    ("PUT", "tagging"): Operation("PutObjectTagging", objects.put_object_tagging, _VERSION),
    ("PUT", "acl"): Operation("PutObjectACL", acl.put_object_acl, _VERSION),
    ("PUT", ""): Operation("PutObject", objects.put_object),
    ("GET", "uploadId"): Operation(
        "ListParts", multipart.list_parts, ("max-parts", "part-number-marker", "encoding-type")
    ),
    ("GET", "acl"): Operation("GetObjectACL", acl.get_object_acl, _VERSION),
    ("GET", "tagging"): Operation("GetObjectTagging", objects.get_object_tagging, _VERSION),
    ("GET", ""): Operation("GetObject", objects.get_object, (*_VERSION, *_RESPONSE)),
    ("HEAD", ""): Operation("HeadObject", objects.head_object, _VERSION),
    ("DELETE", "uploadId"): Operation("AbortMultipartUpload", multipart.abort),
    ("DELETE", "tagging"): Operation("DeleteObjectTagging", objects.delete_object_tagging, _VERSION),
    ("DELETE", ""): Operation("DeleteObject", objects.delete_object, _VERSION),
    ("POST", "uploads"): Operation("InitiateMultipartUpload", multipart.initiate),
    ("POST", "uploadId"): Operation("CompleteMultipartUpload", multipart.complete),
    ("POST", "append"): Operation("AppendObject", appending.append_object, ("position",)),
    ("POST", "restore"): Operation("PostObjectRestore", restoring.restore, _VERSION),
}
_COPY = Operation("PutObjectCopy", put_object_copy, action="cos:PutObject")
_BUCKET: Mapping[tuple[str, str], Operation] = {
    ("PUT", "versioning"): Operation("PutBucketVersioning", versioning.put_versioning),
    ("PUT", "tagging"): Operation("PutBucketTagging", TAGGING.put),
    ("PUT", "cors"): Operation("PutBucketCORS", CORS.put),
    ("PUT", "lifecycle"): Operation("PutBucketLifecycle", LIFECYCLE.put),
    ("PUT", "encryption"): Operation("PutBucketEncryption", ENCRYPTION.put),
    ("PUT", "acl"): Operation("PutBucketACL", acl.put_bucket_acl),
    ("PUT", "policy"): Operation("PutBucketPolicy", bucket_policy.put_policy),
    ("PUT", ""): Operation("PutBucket", buckets.put_bucket),
    ("GET", "versioning"): Operation("GetBucketVersioning", versioning.get_versioning),
    ("GET", "versions"): Operation(
        "GetBucketObjectVersions",
        versioning.list_versions,
        (*_LIST, "key-marker", "version-id-marker", "max-keys"),
    ),
    ("GET", "tagging"): Operation("GetBucketTagging", TAGGING.get),
    ("GET", "cors"): Operation("GetBucketCORS", CORS.get),
    ("GET", "lifecycle"): Operation("GetBucketLifecycle", LIFECYCLE.get),
    ("GET", "encryption"): Operation("GetBucketEncryption", ENCRYPTION.get),
    ("GET", "acl"): Operation("GetBucketACL", acl.get_bucket_acl),
    ("GET", "policy"): Operation("GetBucketPolicy", bucket_policy.get_policy),
    ("GET", "location"): Operation("GetBucketLocation", buckets.get_location),
    ("GET", "uploads"): Operation(
        "ListMultipartUploads",
        multipart.list_uploads,
        (*_LIST, "key-marker", "upload-id-marker", "max-uploads"),
    ),
    ("GET", ""): Operation("GetBucket", buckets.list_objects, (*_LIST, "marker", "max-keys")),
    ("HEAD", ""): Operation("HeadBucket", buckets.head_bucket),
    ("DELETE", "tagging"): Operation("DeleteBucketTagging", TAGGING.delete),
    ("DELETE", "cors"): Operation("DeleteBucketCORS", CORS.delete),
    ("DELETE", "lifecycle"): Operation("DeleteBucketLifecycle", LIFECYCLE.delete),
    ("DELETE", "encryption"): Operation("DeleteBucketEncryption", ENCRYPTION.delete),
    ("DELETE", "policy"): Operation("DeleteBucketPolicy", bucket_policy.delete_policy),
    ("DELETE", ""): Operation("DeleteBucket", buckets.delete_bucket),
    ("POST", "delete"): Operation("DeleteMultipleObjects", buckets.delete_objects),
}
_SERVICE: Mapping[tuple[str, str], Operation] = {
    ("GET", ""): Operation(
        "GetService",
        buckets.get_service,
        (
            "region",
            "max-keys",
            "marker",
            "tagkey",
            "tagvalue",
            "create-time",
            "range",
        ),
    ),
}
#: Methods that any resource has, and what the name of an operation begins with for each.
_VERBS = {"GET": "Get", "PUT": "Put", "POST": "Post", "HEAD": "Head", "DELETE": "Delete"}
#: The vendor's request headers that are acted on here, or that change nothing of an answer (a limit of speed,
#: an SDK's mark of a retry, what the SDKs' own tests send). By any other COS might do something that this
#: service would not.
_UNDERSTOOD = re.compile(
    r"x-cos-(?:meta-.+|security-token|acl|storage-class|tagging|tagging-directive|metadata-directive|"
    r"forbid-overwrite|traffic-limit|sdk-retry|test|copy-source(?:-range|-if-(?:none-)?match|-if-(?:un)?modified-since)?|"
    r"(?:copy-source-)?server-side-encryption(?:-cos-kms-key-id|-context|-customer-(?:algorithm|key|key-md5))?)|"
    r"x-ci-security-token"
)
_VENDORS = re.compile(r"(?:x-cos-|x-ci-|pic-operations).*")
#: Operations that read who is granted what from headers.
_GRANTING = frozenset({"PutBucketACL", "PutObjectACL"})
#: Operations that change nothing, whatever further parameters say.
_READS = frozenset({"GetObject", "HeadObject", "GetObjectACL"})


def operation_of(method: str, target: Target, headers: Mapping[str, str]) -> Operation:
    """Name the operation of a request.

    Raises
    ------
    CosError
        ``MethodNotAllowed`` for a method that the resource has not; ``NotImplemented`` for what this service
        has not, with the name that the operation would have.
    """
    kind, table = _table(target)
    given = {name for name in target.query if name not in SIGNATURE_PARAMETERS}
    subresource = next((name for _, name in table if name and name in given), "")
    operation = table.get((method, subresource))
    if operation is None:
        unknown = {name for name in given if (method, name) not in table} if not subresource else set()
        if unknown and method in _VERBS:
            raise _not_built(method, kind, min(unknown))
        raise CosError("MethodNotAllowed")
    if operation.name == "PutObject" and "x-cos-copy-source" in headers:
        operation = _COPY
    for name in sorted(given - {subresource, *operation.parameters}):
        # Clients put parameters of their own into the URL of an object that is read; with the real service
        # they do nothing. A subresource has no value.
        free = operation.name in _READS and target.query[name] and not name.startswith("x-")
        if not free or is_subresource(name):
            raise _not_built(method, kind, name)
    for name in headers:
        granting = name in acl.GRANT_HEADERS and operation.name in _GRANTING
        if _VENDORS.fullmatch(name) and not granting and not _UNDERSTOOD.fullmatch(name):
            raise CosError(
                "NotImplemented",
                f"{operation.name} with {_shown(name)} is not implemented by the local cloud.",
            )
    return operation


def is_form(method: str, target: Target) -> bool:
    """Whether a request is a POST Object: a form, signed in one of its fields and not as a request."""
    return bool(method == "POST" and target.bucket and not target.key and not target.query)


def is_subresource(name: str) -> bool:
    """Whether a query parameter selects an operation."""
    return any(name == subresource for table in (_OBJECT, _BUCKET) for _, subresource in table)


def resource_of(operation: Operation, target: Target) -> str:
    """The resource that a policy is asked about; for a listing, its prefix stands in the key's place."""
    listing = operation.name in ("GetBucket", "GetBucketObjectVersions")
    key = target.query.get("prefix", "") if listing else target.key
    return f"cos/{target.bucket}/{key}"


def _table(target: Target) -> tuple[str, Mapping[tuple[str, str], Operation]]:
    if not target.bucket:
        return "Service", _SERVICE
    return ("Object", _OBJECT) if target.key else ("Bucket", _BUCKET)


def _not_built(method: str, kind: str, parameter: str) -> CosError:
    words = re.split(r"[^A-Za-z0-9]+", _shown(parameter.partition("/")[0]))
    name = _VERBS.get(method, method) + kind + "".join(word[:1].upper() + word[1:] for word in words)
    return CosError("NotImplemented", f"{name} is not implemented by the local cloud.")


def _shown(name: str) -> str:
    """A name from the request, short and plain enough to be told: it may hold anything."""
    return re.sub(r"[^A-Za-z0-9-]", "", name)[:40]
