"""A source: one uploaded picture by its place and version, and the cheap decision whether a key is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cardveil.core.frozen import dataclass, field
from cardveil.settings import Settings
from cardveil.settings.kinds import MAX_KEY_BYTES

#: Endings that are no photograph's, whatever the bytes are. All else is looked at, so that a card with an
#: odd name, or a PDF, gets a sidecar that says what became of it.
OTHER_ENDINGS: Final = (
    ".json", ".txt", ".csv", ".xml", ".html", ".htm", ".md", ".log", ".yml", ".yaml", ".ini", ".py", ".js",
    ".zip", ".gz", ".tar", ".mp4", ".mov", ".mp3", ".wav", ".tmp", ".part",
)  # fmt: skip

#: User metadata that marks every object this package writes (COS gives it back as `x-cos-meta-cardveil`).
OUTPUT_MARK: Final = "x-cos-meta-cardveil"


@dataclass(frozen=True, slots=True)
class Source:
    """One uploaded picture.

    Attributes
    ----------
    bucket : str
        Full name, with the application id.
    etag : str
        Without quotes; empty where only the key is known.
    meta : mapping
        The ``x-cos-meta-*`` headers by their full, lower-case name, as far as they are known.
    """

    bucket: str
    region: str
    key: str
    etag: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)


def is_addressable(key: str) -> bool:
    """Say whether a key can be asked for: it is text, and no HTTP library takes it for another one's.

    ``.`` and ``..`` between slashes are resolved on the way, after the request was signed; a slash at the
    beginning is taken for the one that every path has.
    """
    try:
        key.encode()
    except UnicodeEncodeError:
        return False  # half of a surrogate pair
    return not key.startswith("/") and not {".", ".."} & set(key.split("/"))


def not_ours(key: str, settings: Settings) -> str | None:
    """Say why an object is passed over, as a text code; None when it is to be processed.

    Only its place tells whether it is our own output: the mark that those carry can be set by anybody who may
    upload, and would hide a picture from us.
    """
    if not key.startswith(settings.inbox_prefix) or key == settings.inbox_prefix:
        return "not_in_inbox"
    if key.startswith(settings.output_prefixes):
        return "own_output"
    if key.endswith("/"):
        return "folder"
    if key.lower().endswith(OTHER_ENDINGS):
        return "not_a_picture"
    return None


def is_source(key: str, settings: Settings) -> bool:
    """Say whether a key that a caller gave lies in the inbox, can be stored, and is none of our own outputs.

    Its ending does not matter: who names an object means that object.
    """
    return (
        not_ours(key, settings) in {None, "not_a_picture"}
        and len(key.encode("utf-8", "surrogatepass")) <= MAX_KEY_BYTES
        and is_addressable(key)
    )
