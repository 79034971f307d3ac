"""The server's side of one worker process: start it, give it events, end it when it breaks a limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cardveil_cloud import files
from cardveil_cloud.scf import channel
from cardveil_cloud.scf.results import Status

#: How often the resident size of a busy worker is looked at, in seconds.
_MEMORY_INTERVAL: Final = 0.05
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
#: The worker's own modules are found, and then that folder is forgotten again.
_ISOLATED: Final = (
    "-s",
    "-S",
    "-c",
    "import sys; sys.path.insert(0, {0!r}); from cardveil_cloud.scf import worker; sys.path.remove({0!r}); "
    "sys.exit(worker.main())".format(str(Path(__file__).parents[2])),
)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a worker of one function is started.

    Attributes
    ----------
    environment : mapping
        The whole environment: nothing of the server's own is inherited.
    log : Path
        Where what it prints is appended.
    isolated : bool
        Whether only the function's own folders are to be found, as on the platform: no site-packages.
    begin : callable
        Starts a process as `asyncio.create_subprocess_exec` does.
    """

    handler: str
    folder: Path
    environment: Mapping[str, str]
    log: Path
    memory_mb: int
    init_timeout_s: float
    python: str = sys.executable
    isolated: bool = False
    begin: Callable[..., Awaitable[Any]] = asyncio.create_subprocess_exec


class InstanceError(Exception):
    """The instance is gone, or never was; `status` says how SCF calls that and `trace` what is known."""

    def __init__(self, status: Status, trace: str = "") -> None:
        super().__init__(status.name)
        self.status = status
        self.trace = trace


class Instance:
    """One running worker. Not shared between invocations that overlap."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        memory_mb: int,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._memory_mb = memory_mb
        self.invocations = 0
        #: Largest resident size that was seen during the last invocation, of children too, in KB.
        self.peak_kb = 0

    @property
    def pid(self) -> int:
        """Process id of the worker, which is also its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.returncode is None and not self._reader.at_eof()

    @classmethod
    async def start(cls, launch: Launch) -> Instance:
        """Start a process and wait until it has imported its handler.

        Raises
        ------
        InstanceError
            If the handler cannot be imported, or not within the initialisation time.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs, files.open_private(launch.log, "ab") as log:
                process = await launch.begin(
                    launch.python,
                    "-u",
                    *(_ISOLATED if launch.isolated else ("-m", "cardveil_cloud.scf.worker")),
                    f"--channel={theirs.fileno()}",
                    f"--parent={os.getpid()}",
                    f"--handler={launch.handler}",
                    cwd=launch.folder,
                    env=dict(launch.environment),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(),),
                    # A group of its own, so that what the handler starts is ended with it.
                    start_new_session=True,
                    # What a function writes on this machine is as private as on one of its own.
                    umask=0o077,
                )
        except BaseException:
            ours.close()
            raise
        ours.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        instance = cls(process, reader, writer, launch.memory_mb)
        try:
            message = await asyncio.wait_for(instance._receive(), launch.init_timeout_s)
        except asyncio.TimeoutError:
            await instance.end()
            raise InstanceError(
                Status.TIME_LIMIT, f"Initialisation timed out after {launch.init_timeout_s:g} seconds"
            ) from None
        except InstanceError:
            await instance.end()
            raise
        except asyncio.CancelledError:
            await instance.end()
            raise
        if message["type"] == "init_error":
            await instance.end()
            raise InstanceError(Status(message["status"]), message["trace"] or message["message"])
        return instance

    async def call(
        self, message: dict[str, Any], timeout_s: float, *, kill_after_s: float | None = None
    ) -> dict[str, Any]:
        """Run one event and return the worker's reply.

        Parameters
        ----------
        timeout_s
            The function's time limit, in seconds.
        kill_after_s
            Kill the worker so many seconds in, as when its host fails: an injected fault.

        Raises
        ------
        InstanceError
            If the worker broke a limit or ended; the instance is then of no further use.
        """
        self.invocations += 1
        watcher = asyncio.ensure_future(self._memory_exceeded())
        receiver = asyncio.ensure_future(self._exchange(message))
        killer = None
        if kill_after_s is not None:
            killer = asyncio.get_running_loop().call_later(kill_after_s, self._kill)
        try:
            await asyncio.wait({watcher, receiver}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if receiver.done():
                return receiver.result()
            if watcher.done():
                raise InstanceError(Status.MEMORY_LIMIT)
            raise InstanceError(Status.TIME_LIMIT, f"Invoking task timed out after {timeout_s:g} seconds")
        finally:
            if killer is not None:
                killer.cancel()
            for task in (watcher, receiver):
                task.cancel()
            await asyncio.gather(watcher, receiver, return_exceptions=True)

    async def end(self) -> None:
        """Kill the worker and everything in its group, and wait until it is gone."""
        self._writer.close()
        self._kill()
        await self._process.wait()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def _exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            self._writer.write(channel.pack(message))
            await self._writer.drain()
        except ConnectionError:
            raise InstanceError(Status.PROCESS_EXIT) from None
        return await self._receive()

    async def _receive(self) -> dict[str, Any]:
        try:
            header = await self._reader.readexactly(channel.HEADER_BYTES)
            body = await self._reader.readexactly(channel.body_length(header))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            raise InstanceError(Status.PROCESS_EXIT) from None
        return channel.unpack(body)

    async def _memory_exceeded(self) -> None:
        """Return once the resident size of the worker and of what it has begun is above its memory.

        Resident size is what the platform counts, of all that runs in the instance. An address-space limit
        would also count what libraries reserve and never touch, and turns into a `MemoryError` that the
        platform does not give.
        """
        limit = self._memory_mb * 1024 * 1024
        self.peak_kb = 0
        while True:
            resident = sum(map(_resident, _family(self.pid)))
            self.peak_kb = max(self.peak_kb, resident // 1024)
            if resident > limit:
                return
            await asyncio.sleep(_MEMORY_INTERVAL)


def _resident(pid: int) -> int:
    """Return the bytes that a process holds in memory; 0 once it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _family(pid: int) -> Iterator[int]:
    """Yield a process and all that it, and they, have begun."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            begun = children.read_text("ascii").split()
        except OSError:
            continue
        for child in begun:
            yield from _family(int(child))
