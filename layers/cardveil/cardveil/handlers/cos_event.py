"""COS object events, and the cheap decision whether one is ours, so that most cost nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass
from cardveil.settings import Settings

#: COS's short region codes, as old events carry them in `cosBucket.region`.
_SHORT_REGIONS: Final = {
    "tj": "ap-beijing-1", "bj": "ap-beijing", "gz": "ap-guangzhou", "sh": "ap-shanghai", "cd": "ap-chengdu",
    "hk": "ap-hongkong", "sg": "ap-singapore", "spg": "ap-singapore", "ca": "na-toronto",
    "ger": "eu-frankfurt", "de": "eu-frankfurt",
}  # fmt: skip

#: Endings that are no photograph's, whatever the bytes are. All else is looked at, so that a card with an
#: odd name, or a PDF, gets a sidecar that says what became of it.
OTHER_ENDINGS: Final = (
    ".json", ".txt", ".csv", ".xml", ".html", ".htm", ".md", ".log", ".yml", ".yaml", ".ini", ".py", ".js",
    ".zip", ".gz", ".tar", ".mp4", ".mov", ".mp3", ".wav", ".tmp", ".part",
)  # fmt: skip

#: User metadata that marks every object this package writes (COS gives it back as `x-cos-meta-cardveil`).
OUTPUT_MARK: Final = "x-cos-meta-cardveil"


@dataclass(frozen=True, slots=True)
class Upload:
    """One object that was created in a bucket.

    Attributes
    ----------
    bucket : str
        Full name, with the application id.
    etag : str
        Without quotes; empty when the event does not carry one.
    """

    bucket: str
    region: str
    key: str
    size: int
    etag: str
    event_name: str
    meta: Mapping[str, str]


def records_of(event: Any) -> list[Any]:
    """Return the records of a COS event, unread.

    Raises
    ------
    Reject
        ``event_unreadable`` when there are none; the text holds nothing of the event.
    """
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not records:
        raise _unreadable()
    return records


def read_upload(record: Any, *, region: str) -> Upload:
    """Read one record.

    Parameters
    ----------
    record : dict
        One of `records_of`.
    region : str
        Region of the invocation, for records that do not name one.

    Raises
    ------
    Reject
        ``event_unreadable`` when the record is not of COS's form.
    """
    try:
        return _read(record, region)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise _unreadable() from None


def not_ours(upload: Upload, settings: Settings) -> str | None:
    """Say why an upload is passed over, as a text code; None when it is to be processed."""
    if not upload.event_name.startswith("cos:ObjectCreated:"):
        return "not_created"
    if not upload.key.startswith(settings.inbox_prefix) or upload.key == settings.inbox_prefix:
        return "not_in_inbox"
    if upload.key.startswith(settings.output_prefixes) or OUTPUT_MARK in upload.meta:
        return "own_output"
    if upload.key.endswith("/"):
        return "folder"
    if upload.key.lower().endswith(OTHER_ENDINGS):
        return "not_a_picture"
    return None


def _unreadable() -> Reject:
    return Reject("event_unreadable", "invoke this function with a COS object event")


def _read(record: Mapping[str, Any], region: str) -> Upload:
    cos, what = record["cos"], record["event"]
    bucket, stored = cos["cosBucket"], cos["cosObject"]
    meta = stored.get("meta") or {}
    return Upload(
        bucket=_full_name(str(bucket["name"]), str(bucket.get("appid") or "")),
        region=str(
            bucket.get("cosRegion") or region or _SHORT_REGIONS.get(str(bucket.get("region")), "") or ""
        ),
        key=_key(stored),
        size=int(stored.get("size") or 0),
        etag=str(meta.get("ETag") or meta.get("Etag") or "").strip('"'),
        event_name=str(what["eventName"]),
        meta={str(name).lower(): str(value) for name, value in meta.items()},
    )


def _full_name(name: str, app_id: str) -> str:
    return name if not app_id or name.endswith(f"-{app_id}") else f"{name}-{app_id}"


def _key(stored: Mapping[str, Any]) -> str:
    """Return the raw key: the path of `url` is the truth, since samples disagree on how `key` is encoded."""
    url = stored.get("url")
    if url:
        # Not urlsplit().path of a raw "?" or "#": in the event these are percent-encoded.
        key = unquote(urlsplit(str(url)).path, errors="strict")[1:]
    else:
        # /appid/bucket/raw key
        key = str(stored["key"]).split("/", 3)[3]
    if not key:
        raise ValueError
    return key
