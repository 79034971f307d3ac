"""npm packages that a test needs, pinned beside it and kept from run to run under build/."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

_BUILD = Path(__file__).parents[2] / "build"


def installed(pins: Path) -> Path:
    """Return the `node_modules` of a folder with package.json, its lock and .npmrc; fetched when new."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    # Not skipped: what this test compares would then be compared nowhere, and nobody would know.
    assert not missing, f"{' and '.join(missing)} not found: install Node.js (Debian: nodejs and npm)"
    folder = _BUILD / f"contract-{pins.name}"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256((pins / "package-lock.json").read_bytes()).hexdigest()
    mark = folder / "installed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text() != wanted:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(pins / name, folder)
            command = ["npm", "ci", "--ignore-scripts"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150)
            assert done.returncode == 0, done.stderr
            mark.write_text(wanted)
    return folder / "node_modules"
