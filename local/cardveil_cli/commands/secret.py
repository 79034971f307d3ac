"""The secret that signs a local cloud's tokens: made once, kept in its data folder, shown to nobody."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final

import click

from cardveil_cli.exits import shown
from cardveil_cli.files.atomic import replace_private

VARIABLE: Final = "CARDVEIL_TOKEN_SECRETS"
_FILE_NAME: Final = "token-secret"
_SECRET: Final = re.compile(rb"[!-~]{32,1024}")


def secret_of(data: Path) -> str:
    """Return the secret of a data folder, made now if there is none."""
    path = data / _FILE_NAME
    # An empty one is what a crash left; tokens signed with it would be anybody's.
    if not path.exists() or not path.read_bytes().strip():
        replace_private(path, secrets.token_hex(32).encode("ascii"))
    return _read(path)


def secret_from(data: Path | None) -> str:
    """Return the secret of a data folder, or the environment's first; empty if there is none."""
    if data is not None:
        path = data / _FILE_NAME
        return _read(path) if path.is_file() else ""
    return os.environ.get(VARIABLE, "").partition(",")[0].strip()


def _read(path: Path) -> str:
    secret = path.read_bytes().strip()
    if not _SECRET.fullmatch(secret):
        message = f"{shown(path)} holds no secret: remove it, and `cardveil serve` makes another"
        raise click.UsageError(message)
    return secret.decode("ascii")
