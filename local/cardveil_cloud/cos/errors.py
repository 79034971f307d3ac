"""COS's error codes with their status and message, and the one exception that carries them to the client."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from starlette.responses import Response

from cardveil_cloud import xml

# Codes and statuses: COS "Error Codes" page (document 436/7730).
_ERRORS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "NotModified": (304, "Not Modified"),
        "BadDigest": (400, "The Content-MD5 you specified did not match what we received."),
        "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed object size."),
        "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed object size."),
        "ExpiredToken": (400, "The provided token has expired."),
        "IncompleteBody": (400, "You did not provide the number of bytes specified by the Content-Length."),
        "IncorrectNumberOfFilesInPostRequest": (400, "POST requires exactly one file upload per request."),
        "InvalidArgument": (400, "Invalid Argument."),
        "InvalidBucketName": (400, "The specified bucket is not valid."),
        "InvalidCopySource": (400, "Copy source must name the source bucket's host and the object's key."),
        "InvalidDigest": (400, "The Content-MD5 you specified is not valid."),
        "InvalidPart": (
            400,
            "One or more of the specified parts could not be found or did not match its entity tag.",
        ),
        "InvalidPartOrder": (400, "The list of parts was not in ascending order."),
        "InvalidRequest": (400, "Invalid Request."),
        "InvalidTag": (400, "The tag provided was not a valid tag."),
        "InvalidURI": (400, "Couldn't parse the specified URI."),
        "KeyTooLong": (400, "Your key is too long."),
        "MalformedPOSTRequest": (
            400,
            "The body of your POST request is not well-formed multipart/form-data.",
        ),
        "MalformedXML": (
            400,
            "The XML you provided was not well-formed or did not validate against our schema.",
        ),
        "MalformedPolicy": (400, "The policy is not in the valid JSON format."),
        "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size."),
        "MissingContentMD5": (400, "The Content-MD5 header is required."),
        "AccessDenied": (403, "Access Denied."),
        "AccessForbidden": (403, "CORSResponse: This CORS request is not allowed."),
        "InvalidObjectState": (403, "The operation is not valid for the object's storage class."),
        "InvalidAccessKeyId": (403, "The Access Key Id you provided does not exist in our records."),
        "InvalidPolicyDocument": (403, "The content of the form does not meet the conditions of the policy."),
        "RequestTimeTooSkewed": (
            403,
            "The difference between the request time and the server's time is too large.",
        ),
        "SignatureDoesNotMatch": (403, "The Signature you specified is invalid."),
        "NoSuchBucket": (404, "The specified bucket does not exist."),
        "NoSuchKey": (404, "The specified key does not exist."),
        "NoSuchTagSet": (404, "The TagSet does not exist."),
        "NoSuchUpload": (404, "The specified multipart upload does not exist."),
        "NoSuchVersion": (404, "The specified version does not exist."),
        "NoSuchBucketPolicy": (404, "The bucket policy does not exist."),
        "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist."),
        "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist."),
        "NoSuchEncryptionConfiguration": (404, "The encryption configuration does not exist."),
        "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
        "BucketAlreadyOwnedByYou": (409, "The bucket you tried to create already exists, and you own it."),
        "RestoreAlreadyInProgress": (409, "The object is being restored already."),
        "BucketNotEmpty": (409, "The bucket you tried to delete is not empty."),
        "FileAlreadyExists": (409, "The object you specified already exists and can not be overwritten."),
        "ObjectNotAppendable": (409, "The object is not appendable."),
        "PositionNotEqualToLength": (409, "The position is not where the object ends."),
        "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
        "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold."),
        "InvalidRange": (416, "The requested range is not satisfiable."),
        "InternalError": (500, "We encountered an internal error. Please try again."),
        "NotImplemented": (501, "This function is not implemented by the local cloud."),
        "ServiceUnavailable": (503, "Please reduce your request rate."),
        "SlowDown": (503, "Please reduce your request rate."),
    }
)


class CosError(Exception):
    """A refusal with a COS error code; its text never holds a key, a header or a credential.

    Parameters
    ----------
    code
        COS's error code; status and message follow from it.
    message, status
        Given where the service says something more exact, or for a code that is not in the table.
    headers
        Further headers of the answer, such as ``Content-Range`` on a 416.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        known_status, known_message = _ERRORS.get(code, (400, code))
        self.code = code
        self.status = known_status if status is None else status
        self.message = known_message if message is None else message
        self.headers = dict(headers or {})
        super().__init__(f"{code}: {self.message}")


def error_response(error: CosError, *, method: str, resource: str, request_id: str) -> Response:
    """The answer to a refused request; HEAD requests and 304 get no body, as HTTP wants it."""
    headers = {**error.headers, "x-cos-request-id": request_id, "x-cos-trace-id": request_id}
    if method == "HEAD" or error.status == 304:
        return Response(status_code=error.status, headers=headers)
    body = xml.render(
        "Error",
        [
            ("Code", error.code),
            ("Message", error.message),
            ("Resource", resource),
            ("RequestId", request_id),
            ("TraceId", request_id),
        ],
    )
    return Response(body, status_code=error.status, headers=headers, media_type="application/xml")
