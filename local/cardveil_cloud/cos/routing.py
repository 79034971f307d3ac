"""Which operation a request is: its name, the permission it needs, and the handler that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from cardveil_cloud.cos import buckets, multipart, objects
from cardveil_cloud.cos.call import Call, Target
from cardveil_cloud.cos.copying import put_object_copy
from cardveil_cloud.cos.errors import CosError

Handler = Callable[[Call], Awaitable[Response]]

# What COS knows and this service has not. Passed over, they would turn into another operation altogether.
_NOT_BUILT = frozenset(
    {
        "accelerate",
        "acl",
        "append",
        "cors",
        "domain",
        "encryption",
        "exif",
        "imageAve",
        "imageInfo",
        "imageMogr2",
        "imageView2",
        "intelligenttiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "logging",
        "notification",
        "object-lock",
        "origin",
        "policy",
        "referer",
        "replication",
        "restore",
        "retention",
        "select",
        "symlink",
        "torrent",
        "versionId",
        "versions",
        "watermark",
        "website",
    }
)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation by the name that COS gives it."""

    name: str
    handler: Handler
    action: str = ""  # the permission, where it is not named like the operation

    @property
    def permission(self) -> str:
        """The CAM action that the sender must be allowed."""
        return self.action or f"cos:{self.name}"


# (method, subresource): the first subresource of a table that is in the query decides; "" stands for none.
_OBJECT: Mapping[tuple[str, str], Operation] = {
    ("PUT", "uploadId"): Operation("UploadPart", multipart.upload_part),
    ("PUT", "tagging"): Operation("PutObjectTagging", objects.put_object_tagging),
    ("PUT", ""): Operation("PutObject", objects.put_object),
    ("GET", "uploadId"): Operation("ListParts", multipart.list_parts),
    ("GET", "tagging"): Operation("GetObjectTagging", objects.get_object_tagging),
    ("GET", ""): Operation("GetObject", objects.get_object),
    ("HEAD", ""): Operation("HeadObject", objects.head_object),
    ("DELETE", "uploadId"): Operation("AbortMultipartUpload", multipart.abort),
    ("DELETE", "tagging"): Operation("DeleteObjectTagging", objects.delete_object_tagging),
    ("DELETE", ""): Operation("DeleteObject", objects.delete_object),
    ("POST", "uploads"): Operation("InitiateMultipartUpload", multipart.initiate),
    ("POST", "uploadId"): Operation("CompleteMultipartUpload", multipart.complete),
}
_COPY = Operation("PutObjectCopy", put_object_copy, action="cos:PutObject")
_BUCKET: Mapping[tuple[str, str], Operation] = {
    ("PUT", "versioning"): Operation("PutBucketVersioning", buckets.put_versioning),
    ("PUT", ""): Operation("PutBucket", buckets.put_bucket),
    ("GET", "versioning"): Operation("GetBucketVersioning", buckets.get_versioning),
    ("GET", "location"): Operation("GetBucketLocation", buckets.get_location),
    ("GET", "uploads"): Operation("ListMultipartUploads", multipart.list_uploads),
    ("GET", ""): Operation("GetBucket", buckets.list_objects),
    ("HEAD", ""): Operation("HeadBucket", buckets.head_bucket),
    ("DELETE", ""): Operation("DeleteBucket", buckets.delete_bucket),
    ("POST", "delete"): Operation("DeleteMultipleObjects", buckets.delete_objects),
}
_SERVICE: Mapping[tuple[str, str], Operation] = {("GET", ""): Operation("GetService", buckets.get_service)}


def operation_of(method: str, target: Target, headers: Mapping[str, str]) -> Operation:
    """Name the operation of a request.

    Raises
    ------
    CosError
        ``NotImplemented`` for what COS knows and this service has not; ``MethodNotAllowed`` else.
    """
    if any(name.partition("/")[0] in _NOT_BUILT for name in target.query):
        raise CosError("NotImplemented")
    if not target.bucket:
        table = _SERVICE
    elif not target.key:
        table = _BUCKET
    else:
        table = _OBJECT
    subresource = next((name for _, name in table if name and name in target.query), "")
    operation = table.get((method, subresource))
    if operation is None:
        raise CosError("MethodNotAllowed")
    if operation.name == "PutObject" and "x-cos-copy-source" in headers:
        return _COPY
    return operation


def resource_of(operation: Operation, target: Target) -> str:
    """The resource that a policy is asked about; for a listing, its prefix stands in the key's place."""
    key = target.query.get("prefix", "") if operation.name == "GetBucket" else target.key
    return f"cos/{target.bucket}/{key}"
