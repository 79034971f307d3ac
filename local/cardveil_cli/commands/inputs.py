"""What the user of `cardveil redact` names: pictures, folders of pictures, and polygons of their own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from cardveil.card.model import Polygon
from cardveil.redaction import Region

#: Endings looked for in folders; a file that is named itself is taken whatever its ending.
_ENDINGS: Final = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".webp", ".heic", ".heif"})


@dataclass(frozen=True, slots=True)
class Job:
    """One picture, and the stem (a relative path without ending) that its results are named by."""

    source: Path
    stem: Path


def jobs_of(paths: Iterable[Path], out: Path) -> list[Job]:
    """List the pictures under `paths`; what an earlier run wrote to `out` is no source.

    Two pictures that differ only in their ending keep it in the results' names, so that none is overwritten.

    Raises
    ------
    click.UsageError
        When there is no picture, or `out` is where a source lies.
    """
    found: list[tuple[Path, Path]] = []
    for path in paths:
        if path.is_dir():
            pictures = sorted(p for p in path.rglob("*") if p.suffix.lower() in _ENDINGS and p.is_file())
            found.extend((p, p.relative_to(path)) for p in pictures if not p.is_relative_to(out))
        else:
            found.append((path, Path(path.name)))
    if not found:
        raise click.UsageError("there is no picture in what was named")
    stems = Counter(relative.with_suffix("") for _, relative in found)
    jobs = [
        Job(path, relative.with_suffix("") if stems[relative.with_suffix("")] == 1 else relative)
        for path, relative in found
    ]
    again = [str(stem) for stem, count in Counter(job.stem for job in jobs).items() if count > 1]
    if again:
        raise click.UsageError(f"{len(again)} pictures of the same name: redact their folders one by one")
    return jobs


def read_fields(path: Path) -> tuple[Region, ...]:
    """Read the user's own polygons: a JSON list of ``{"name", "polygon": [[x, y] × 4]}``.

    Raises
    ------
    click.UsageError
        Naming the entry that is wrong; also for an empty list, since nothing would be covered.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise click.UsageError(f"--fields: not a JSON file ({type(error).__name__})") from None
    if not isinstance(entries, list) or not entries:
        raise click.UsageError("--fields: a list of at least one polygon is needed")
    return tuple(_region(number, entry) for number, entry in enumerate(entries, start=1))


def _region(number: int, entry: Any) -> Region:
    try:
        points = entry["polygon"]
        if any(isinstance(value, bool | str) for point in points for value in point):
            raise TypeError
        return Region(field=str(entry["name"]), polygon=Polygon.of(points), action="mask")
    except (KeyError, TypeError, ValueError):
        raise click.UsageError(
            f'--fields: entry {number} must be {{"name": …, "polygon": [[x, y] × 4]}} with finite numbers'
        ) from None
