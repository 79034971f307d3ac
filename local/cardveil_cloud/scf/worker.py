"""One instance of one function: the process that imports a handler and runs it, event after event.

Started by the server as ``python -m cardveil_cloud.scf.worker``. Before the handler it imports nothing beyond
the standard library: what it imports the function gets for nothing, which it would not on the platform.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cardveil_cloud.scf.channel import BlockingChannel

Handler = Callable[[Any, dict[str, Any]], Any]

#: prctl(2): the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9


def main() -> int:
    """Run until the server closes the channel."""
    arguments = _arguments()
    _end_with_parent(arguments.parent)
    # A process that the handler starts must not hold the channel open.
    os.set_inheritable(arguments.channel, False)
    channel = BlockingChannel(socket.socket(fileno=arguments.channel))
    started = time.perf_counter()
    try:
        handler = _load(arguments.handler)
    except _HandlerNotFoundError as error:
        channel.send({"type": "init_error", "status": 437, "message": str(error), "trace": ""})
        return 1
    except Exception as error:  # noqa: BLE001 - whatever the function's own import raises is reported
        channel.send(
            {"type": "init_error", "status": 430, "message": type(error).__name__, "trace": _trace()}
        )
        return 1
    channel.send({"type": "ready", "init_ms": _since(started)})
    while (message := channel.receive()) is not None:
        channel.send(_run(handler, message))
    return 0


class _HandlerNotFoundError(Exception):
    """The file or the function that `handler` names is not there."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the server's socket")
    parser.add_argument("--parent", type=int, required=True, help="process id of the server")
    parser.add_argument("--handler", required=True, help="FileName.FunctionName")
    return parser.parse_args()


def _end_with_parent(parent: int) -> None:
    # A server that is killed cannot tidy up: the kernel does it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _load(name: str) -> Handler:
    module_name, _, function_name = name.rpartition(".")
    module_name = module_name.replace("/", ".")
    if not Path.cwd().joinpath(*module_name.split(".")).with_suffix(".py").is_file():
        raise _HandlerNotFoundError("the entry file is not at the root of the function's folder")
    function = getattr(importlib.import_module(module_name), function_name, None)
    if not callable(function):
        raise _HandlerNotFoundError("the entry file has no such function")
    handler: Handler = function
    return handler


def _run(handler: Handler, message: Mapping[str, Any]) -> dict[str, Any]:
    # Role credentials last for hours only, so a warm instance gets new ones with each invocation.
    os.environ.update(message["environ"])
    started = time.perf_counter()
    try:
        answer = handler(json.loads(message["event"]), message["context"])
        reply: dict[str, Any] = {"type": "result", "result": json.dumps(answer, ensure_ascii=False)}
    except Exception as error:  # noqa: BLE001 - the platform reports whatever the handler raises
        reply = {"type": "error", "message": type(error).__name__, "trace": _trace()}
    sys.stdout.flush()
    sys.stderr.flush()
    return {**reply, "duration_ms": _since(started), "peak_kb": _peak_kb()}


def _trace() -> str:
    """Return the traceback without this file's own frames, as the platform shows it."""
    kind, error, frames = sys.exc_info()
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(kind, error, frames)).rstrip()


def _peak_kb() -> int:
    # Not getrusage: it counts what the server had resident when it started this process.
    for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)


if __name__ == "__main__":
    sys.exit(main())
