"""Encryption at rest: the headers by which every object that this package writes asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

#: "Server-side encryption", COS documentation.
_HEADER: Final = "x-cos-server-side-encryption"
_KEY_HEADER: Final = f"{_HEADER}-cos-kms-key-id"


def encryption_headers(encryption: str) -> dict[str, str]:
    """Return what an upload says of its encryption; `encryption` is the setting's value."""
    algorithm, _, key = encryption.partition(":")
    if algorithm == "none":
        return {}
    if algorithm == "AES256":
        return {_HEADER: "AES256"}
    return {_HEADER: "cos/kms", **({_KEY_HEADER: key} if key else {})}


@cache
def encrypting(client: type[Any], encryption: str) -> type[Any]:
    """Return a class of COS clients by which every object is written encrypted, whatever method writes it.

    All methods of the SDK send through the one that is replaced here, so that a new way to write cannot
    forget it; an upload that says how it is to be encrypted keeps its word.

    Parameters
    ----------
    client
        ``qcloud_cos.CosS3Client`` or a class that is made from it.
    """
    headers = encryption_headers(encryption)

    class Encrypting(client):  # type: ignore[misc]
        """Sends what the SDK's client sends."""

        def send_request(self, method: str, url: str, *more: Any, **rest: Any) -> Any:
            """See `qcloud_cos.CosS3Client.send_request`."""
            if _begins_object(method, url, rest.get("params") or {}):
                given = rest.get("headers") or {}
                own = any(str(name).lower().startswith(_HEADER) for name in given)
                rest["headers"] = given if own else {**given, **headers}
            return super().send_request(method, url, *more, **rest)

    return Encrypting


def _begins_object(method: str, url: str, params: Mapping[str, Any]) -> bool:
    """Say whether a request makes an object; a part of a multipart upload belongs to one that was begun."""
    if urlsplit(url).path in {"", "/"}:
        return False
    asked = {str(name).lower() for name in params}
    return (method == "PUT" and (not asked or "ci-process" in asked)) or (
        method == "POST" and "uploads" in asked
    )
