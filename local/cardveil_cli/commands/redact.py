"""`cardveil redact`: the same examination as in the cloud, on files, with the embedded recogniser."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cardveil.card.findings import Status
from cardveil.core.errors import CardveilError
from cardveil.pipeline.covering import RedactionRules
from cardveil.redaction import Limits, coefficient_path_available, load_policy
from cardveil_cli.base import Command
from cardveil_cli.commands.fields_file import FieldsFile, read_fields
from cardveil_cli.commands.redact_report import Report
from cardveil_cli.commands.redact_run import CONFLICT, PASSED_OVER, Outcome, RedactRun, read_source
from cardveil_cli.exits import Debugging, ExitCode, shown
from cardveil_cli.files.finding import Found, find, resolved
from cardveil_cli.files.naming import stems_of
from cardveil_cli.files.out_folder import OutFolder
from cardveil_cloud.heif.convert import to_jpeg
from cardveil_ocr.adapter import embedded_recogniser, hint_of_names

_EXAMPLES = (
    (
        "redact scans/ --out redacted/",
        "All pictures below scans/; run it again, and only what is new is done.",
    ),
    ("redact front.jpg --out redacted/ --policy strict", "One picture, with all personal data covered."),
    ("redact scans/ --out redacted/ --json | jq .status", "For programs: one JSON line a picture."),
    ("redact card.png --out redacted/ --fields mine.json", "Cover the polygons of a detector of your own."),
)


@click.command("redact", cls=Command, examples=_EXAMPLES)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where results go."
)
@click.option(
    "--policy", default="standard", show_default=True, help="strict, standard, minimal, or a YAML file."
)
@click.option(
    "--fields",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='Cover these polygons of the one picture instead of recognising it: JSON, a list of {"name": …, '
    '"polygon": [[x, y] × 4]} in pixels of the upright picture, or {"width": …, "height": …, "fields": '
    "that list}, which is refused when the picture has another size.",
)
@click.option("--card-type", type=click.Choice(["IDCard", "DriverLicense"]), help="What the pictures show.")
@click.option("--side", type=click.Choice(["front", "back"]), help="Which side they show.")
@click.option(
    "--proof",
    type=click.Choice(["geometry", "recognise"]),
    default="geometry",
    show_default=True,
    help="recognise also reads each copy again, and finds no text that was to be covered.",
)
@click.option("--again", is_flag=True, help="Also do what an earlier run has done.")
@click.option(
    "--force", is_flag=True, help="Write over files that Cardveil did not write; never over a source."
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=min(2, os.cpu_count() or 1),
    show_default=True,
    help="Processor cores that recognition uses.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON line a picture on standard output.")
@click.pass_obj
def command(
    debugging: Debugging,
    paths: tuple[Path, ...],
    out: Path,
    policy: str,
    fields: Path | None,
    card_type: str | None,
    side: str | None,
    proof: str,
    again: bool,
    force: bool,
    threads: int,
    as_json: bool,
) -> ExitCode:
    """Write <name>.redacted.<ext> and <name>.json for each picture of PATHS into --out.

    PATHS are pictures, and folders in which pictures are looked for. What Cardveil did not write is neither
    changed nor removed: it knows its own results by a manifest in --out. What was done is not done again.
    """
    try:
        rules = RedactionRules(load_policy(policy), Limits(), proof=proof, converter=to_jpeg)
    except CardveilError as error:
        raise click.UsageError(f"--policy: {error.what_to_do}") from None
    own = read_fields(fields) if fields else None
    found = find(paths, resolved(out))
    _check(found, own, rules)
    sources = [path for source in found.sources for path in (source.path, source.given)]
    folder = OutFolder(resolved(out), sources, force=force)
    if not (fast := coefficient_path_available()):
        click.echo(f"JPEGs are redacted by the slower pixel path: {fast.reason}", err=True)
    recogniser, hint = embedded_recogniser(threads), hint_of_names(card_type, side)
    run = RedactRun(folder, out, rules, recogniser, hint, own, again)
    return _Batch(run, found, Report(sys.stdout, debugging, as_json=as_json)).go()


@dataclass(frozen=True, slots=True)
class _Batch:
    run: RedactRun
    found: Found
    report: Report

    def go(self) -> ExitCode:
        """Do one picture after another; ends early, but in order, when it is told to."""
        out, code = self.run.out, ExitCode.INTERRUPTED
        try:
            for each in self.found.passed_over:
                self.report.show(Outcome(shown(each.path), PASSED_OVER, (each.code,)))
            with out.locked(), self.report.during(len(self.found.sources)):
                stems = stems_of(self.found.sources, out.manifest)
                for source, stem in zip(self.found.sources, stems, strict=True):
                    self.report.show(self.run.one(source, stem))
            code = _exit_code(self.found, self.report.outcomes)
        except KeyboardInterrupt:
            left = len(self.found.sources) + len(self.found.passed_over) - len(self.report.outcomes)
            click.echo(f"interrupted, {left} left: the same command goes on from there", err=True)
        self.report.end(shown(self.run.given_out))
        return code


def _check(found: Found, own: FieldsFile | None, rules: RedactionRules) -> None:
    """Refuse what cannot be begun, before anything is written."""
    if not found.sources:
        named = "".join(f"\n  {shown(each.path)}: {each.code}" for each in found.passed_over)
        raise click.UsageError(f"there is no picture in what was named{named}")
    if own is None:
        return
    if len(found.sources) != 1:
        raise click.UsageError("--fields goes with one picture: its polygons are that picture's")
    try:
        data = read_source(found.sources[0], rules.limits.max_bytes).data
        picture = rules.opened(data or b"")
    except (OSError, CardveilError):
        return  # told as that picture's outcome
    own.check_frame(picture.width, picture.height)


def _exit_code(found: Found, outcomes: Sequence[Outcome]) -> ExitCode:
    done = [outcome for outcome in outcomes if outcome.status != PASSED_OVER]
    if all(outcome.status == CONFLICT for outcome in done):
        return ExitCode.REFUSED
    redacted = all(outcome.status == Status.REDACTED.value for outcome in done)
    missed = any(each.missed for each in found.passed_over)
    return ExitCode.DONE if redacted and not missed else ExitCode.LEFT_OVER
