"""Query parameters that several listings share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from cardveil_cloud.cos.errors import CosError

# Listings return at most 1,000 items a page.
MAX_PAGE = 1000
_NUMBER = re.compile(r"[0-9]{1,12}")


def bounded(query: Mapping[str, str], name: str, *, default: int = MAX_PAGE, ceiling: int = MAX_PAGE) -> int:
    """A number parameter, cut to ``ceiling``; `CosError` ``InvalidArgument`` when it is no number."""
    text = query.get(name) or str(default)
    if not _NUMBER.fullmatch(text):
        raise CosError("InvalidArgument")
    return min(int(text), ceiling)


def encoder(query: Mapping[str, str]) -> Callable[[str], str]:
    """How keys are written in the answer: percent-encoded if ``encoding-type=url`` asks for it."""
    kind = query.get("encoding-type", "")
    if kind not in ("", "url"):
        raise CosError("InvalidArgument")
    return quote if kind else str
