"""Every code block of the README and of docs/ is run as it is printed, and prints what the page shows.

A page's blocks are run in their order, in one new folder that looks like a fresh checkout: the sources are
linked, what is made (``out/``, ``dist/``) is the folder's own. ``sh`` goes to bash, ``python`` to the Python
of `.venv`, ``yaml`` and ``json`` to our own readers. A command that serves (`make serve`, `cardveil up`) runs
on until the page's end, on a free port instead of 8411. What is deployed is deployed to a local cloud, which
the environment names (REHEARSE_ON); nothing else is different from what a reader does. The README's steps of
deploying stand on the page about it too, letter for letter, and are run there. `make demo`, and what serves
until a page's end, recognise each of the sample pictures once in a session, like all other tests; all other
commands have the embedded recogniser do its work in their own processes.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest
from tests.support.cloud_fixture import ROOT, kept
from tests.support.docs_blocks import Block, blocks_of, pages, shows
from tests.support.recognised_once import environment_of

from cardveil.api.models import SubmitRequest
from cardveil.redaction import load_policy

#: Commands that run until they are stopped, and what they print when they are ready.
SERVING: Final = {"make serve": "Ctrl+C stops it.", "make up": '"proxy"', ".venv/bin/cardveil up": '"proxy"'}
#: Pages on which something is deployed.
_DEPLOYING: Final = re.compile(r"^\.venv/bin/cardveil (deploy|check|undeploy)\b(?!.*--local)", re.MULTILINE)
_BASH: Final = shutil.which("bash") or "bash"


@contextmanager
def checkout() -> Iterator[Path]:
    """Give a folder that looks like a fresh checkout, with a picture of the reader's own."""
    with tempfile.TemporaryDirectory(prefix="docs-") as name:
        folder = Path(name)
        for path in ROOT.iterdir():
            if path.name not in ("out", "dist", "scans", "redacted"):
                (folder / path.name).symlink_to(path)
        (folder / "card.jpg").write_bytes(kept("id-front-flat.jpg"))
        yield folder


#: A pip that a page may call: of `.venv`, into a folder below ``out/``.
_PIP: Final = re.compile(r"^\.venv/bin/python -m pip install (?=.*--target out/)")


def check_installing(block: Block) -> None:
    """Refuse a block that would install something outside of its own folder."""
    for line in block.text.splitlines():
        if re.search(r"\b(pip|pipx|uv|apt(-get)?|npm)\b.*\b(install|add|sync)\b", line):
            assert _PIP.match(line), f"line {block.line} installs outside of its folder: {line}"


