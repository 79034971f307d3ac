"""Options that several commands have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import click

from cardveil.settings import problems

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: Where the local cloud keeps all, unless it is told otherwise.
DATA: Final = Path("out/cloud")
#: Functions run in folders of their own: what is relative here would be elsewhere there.
FOLDER: Final = click.Path(file_okay=False, path_type=Path, resolve_path=True)


def data_option(text: str) -> Callable[[_Function], _Function]:
    """Return the option that names the folder of a local cloud."""
    return click.option("--data", type=FOLDER, default=DATA, show_default=True, help=text)


def threads_option() -> Callable[[_Function], _Function]:
    """Return the option that says how many cores recognition uses."""
    return click.option(
        "--threads",
        type=click.IntRange(1, 64),
        default=min(2, os.cpu_count() or 1),
        show_default=True,
        help="Processor cores that recognition uses.",
    )


def setting_option(text: str) -> Callable[[_Function], _Function]:
    """Return the option that sets a CARDVEIL_ variable; see `settings_of`."""
    return click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help=text)


def settings_of(pairs: Iterable[str], given: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Read ``CARDVEIL_NAME=VALUE`` pairs; raises `click.UsageError` for anything else.

    Parameters
    ----------
    given
        The environment that they are added to, with which they must agree.
    """
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.startswith("CARDVEIL_"):
            raise click.UsageError("--set takes CARDVEIL_NAME=VALUE")
        settings[name] = value
    if wrong := problems({**given, **settings}):
        raise click.UsageError("\n".join(error.what_to_do for error in wrong.values()))
    return settings
