"""Keeps the collector of garbage out of large imports: it would take a tenth of the time and find nothing."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the collector out while modules are imported, and their objects out of all later collections.

    Where all is imported already, as in every invocation but a process's first, nothing is kept out: a cycle
    that holds a picture would otherwise stay for ever.
    """
    if not gc.isenabled():
        yield  # whoever has switched it off will know why
        return
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        gc.enable()
