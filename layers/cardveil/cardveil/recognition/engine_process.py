"""The embedded engine in a process of its own: what it dies of, or never finishes, costs one picture at most.

The process is begun with the first picture and serves all that follow, one at a time. It is told a picture
and answers in JSON; nothing of the environment is handed to it, which holds the role's credentials.
"""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cardveil.core.errors import RETRY_HINT, Halt, Retry, Review, out_of_time

#: The package that the layer brings, and the layer's name.
PACKAGE: Final = "cardveil_ocr"
LAYER: Final = "cardveil-engine"
#: Megabytes that the engine takes of a function's (benchmarks/engine.py), and that such a function needs.
ENGINE_MB: Final = 960
MEMORY_MB: Final = 1536
#: Seconds for the models to be loaded, and for one picture: twenty times what either takes on one core.
_START_S: Final = 60.0
_PICTURE_S: Final = 40.0
#: A picture that is begun with less time left than it usually takes would come to nothing.
_ROOM_S: Final = 3.0
#: How often the engine's memory is looked at while it works, in seconds.
_LOOK_S: Final = 0.1
#: What is left of a function's memory for all but the engine, in bytes, beside what this process holds.
_RESERVE: Final = 64 * 1024 * 1024
#: Longest answer that is taken: the texts of a full page are a megabyte.
_LONGEST: Final = 64 * 1024 * 1024
#: More threads than this make a picture no quicker.
_MOST_THREADS: Final = 2


class _GoneError(Exception):
    """The process has died, was ended for its memory, or says what nobody understands."""


class _TooLongError(Exception):
    """The process has not answered in time, and was ended."""


def engine_script() -> Path:
    """Return the script that serves the engine.

    Raises
    ------
    Halt
        ``engine_missing`` where the layer is not there.
    """
    found = importlib.util.find_spec(PACKAGE)
    places = list(found.submodule_search_locations or ()) if found else []
    if not places:
        raise Halt(
            "engine_missing",
            f"give the function the layer {LAYER}, which CARDVEIL_ENGINE asks for, or set CARDVEIL_ENGINE to "
            "vendor",
        )
    return Path(places[0]) / "serving.py"


@lru_cache(maxsize=1)
def shared_engine(script: Path, memory_mb: int) -> EngineProcess:
    """Return this process's engine; that of another script or memory takes its place."""
    return EngineProcess(script, memory_mb)


class EngineProcess:
    """The engine's process; may be asked from several threads, which wait for each other.

    Parameters
    ----------
    script : Path
        What it runs; see `cardveil_ocr.serving`.
    memory_mb : int
        Megabytes at which the platform ends the function; 0 where that is not known. The engine is ended
        before that, so that the function lives on.
    """

    def __init__(
        self, script: Path, memory_mb: int, *, start_s: float = _START_S, picture_s: float = _PICTURE_S
    ) -> None:
        self._script = script
        self._memory = memory_mb * 1024 * 1024
        self._start_s = start_s
        self._picture_s = picture_s
        self._lock = threading.Lock()
        self._child: Any = None
        self._served = False

    def ask(self, asked: Mapping[str, Any], picture: bytes, remaining_s: float) -> dict[str, Any]:
        """Ask of a picture, and once more in a new process if the first one dies of it.

        Parameters
        ----------
        asked : mapping
            The question in plain values.
        remaining_s : float
            Seconds that are left for it.

        Raises
        ------
        Review
            ``engine_failed``: this picture is more than the engine can take.
        Retry
            ``out_of_time``, ``engine_gone``: another time it may work.
        Halt
            ``engine_unusable``: it cannot be started at all.
        """
        deadline = time.monotonic() + remaining_s
        with self._lock:
            for _ in range(2):
                left = deadline - time.monotonic()
                if left < _ROOM_S:
                    raise out_of_time()
                self._ready(left)
                left = deadline - time.monotonic()
                try:
                    answer = self._exchange(asked, picture, min(left, self._picture_s))
                except _TooLongError:
                    if left < self._picture_s:
                        raise out_of_time() from None
                    break
                except _GoneError:
                    continue
                if "failed" in answer:
                    break
                return answer
        raise Review("engine_failed", "look at the picture: the engine failed on it, as on no other before")

    def close(self) -> None:
        """End the process; the next picture begins another."""
        with self._lock:
            self._end()

    def _ready(self, left_s: float) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        self._end()
        self._begin()
        try:
            told = self._receive(min(left_s, self._start_s))
        except (_GoneError, _TooLongError) as error:
            if isinstance(error, _TooLongError) and left_s < self._start_s:
                raise out_of_time() from None
            if self._served:
                # It has been started before: what keeps it from starting now may pass.
                raise Retry("engine_gone", RETRY_HINT) from None
            told = {}
        if told.get("ready") is not True:
            self._end()
            raise Halt(
                "engine_unusable",
                f"give the function {MEMORY_MB} MB of memory or more, and the layer {LAYER} as `cardveil "
                "package` makes it, or set CARDVEIL_ENGINE to vendor",
            )
        self._served = True

    def _begin(self) -> None:
        import subprocess  # of no use without the engine

        told = {
            "path": [str(self._script.parents[1]), *(entry for entry in sys.path if entry)],
            "threads": min(_MOST_THREADS, os.cpu_count() or 1),
        }
        self._child = subprocess.Popen(  # noqa: S603 - this interpreter, on a script of ours
            [sys.executable, "-I", "-S", str(self._script), json.dumps(told)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={}, cwd="/",
        )  # fmt: skip

    def _end(self) -> None:
        if self._child is not None:
            child, self._child = self._child, None
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(OSError):
                    pipe.close()

    def _exchange(self, asked: Mapping[str, Any], picture: bytes, limit_s: float) -> dict[str, Any]:
        head = json.dumps(asked).encode()
        try:
            # It has read the last picture to its end, and reads all of this one before it works.
            self._child.stdin.write(struct.pack(">II", len(head), len(picture)) + head + picture)
            self._child.stdin.flush()
        except OSError:
            self._end()
            raise _GoneError from None
        return self._receive(limit_s)

    def _receive(self, limit_s: float) -> dict[str, Any]:
        """Read one answer; whatever goes wrong, the process is ended."""
        deadline = time.monotonic() + limit_s
        try:
            (size,) = struct.unpack(">I", self._read(4, deadline))
            if size > _LONGEST:
                raise _GoneError
            answer = json.loads(self._read(size, deadline))
        except ValueError:
            self._end()
            raise _GoneError from None
        except (_GoneError, _TooLongError):
            self._end()
            raise
        if not isinstance(answer, dict):
            self._end()
            raise _GoneError
        return answer

    def _read(self, size: int, deadline: float) -> bytes:
        import select

        pipe, parts, missing = self._child.stdout.fileno(), [], size
        while missing:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _TooLongError
            if not select.select([pipe], [], [], min(left, _LOOK_S))[0]:
                self._look_at_memory()
                continue
            part = os.read(pipe, min(missing, 1 << 20))
            if not part:
                raise _GoneError
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _look_at_memory(self) -> None:
        """End the engine before the platform ends the function."""
        if self._memory and _resident(self._child.pid) + _resident(os.getpid()) > self._memory - _RESERVE:
            raise _GoneError


def _resident(pid: int) -> int:
    """Return the bytes that a process holds in memory; 0 where that cannot be told."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
