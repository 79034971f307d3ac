"""What a person can do about a code that the command prints."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import cardveil
from cardveil.card.findings import FINDINGS
from cardveil_cli.files.finding import PASSED_OVER
from cardveil_cli.files.out_folder import CONFLICTS
from cardveil_cli.runbook.codes import codes

#: Codes of the command's own, besides conflicts and what is passed over.
FAILURES: Final = {
    "not_written": "the results could not be written: look at the folder's permissions and space",
    "unexpected_fault": "this picture met a fault of the program: run it again with --debug and report it",
}


def hint(code: str) -> str:
    """Return what a code means or what to do, in words; empty if nobody knows it."""
    if code in FINDINGS:
        return FINDINGS[code].meaning
    own: Mapping[str, str] = {
        **CONFLICTS,
        **FAILURES,
        **{name: text for name, (_, text) in PASSED_OVER.items()},
    }
    return own.get(code) or _of_errors().get(code, "")


@lru_cache(maxsize=1)
def _of_errors() -> Mapping[str, str]:
    return {name: code.advice for name, code in codes(Path(cardveil.__path__[0])).items()}
