"""Makes what is dear once in a test session, whichever test, worker or process asks for it first."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

_T = TypeVar("_T")


def session_folder(factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all workers of this session share, and no other session."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "once"
    folder.mkdir(exist_ok=True)
    return folder


def once(folder: Path, name: str, make: Callable[[], _T]) -> _T:
    """Return what `make` has returned under this name in this folder, or what it returns now.

    Who asks while another makes it waits for that one.
    """
    kept = folder / name
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            begun = kept.with_suffix(".new")
            begun.write_bytes(pickle.dumps(make()))
            begun.rename(kept)
    made: _T = pickle.loads(kept.read_bytes())
    return made
