"""`make` with a Python that does not fit, or makes no environment, says so and leaves nothing behind."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.cloud_fixture import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

#: A Python that is too old, and one whose environments are begun and not ended: Debian without python3-venv.
TOO_OLD = '#!/bin/sh\ncase $1 in --version) echo "Python 3.9.18";; *) exit 1;; esac\n'
NO_PIP = '#!/bin/sh\ncase $* in *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; exit 1;; esac\n'
#: An environment's Python that has no pip, or is too old: what an ended set-up leaves.
UNUSABLE = "#!/bin/sh\nexit 1\n"
#: Makes an environment that works, but for its index.
MAKES = """#!/bin/sh
case $* in
    *"-m venv --clear"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; touch .venv/made ;;
    *"pip install"*) exit 7 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "tools", "requirements", "pyproject.toml", "local", "layers"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return path


def make(checkout: Path, target: str, python: Path | str) -> tuple[int, str]:
    command = ["make", target, f"PYTHON={python}"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("target", ["demo", "test", "package", "check", "first-hour"])
@pytest.mark.parametrize("text", [TOO_OLD, None], ids=["too old", "not there"])
def test_an_unfit_python_is_named_before_anything_is_made(
    checkout: Path, tmp_path: Path, target: str, text: str | None
) -> None:
    python = program(tmp_path / "python3.9", text) if text else "no-such-python"
    before = sorted(checkout.iterdir())
    status, said = make(checkout, target, python)
    assert status == 2
    assert "Python 3.10 or newer is needed" in said
    assert ("Python 3.9.18" if text else "is not there") in said
    assert sorted(checkout.iterdir()) == before


def test_an_environment_that_cannot_be_made_is_not_left_behind(checkout: Path, tmp_path: Path) -> None:
    status, said = make(checkout, "demo", program(tmp_path / "python", NO_PIP))
    assert status == 2
    assert "python3-venv" in said
    assert not (checkout / ".venv").exists()


def test_an_environment_that_cannot_be_used_is_made_anew(checkout: Path, tmp_path: Path) -> None:
    program(checkout / ".venv/bin/python", UNUSABLE)
    (checkout / ".venv/old").touch()
    status, _ = make(checkout, "demo", program(tmp_path / "python", MAKES))
    assert status == 2, "its index answers nothing here"
    assert (checkout / ".venv/made").exists()
