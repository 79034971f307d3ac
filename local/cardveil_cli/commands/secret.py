"""The secret that signs a local cloud's tokens: made once, kept in its data folder, shown to nobody."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from cardveil_cloud import files

VARIABLE: Final = "CARDVEIL_TOKEN_SECRETS"
_FILE_NAME: Final = "token-secret"


def secret_of(data: Path) -> str:
    """Return the secret of a data folder, made now if there is none."""
    path = data / _FILE_NAME
    # An empty one is what a crash left; tokens signed with it would be anybody's.
    if not path.exists() or not path.read_bytes().strip():
        files.write(path, secrets.token_hex(32).encode())
    return path.read_text("ascii").strip()


def secret_from(data: Path | None) -> str:
    """Return the secret of a data folder, or the environment's first; empty if there is none."""
    if data is not None:
        path = data / _FILE_NAME
        return path.read_text("ascii").strip() if path.is_file() else ""
    return os.environ.get(VARIABLE, "").partition(",")[0].strip()
