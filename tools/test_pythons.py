#!/usr/bin/env python3
"""Runs unit and contract tests on the platform's Python and the next one, because the suite runs on another.

``python tools/test_pythons.py [-- PYTEST_ARGUMENT ...]``: each Python that is installed gets an environment
in build/ with the same pins. Exit code 0 if all that are installed passed, and at least one is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

from python_versions import MINORS

from cardveil_cloud.scf.platform import find_interpreter

ROOT: Final = Path(__file__).resolve().parents[1]
_TESTS: Final = ("tests/unit", "tests/contract")


def environment(interpreter: str, folder: Path) -> str:
    """Return the Python of an environment with what the tests need, made anew where the pins changed."""
    python = folder / "bin/python"
    pins = ROOT / "requirements/test.txt"
    mark = folder / "pins.txt"
    if not mark.is_file() or mark.read_bytes() != pins.read_bytes():
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([interpreter, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([*install, "--require-hashes", "-r", str(pins)], check=True)
        subprocess.run([*install, "--no-deps", "-e", str(ROOT), "-e", str(ROOT / "local")], check=True)
        mark.write_bytes(pins.read_bytes())
    return str(python)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pytest", nargs="*", help="arguments of pytest", default=["-q", "-n", "2"])
    arguments: list[str] = parser.parse_args().pytest
    ended: list[int] = []
    for minor in MINORS:
        name = ".".join(map(str, minor))
        found = find_interpreter(minor)
        if found is None:
            print(f"Python {name}: not installed, nothing was run")
            continue
        python = environment(found.path, ROOT / f"build/python-{name}")
        print(f"Python {found.version}:", flush=True)
        done = subprocess.run(
            [python, "-m", "pytest", "-p", "no:cacheprovider", *arguments, *_TESTS], cwd=ROOT, check=False
        )
        ended.append(done.returncode)
    return 0 if ended and not any(ended) else 1


if __name__ == "__main__":
    sys.exit(main())
