"""The local object store: Tencent COS's XML API over files on disk."""

from cardveil_cloud.cos.contracts import CiCall, CiProcessor, DropConnection, Faults, ObjectEvent
from cardveil_cloud.cos.errors import CosError, error_response
from cardveil_cloud.cos.records import Attributes, Bucket, ObjectInfo
from cardveil_cloud.cos.service import CosService, drop_connection, new_request_id
from cardveil_cloud.cos.signature import Principal, verify
from cardveil_cloud.cos.store import ObjectStore

__all__ = [
    "Attributes",
    "Bucket",
    "CiCall",
    "CiProcessor",
    "CosError",
    "CosService",
    "DropConnection",
    "Faults",
    "ObjectEvent",
    "ObjectInfo",
    "ObjectStore",
    "Principal",
    "drop_connection",
    "error_response",
    "new_request_id",
    "verify",
]
