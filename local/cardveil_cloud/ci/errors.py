"""CI's refusals: the codes of its pages, in the error form that its SDKs parse."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.signature import EXPIRED

#: IDCardOCR's page; the last are CI's common codes (document 436/53983).
MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "FailedOperation.DownLoadError": "Failed to download the file.",
        "FailedOperation.EmptyImageError": "The image is empty.",
        "FailedOperation.IdCardInfoIllegal": "The ID card information is invalid (ID number, name, etc.).",
        "FailedOperation.ImageBlur": "The image is blurry.",
        "FailedOperation.ImageDecodeFailed": "Failed to decode the image.",
        "FailedOperation.ImageNoIdCard": "No ID card is detected in the image.",
        "FailedOperation.ImageSizeTooLarge": "The image is too large.",
        "FailedOperation.MultiCardError": "There are multiple cards in the photo.",
        "FailedOperation.OcrFailed": "OCR failed.",
        "FailedOperation.UnKnowError": "An unknown error occurred.",
        "FailedOperation.UnOpenError": "The service has not been activated.",
        "InvalidParameter.ConfigFormatError": "The Config format is incorrect.",
        "InvalidParameterValue.InvalidParameterValueLimit": "The parameter value is incorrect.",
        "LimitExceeded.TooLargeFileError": "The file is too large.",
        "ResourcesSoldOut.ChargeStatusException": "The billing status is abnormal.",
        "AccessDenied": "Access denied.",
        "InvalidAuthorization": "The signature is invalid.",
        "MissingAuthorization": "The signature is missing.",
        "SecretidNotExist": "The key does not exist.",
        "SignatureExpired": "The signature has expired.",
        "InvalidHost": "The host is invalid.",
        "InvalidImageFormat": "The image format is not supported, or the image is damaged.",
        "InvalidArgument": "Invalid Argument.",
        "InternalError": "An internal error has occurred.",
        "MethodNotAllowed": "The specified method is not allowed against this resource.",
        "NotImplemented": "This function is not implemented by the local cloud.",
    }
)
_STATUSES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "AccessDenied": 401,
        "InvalidAuthorization": 401,
        "MissingAuthorization": 401,
        "SecretidNotExist": 401,
        "SignatureExpired": 401,
        "InternalError": 500,
        "MethodNotAllowed": 405,
        "NotImplemented": 501,
    }
)
#: What CI calls a signature that COS refuses so.
_SIGNATURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AccessDenied": "SignatureExpired",
        "ExpiredToken": "SignatureExpired",
        "InvalidAccessKeyId": "SecretidNotExist",
        "RequestTimeTooSkewed": "SignatureExpired",
        "SignatureDoesNotMatch": "InvalidAuthorization",
    }
)


class CiError(Exception):
    """A refusal of one call; its text never holds a parameter's value."""

    def __init__(self, code: str, message: str | None = None) -> None:
        self.code = code
        self.message = MESSAGES.get(code, code) if message is None else message
        super().__init__(f"{code}: {self.message}")


def refused_signature(error: CosError, headers: Mapping[str, str], query: Mapping[str, str]) -> CiError:
    """Return CI's word for a signature that was refused: it is checked as COS's, and named otherwise."""
    if "authorization" not in headers and not {"sign", "q-signature"} & set(query):
        return CiError("MissingAuthorization")
    if error.code == "AccessDenied" and error.message != EXPIRED:
        return CiError("InvalidAuthorization")
    return CiError(_SIGNATURES.get(error.code, "InvalidAuthorization"))


def error_response(error: CiError, request_id: str) -> Response:
    """Return the answer to a refused call; where the pages name no HTTP status it is 400."""
    body = xml.render(
        "Error",
        [
            ("Code", error.code),
            ("Message", error.message),
            ("RequestId", request_id),
            ("TraceId", request_id),
        ],
    )
    return Response(
        body,
        status_code=_STATUSES.get(error.code, 400),
        headers={"x-ci-request-id": request_id},
        media_type="application/xml",
    )
