"""`python -m tests.support.samples`: write sample pictures and their truth into a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from PIL import Image
from tests.support.samples.demo import demo_samples
from tests.support.samples.generate import CONDITIONS, Part, make_samples

from cardveil.core.errors import CardveilError
from cardveil_cli.samples.truth import Sample


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to."
)
@click.option("--count", type=click.IntRange(1), default=20, show_default=True, help="How many pictures.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same pictures.")
@click.option("--part", type=click.Choice(["tuning", "test"]), default="tuning", show_default=True)
@click.option("--condition", "conditions", type=click.Choice(CONDITIONS), multiple=True, help="Only these.")
@click.option("--set", "which", type=click.Choice(["demo"]), help="The pictures that are kept with the code.")
@click.option("--ink", is_flag=True, help="Also write, for each picture, a PNG of which pixel is whose ink.")
def main(
    out: Path, count: int, seed: int, part: Part, conditions: tuple[str, ...], which: str | None, ink: bool
) -> None:
    """Write invented cards, and truth.json with what each of them shows."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        samples = (
            demo_samples()
            if which
            else make_samples(count, seed, part=part, conditions=conditions or CONDITIONS)
        )
        truth = [_written(sample, out, ink) for sample in samples]
    except CardveilError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    text = json.dumps(truth, ensure_ascii=False, indent=1)
    (out / "truth.json").write_text(text + "\n", encoding="utf-8")
    click.echo(f"{len(truth)} pictures and truth.json in {out}")


def _written(sample: Sample, out: Path, ink: bool) -> dict[str, object]:
    (out / (sample.name + sample.suffix)).write_bytes(sample.encode())
    if ink:
        Image.fromarray(sample.ink).save(out / f"{sample.name}.ink.png")
    return sample.as_json()


if __name__ == "__main__":
    main()
