"""The error tree: every documented code has its leaf, and no text can carry what must not be told."""

from __future__ import annotations

import pytest

from cardveil.core.errors import (
    VENDOR_CODES,
    CardveilError,
    Halt,
    PermissionMissing,
    Reject,
    Retry,
    Review,
    SourceGone,
    TakenByAnother,
    Throttled,
    from_vendor,
)

# The error tables of CI `IDCardOCR` and API 3.0 `RecognizeMainlandIDCardOCR`, as documented.
DOCUMENTED = [
    "FailedOperation.CardSideError",
    "FailedOperation.DownLoadError",
    "FailedOperation.EmptyImageError",
    "FailedOperation.IdCardInfoIllegal",
    "FailedOperation.IdCardTooSmall",
    "FailedOperation.ImageBlur",
    "FailedOperation.ImageDecodeFailed",
    "FailedOperation.ImageNoIdCard",
    "FailedOperation.ImageSizeTooLarge",
    "FailedOperation.MultiCardError",
    "FailedOperation.OcrFailed",
    "FailedOperation.UnKnowError",
    "FailedOperation.UnOpenError",
    "FailedOperation.WarningServiceFailed",
    "InvalidParameter.ConfigFormatError",
    "InvalidParameterValue.InvalidParameterValueLimit",
    "LimitExceeded.TooLargeFileError",
    "ResourceUnavailable.InArrears",
    "ResourceUnavailable.ResourcePackageRunOut",
    "ResourcesSoldOut.ChargeStatusException",
]


@pytest.mark.parametrize("code", DOCUMENTED)
def test_every_documented_code_has_its_own_place(code: str) -> None:
    assert code in VENDOR_CODES


@pytest.mark.parametrize(
    ("code", "leaf"),
    [
        ("FailedOperation.ImageNoIdCard", Reject),
        ("FailedOperation.ImageBlur", Review),
        ("RequestLimitExceeded", Throttled),
        ("ResourceUnavailable.InArrears", Halt),
        ("ResourceUnavailable.SomethingNew", Retry),  # by its first part
        ("AuthFailure.SignatureFailure", Halt),
    ],
)
def test_a_code_leads_to_its_leaf(code: str, leaf: type[CardveilError]) -> None:
    error = from_vendor(code, api="X", request_id="r-1")
    assert type(error) is leaf
    assert (error.api, error.vendor_code, error.request_id) == ("X", code, "r-1")


@pytest.mark.parametrize(("status", "leaf"), [(503, Retry), (429, Retry), (400, Halt), (None, Halt)])
def test_an_unknown_code_is_decided_by_the_status(status: int | None, leaf: type[CardveilError]) -> None:
    assert type(from_vendor("Brand.New", api="X", status=status)) is leaf


def test_codes_are_stable_lower_snake() -> None:
    for leaf, code, what_to_do in VENDOR_CODES.values():
        assert leaf.leaf() in {"Retry", "Reject", "Review", "Halt"}
        assert code.isidentifier()
        assert code == code.lower()
        assert what_to_do


#: What some caller treats apart: its code, its class, and the leaf by which logs and metrics go on speaking.
APART: dict[str, tuple[type[CardveilError], str]] = {
    "throttled": (Throttled, "Retry"),
    "taken_by_another": (TakenByAnother, "Retry"),
    "source_gone": (SourceGone, "Reject"),
    "permission_missing": (PermissionMissing, "Halt"),
}


@pytest.mark.parametrize("vendor_code", VENDOR_CODES)
def test_what_is_treated_apart_has_its_class_whichever_vendor_code_it_came_by(vendor_code: str) -> None:
    error = from_vendor(vendor_code, api="X")
    kind, leaf = APART.get(error.code, (type(error), type(error).__name__))
    assert (type(error), error.leaf()) == (kind, leaf)
    assert error.leaf() in {"Retry", "Reject", "Review", "Halt"}
