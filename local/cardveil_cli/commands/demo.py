"""`cardveil demo`: the sample cards through the local cloud, shown on the terminal and as a page."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cardveil_cli.commands.demo_page import Shown, page
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.samples.bundled import KeptPicture, kept_pictures

#: Seconds to wait for the cloud to be ready, and for all cards to be done.
_START_S: Final = 60.0
_WAIT_S: Final = 240.0


@dataclass(frozen=True, slots=True)
class _Done:
    """One sample after its way through the functions; `elapsed_ms` is from upload to sidecar."""

    sample: KeptPicture
    sidecar: dict[str, Any]
    copy: bytes | None
    elapsed_ms: float


@click.command("demo")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out/demo"), show_default=True
)
def command(out: Path) -> None:
    """Upload the sample cards to a local cloud and show what the functions made of them.

    Exit code 0: every sample came to the status that it should. 3: one did not.
    """
    # A pipe has no width of its own: wide enough for the table.
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print("Starting the local cloud (for development and demonstrations only) …")
    with tempfile.TemporaryDirectory() as data, _cloud(Path(data)) as endpoint:
        done = _process(endpoint, console)
    out.mkdir(parents=True, exist_ok=True)
    _save(done, out)
    console.print(_table(done))
    console.print(f"Pictures and sidecars: {out}\nPage: {out / 'index.html'}", highlight=False)
    wrong = [item for item in done if item.sidecar["status"] != item.sample.verdict]
    if wrong:
        console.print(f"[red]{len(wrong)} of {len(done)} came to another status than expected[/]")
    sys.exit(3 if wrong else 0)


@contextmanager
def _cloud(data: Path) -> Iterator[Endpoint]:
    """Run `cardveil up` in a process of its own, as a user would, and stop it in the end."""
    process = subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", "cardveil_cli", "up", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
    )
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise click.ClickException("the local cloud did not start: see what it printed above")
        yield Endpoint.from_line(line)
    finally:
        process.terminate()
        process.wait(timeout=_START_S)


def _process(endpoint: Endpoint, console: Console) -> list[_Done]:
    client = endpoint.cos_client()
    samples = kept_pictures()
    started: dict[str, float] = {}
    done: dict[str, _Done] = {}
    with _progress(console) as progress:
        task = progress.add_task("uploading", total=len(samples))
        for sample in samples:
            started[sample.file] = time.perf_counter()
            client.put_object(Bucket=endpoint.bucket, Key=f"inbox/{sample.file}", Body=sample.read())
            progress.advance(task)
        progress.reset(task, description="recognising and redacting", total=len(samples))
        deadline = time.monotonic() + _WAIT_S
        while len(done) < len(samples) and time.monotonic() < deadline:
            for sample in samples:
                key = f"sidecars/{sample.file}.json"
                if sample.file in done or not client.object_exists(endpoint.bucket, key):
                    continue
                elapsed_ms = (time.perf_counter() - started[sample.file]) * 1000
                sidecar = orjson.loads(_get(client, endpoint.bucket, key))
                redaction = sidecar["redaction"]
                copy = _get(client, endpoint.bucket, redaction["output"]["key"]) if redaction else None
                done[sample.file] = _Done(sample, sidecar, copy, elapsed_ms)
                progress.advance(task)
            time.sleep(0.1)
    missing = [sample.file for sample in samples if sample.file not in done]
    if missing:
        raise click.ClickException(f"no result after {_WAIT_S:.0f} s for: {', '.join(missing)}")
    return [done[sample.file] for sample in samples]


def _get(client: Any, bucket: str, key: str) -> bytes:
    data: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].get_raw_stream().read()
    return data


def _save(done: list[_Done], out: Path) -> None:
    shown = []
    for item in done:
        stem, _, ending = item.sample.file.rpartition(".")
        (out / item.sample.file).write_bytes(item.sample.read())
        (out / f"{item.sample.file}.json").write_bytes(orjson.dumps(item.sidecar, option=orjson.OPT_INDENT_2))
        copy = None
        if item.copy:
            copy = f"{stem}.copy.{ending}"
            (out / copy).write_bytes(item.copy)
        shown.append(Shown(item.sample.file, copy, item.sidecar, item.elapsed_ms))
    (out / "index.html").write_text(page(shown), "utf-8")


def _table(done: list[_Done]) -> Table:
    table = Table(title="Sample cards")
    for heading in ("file", "status", "fields found", "milliseconds", "findings"):
        table.add_column(heading, justify="right" if heading in {"fields found", "milliseconds"} else "left")
    colours = {"redacted": "green", "needs_review": "yellow", "rejected": "red"}
    for item in done:
        status, card = item.sidecar["status"], item.sidecar["card"]
        table.add_row(
            item.sample.file,
            f"[{colours[status]}]{status}[/]",
            str(len(card["fields"]) if card else 0),
            f"{item.elapsed_ms:.0f}",
            ", ".join(item.sidecar["findings"]),
        )
    return table


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
