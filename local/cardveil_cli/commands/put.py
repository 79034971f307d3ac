"""`cardveil put`: upload pictures into the inbox of a local cloud."""

from __future__ import annotations

from pathlib import Path

import click

from cardveil_cli.commands.endpoint import Endpoint


@click.command("put")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--data", type=click.Path(path_type=Path), default=Path("out/cloud"), show_default=True)
@click.option("--prefix", default="inbox/", show_default=True, help="Where in the bucket the files go.")
@click.option("--card-type", type=click.Choice(["IDCard", "DriverLicense"]), help="What the pictures show.")
@click.option("--side", type=click.Choice(["front", "back"]), help="Which side they show.")
def command(
    files: tuple[Path, ...], data: Path, prefix: str, card_type: str | None, side: str | None
) -> None:
    """Upload FILES and print the key of each."""
    endpoint = Endpoint.of_folder(data)
    client = endpoint.cos_client()
    meta = {"x-cos-meta-card-type": card_type, "x-cos-meta-card-side": side}
    for file in files:
        key = f"{prefix}{file.name}"
        client.put_object(
            Bucket=endpoint.bucket,
            Key=key,
            Body=file.read_bytes(),
            Metadata={name: value for name, value in meta.items() if value},
        )
        click.echo(key)
