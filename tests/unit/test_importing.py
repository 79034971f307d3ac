"""Imports without the collector: it is as it was afterwards, whatever happens between."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from cardveil.core.importing import uncollected

frozen = gc.get_freeze_count()
with uncollected():
    assert not gc.isenabled()
assert gc.isenabled() and gc.get_freeze_count() == frozen, "nothing was imported"

with uncollected():
    with uncollected():
        import wave
    assert not gc.isenabled() and gc.get_freeze_count() == frozen
assert gc.isenabled() and gc.get_freeze_count() > frozen

try:
    with uncollected():
        raise ImportError
except ImportError:
    assert gc.isenabled()

gc.disable()
with uncollected():
    pass
assert not gc.isenabled()
"""


def test_the_collector_is_left_as_it_was() -> None:
    # In a process of its own: what is frozen stays so.
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
