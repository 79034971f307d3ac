"""Query parameters that several of CI's lists share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from cardveil_cloud.ci.errors import CiError

_NUMBER: Final = re.compile(r"[0-9]{1,9}")


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a number parameter, its default where it is absent or empty; `CiError` ``InvalidArgument``."""
    text = query.get(name) or str(default)
    if not _NUMBER.fullmatch(text):
        raise CiError("InvalidArgument", f"{name} is not a number.")
    return int(text)
