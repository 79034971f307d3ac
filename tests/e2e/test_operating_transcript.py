"""docs/operating-transcript.txt holds what the commands print: typed here anew, from zips, and compared."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner
from starlette.requests import Request
from tests.support.cloud_fixture import ROOT, kept
from tests.support.deploy_fixture import scene

from cardveil_cli import group
from cardveil_cloud.cos.contracts import DropConnection
from cardveil_cloud.faults import NoFaults

PAGE: Final = ROOT / "docs" / "operating-transcript.txt"
#: What is another at each run: what it becomes on the page.
VOLATILE: Final = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "REQUEST"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)", "TIME"),
    (r"cardveil-check-[0-9a-f]{16}", "cardveil-check-NUMBER"),
    (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:PORT"),
    (r"Duration: \d+ms", "Duration: NUMBERms"),
    (r"MemUsage: [\d.]+MB (?:cold|warm)", "MemUsage: NUMBERMB cold"),
    (r"publish [\d,]+ bytes", "publish NUMBER bytes"),
    (r", [\d,]{5,} bytes", ", NUMBER bytes"),
)


class Refusals(NoFaults):
    """While they are on, recognition fails."""

    on = False

    async def before(self, service: str, operation: str, request: Request) -> None:
        if self.on and operation == "AILicenseRec":
            raise DropConnection


def normalised(text: str) -> str:
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text)
    return text


def short(line: str) -> str:
    """A line of the log on the page: of a JSON line its message and what it says of the source."""
    head, _, last = line.rpartition("\t")
    if not last.startswith("{"):
        return line
    said = json.loads(last)
    names = ("message", "key_digest", "outcome", "status", "code", "errorMessage", "statusCode")
    told = {name: said[name] for name in names if said.get(name)}
    return f"{head}\t{json.dumps(told)} …" if told.get("message") != "metric" else ""


class Recording:
    """Types commands, and keeps what they print."""

    def __init__(self) -> None:
        self.text = ""

    def say(self, words: str) -> None:
        self.text += f"\n{words}\n\n"

    def type(self, line: str, code: int = 0) -> None:
        """Type ``cardveil …``; what is longer than a page is cut."""
        arguments = line.split()[1:]
        environment = {"CARDVEIL_STAGE": "test", "CARDVEIL_TOKEN_SECRETS": None, "CARDVEIL_BUCKET": None}
        done = CliRunner().invoke(group, arguments, env=environment)
        assert done.exit_code == code, done.output
        out = done.stdout.splitlines()
        if arguments[0] == "logs":
            out = [line for line in map(short, out) if line]
        if arguments[0] == "get":
            document = json.loads(done.stdout)
            shown = {name: document[name] for name in ("status", "findings")}
            out = [json.dumps(shown)[:-1] + ", …"]
        told = [*out, *(f"(stderr) {line}" for line in done.stderr.splitlines())]
        lines = [f"$ {line}", *told, f"(exit code {code})"]
        self.text += "".join(f"    {normalised(line).expandtabs(2)}\n" for line in lines) + "\n"


@pytest.fixture
def recorded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    refusals = Refusals()
    monkeypatch.chdir(tmp_path)
    with scene(folder, tmp_path / "cloud", faults=refusals) as here:
        (tmp_path / "cloud" / "endpoint.json").write_bytes(here.bench.endpoint.to_line())
        Path("dist").symlink_to(folder)
        tape = Recording()
        local, package = "--local cloud", "--package dist"
        tape.say("What deploying would do, and that it is done:")
        tape.type(f"cardveil deploy --plan {local} {package}")
        here.deploy(here.wanted(CARDVEIL_CALL_ATTEMPTS="1"))
        tape.say("An invented sample through it:")
        tape.type(f"cardveil check {local} {package}")
        here.bench.settle()
        here.bench.run("first.jpg", kept("id-front-flat.jpg"))
        refusals.on = True
        here.bench.upload("inbox/second.jpg", kept("id-front-flat.jpg"))
        here.bench.settle()
        refusals.on = False
        tape.say("Two cards were uploaded; while the second was read, the network failed three times:")
        tape.type(f"cardveil status {local}", 3)
        tape.type(f"cardveil status inbox/second.jpg {local}", 3)
        tape.type(f"cardveil logs {local} --key inbox/second.jpg")
        tape.say("It works again, so the event goes back through its function:")
        tape.type(f"cardveil redeliver {local}")
        here.bench.settle()
        tape.type(f"cardveil status {local}")
        tape.type(f"cardveil get inbox/second.jpg --copy second.jpg {local}")
        tape.say("And all of it is taken away; the bucket stays:")
        tape.type(f"cardveil undeploy {local} {package}")
        yield tape.text


def test_the_page_is_what_the_commands_print(recorded: str) -> None:
    head, mark, _ = PAGE.read_text("utf-8").partition("-" * 106 + "\n")
    assert mark
    page = head + mark + recorded
    if os.environ.get("RECORD_TRANSCRIPT"):
        PAGE.write_text(page, "utf-8")
    assert PAGE.read_text("utf-8") == page, "run this file with RECORD_TRANSCRIPT=1, and look at what changed"
