"""API 3.0's error codes with their messages, and the one exception that carries them to the client."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from cardveil_cloud.accounts import Credential

#: Common codes, then those of the action's own page.
MESSAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AuthFailure.InvalidAuthorization": "Authorization in the request header is invalid.",
        "AuthFailure.SecretIdNotFound": "The SecretId is not found, please ensure that it is correct.",
        "AuthFailure.SignatureExpire": "Signature expired. Timestamp and server time differ by more "
        "than five minutes.",
        "AuthFailure.SignatureFailure": "The provided credentials could not be validated. "
        "Please check your signature is correct.",
        "AuthFailure.TokenFailure": "Token error.",
        "AuthFailure.UnauthorizedOperation": "You are not authorized to perform this operation.",
        "InternalError": "An internal error has occurred. Retry your request.",
        "InvalidAction": "The request action is invalid or does not match the version.",
        "InvalidParameter": "A parameter has a wrong format or type.",
        "InvalidRequest": "The request body is not a JSON object.",
        "MissingParameter": "A required parameter is missing.",
        "NoSuchProduct": "The product does not exist.",
        "NoSuchVersion": "The API version does not exist.",
        "RequestLimitExceeded": "The number of requests exceeds the frequency limit.",
        "RequestSizeLimitExceeded": "The request size exceeds the upper limit.",
        "UnknownParameter": "Unknown parameter.",
        "UnsupportedProtocol": "HTTPS or HTTP with the GET or POST method is expected.",
        "UnsupportedRegion": "The API does not support this region.",
        "FailedOperation.CardSideError": "The CardSide type of the ID card is incorrect.",
        "FailedOperation.DownLoadError": "Failed to download the file.",
        "FailedOperation.EmptyImageError": "The image is empty.",
        "FailedOperation.IdCardInfoIllegal": "The ID card information (ID number, name, etc.) is invalid.",
        "FailedOperation.IdCardTooSmall": "The resolution of the image is too low or the proportion of the "
        "ID card in the image is too small.",
        "FailedOperation.ImageBlur": "The image is blurry.",
        "FailedOperation.ImageDecodeFailed": "Failed to decode the image.",
        "FailedOperation.ImageNoIdCard": "No ID card is detected in the image.",
        "FailedOperation.ImageSizeTooLarge": "The image size exceeds the limit.",
        "FailedOperation.MultiCardError": "Multiple cards of the same side are detected in the image.",
        "FailedOperation.OcrFailed": "OCR recognition failed.",
        "FailedOperation.UnKnowError": "Unknown error.",
        "FailedOperation.UnOpenError": "The service has not been activated.",
        "FailedOperation.WarningServiceFailed": "The general warning service encountered an exception.",
        "InvalidParameter.ConfigFormatError": "Config is not in valid JSON format.",
        "InvalidParameterValue.InvalidParameterValueLimit": "Incorrect parameter value.",
        "LimitExceeded.TooLargeFileError": "The file size exceeds the limit.",
        "ResourceUnavailable.InArrears": "The account has insufficient balance.",
        "ResourceUnavailable.ResourcePackageRunOut": "The resource package has been exhausted.",
        "ResourcesSoldOut.ChargeStatusException": "The billing status is abnormal.",
    }
)


class ApiError(Exception):
    """A refusal with an API 3.0 error code; its text never holds a parameter's value or a credential.

    Parameters
    ----------
    code
        The vendor's code; the message follows from it unless `message` is given.
    """

    def __init__(self, code: str, message: str | None = None) -> None:
        self.code = code
        self.message = MESSAGES.get(code, code) if message is None else message
        super().__init__(f"{code}: {self.message}")


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """Return the JSON object of an error answer, which goes out with HTTP status 200."""
    return {
        "Response": {"Error": {"Code": error.code, "Message": error.message}, "RequestId": request_id},
    }


def require(credential: Credential, action: str, resource: str) -> None:
    """Refuse a request whose key may not do so; raises `ApiError`."""
    if not credential.allows(action, resource):
        raise ApiError("UnauthorizedOperation.CAM", f"you are not authorized to perform operation ({action})")
