"""How the command ends: its four exit codes, and one place that turns every fault into one of them."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click

from cardveil.core.errors import CardveilError

#: Shows all of an unexpected fault, as ``--debug`` does.
DEBUG_VARIABLE: Final = "CARDVEIL_DEBUG"
_PACKAGES: Final = ("cardveil", "cardveil_cli", "cardveil_cloud", "cardveil_ocr")


class ExitCode(IntEnum):
    """Every code that the command ends with; there are no others."""

    DONE = 0
    REFUSED = 2
    LEFT_OVER = 3
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """What the code says, for the help."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    ExitCode.DONE: "All that was asked for is done.",
    ExitCode.REFUSED: "It could not be begun, or not go on: wrong use, or something that it needs is "
    "missing. The message says what.",
    ExitCode.LEFT_OVER: "It went on to the end, and something was left over: it is named, and all else is "
    "done.",
    ExitCode.INTERRUPTED: "Stopped by Ctrl-C, SIGTERM or a reader that went away; the same command goes on.",
}


class Debugging:
    """Whether an unexpected fault is shown whole; ``--debug`` switches it on while options are read."""

    def __init__(self) -> None:
        # Taken out: whatever reads the CARDVEIL_ settings from the environment knows no such setting.
        self.on = os.environ.pop(DEBUG_VARIABLE, "") not in {"", "0"}


def outcome(run: Callable[[], Any], debugging: Debugging) -> ExitCode:
    """Run a command and say how it ended; whatever it raises becomes one line on standard error.

    Parameters
    ----------
    run
        The command; what it returns is its code, and None means that all is done.
    """
    with _surroundings(debugging):
        try:
            return _known(run())
        except SystemExit as end:
            # So click ends when nobody reads the output any more; nothing of ours ends so.
            return ExitCode.INTERRUPTED if end.code == 1 else _known(end.code)
        except (KeyboardInterrupt, click.Abort):
            tell("interrupted")
            return ExitCode.INTERRUPTED
        except click.ClickException as error:
            error.show()
        except Exception as fault:  # noqa: BLE001 - told, and ends the command
            tell(described(fault, debugging))
        return ExitCode.REFUSED


def described(fault: BaseException, debugging: Debugging) -> str:
    """Return what a fault is, in one line; all of it when debugging.

    The text of an unexpected exception is left out: it may hold what was read from a card.
    """
    if debugging.on:
        return "".join(traceback.format_exception(fault)).rstrip()
    if isinstance(fault, CardveilError):
        return str(fault)
    if isinstance(fault, OSError) and fault.strerror:
        place = f"{shown(fault.filename)}: " if fault.filename is not None else ""
        return f"{place}{fault.strerror}"
    return f"unexpected fault ({type(fault).__name__}{_place(fault)}): --debug shows all of it"


def shown(path: Path | str | bytes | int) -> str:
    """Return a path as one line to print: what is no text, or controls a terminal, is escaped."""
    text = os.fsdecode(path) if isinstance(path, str | bytes | Path) else str(path)
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() or c == "\u3000" else ascii(c)[1:-1] for c in text)


def tell(message: str) -> None:
    """Print a message of the command's own to standard error."""
    click.echo(f"cardveil: {message}", err=True)


def _known(code: object) -> ExitCode:
    if code is None:
        return ExitCode.DONE
    with suppress(ValueError):
        if isinstance(code, int):
            return ExitCode(code)
    return ExitCode.REFUSED


def _place(fault: BaseException) -> str:
    """Name the last of our own lines that the fault went through."""
    for frame in reversed(traceback.extract_tb(fault.__traceback__)):
        parts = Path(frame.filename).parts
        own = [n for n, part in enumerate(parts) if part in _PACKAGES]
        if own:
            return f" at {'/'.join(parts[own[-1] :])}:{frame.lineno}"
    return ""


@contextmanager
def _surroundings(debugging: Debugging) -> Iterator[None]:
    """Have SIGTERM end the command as Ctrl-C does, and keep tracebacks of threads and logs from the user."""

    def ended(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def in_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
            tell(described(arguments.exc_value, debugging))

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal of another encoding is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    own_signals = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, ended) if own_signals else None
    hook, threading.excepthook = threading.excepthook, in_thread
    resort, logging.lastResort = logging.lastResort, _OneLine(debugging)
    try:
        yield
    finally:
        if own_signals:
            signal.signal(signal.SIGTERM, before)
        threading.excepthook, logging.lastResort = hook, resort


class _OneLine(logging.Handler):
    """Warnings of libraries, without tracebacks."""

    def __init__(self, debugging: Debugging) -> None:
        super().__init__(logging.WARNING)
        self._debugging = debugging

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        message = record.getMessage()
        error: BaseException | None = record.exc_info[1] if record.exc_info else None
        if error is not None:
            message += f": {described(error, self._debugging)}"
        click.echo(message, err=True)
