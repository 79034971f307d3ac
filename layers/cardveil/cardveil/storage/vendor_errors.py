"""The two SDKs' exceptions, put into the error tree without what their texts hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from xml.etree import ElementTree  # the vendor's own answers, over TLS; expat here expands no external entity

from cardveil.core.errors import RETRY_HINT, CardveilError, Retry, from_vendor

#: What an answer without a body means (every refusal of a HEAD), by status. A HEAD of ours is well formed, so
#: what is left of the errors of status 400 is a token that has expired on the way.
_BODILESS: Final = {400: "ExpiredToken", 403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}


@contextmanager
def vendor_errors(api: str) -> Iterator[None]:
    """Turn the SDKs' exceptions into leaves of the error tree.

    The original is dropped (``from None``): its text holds URLs with keys, and a traceback would carry it
    into a dead letter.
    """
    from qcloud_cos.cos_exception import CosClientError, CosServiceError
    from requests.exceptions import RequestException
    from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except CosServiceError as error:
        raise _from_cos(error, api) from None
    except TencentCloudSDKException as error:
        raise _from_api3(error, api) from None
    except (CosClientError, RequestException, HTTPError, OSError):
        raise Retry("network", RETRY_HINT, api=api) from None


def _from_cos(error: Any, api: str) -> CardveilError:
    status = int(error.get_status_code())
    code, request_id = "", ""
    message = error.get_digest_msg()
    if isinstance(message, Mapping):
        # For a HEAD the SDK makes one up from the status, or passes the headers.
        code = str(message.get("code", ""))
        request_id = str(message.get("requestid") or message.get("x-cos-request-id") or "")
    else:
        # CI's errors lack <Resource>, which the SDK's own reader cannot do without.
        try:
            root = ElementTree.fromstring(error.get_origin_msg())  # noqa: S314
            code, request_id = root.findtext("Code") or "", root.findtext("RequestId") or ""
        except ElementTree.ParseError:
            pass  # no code, then: the status decides
    return from_vendor(
        _BODILESS.get(status, code) if code in {"", "NoSuchResource"} else code,
        api=api,
        status=status,
        request_id=request_id or None,
    )


def _from_api3(error: Any, api: str) -> CardveilError:
    code = str(error.code or "")
    if code in {"ClientNetworkError", "ServerNetworkError"}:
        return Retry("network", RETRY_HINT, api=api)
    return from_vendor(code, api=api, request_id=error.requestId or None)
