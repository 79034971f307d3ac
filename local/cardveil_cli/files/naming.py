"""What results are named by: no two sources share a name, and a source keeps its name from run to run."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cardveil_cli.files.finding import Source
from cardveil_cli.files.manifest import Manifest

#: A file name has at most 255 bytes (`NAME_MAX`); the longest ending of ours is ``.redacted.jpeg``.
_MOST_BYTES: Final = 255 - len(".redacted.jpeg")
_DIGITS: Final = 8


def source_id(source: Source, out: Path) -> str:
    """Return what a source is known by in `out`: holds when both are moved together."""
    return hashlib.sha256(os.fsencode(os.path.relpath(source.path, out))).hexdigest()[:32]


def stems_of(sources: Sequence[Source], manifest: Manifest) -> list[str]:
    """Name each source's results: a path without ending, relative to the output folder.

    The source's own name is taken without its ending where no other source has the same; else with it; else
    with a part of the source's digest. Upper and lower case do not tell names apart, nor does the way in
    which accents are written: some file systems know no difference.
    """
    known = [manifest.records.get(source_id(source, manifest.folder)) for source in sources]
    taken = {_key(record.stem) for record in manifest.records.values()}
    plain = [str(source.name.with_suffix("")) for source in sources]
    count = Counter(_key(stem) for stem, record in zip(plain, known, strict=True) if record is None)
    stems = []
    for source, stem, record in zip(sources, plain, known, strict=True):
        if record is not None:
            stems.append(record.stem)
            continue
        digest = source_id(source, manifest.folder)[:_DIGITS]
        full = str(source.name)
        candidates = [stem] * (count[_key(stem)] == 1) + [full, f"{full}~{digest}"]
        fitting = [_shortened(candidate, digest) for candidate in candidates]
        chosen = next((each for each in fitting if _key(each) not in taken), fitting[-1])
        taken.add(_key(chosen))
        stems.append(chosen)
    return stems


def _key(stem: str) -> str:
    return unicodedata.normalize("NFC", stem).casefold()


def _shortened(stem: str, digest: str) -> str:
    """Cut a name that would be too long with its ending, between characters."""
    path = Path(stem)
    name = path.name
    if len(os.fsencode(name)) <= _MOST_BYTES:
        return stem
    while len(os.fsencode(name)) > _MOST_BYTES - _DIGITS - 1:
        name = name[:-1]
    return str(path.with_name(f"{name}~{digest}"))
