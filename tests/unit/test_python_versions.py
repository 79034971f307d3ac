"""What is deployed must fit two Pythons: the tool that `make check` calls finds what does not."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "python_versions.py"
PIN = "orjson==3.13.0 --hash=sha256:" + "0" * 64


def run(root: Path) -> tuple[int, str]:
    """Run the tool on a folder, without a package index."""
    offline = {**os.environ, "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        [sys.executable, TOOL, "--root", root], env=offline, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part in ("layers/runtime", "functions", "build"):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / "layers" / "runtime" / "requirements.txt").write_text(PIN, "ascii")
    (tmp_path / "functions" / "index.py").write_text("match 1:\n    case _: pass\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    pass\nexcept* ValueError:\n    pass\n",
        "type Number = int\n",
        "def same[T](one: T) -> T: ...\n",
    ],
)
def test_a_source_that_is_too_new_is_named(root: Path, source: str) -> None:
    (root / "layers" / "new.py").write_text(source, "utf-8")
    for minor in ("3.10", "3.12"):  # asked before
        (root / "build" / f".resolved-{minor}").write_text(hashlib.sha256(PIN.encode()).hexdigest(), "ascii")
    code, said = run(root)
    assert code == 1
    assert "Python 3.10: " in said
    assert "new.py" in said
    assert "Python 3.12: /" not in said


def test_without_an_index_packages_are_not_checked_and_it_says_so(root: Path) -> None:
    code, said = run(root)
    assert (code, said.count("no package index answers")) == (0, 2)
    assert not list((root / "build").glob(".resolved-*"))
