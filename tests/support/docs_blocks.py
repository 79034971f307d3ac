"""Finds the code blocks of a page, and compares what one printed with what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.cloud_fixture import ROOT

#: How a block says what it is. ``text`` is what the block before it prints.
LANGUAGES: Final = ("sh", "python", "yaml", "json", "text")
_FENCE: Final = re.compile(r"^( *)(```+|~~~+)(.*)$")
#: What the page leaves out.
_ANYTHING: Final = "…"


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `line` is its first line's number in the page."""

    language: str
    text: str
    line: int


def pages() -> list[Path]:
    """Return every page that is promised to be run."""
    return [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks_of(page: str) -> list[Block]:
    """Return a page's blocks in order.

    Raises
    ------
    ValueError
        For a block that nothing would run: of an unknown language, without one, indented instead of fenced,
        not closed, or printed text that follows nothing that prints.
    """
    found = list(_fenced(page))
    before = ""
    for block in found:
        if block.language not in LANGUAGES:
            raise ValueError(f"line {block.line}: a block is one of {', '.join(LANGUAGES)}")
        if block.language == "text" and before not in ("sh", "python"):
            raise ValueError(f"line {block.line}: nothing before this block prints it")
        before = block.language
    return found


def _fenced(page: str) -> Iterator[Block]:
    opened: tuple[str, str, int] | None = None
    kept: list[str] = []
    before = ""
    for number, line in enumerate(page.splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened, kept = (fence[2], fence[3].strip(), number + 1), []
        elif opened is not None and fence and fence[2].startswith(opened[0]) and not fence[3].strip():
            yield Block(opened[1], "\n".join(kept) + "\n", opened[2])
            opened = None
        elif opened is not None:
            kept.append(line)
        elif line.startswith(("    ", "\t")) and not before.strip():
            raise ValueError(f"line {number}: a block stands between fences, so that it can be told and run")
        before = line
    if opened is not None:
        raise ValueError(f"line {opened[2]}: the block is not closed")


def shows(shown: str, printed: str) -> bool:
    """Say whether a program printed what a page shows; ``…`` stands for what is left out.

    A line that is nothing but ``…`` leaves out any lines, also none; within a line it leaves out any text.
    """
    wanted = ""
    for line in shown.splitlines():
        if line == _ANYTHING:
            wanted += r"(?:.*\n)*?"
        else:
            wanted += r"[^\n]*?".join(map(re.escape, line.rstrip().split(_ANYTHING))) + r"[ \t]*\n"
    return re.fullmatch(wanted, printed.rstrip("\n") + "\n") is not None
