"""Decoders that may die, or never end, run in a process of their own: nothing of it harms this one."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cardveil.core.errors import CardveilError, Reject
from cardveil.core.frozen import dataclass
from cardveil.imaging.limits import corrupt, too_large, unsupported

#: How a script says what it found wrong with a file.
CORRUPT, TOO_LARGE, UNSUPPORTED, ENCRYPTED, TOO_LONG = 3, 4, 5, 6, 7
_MAIN: Final = Path(__file__).with_name("child_main.py")
_MB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What one file may cost in a child; held to by the kernel (``setrlimit``).

    Attributes
    ----------
    seconds : float
        Of processor time, and twice as many of any time.
    memory : int
        Bytes of address space.
    """

    seconds: float = 30.0
    memory: int = 2048 * _MB


def run_child(script: Path, arguments: Mapping[str, Any], data: bytes, limits: ChildLimits) -> bytes:
    """Give a file to a script in a process of its own, and return what it writes.

    The process is begun by `child_main`: without site packages' start-up, with this process's module path,
    and limited before anything of the script is run.

    Raises
    ------
    Reject
        ``picture_corrupt``, ``picture_too_large``, ``format_not_supported``, ``document_encrypted`` and
        ``document_too_long`` where the script says so; ``decoding_failed`` when it died,
        ``decoding_too_costly`` when it was stopped.
    """
    import subprocess  # of no use to the pictures of most uploads

    told = {
        **arguments,
        "script": str(script),
        "path": [entry for entry in sys.path if entry],
        "limits": {"seconds": limits.seconds, "memory": limits.memory},
    }
    # Nothing of the environment: it holds the role's credentials.
    with subprocess.Popen(  # noqa: S603 - this interpreter, on a script of ours
        [sys.executable, "-I", "-S", str(_MAIN), json.dumps(told)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={}, cwd="/", start_new_session=True,
    ) as child:  # fmt: skip
        try:
            made, _ = child.communicate(data, timeout=2 * limits.seconds)
        except subprocess.TimeoutExpired:
            raise too_costly() from None
        finally:
            child.kill()
    if child.returncode:
        raise _refusal(child.returncode)
    return made


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
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return too_costly()
    return Reject("decoding_failed", "save it as a JPEG and upload that: its decoder failed on it")
