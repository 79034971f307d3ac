"""Writes files that are made from the code under fixed names, over older ones of their kind only."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from cardveil_cli.exits import shown

_Function = TypeVar("_Function", bound=Callable[..., Any])


def force_option() -> Callable[[_Function], _Function]:
    """Return the option that writes over files of others."""
    return click.option("--force", is_flag=True, help="Write over files that Cardveil did not write.")


def write_generated(out: Path, files: Mapping[str, str], *, force: bool) -> None:
    """Write all files, or none, and print their paths.

    Raises
    ------
    click.UsageError
        When one would be written over a file that is not an older one of its kind.
    """
    foreign = [name for name, text in files.items() if not _may_replace(out / name, text)]
    if foreign and not force:
        listed = ", ".join(shown(out / name) for name in foreign)
        raise click.UsageError(f"Cardveil did not write {listed}: choose another --out, or use --force")
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text, "utf-8")
        click.echo(shown(out / name))


def _may_replace(path: Path, text: str) -> bool:
    """Whether nothing is there, or a plain file of the same kind: the same heading, or the same keys."""
    if not os.path.lexists(path):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    try:
        return _kind(path.read_text("utf-8")) == _kind(text)
    except UnicodeDecodeError:
        return False


def _kind(text: str) -> object:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text.partition("\n")[0]
    first = document[0] if isinstance(document, list) and document else document
    return type(document), sorted(first) if isinstance(first, dict) else first
