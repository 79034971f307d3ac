"""The one error of packaging: what is wrong, and what to do about it."""

from __future__ import annotations


class PackagingError(Exception):
    """Nothing was written; the text says why and what to do."""
