"""Encryption at rest: what is stored says how it would be encrypted, and who may write and read it so.

Nothing is encrypted on this disk: the local cloud is for development only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cardveil_cloud import xml
from cardveil_cloud.cos.attributes import encryption_headers
from cardveil_cloud.cos.call import Context
from cardveil_cloud.cos.configurations import DEFAULT_ENCRYPTION, ENCRYPTION
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.records import Attributes
from cardveil_cloud.cos.signature import Principal

_SSE: Final = "x-cos-server-side-encryption"
_SSE_KEY: Final = f"{_SSE}-cos-kms-key-id"
_ALGORITHMS: Final = {"AES256": "AES256", "KMS": "cos/kms"}
#: The key of KMS that COS makes for an account that names none.
_OWN_KEY: Final = "00000000-0000-4000-8000-000000000000"


def encrypted(context: Context, principal: Principal, bucket: str, attributes: Attributes) -> Attributes:
    """Return what is to be stored, with the bucket's own encryption where the client names none.

    Raises
    ------
    CosError
        ``AccessDenied`` when the client does not name the encryption that is demanded here, as a bucket's
        policy does it (``deny`` … ``string_not_equal`` ``cos:x-cos-server-side-encryption``), or may not use
        the key.
    """
    told = encryption_headers(attributes)
    if context.demanded_encryption and told.get(_SSE) != context.demanded_encryption:
        raise CosError("AccessDenied")
    body = None if told else context.store.configuration(bucket, ENCRYPTION.name)
    if body is not None:
        root = xml.parse(body)
        key = xml.text_of(root, f"{DEFAULT_ENCRYPTION}/KMSMasterKeyID")
        told = {_SSE: _ALGORITHMS[xml.text_of(root, f"{DEFAULT_ENCRYPTION}/SSEAlgorithm") or ""]}
        told |= {_SSE_KEY: key} if key else {}
        attributes = replace(attributes, headers={**attributes.headers, **told})
    _require_key(principal, attributes, "kms:GenerateDataKey")
    return attributes


def check_readable(principal: Principal, attributes: Attributes) -> None:
    """Refuse who may not use the key by which an object is encrypted: `CosError` ``AccessDenied``."""
    _require_key(principal, attributes, "kms:Decrypt")


def _require_key(principal: Principal, attributes: Attributes, action: str) -> None:
    if attributes.headers.get(_SSE) == "cos/kms":
        key = attributes.headers.get(_SSE_KEY, _OWN_KEY)
        principal.require(action, f"kms/key/creatorUin/100000000001/{key}")
