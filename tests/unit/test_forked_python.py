"""A forked process is as good as one that was started from nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from tests.support.forked_python import Forked, create_subprocess_exec

import cardveil

_PROGRAM = """
import json, os, signal, sys, threading
json.dump({
    "environment": dict(os.environ), "folder": os.getcwd(), "path": sys.path, "arguments": sys.argv[1:],
    "name": __name__, "leader": os.getpgid(0) == os.getpid(), "mask": os.umask(0), "input": sys.stdin.read(),
    "children": [signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, signal.set_wakeup_fd(-1)],
    "ours": sorted({name.partition(".")[0] for name in sys.modules} & {"tests", "cardveil"}),
    "from": __import__("cardveil").__file__,
    "open": [number for number in range(256) if os.path.exists(f"/proc/self/fd/{number}")],
}, sys.stdout)
print("to the other", file=sys.stderr)
os.write(int(sys.argv[1]), b"passed")
threading.Thread(target=os.kill, args=(os.getpid(), int(sys.argv[2]))).start() if len(sys.argv) > 2 else None
sys.exit(3)
"""


async def run(folder: Path, *more: str) -> tuple[int, bytes]:
    """Run the program; return its exit status, and what it wrote to a descriptor that was passed."""
    reading, writing = os.pipe()
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = await create_subprocess_exec(
            *(sys.executable, "-u", "-m", "own_program", str(writing), *more),
            cwd=folder,
            env={"ONLY": "this", "PYTHONPATH": "/nowhere"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            pass_fds=[writing],
            start_new_session=True,
            umask=0o077,
        )
    assert isinstance(process, Forked)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        status = await process.wait()
        assert process.returncode == status
        return status, pipe.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own_program.py").write_text(_PROGRAM, "utf-8")
    return tmp_path


def test_it_has_its_own_of_all_that_a_process_has(folder: Path) -> None:
    assert asyncio.run(run(folder)) == (3, b"passed")
    found = json.loads((folder / "out").read_bytes())
    assert found["environment"] == {"ONLY": "this", "PYTHONPATH": "/nowhere"}
    assert found["folder"] == str(folder)
    assert found["path"][:2] == [str(folder), "/nowhere"]
    assert not [entry for entry in found["path"] if (Path(entry) / "tests" / "support").exists()]
    assert found["name"] == "__main__"
    assert (found["leader"], found["mask"], found["input"]) == (True, 0o077, "")
    assert found["children"] == [True, -1]
    assert found["ours"] == ["cardveil"]
    assert found["from"] == cardveil.__file__
    assert found["open"] == [0, 1, 2, int(found["arguments"][0])]
    assert (folder / "err").read_bytes() == b"to the other\n"


def test_what_is_its_own_on_its_path_comes_before_what_was_imported(folder: Path) -> None:
    own = folder / "cardveil" / "__init__.py"
    own.parent.mkdir()
    own.touch()
    asyncio.run(run(folder))
    found = json.loads((folder / "out").read_bytes())
    assert (found["ours"], found["from"]) == ([], str(own))


def test_its_end_is_told_whatever_ended_it(folder: Path) -> None:
    assert asyncio.run(run(folder, str(int(signal.SIGKILL)))) == (-signal.SIGKILL, b"passed")
