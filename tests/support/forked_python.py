"""Starts processes from a Python that has imported already what they would import.

A test session starts a thousand functions and commands, and each would spend most of its time on the same
imports. Here one process makes them, and each process that is asked for is forked from it: a process of its
own, with its own environment, folder, streams and group. What is special to a first start is tested with
processes that start from nothing (`tests/contract`, `tests/unit/test_cold_start.py`,
`tests/e2e/test_deploy.py`, `tests/e2e/test_docs_blocks.py`).
"""

from __future__ import annotations

import array
import asyncio
import atexit
import fcntl
import importlib.machinery
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

#: With this variable a session's local clouds start their functions so; `tests/conftest.py` sets it.
VARIABLE: Final = "FUNCTIONS_ARE_FORKED"
#: What functions and commands import of other people's, and what that imports in turn.
_IMPORTED: Final = (
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.ImageChops",
    "PIL.ImageFilter",
    "PIL.ImageStat",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.metrics",
    "click",
    "orjson",
    "pydantic",
    "qcloud_cos",
    "requests",
    "sqlite3",
    "tencentcloud.common.exception.tencent_cloud_sdk_exception",
    "xml.dom.minidom",
)
#: What they import of this checkout's, where they would find the same.
_OWN: Final = "cardveil"
_ROOT: Final = Path(__file__).parents[2]
_SIZE: Final = struct.Struct("!I")
_NUMBER: Final = struct.Struct("!i")


class Forked:
    """One forked process, as asyncio has those that it starts."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line = line
        self._ended = asyncio.ensure_future(self._wait())

    async def wait(self) -> int:
        """Wait for its end, and return its exit status: a signal's number is negative."""
        return await asyncio.shield(self._ended)

    async def _wait(self) -> int:
        with self._line:
            said = await asyncio.get_running_loop().sock_recv(self._line, _NUMBER.size)
        self.returncode = _NUMBER.unpack(said)[0] if said else -signal.SIGKILL
        return self.returncode


async def create_subprocess_exec(
    program: str,
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str],
    stdin: int,
    stdout: IO[bytes],
    stderr: IO[bytes],
    pass_fds: Sequence[int],
    start_new_session: bool,
    umask: int,
) -> asyncio.subprocess.Process | Forked:
    """Start a process as `asyncio.create_subprocess_exec` does; a module of this Python is forked."""
    if program != sys.executable or arguments[:2] != ("-u", "-m") or stdin != asyncio.subprocess.DEVNULL:
        return await asyncio.create_subprocess_exec(
            program, *arguments, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr,
            pass_fds=pass_fds, start_new_session=start_new_session, umask=umask,
        )  # fmt: skip
    line = _order(
        arguments[2:],
        cwd,
        env,
        [stdout.fileno(), stderr.fileno(), *pass_fds],
        {"passed": list(pass_fds), "session": start_new_session, "umask": umask},
    )
    line.setblocking(False)
    pid = _NUMBER.unpack(await asyncio.get_running_loop().sock_recv(line, _NUMBER.size))[0]
    return Forked(pid, line)


