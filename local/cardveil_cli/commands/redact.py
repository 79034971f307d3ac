"""`cardveil redact`: the same examination as in the cloud, on files, with the embedded recogniser."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path
from typing import Final

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cardveil.card.findings import Status
from cardveil.core.errors import CardveilError, Reject
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import ProcessingResult, examine, redact_places, sidecar_of
from cardveil.redaction import Limits, Region, coefficient_path_available, load_policy
from cardveil.storage.sidecar import SourceFacts, to_json
from cardveil_cli.commands.inputs import Job, jobs_of, read_fields
from cardveil_ocr.adapter import embedded_recogniser, hint_of_names

#: Some pictures need review or were rejected; the others are done.
EXIT_NOT_ALL: Final = 3


@click.command("redact")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where results go."
)
@click.option(
    "--policy", default="standard", show_default=True, help="strict, standard, minimal, or a YAML file."
)
@click.option(
    "--fields",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Cover these polygons of the one picture instead of recognising it (JSON).",
)
@click.option("--card-type", type=click.Choice(["IDCard", "DriverLicense"]), help="What the pictures show.")
@click.option("--side", type=click.Choice(["front", "back"]), help="Which side they show.")
@click.option("--proof", type=click.Choice(["geometry", "recognise"]), default="geometry", show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=min(2, os.cpu_count() or 1), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON line a picture on standard output.")
def command(
    paths: tuple[Path, ...],
    out: Path,
    policy: str,
    fields: Path | None,
    card_type: str | None,
    side: str | None,
    proof: str,
    threads: int,
    as_json: bool,
) -> None:
    """Write <name>.redacted.<ext> and <name>.json for each picture of PATHS into --out.

    Exit code 0: all are redacted. 3: something needs review or was rejected, the others are done.
    2: wrong use.
    """
    try:
        rules = RedactionRules(load_policy(policy), Limits(), proof=proof)
    except CardveilError as error:
        raise click.UsageError(f"--policy: {error.what_to_do}") from None
    regions = read_fields(fields) if fields else None
    jobs = jobs_of(paths, out)
    if regions and len(jobs) != 1:
        raise click.UsageError("--fields goes with one picture: its polygons are that picture's")
    if not (fast := coefficient_path_available()):
        click.echo(f"JPEGs are redacted by the slower pixel path: {fast.reason}", err=True)
    recogniser = embedded_recogniser(threads)
    hint = hint_of_names(card_type, side)
    all_redacted = True
    with _progress() as progress:
        task = progress.add_task("redacting", total=len(jobs))
        for job in jobs:
            started = time.perf_counter()
            data = job.source.read_bytes()
            verdict = _covered(data, regions, rules) if regions else examine(data, hint, recogniser, rules)
            written = _write(job, out, data, verdict, rules)
            elapsed_ms = round((time.perf_counter() - started) * 1000, 1)
            _report(progress.console, job, verdict, written, elapsed_ms, as_json)
            all_redacted &= verdict.status is Status.REDACTED
            progress.advance(task)
    sys.exit(0 if all_redacted else EXIT_NOT_ALL)


def _covered(data: bytes, regions: tuple[Region, ...], rules: RedactionRules) -> ProcessingResult:
    try:
        return redact_places(data, regions, rules)
    except CardveilError as refusal:
        status = Status.REJECTED if isinstance(refusal, Reject) else Status.NEEDS_REVIEW
        return ProcessingResult(status, findings=(refusal.code,))


def _write(job: Job, out: Path, data: bytes, verdict: ProcessingResult, rules: RedactionRules) -> Path | None:
    """Write the copy, then the sidecar; a copy of an earlier run that no longer holds is taken away."""
    stem = out / job.stem
    stem.parent.mkdir(parents=True, exist_ok=True)
    copy = verdict.copy
    target = stem.with_name(f"{stem.name}.redacted{_ending(job, verdict)}") if copy else None
    for old in stem.parent.glob(f"{_literal(stem.name)}.redacted.*"):
        if old != target:
            old.unlink()
    if copy and target:
        _replace(target, copy.data)
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    source = SourceFacts(bucket="", key=job.source.name, etag=etag, size=len(data))
    sidecar = sidecar_of(verdict, source, rules.policy, target.name if target else "")
    _replace(stem.with_name(f"{stem.name}.json"), to_json(sidecar))
    return target


def _ending(job: Job, verdict: ProcessingResult) -> str:
    """Keep the source's ending where it tells the copy's format."""
    endings = {
        "image/jpeg": (".jpg", ".jpeg", ".jpe"),
        "image/png": (".png",),
        "image/bmp": (".bmp", ".dib"),
        "image/webp": (".webp",),
        "image/heic": (".heic", ".heif"),
    }
    allowed = endings.get(verdict.copy.media_type if verdict.copy else "", (".bin",))
    return job.source.suffix if job.source.suffix.lower() in allowed else allowed[0]


def _literal(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    temporary.replace(path)


def _report(
    console: Console,
    job: Job,
    verdict: ProcessingResult,
    written: Path | None,
    elapsed_ms: float,
    as_json: bool,
) -> None:
    if as_json:
        line = {
            "file": str(job.source),
            "status": verdict.status.value,
            "findings": list(verdict.findings),
            "output": str(written) if written else None,
            "ms": elapsed_ms,
        }
        sys.stdout.write(orjson.dumps(line).decode() + "\n")
        sys.stdout.flush()
        return
    colour = {Status.REDACTED: "green", Status.NEEDS_REVIEW: "yellow", Status.REJECTED: "red"}[verdict.status]
    findings = f" ({', '.join(verdict.findings)})" if verdict.findings else ""
    console.print(
        f"[{colour}]{verdict.status.value:<12}[/] {job.source}{findings}  {elapsed_ms:.0f} ms",
        highlight=False,
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
