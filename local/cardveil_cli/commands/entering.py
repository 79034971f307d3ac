"""What operators do with a key pair of their own is entered in the access ledger, where one is kept."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from cardveil.api.models import CODE_FORM, CODE_LENGTH
from cardveil.core.frozen import replace
from cardveil.settings import Settings
from cardveil.storage.ledger import Ledger, heads_prefix

if TYPE_CHECKING:
    from cardveil.pipeline.entering import Entering
    from cardveil.storage.objects import Objects

_Function = TypeVar("_Function", bound=Callable[..., Any])
_ROLE: Final = "operator"


def code_of(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Check a code that stays in the bucket; raises `click.BadParameter` for words."""
    import re

    if value is not None and (len(value) > CODE_LENGTH or not re.fullmatch(CODE_FORM, value)):
        raise click.BadParameter("give a code, as case:2026-17, no words")
    return value


def who_options(function: _Function) -> _Function:
    """Add the options that say who looks and what for."""
    by = click.option("--by", default=getpass.getuser, help="Who looks, for the ledger. You, by default.")
    purpose = click.option(
        "--purpose", callback=code_of, help="What for: a code without names, as audit:2026, for the ledger."
    )
    return by(purpose(function))


def entering_of(
    objects: Objects, settings: Settings, *, by: str, request: str, purpose: str | None = None
) -> Entering | None:
    """Return what enters a command's looks and changes; None where the bucket keeps no ledger.

    A terminal does not know the functions' settings. So a ledger that is found in the bucket is kept, and
    nothing is done without its entry, as with ``strict``.

    Raises
    ------
    click.UsageError
        When the settings demand a purpose and none is given.
    """
    from cardveil.pipeline.entering import Entering

    if settings.ledger == "off":
        if next(iter(objects.list(heads_prefix(settings.state_prefix))), None) is None:
            return None
        settings = replace(settings, ledger="strict")
    if settings.purpose == "required" and purpose == "":
        raise click.UsageError("say the --purpose")
    return Entering(Ledger(), objects, settings, by, _ROLE, request, why=purpose or "")
