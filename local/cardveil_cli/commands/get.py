"""`cardveil get`: the sidecar and the redacted copy of one source."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import click

from cardveil.storage.keys import keys_of, source_digest
from cardveil_cli.base import Command
from cardveil_cli.commands.endpoint import log_command
from cardveil_cli.commands.entering import entering_of, who_options
from cardveil_cli.commands.operating import deployed_options, operated, source_key
from cardveil_cli.exits import ExitCode, shown, tell
from cardveil_cli.files.atomic import replace_private
from cardveil_cli.operate.state import detail

#: A copy is no larger than what a function takes.
_MAX_BYTES = 256 * 1024 * 1024
_EXAMPLES = (
    ("get inbox/a.jpg", "Print its sidecar."),
    ("get inbox/a.jpg --copy a.redacted.jpg", "And write its redacted copy."),
)


@click.command("get", cls=Command, examples=_EXAMPLES)
@click.argument("key")
@click.option(
    "--copy",
    type=click.Path(dir_okay=False, path_type=Path, resolve_path=True),
    help="Write the redacted copy to this file.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@who_options
@deployed_options
def command(
    key: str,
    copy: Path | None,
    force: bool,
    by: str,
    purpose: str | None,
    file: Path,
    local: Path | None,
) -> ExitCode:
    """Print the sidecar of the source KEY: what the card says, its findings, who decided what.

    It holds what was read from the card. It ends with 3 where there is no result yet, or no copy.
    """
    if copy is not None and os.path.lexists(copy) and not force:
        raise click.UsageError(f"{shown(copy)} is there already: --force writes over it")
    with operated(file, local) as found:
        seen = detail(found, source_key(found, key))
        if seen is None:
            raise click.ClickException("there is no such source")
        if seen.sidecar is None:
            why = ", ".join(seen.under_way) or seen.state
            tell(f"no result yet ({why}): {log_command(local, key)} shows more")
            return ExitCode.LEFT_OVER
        keys, cards = keys_of(key, found.settings), [source_digest(key)]
        request = f"cli-{uuid4().hex[:12]}"
        entering = entering_of(found.sources, found.settings, by=by, request=request, purpose=purpose or "")
        if entering:
            entering.enter("text", cards)
        _, document = found.results.get(keys.sidecar, max_bytes=_MAX_BYTES)
        click.echo(document or b"")
        if copy is None:
            return ExitCode.DONE
        if seen.copy is None:
            tell(f"there is no copy: the source is {seen.state}; its findings say why")
            return ExitCode.LEFT_OVER
        if entering:
            entering.enter("copy", cards)
        _, picture = found.results.get(keys.redacted, max_bytes=_MAX_BYTES)
        replace_private(copy, picture or b"")
        return ExitCode.DONE
