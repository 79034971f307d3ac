"""What the platform itself is: its Python, its limits of size, and how it unpacks a zip."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

_MIB: Final = 1024 * 1024
#: The newest Python that SCF has.
PLATFORM: Final = (3, 10)
#: SCF "Quota limits": a zip through the API, and a function's code with all its layers, unpacked.
SCF_ZIP: Final = 50 * _MIB
SCF_UNPACKED: Final = 500 * _MIB


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of one minor version that runs."""

    path: str
    version: str


@lru_cache
def find_interpreter(minor: tuple[int, int]) -> Interpreter | None:
    """Return a Python of this minor: the running one, one on the PATH, or pyenv's; None if none runs."""
    name = f"python{minor[0]}.{minor[1]}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [sys.executable] if sys.version_info[:2] == minor else []
    candidates += [found] if (found := shutil.which(name)) else []
    candidates += sorted((str(path) for path in pyenv.glob(f"*/bin/{name}")), reverse=True)
    for path in candidates:
        try:
            # A shim may be on the PATH without any such Python behind it.
            asked = subprocess.run(  # noqa: S603 - a Python
                [path, "-S", "-c", "import sys; print('.'.join(map(str, sys.version_info[:3])))"],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if asked.stdout.strip().startswith(f"{minor[0]}.{minor[1]}."):
            return Interpreter(path, asked.stdout.strip())
    return None


def unzip(data: bytes, folder: Path) -> None:
    """Unpack a zip as the platform does.

    Raises
    ------
    ValueError
        If an entry would be written outside the folder.
    """
    root, made = folder.resolve(), set[Path]()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            # By the name alone: nothing that is written here is a link.
            target = Path(os.path.normpath(root / entry.filename))
            if not target.is_relative_to(root):
                raise ValueError("the zip names a file outside its folder")
            if entry.is_dir():
                continue
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            target.write_bytes(archive.read(entry))
