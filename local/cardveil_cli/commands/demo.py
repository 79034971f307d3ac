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

from cardveil.core.privacy import digest
from cardveil_cli.base import Command
from cardveil_cli.commands.demo_page import Shown, Times, page
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.commands.options import FOLDER
from cardveil_cli.exits import ExitCode, shown, tell
from cardveil_cli.files.finding import resolved
from cardveil_cli.files.manifest import Record
from cardveil_cli.files.out_folder import ConflictError, OutFolder, Result
from cardveil_cli.samples.bundled import KeptPicture, kept_pictures

#: Seconds to wait for the cloud to be ready, for a card to be done, and for its line in the log.
_START_S: Final = 60.0
_WAIT_S: Final = 120.0
_LINE_S: Final = 2.0
#: Seconds between two looks.
_LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class _Done:
    """One sample after its way through the functions."""

    sample: KeptPicture
    sidecar: dict[str, Any]
    copy: bytes | None
    times: Times


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
    """Send one sample after the other: together they would wait, and their times would tell of that."""
    client = endpoint.cos_client()
    samples = kept_pictures()
    log = data / "logs" / "on_upload.log"
    done: list[_Done] = []
    with _progress(console) as progress:
        task = progress.add_task("recognising and redacting", total=len(samples))
        for sample in samples:
            started = time.perf_counter()
            client.put_object(Bucket=endpoint.bucket, Key=f"inbox/{sample.file}", Body=sample.read())
            sidecar = _sidecar(client, endpoint.bucket, sample.file, log)
            whole = (time.perf_counter() - started) * 1000
            redaction = sidecar["redaction"]
            copy = _get(client, endpoint.bucket, redaction["output"]["key"]) if redaction else None
            done.append(_Done(sample, sidecar, copy, _times(log, f"inbox/{sample.file}", whole)))
            progress.advance(task)
    return done


def _sidecar(client: Any, bucket: str, file: str, log: Path) -> dict[str, Any]:
    """Wait for a sample's sidecar and return it."""
    key, deadline = f"sidecars/{file}.json", time.monotonic() + _WAIT_S
    while not client.object_exists(bucket, key):
        if time.monotonic() > deadline:
            kept = _kept_log(log)
            raise click.ClickException(f"no result after {_WAIT_S:.0f} s for: {file}; log: {kept}")
        time.sleep(_LOOK_S)
    sidecar: dict[str, Any] = orjson.loads(_get(client, bucket, key))
    return sidecar


def _times(log: Path, key: str, whole_ms: float) -> Times:
    """Return a sample's times; its line stands in the log a moment after its sidecar is there."""
    deadline = time.monotonic() + _LINE_S
    while time.monotonic() < deadline:
        for line in log.read_text("utf-8", "replace").splitlines() if log.is_file() else ():
            if digest(key) not in line or '"stages_ms"' not in line:
                continue
            try:
                stages = orjson.loads(line[line.index("{") :])["stages_ms"]
            except (orjson.JSONDecodeError, ValueError):
                continue  # the line is being written
            recognised = float(stages.get("recognise", 0.0))
            return Times(recognised, sum(stages.values()) - recognised, whole_ms)
        time.sleep(_LOOK_S)
    return Times(None, None, whole_ms)


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
        items.append(Shown(item.sample.file, copy, item.sidecar, item.times))
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
    for heading in ("file", "status", "fields found", "recognition ms", "all ms", "findings"):
        table.add_column(heading, justify="left" if heading in {"file", "status", "findings"} else "right")
    colours = {"redacted": "green", "needs_review": "yellow", "rejected": "red"}
    for item in done:
        status, cards = item.sidecar["status"], item.sidecar["cards"]
        table.add_row(
            item.sample.file,
            f"[{colours[status]}]{status}[/]",
            str(sum(len(card["fields"]) for card in cards)),
            "" if item.times.recognised is None else f"{item.times.recognised:.0f}",
            f"{item.times.whole:.0f}",
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
