"""`cardveil demo`: the sample cards through the local cloud, shown on the terminal and as a page."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cardveil_cli.base import Command
from cardveil_cli.commands.demo_page import Shown, page
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.commands.options import FOLDER
from cardveil_cli.exits import ExitCode, shown, tell
from cardveil_cli.files.finding import resolved
from cardveil_cli.files.manifest import Record
from cardveil_cli.files.out_folder import ConflictError, OutFolder, Result
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


_EXAMPLES = (("demo", "A table, and pictures, sidecars and a page in out/demo."),)


@click.command("demo", cls=Command, examples=_EXAMPLES)
@click.option(
    "--out",
    type=FOLDER,
    default=Path("out/demo"),
    show_default=True,
    help="Where pictures, sidecars and the page go.",
)
def command(out: Path) -> ExitCode:
    """Upload the sample cards to a local cloud and show what the functions made of them."""
    folder = OutFolder(resolved(out), [])
    with folder.locked():
        return _shown(folder, out)


def _shown(folder: OutFolder, out: Path) -> ExitCode:
    _check(folder, ["index.html", *(sample.file for sample in kept_pictures())])
    messages = Console(stderr=True)
    messages.print("Starting the local cloud (for development and demonstrations only) …")
    with tempfile.TemporaryDirectory() as data, _cloud(Path(data)) as endpoint:
        done = _process(endpoint, messages, Path(data))
    _save(done, folder)
    # A pipe has no width of its own: wide enough for the table.
    Console(width=None if sys.stdout.isatty() else 130).print(_table(done))
    click.echo(f"Pictures and sidecars: {shown(out)}\nPage: {shown(out / 'index.html')}")
    wrong = [item for item in done if item.sidecar["status"] != item.sample.verdict]
    if wrong:
        tell(f"{len(wrong)} of {len(done)} came to another status than expected")
    return ExitCode.LEFT_OVER if wrong else ExitCode.DONE


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
        try:
            process.wait(timeout=_START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _process(endpoint: Endpoint, console: Console, data: Path) -> list[_Done]:
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
        log = _kept_log(data / "logs" / "on_upload.log")
        raise click.ClickException(f"no result after {_WAIT_S:.0f} s for: {', '.join(missing)}; log: {log}")
    return [done[sample.file] for sample in samples]


def _kept_log(log: Path) -> str:
    """Copy a log to where it outlives the demonstration, and return that place."""
    with tempfile.NamedTemporaryFile("wb", prefix="cardveil-demo-", suffix=".log", delete=False) as kept:
        kept.write(log.read_bytes() if log.is_file() else b"")
    return shown(kept.name)


def _get(client: Any, bucket: str, key: str) -> bytes:
    data: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].get_raw_stream().read()
    return data


def _save(done: list[_Done], folder: OutFolder) -> None:
    items, files = [], {}
    for item in done:
        stem, _, ending = item.sample.file.rpartition(".")
        files[item.sample.file] = item.sample.read()
        files[f"{item.sample.file}.json"] = orjson.dumps(item.sidecar, option=orjson.OPT_INDENT_2)
        copy = None
        if item.copy:
            copy = f"{stem}.copy.{ending}"
            files[copy] = item.copy
        items.append(Shown(item.sample.file, copy, item.sidecar, item.elapsed_ms))
    files["index.html"] = page(items).encode()
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    record = Record(
        source="demo", stem="demo", sha256="", request="", status="redacted", findings=(), files=digests
    )
    _check(folder, files)
    folder.put(record, [Result(name, data, private=False) for name, data in files.items()])


def _check(folder: OutFolder, names: Iterable[str]) -> None:
    """Raise `click.ClickException` when files of others would be written over."""
    for name in names:
        try:
            folder.check(name)
        except ConflictError as conflict:
            message = f"{shown(folder.path / name)}: {conflict.code}: choose another --out"
            raise click.ClickException(message) from None


def _table(done: list[_Done]) -> Table:
    table = Table(title="Sample cards")
    for heading in ("file", "status", "fields found", "milliseconds", "findings"):
        table.add_column(heading, justify="right" if heading in {"fields found", "milliseconds"} else "left")
    colours = {"redacted": "green", "needs_review": "yellow", "rejected": "red"}
    for item in done:
        status, cards = item.sidecar["status"], item.sidecar["cards"]
        table.add_row(
            item.sample.file,
            f"[{colours[status]}]{status}[/]",
            str(sum(len(card["fields"]) for card in cards)),
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