class Reader:
    """A reader who goes through a page in one terminal, with what serves in others."""

    def __init__(self, folder: Path, stack: ExitStack, samples: Mapping[str, str]) -> None:
        self.folder, self.stack, self.samples = folder, stack, samples
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = str(free.getsockname()[1])
        # Tests are started by a make of their own, whose level a reader's does not have.
        foreign = ("CARDVEIL_", "MAKE", "MFLAGS")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        # Set-up is what this very process runs in: make is not to look at it again.
        self.environment = {**clean, "PORT": self.port, "MAKEFLAGS": "-o .venv/.local -o build/.wheels"}
        # What a page installs goes into a folder of its own, never into this machine's Python.
        self.environment |= {"PIP_REQUIRE_VIRTUALENV": "1", "PIP_NO_INDEX": "1"}
        self.environment |= {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "100", "TERM": "dumb"}

    def run(self, block: Block) -> str:
        """Run a block and return what it printed; fails when it does."""
        text = block.text.replace("8411", self.port)
        check_installing(block)
        if block.language == "yaml":
            assert load_policy(text).name, f"line {block.line}"
            return ""
        if block.language == "json":
            SubmitRequest.model_validate_json(text)
            return ""
        if block.language == "python":
            return self._finish([str(ROOT / ".venv/bin/python"), "-c", text], block)
        command = text.rstrip("\n").removesuffix(" &").partition("  #")[0].rstrip()
        ready = next((said for start, said in SERVING.items() if command.startswith(start)), None)
        if ready is not None:
            return self._serve(command, ready)
        # One terminal: what a block sets holds in the next.
        kept_in = self.folder / "out" / "variables.sh"
        kept_in.parent.mkdir(exist_ok=True)
        before = f". {kept_in}" if kept_in.exists() else ":"
        script = "\n".join([before, "set -aeuo pipefail", text, f"export -p > {kept_in}"])
        if text == "make demo\n":
            return self._finish(["make", "demo"], block, self.samples)
        return self._finish([_BASH, "-c", script], block)

    def rehearse(self) -> None:
        """Start a cloud without functions, to which the environment sends what would go to the real one."""
        data = f"out/cloud-{secrets.token_hex(4)}"
        self._serve(f".venv/bin/cardveil up --bare --data {data}", '"proxy"')
        self.environment |= {
            "REHEARSE_ON": data, "REHEARSE_PACKAGE": "dist", "REHEARSE": "1"
        }  # fmt: skip

    def _finish(
        self, command: list[str], block: Block, more: Mapping[str, str] = MappingProxyType({})
    ) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env={**self.environment, **more}, capture_output=True, text=True,
            check=False, timeout=400,
        )  # fmt: skip
        where = f"line {block.line}:\n{block.text}"
        assert done.returncode == 0, f"{where}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def _serve(self, command: str, ready: str) -> str:
        log = self.folder / "out" / f"serving-{secrets.token_hex(4)}.log"
        log.parent.mkdir(exist_ok=True)
        environment = {**self.environment, **self.samples}
        with log.open("wb") as out:
            process = subprocess.Popen(
                command.split(), cwd=self.folder, env=environment, stdout=out, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        self.stack.callback(_stop, process)
        deadline = time.monotonic() + 180
        while ready not in (printed := log.read_text("utf-8")):
            assert process.poll() is None, f"{command} ended: {printed}"
            assert time.monotonic() < deadline, f"{command} is not ready: {printed}"
            time.sleep(0.05)
        return printed


def without_deploying(blocks: list[Block]) -> list[Block]:
    """Take out what is deployed with what it prints, which must stand on the page about deploying as well."""
    there = [(b.language, b.text) for b in blocks_of((ROOT / "docs" / "deploying.md").read_text("utf-8"))]
    at = next(n for n, block in enumerate(blocks) if _DEPLOYING.search(block.text))
    pair = [(block.language, block.text) for block in blocks[at : at + 2]]
    assert pair in [there[n : n + 2] for n in range(len(there))], (
        f"line {blocks[at].line} is not on that page"
    )
    return blocks[:at] + blocks[at + 2 :]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a server and all that it started."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page", [page for page in pages() if page.name != "README.zh-CN.md"], ids=lambda page: page.stem
)
def test_every_block_runs_and_prints_what_the_page_shows(page: Path, made_once: Path) -> None:
    blocks = blocks_of(page.read_text("utf-8"))
    if page.name == "README.md":
        blocks = without_deploying(blocks)
    if not blocks:
        return
    with checkout() as folder, ExitStack() as stack:
        reader = Reader(folder, stack, environment_of(made_once))
        if any(_DEPLOYING.search(block.text) for block in blocks):
            reader.rehearse()
        printed = ""
        for block in blocks:
            if block.language == "text":
                shown = block.text.replace("8411", reader.port)
                assert shows(shown, printed), (
                    f"{page.name}, line {block.line} shows\n{shown}\nprinted\n{printed}"
                )
            else:
                printed = reader.run(block)


def test_the_chinese_readme_has_the_same_blocks() -> None:
    english, chinese = (
        blocks_of((ROOT / name).read_text("utf-8")) for name in ("README.md", "README.zh-CN.md")
    )
    assert [(block.language, block.text) for block in chinese] == [
        (block.language, block.text) for block in english
    ]
