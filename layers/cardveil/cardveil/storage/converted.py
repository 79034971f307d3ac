"""Objects as CI's basic picture processing converts them; the bucket keeps nothing of it."""

from __future__ import annotations

from typing import Final

from cardveil.core.errors import Halt, Reject, answer_unreadable
from cardveil.storage import bodies
from cardveil.storage.objects import CosObjects, refusals_about
from cardveil.storage.vendor import vendor_errors

#: The primary picture of a HEIC or an AVIF, with next to no loss ("imageMogr2", CI documentation).
_TO_JPEG: Final = "imageMogr2/format/jpg/quality/95"
#: By the permission to read the object.
_API: Final = "cos:GetObject"
#: How a call is refused for what the object holds: what is wrong with the account has codes of its own.
_OF_THE_OBJECT: Final = frozenset({"vendor_code_unknown", "request_refused"})


def as_jpeg(objects: CosObjects, key: str, *, max_bytes: int) -> bytes:
    """Return a picture of the bucket as a JPEG.

    Raises
    ------
    SourceGone
    Reject
        ``conversion_refused`` where CI does not take the picture, ``picture_corrupt``, ``picture_too_large``.
    Retry, Halt
    """
    from qcloud_cos.cos_auth import CosS3Auth

    conf, rule = objects.client.get_conf(), {_TO_JPEG: ""}

    def once() -> bytes:
        with refusals_about(key), vendor_errors(_API):
            answer = objects.client.send_request(
                method="GET",
                url=conf.uri(bucket=objects.bucket, path=key),
                bucket=objects.bucket,
                params=rule,
                headers={},
                auth=CosS3Auth(conf, key, params=rule),
                stream=True,
            )
            headers = {str(name).lower(): value for name, value in answer.headers.items()}
            size = bodies.length_of(headers, _API)
            data: bytes = b"" if size > max_bytes else answer.raw.read(size + 1)
            answer.close()
        if size > max_bytes:
            raise Reject("picture_too_large", "upload a smaller picture, or raise CARDVEIL_MAX_BYTES")
        if len(data) != size:
            raise answer_unreadable(_API)
        return data

    try:
        return objects.retry_policy.call(once)
    except Halt as halt:
        if halt.code not in _OF_THE_OBJECT:
            raise
        raise Reject("conversion_refused", "save it as a JPEG and upload that") from None
