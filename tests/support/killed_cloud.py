"""A local cloud in a process of its own, which a test may kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[2]


class KilledCloud:
    """A cloud that runs until it is killed, or kills itself.

    Parameters
    ----------
    arguments
        Of the interpreter: what they run prints one line of JSON once it answers requests.

    Attributes
    ----------
    ready : dict
        The line.
    """

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self._process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.send_signal(signal.SIGKILL)
        self.ended()

    def ended(self) -> int:
        """Wait for its end, and return its exit status: a signal's number is negative."""
        status = self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status
