"""The tree of everything that can go wrong; a leaf is named by what the caller does next.

::

    CardveilError
    ├── Retry                   throttled, network, vendor fault: try again later, nothing is lost
    │   ├── Throttled           refused for the rate of calls
    │   └── TakenByAnother      somebody else holds the lease, or made the object first
    ├── Reject                  this picture will never work: say so in its sidecar and go on
    │   ├── SourceGone          the object is not there (any more)
    │   └── PolicyWeaker        a request asks for a copy that shows more than the card's policy does
    ├── Review                  a person must look: say so in its sidecar, publish no copy
    │   └── FieldsMissing       something that the policy covers has no place in the picture
    └── Halt                    account or configuration: stop paying, do not retry, raise the alarm
        ├── PermissionMissing   the role may not do what the call does
        └── BudgetSpent         a sweep has made all the paid calls that it may make

The four below the root are the leaves by which logs, metrics and the runbook speak. What stands below one of
them has a class of its own because some caller treats it apart; all else differs by its `code` alone.
Every documented vendor code has its place in `VENDOR_CODES`. The text of an error is fixed at the place that
raises it and never holds anything read from a card, a key or a credential: dead letters carry it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final


class CardveilError(Exception):
    """The root; only what stands below it is raised.

    Parameters
    ----------
    code : str
        Stable text code in lower_snake, the same in the sidecar, the logs and the metrics.
    what_to_do : str
        One sentence for the person who reads it.
    api, vendor_code, request_id : str, optional
        Which call failed, with what code, under which id (safe to show and needed by the vendor's support).

    Attributes
    ----------
    about : str
        The object's key, or the prefix, that a refused request named; told to nobody, and part of no text.
    """

    def __init__(
        self,
        code: str,
        what_to_do: str,
        *,
        api: str | None = None,
        vendor_code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(code, what_to_do)
        self.code = code
        self.what_to_do = what_to_do
        self.api = api
        self.vendor_code = vendor_code
        self.request_id = request_id
        self.about = ""

    @classmethod
    def leaf(cls) -> str:
        """Return the name of the leaf, which the classes below one share with it."""
        return next(kind.__name__ for kind in cls.__mro__ if CardveilError in kind.__bases__)

    def __str__(self) -> str:
        origin = f" [{self.api or 'api'}: {self.vendor_code}]" if self.vendor_code else ""
        return f"{self.code}: {self.what_to_do}{origin}"


class Retry(CardveilError):
    """Trying again later may work."""


class Reject(CardveilError):
    """This picture will never work."""


class Review(CardveilError):
    """A person must look."""


class Halt(CardveilError):
    """Account or configuration: nothing will work until somebody changes it."""


class Throttled(Retry):
    """A call was refused for the rate of calls."""


class TakenByAnother(Retry):
    """Somebody else holds the lease, or made the object first."""


class SourceGone(Reject):
    """The object is not there, or not any more."""


class PolicyWeaker(Reject):
    """A request asks for a copy that shows more than the policy does that the card has."""


class FieldsMissing(Review):
    """Something that the policy covers was not located.

    Parameters
    ----------
    names : iterable of str
        Of the fields; what a card says of them is nowhere here.
    """

    def __init__(self, code: str, what_to_do: str, names: Iterable[str]) -> None:
        super().__init__(code, what_to_do)
        self.names = tuple(names)


class PermissionMissing(Halt):
    """The role may not do what the call does."""


class BudgetSpent(Halt):
    """A sweep has made all the paid calls that it may make."""


Leaf = type[Retry] | type[Reject] | type[Review] | type[Halt]

_TOO_LARGE: Final = "send a smaller picture: at most 7 MB after Base64"
_SIGNING: Final = "check the secret id, key and token of the function's role, and the clock"
_PERMISSION: Final = "grant the function's role the action that the API needs"
_SERVICE: Final = "activate the service in the console and bind the bucket to it"
_BILL: Final = "settle the account or buy a resource package"
#: What to do about most of what passes by itself; over HTTP it is the caller who tries again.
RETRY_HINT: Final = "nothing: it is tried again"

#: Every documented error code of the APIs used, and the common ones of COS, CI and API 3.0.
VENDOR_CODES: Final[Mapping[str, tuple[Leaf, str, str]]] = MappingProxyType(
    {
        # RecognizeMainlandIDCardOCR and IDCardOCR
        "FailedOperation.CardSideError": (Review, "wrong_side", "check which side of the card was uploaded"),
        "FailedOperation.DownLoadError": (Retry, "download_failed", RETRY_HINT),
        "FailedOperation.EmptyImageError": (Reject, "empty_file", "upload the picture again"),
        "FailedOperation.IdCardInfoIllegal": (
            Review,
            "card_data_invalid",
            "compare the card with its picture",
        ),
        "FailedOperation.IdCardTooSmall": (Review, "card_too_small", "take the picture from nearer"),
        "FailedOperation.ImageBlur": (Review, "picture_blurred", "take a sharper picture"),
        "FailedOperation.ImageDecodeFailed": (Reject, "picture_corrupt", "upload the picture again"),
        "FailedOperation.ImageNoIdCard": (Reject, "no_card", "upload a picture of a card"),
        "FailedOperation.ImageSizeTooLarge": (Reject, "picture_too_large", _TOO_LARGE),
        "FailedOperation.MultiCardError": (Review, "several_cards", "upload one card a picture"),
        "FailedOperation.OcrFailed": (Retry, "vendor_fault", RETRY_HINT),
        "FailedOperation.UnKnowError": (Retry, "vendor_fault", RETRY_HINT),
        "FailedOperation.UnOpenError": (Halt, "service_not_open", _SERVICE),
        "FailedOperation.WarningServiceFailed": (Retry, "vendor_fault", RETRY_HINT),
        "InvalidParameter.ConfigFormatError": (
            Halt,
            "request_refused",
            "report this: the request is malformed",
        ),
        "InvalidParameterValue.InvalidParameterValueLimit": (
            Halt,
            "request_refused",
            "report this: a parameter has a value that the API refuses",
        ),
        "LimitExceeded.TooLargeFileError": (Reject, "picture_too_large", _TOO_LARGE),
        "ResourceUnavailable.InArrears": (Halt, "account_in_arrears", _BILL),
        "ResourceUnavailable.ResourcePackageRunOut": (Halt, "package_used_up", _BILL),
        "ResourcesSoldOut.ChargeStatusException": (Halt, "billing_abnormal", _BILL),
        # API 3.0, common
        "ActionOffline": (
            Halt,
            "api_gone",
            "the vendor has withdrawn this API: choose the other text provider",
        ),
        "AuthFailure.InvalidAuthorization": (Halt, "credentials_refused", _SIGNING),
        "AuthFailure.InvalidSecretId": (Halt, "credentials_refused", _SIGNING),
        "AuthFailure.MFAFailure": (Halt, "credentials_refused", _SIGNING),
        "AuthFailure.SecretIdNotFound": (Halt, "credentials_refused", _SIGNING),
        "AuthFailure.SignatureExpire": (Retry, "credentials_expired", RETRY_HINT),
        "AuthFailure.SignatureFailure": (Halt, "credentials_refused", _SIGNING),
        "AuthFailure.TokenFailure": (Retry, "credentials_expired", RETRY_HINT),
        "AuthFailure.UnauthorizedOperation": (PermissionMissing, "permission_missing", _PERMISSION),
        "DryRunOperation": (Halt, "request_refused", "report this: the request asked for a dry run"),
        "FailedOperation": (Retry, "vendor_fault", RETRY_HINT),
        "InternalError": (Retry, "vendor_fault", RETRY_HINT),
        "InvalidAction": (Halt, "request_refused", "report this: the action does not exist"),
        "InvalidParameter": (Halt, "request_refused", "report this: the request is malformed"),
        "InvalidParameterValue": (Halt, "request_refused", "report this: the request is malformed"),
        "InvalidRequest": (Halt, "request_refused", "report this: the request is malformed"),
        "IpInBlacklist": (
            Halt,
            "address_refused",
            "take the function's address off the account's black list",
        ),
        "IpNotInWhitelist": (
            Halt,
            "address_refused",
            "put the function's address on the account's white list",
        ),
        "LimitExceeded": (Throttled, "throttled", RETRY_HINT),
        "MissingParameter": (Halt, "request_refused", "report this: the request is malformed"),
        "NoSuchProduct": (Halt, "request_refused", "report this: the product does not exist"),
        "NoSuchVersion": (Halt, "request_refused", "report this: the API's version does not exist"),
        "RequestLimitExceeded": (Throttled, "throttled", RETRY_HINT),
        "RequestLimitExceeded.GlobalRegionUinLimitExceeded": (Throttled, "throttled", RETRY_HINT),
        "RequestLimitExceeded.IPLimitExceeded": (Throttled, "throttled", RETRY_HINT),
        "RequestLimitExceeded.UinLimitExceeded": (Throttled, "throttled", RETRY_HINT),
        "RequestSizeLimitExceeded": (Reject, "picture_too_large", _TOO_LARGE),
        "ResourceInUse": (Retry, "vendor_fault", RETRY_HINT),
        "ResourceInsufficient": (Retry, "vendor_fault", RETRY_HINT),
        "ResourceNotFound": (Halt, "request_refused", "report this: the resource does not exist"),
        "ResourceUnavailable": (Retry, "vendor_fault", RETRY_HINT),
        "ResponseSizeLimitExceeded": (Reject, "answer_too_large", "upload a smaller picture"),
        "ServiceUnavailable": (Retry, "vendor_fault", RETRY_HINT),
        "UnauthorizedOperation": (PermissionMissing, "permission_missing", _PERMISSION),
        "UnknownParameter": (Halt, "request_refused", "report this: the request is malformed"),
        "UnsupportedOperation": (Halt, "request_refused", "report this: the operation is not supported"),
        "UnsupportedProtocol": (Halt, "request_refused", "report this: the protocol is not supported"),
        "UnsupportedRegion": (Halt, "region_refused", "set the OCR region to one that the API serves"),
        # COS and CI
        "AccessDenied": (PermissionMissing, "permission_missing", _PERMISSION),
        "BucketNotBindCI": (Halt, "service_not_open", _SERVICE),
        "EntityTooLarge": (Reject, "picture_too_large", "upload a smaller picture"),
        "ExpiredToken": (Retry, "credentials_expired", RETRY_HINT),
        "FileAlreadyExists": (TakenByAnother, "taken_by_another", RETRY_HINT),
        "InvalidAccessKeyId": (Halt, "credentials_refused", _SIGNING),
        "InvalidObjectState": (
            Review,
            "source_archived",
            "restore the object: the next sweep then finds it by itself",
        ),
        "InvalidArgument": (Halt, "request_refused", "report this: the request is malformed"),
        "InvalidAuthorization": (Halt, "credentials_refused", _SIGNING),
        "InvalidImageFormat": (Reject, "picture_corrupt", "upload a JPEG, PNG or BMP photograph"),
        "KeyTooLong": (Reject, "key_too_long", "give the object a key of at most 850 bytes"),
        "MissingAuthorization": (Halt, "credentials_refused", _SIGNING),
        "NoSuchBucket": (Halt, "bucket_missing", "check the bucket's name and region in the settings"),
        "NoSuchKey": (SourceGone, "source_gone", "nothing: the object was deleted before it was read"),
        "PreconditionFailed": (Retry, "source_changed", RETRY_HINT),
        "RequestTimeTooSkewed": (Halt, "clock_wrong", _SIGNING),
        "RequestTimeout": (Retry, "vendor_fault", RETRY_HINT),
        "SecretidNotExist": (Halt, "credentials_refused", _SIGNING),
        "SignatureDoesNotMatch": (Halt, "credentials_refused", _SIGNING),
        "SignatureExpired": (Retry, "credentials_expired", RETRY_HINT),
        "SlowDown": (Throttled, "throttled", RETRY_HINT),
        "TooManyRequests": (Throttled, "throttled", RETRY_HINT),
    }
)


def proof_failed(what: str) -> Review:
    """Build the refusal to hand out a copy; `what` names the check, never a content."""
    return Review("proof_failed", f"no copy was written: {what}")


def answer_unreadable(api: str) -> Retry:
    """Build the refusal of an answer that was cut or altered on its way, or is of no known form."""
    return Retry("answer_unreadable", RETRY_HINT, api=api)


def out_of_time(setting: str = "the function's time limit") -> Retry:
    """Build the refusal to begin what cannot be ended in the time that is left."""
    return Retry("out_of_time", f"{RETRY_HINT}; raise {setting} if it recurs")


def from_vendor(
    vendor_code: str, *, api: str, status: int | None = None, request_id: str | None = None
) -> CardveilError:
    """Turn a vendor's code into the leaf that says what to do.

    Parameters
    ----------
    vendor_code : str
        The code as received; its first parts are tried when the whole is not known
        (``ResourceUnavailable.Foo`` is read as ``ResourceUnavailable``).
    status : int, optional
        The HTTP status, which decides when the code is not known at all: 429 and 5xx are `Retry`, the
        rest `Halt`, since an unknown refusal must not be paid for again and again.
    """
    code = vendor_code
    while code:
        if found := VENDOR_CODES.get(code):
            leaf, text, what_to_do = found
            return leaf(text, what_to_do, api=api, vendor_code=vendor_code, request_id=request_id)
        code = code.rpartition(".")[0]
    if status is not None and (status == 429 or status >= 500):
        return Retry("vendor_fault", RETRY_HINT, api=api, vendor_code=vendor_code, request_id=request_id)
    return Halt(
        "vendor_code_unknown",
        "look the vendor's code up and report it",
        api=api,
        vendor_code=vendor_code,
        request_id=request_id,
    )
