"""Conditional requests and byte ranges, by the rules of HTTP that COS keeps to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.cos.records import ObjectInfo

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


def check_conditions(info: ObjectInfo, headers: Mapping[str, str], *, prefix: str = "") -> None:
    """Check ``If-Match`` and its three relatives.

    Parameters
    ----------
    info
        The object as it stands.
    headers
        The request's headers.
    prefix
        ``x-cos-copy-source-`` for the conditions of a copy, which fail with 412 in every case.

    Raises
    ------
    CosError
        ``PreconditionFailed``, or ``NotModified`` (304) for a read whose answer the client has already.
    """
    if_match = headers.get(f"{prefix}if-match")
    if_none_match = headers.get(f"{prefix}if-none-match")
    modified_since = _seconds(headers.get(f"{prefix}if-modified-since"))
    unmodified_since = _seconds(headers.get(f"{prefix}if-unmodified-since"))
    modified = int(info.modified)
    if if_match is not None:
        if not _matches(info.etag, if_match):
            raise CosError("PreconditionFailed")
    elif unmodified_since is not None and modified > unmodified_since:
        raise CosError("PreconditionFailed")
    unchanged = (
        CosError("PreconditionFailed") if prefix else CosError("NotModified", headers={"etag": info.etag})
    )
    if if_none_match is not None:
        if _matches(info.etag, if_none_match):
            raise unchanged
    elif modified_since is not None and modified <= modified_since:
        raise unchanged


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte that a ``Range`` header asks for; None when the whole object is to be sent.

    COS serves one range; a header with several, or of another form, counts as none.

    Raises
    ------
    CosError
        ``InvalidRange`` when the range begins behind the end.
    """
    found = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        begin, end = max(0, size - int(last)), size - 1
    else:
        begin, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < begin:
            return None
    if begin >= size:
        raise CosError("InvalidRange", headers={"content-range": f"bytes */{size}"})
    return begin, end


def _matches(etag: str, header: str) -> bool:
    asked = [item.strip().removeprefix("W/").strip('"') for item in header.split(",")]
    return "*" in asked or etag.strip('"') in asked


def _seconds(header: str | None) -> int | None:
    """A date header in seconds since the epoch; one that cannot be read counts as absent."""
    if header is None:
        return None
    try:
        return int(parsedate_to_datetime(header).timestamp())
    except ValueError:
        return None
