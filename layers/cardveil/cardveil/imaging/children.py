"""Decoders that may die, or never end, run in a process of their own: nothing of it harms this one."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from cardveil.core.errors import CardveilError, Reject
from cardveil.core.frozen import dataclass
from cardveil.imaging.limits import corrupt, decoder_missing, too_large, unsupported

if TYPE_CHECKING:
    import subprocess

#: How a script says what it found wrong with a file.
CORRUPT, TOO_LARGE, UNSUPPORTED, ENCRYPTED, TOO_LONG = 3, 4, 5, 6, 7
#: How `child_main` says that a script's decoder is not installed.
MISSING: Final = 8
_MAIN: Final = Path(__file__).with_name("child_main.py")
_MB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What one file may cost in a child; held to by the kernel (``setrlimit``).

    Attributes
    ----------
    seconds : float
        Of processor time, and twice as many of any time between two parts of what it writes.
    memory : int
        Bytes of address space.
    """

    seconds: float = 30.0
    memory: int = 2048 * _MB


class Child:
    """A script at work on one file; it goes no further ahead of its reader than a pipe holds."""

    def __init__(self, process: subprocess.Popen[bytes], out: IO[bytes], limits: ChildLimits) -> None:
        self._process = process
        self._out = out.fileno()
        self._patience_s = 2 * limits.seconds
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)

    def read(self, count: int | None = None) -> bytes:
        """Return the next bytes of what it writes, all of them for None; fewer at its end alone.

        Raises
        ------
        Reject, Review
            See `run_child`; also when it ends without having written a byte more.
        """
        made = bytearray()
        while count is None or len(made) < count:
            if not self._poll.poll(self._patience_s * 1000):
                raise too_costly()
            part = os.read(self._out, _MB if count is None else min(count - len(made), _MB))
            if not part:
                self._end()
                break
            made += part
        return bytes(made)

    def _end(self) -> None:
        import subprocess

        try:
            code = self._process.wait(self._patience_s)
        except subprocess.TimeoutExpired:
            raise too_costly() from None
        if code:
            raise _refusal(code)


@contextmanager
def started(script: Path, arguments: Mapping[str, Any], data: bytes, limits: ChildLimits) -> Iterator[Child]:
    """Give a file to a script in a process of its own, which ends with the block at the latest.

    The process is begun by `child_main`: without site packages' start-up, with this process's module path,
    and limited before anything of the script is run. It stays in this process's group: who ends a function
    that has run out of time ends it as well.
    """
    import subprocess  # of no use to the pictures of most uploads
    import threading

    told = {
        **arguments,
        "script": str(script),
        "path": [entry for entry in sys.path if entry],
        "limits": {"seconds": limits.seconds, "memory": limits.memory},
    }
    # Nothing else of the environment: it holds the role's credentials. Some Pythons load their library by it.
    environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    try:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, on a script of ours
            [sys.executable, "-I", "-S", str(_MAIN), json.dumps(told)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment, cwd="/",
        )  # fmt: skip
    except OSError:
        raise decoder_missing() from None
    given, out = process.stdin, process.stdout
    assert given is not None  # noqa: S101 - both are pipes
    assert out is not None  # noqa: S101

    def feed() -> None:
        # Whoever has ended reads nothing: what it ended with says why.
        with suppress(OSError), given:
            given.write(data)

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    try:
        yield Child(process, out, limits)
    finally:
        process.kill()
        process.wait()
        feeding.join()
        out.close()


def run_child(script: Path, arguments: Mapping[str, Any], data: bytes, limits: ChildLimits) -> bytes:
    """Give a file to a script in a process of its own, and return what it writes; see `started`.

    Raises
    ------
    Reject
        ``picture_corrupt``, ``picture_too_large``, ``format_not_supported``, ``document_encrypted`` and
        ``document_too_long`` where the script says so; ``decoding_failed`` when it died,
        ``decoding_too_costly`` when it was stopped.
    Review
        ``decoder_missing`` where the script's decoder is not installed.
    """
    with started(script, arguments, data, limits) as child:
        return child.read()


def too_costly() -> Reject:
    """Build the refusal of a file whose decoding was stopped."""
    return Reject("decoding_too_costly", "save it as a JPEG and upload that: decoding it was stopped")


def too_long() -> Reject:
    """Build the refusal of a document of too many pages."""
    return Reject("document_too_long", "keep the pages with cards alone and try again")


def _refusal(code: int) -> CardveilError:
    if code == CORRUPT:
        return corrupt("its picture data is damaged")
    if code == TOO_LARGE:
        return too_large()
    if code == UNSUPPORTED:
        return unsupported("a file of this kind")
    if code == ENCRYPTED:
        return Reject("document_encrypted", "take its password away and try again")
    if code == TOO_LONG:
        return too_long()
    if code == MISSING:
        return decoder_missing()
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return too_costly()
    return Reject("decoding_failed", "save it as a JPEG and upload that: its decoder failed on it")
