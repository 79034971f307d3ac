"""Puts a picture where CI can read it, for as long as it is recognised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

from cardveil.recognition.interfaces import Image
from cardveil.storage.keys import Keys
from cardveil.storage.objects import Objects


@contextmanager
def staged(objects: Objects, keys: Keys, image: Image) -> Iterator[str]:
    """Put an upright copy where CI can read it, give its key, and take it away again whatever happens."""
    key = f"{keys.staged_prefix}{token_hex(16)}"
    try:
        objects.put(key, image.data, media_type="application/octet-stream", meta={"kind": "staged"})
        yield key
    finally:
        objects.delete(key)