def run(
    command: Sequence[str | bytes | Path], *, cwd: Path, env: Mapping[str, str], timeout: float
) -> tuple[int, bytes, bytes]:
    """Run a module with its arguments, and return its exit status and what it wrote to either stream.

    Raises
    ------
    TimeoutError
        If it takes longer than `timeout` seconds; it is ended then.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams = [out.fileno(), err.fileno()]
        with _order([os.fsdecode(part) for part in command], cwd, env, streams, {}) as line:
            pid = _NUMBER.unpack(line.recv(_NUMBER.size, socket.MSG_WAITALL))[0]
            line.settimeout(timeout)
            try:
                status = _NUMBER.unpack(line.recv(_NUMBER.size))[0]
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
        for stream in (out, err):
            stream.seek(0)
        return status, out.read(), err.read()


def _order(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    streams: Sequence[int],
    more: Mapping[str, Any],
) -> socket.socket:
    """Send what is to be run; on the line that is returned come its process id and, at last, its status."""
    asked = {
        "module": command[0],
        "arguments": command[1:],
        "folder": str(folder),
        "environment": dict(environment),
        "parent": os.getpid(),
        "passed": [],
        "session": False,
        "umask": None,
        **more,
    }
    line = socket.socket(socket.AF_UNIX)
    line.connect(_forker())
    body = json.dumps(asked).encode()
    line.sendmsg([_SIZE.pack(len(body))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))])
    line.sendall(body)
    return line


@cache
def _forker() -> bytes:
    """Begin the process that forks, and return its address; it ends when this process does.

    Not by the kernel's signal at a parent's end: that is sent when a thread ends, and clouds are threads.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # an address of its own, which no file stands for
        listener.listen(64)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked_python", str(listener.fileno())],
            cwd=_ROOT,
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(process.communicate)  # which closes its input, and waits
        address: bytes = listener.getsockname()
        return address


class _Forker:
    """Takes orders at a socket, and forks."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._lines: dict[int, socket.socket] = {}

    def run(self) -> dict[str, Any]:
        """Serve until the session ends; in a process that is forked, return what it is to be."""
        ended, told = os.pipe()
        os.set_blocking(told, False)
        os.set_blocking(ended, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(told)
        while True:
            ready, _, _ = select.select([self._listener, ended, sys.stdin], [], [])
            if sys.stdin in ready:
                os._exit(0)
            if ended in ready:
                with suppress(BlockingIOError):
                    os.read(ended, 4096)
                self._reap()
            if self._listener in ready:
                line, _ = self._listener.accept()
                asked, descriptors = _received(line)
                if pid := os.fork():
                    for descriptor in descriptors:
                        os.close(descriptor)
                    self._lines[pid] = line
                    with suppress(OSError):
                        line.sendall(_NUMBER.pack(pid))
                    continue
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (self._listener, line, *self._lines.values()):
                    each.close()
                os.close(ended)
                os.close(told)
                _become(asked, descriptors)
                return asked

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            with self._lines.pop(pid) as line, suppress(OSError):
                line.sendall(_NUMBER.pack(os.waitstatus_to_exitcode(status)))


def _received(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, descriptors, _, _ = socket.recv_fds(line, _SIZE.size, 16)
    left, parts = _SIZE.unpack(head)[0], []
    while left:
        parts.append(line.recv(left))
        left -= len(parts[-1])
    asked: dict[str, Any] = json.loads(b"".join(parts))
    return asked, descriptors


def _become(asked: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    """Have this process stand as one that was started in this folder, with these streams."""
    if asked["session"]:
        os.setsid()
    if asked["umask"] is not None:
        os.umask(asked["umask"])
    os.chdir(asked["folder"])
    # Numbers may be in use twice: first all out of the way, then each to its place.
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 1000) for each in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(moved, (1, 2, *asked["passed"]), strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _entries(environment: Mapping[str, str]) -> list[str]:
    return list(filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)))


def main() -> None:
    """Import, serve, and be what is asked for."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    for name in _IMPORTED:
        importlib.import_module(name)
    package = importlib.import_module(_OWN)
    for module in pkgutil.walk_packages(package.__path__, f"{_OWN}."):
        importlib.import_module(module.name)
    asked = _Forker(listener).run()
    before, after = _entries(os.environ), _entries(asked["environment"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.path[: 1 + len(before)] = [asked["folder"], *after]
    there = importlib.machinery.PathFinder.find_spec(_OWN)
    foreign = {"tests", *(() if there and there.origin == package.__file__ else (_OWN,))}
    for name in [name for name in sys.modules if name.partition(".")[0] in foreign]:
        del sys.modules[name]
    # Who looks whether its parent has ended is to look at the one that it has.
    told = {f"--parent={asked['parent']}": f"--parent={os.getppid()}"}
    sys.argv[1:] = [told.get(argument, argument) for argument in asked["arguments"]]
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
