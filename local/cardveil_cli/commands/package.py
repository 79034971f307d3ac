"""`cardveil package`: the zips as they are deployed, with their sizes against the platform's limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from cardveil_cli.base import Command
from cardveil_cli.package import limits
from cardveil_cli.package.build import Package, build, rehearsal_minor
from cardveil_cli.package.errors import PackagingError
from cardveil_cloud.scf.platform import PLATFORM, SCF_UNPACKED

ROOT: Final = Path(__file__).parents[3]


_EXAMPLES = (
    ("package", "Into dist/."),
    ("package --engine", "With the engine's layer, for CARDVEIL_ENGINE."),
    ("package --rehearsal --out build/rehearsal", "By this Python."),
)


@click.command("package", cls=Command, examples=_EXAMPLES)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / "dist",
    show_default="dist/",
    envvar="REHEARSE_PACKAGE",
    help="Where the zips go.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / "build" / "wheels",
    show_default="build/wheels/",
    help="Folder in which fetched packages are kept.",
)
@click.option(
    "--rehearsal",
    is_flag=True,
    envvar="REHEARSE",
    help="Where no Python of the platform's minor is found, build for the one that runs here.",
)
@click.option(
    "--engine", is_flag=True, help="Make the engine's layer although serverless.yml does not name it."
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest instead of a table.")
def command(out: Path, cache: Path, rehearsal: bool, engine: bool, as_json: bool) -> None:
    """Build function and layer zips, the bill of materials and the licence list.

    The same sources give the same bytes. Nothing is written if a part is missing or breaks a limit.
    """
    errors = Console(stderr=True)
    try:
        with errors.status("packaging") as status:
            minor = rehearsal_minor() if rehearsal else PLATFORM
            package = build(ROOT, cache, minor, tell=status.update, engine=engine)
        package.write(out)
    except PackagingError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(package.manifest()))
        return
    Console().print(_table(package))
    compiled = f"compiled by Python {package.bytecode}" if package.bytecode else "not compiled"
    click.echo(f"{len(package.components)} packages, {compiled}; written to {out}")
    for note in package.notes:
        errors.print(f"[yellow]{note}")


def _bytes(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{count / 2**10:.1f} KB"


def _table(package: Package) -> Table:
    table = Table("zip", "zipped (at most)", "unpacked (at most)", "sha256")
    for name, size in package.sizes.items():
        function = name.startswith("functions/")
        layer = name.removeprefix("layers/").removesuffix(".zip")
        most = (limits.FUNCTION_ZIP, SCF_UNPACKED) if function else limits.most_of(layer)
        known = package.manifest()["files"][name]
        table.add_row(
            name,
            f"{_bytes(size.zipped)} ({_bytes(most[0])})",
            f"{_bytes(size.unpacked)} ({_bytes(most[1])})",
            known["sha256"][:12],
        )
    return table
