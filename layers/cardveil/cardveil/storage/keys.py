"""Where everything that belongs to a source stands in the bucket."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from cardveil.core.frozen import dataclass
from cardveil.settings import Settings
from cardveil.settings.kinds import MAX_KEY_BYTES
from cardveil.storage.objects import Objects
from cardveil.storage.source import is_addressable

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
#: What copies of other formats than their sources are called besides; and the sources that have such, or are
#: called as such a copy is: what is added to all of them, no two copies share.
_AS_JPEG: Final = ".redacted.jpg"
_CONVERTED: Final = re.compile(r".*\.(?:heic|heif|hif|avif)(?:\.redacted\.jpg)*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that belong to one source.

    Attributes
    ----------
    former : str
        Where a copy of it stood before version 0.2, empty where it stands there still.
    """

    sidecar: str
    redacted: str
    lease_prefix: str
    staged_prefix: str
    job_copy: str
    answers: str
    history: str
    unread: str
    former: str = ""


def source_digest(key: str) -> str:
    """Return the SHA-256 of a source's key, by which references, notes and the names of state speak of it."""
    return hashlib.sha256(key.encode()).hexdigest()


def keys_of(source: str, settings: Settings) -> Keys:
    """Name what belongs to `source`, a key under the inbox.

    Results are named like their source, or by the SHA-256 of its key: always when the settings ask for it,
    and for the one source whose results' keys would be too long for COS, or could not be
    asked for. Only a digest has the form of one: a
    source that is named like a digest has its results named by its own, or it could write over another's.
    Copies of what is called a HEIC or an AVIF are JPEGs, and called so.
    """
    relative = source.removeprefix(settings.inbox_prefix)
    whole = source_digest(source)
    ending = _AS_JPEG if _CONVERTED.fullmatch(relative) else ""
    longest = max(
        len(settings.sidecar_prefix.encode()) + len(".json"),
        len(settings.redacted_prefix.encode()) + len(ending),
    )
    too_long = longest + len(relative.encode()) > MAX_KEY_BYTES
    if (
        settings.result_names == "digest"
        or too_long
        or not is_addressable(source)
        or _DIGEST.fullmatch(relative)
    ):
        relative, ending = whole, ""
    plain = f"{settings.redacted_prefix}{relative}"
    return Keys(
        sidecar=f"{settings.sidecar_prefix}{relative}.json",
        redacted=f"{plain}{ending}",
        lease_prefix=f"{settings.state_prefix}leases/{whole}/",
        staged_prefix=f"{settings.state_prefix}staged/{whole}/",
        # One name a source: a crash leaves a copy that the next submission writes over.
        job_copy=f"{settings.state_prefix}staged/{whole}/job",
        answers=f"{settings.state_prefix}answers/{whole}/kept",
        history=f"{settings.state_prefix}history/{whole}/",
        unread=f"{settings.state_prefix}unread/{whole}/note",
        # What is called as a copy is might be one by now.
        former=plain if ending and not plain.lower().endswith(_AS_JPEG) else "",
    )


def copies_called(relative: str) -> tuple[str, ...]:
    """Return the names below the prefix of copies that the copy of ``inbox/<relative>`` may have."""
    return (relative, f"{relative}{_AS_JPEG}") if _CONVERTED.fullmatch(relative) else (relative,)


def source_called(copy: str) -> str:
    """Return the name below the inbox of the source whose copy is called so below theirs; see `keys_of`."""
    plain = copy.removesuffix(_AS_JPEG)
    return plain if plain != copy and _CONVERTED.fullmatch(plain) else copy


def digests_under(objects: Objects, state_prefix: str, *kinds: str) -> Iterator[str]:
    """Yield the digest of a source for each of the objects of these kinds that are kept about sources."""
    for kind in kinds:
        for key in objects.list(f"{state_prefix}{kind}/"):
            yield key.split("/")[-2]
