#!/usr/bin/env python3
"""Checks that what is deployed fits the platform's Python and the next one that it may offer.

The pinned packages of the runtime layer must be had as wheels for manylinux2014 (asked once for each set of
pins, where a package index answers), and every source of layers/, functions/ and the engine must compile.
With --tests, the unit and contract tests run on each that is installed, in an environment with the same pins.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from cardveil_cli.package.errors import PackagingError
from cardveil_cli.package.pins import fetch
from cardveil_cloud.scf.platform import PLATFORM, find_interpreter

ROOT: Final = Path(__file__).resolve().parents[1]
#: SCF's newest Python, and the one that is hoped for.
MINORS: Final = (PLATFORM, (3, 12))
_TESTS: Final = ("tests/unit", "tests/contract")
#: Where the sources of what is deployed stand.
DEPLOYED: Final = ("layers", "functions", "local/cardveil_ocr")
_COMPILE: Final = "import sys; [compile(open(f, 'rb').read(), f, 'exec') for f in sys.argv[1:]]"


def compiled(sources: Iterable[Path], minor: tuple[int, int]) -> Iterator[str]:
    """Yield what does not compile: by that Python where it is installed, else by this one's idea of it."""
    files = sorted(sources)
    if found := find_interpreter(minor):
        command = [found.path, "-S", "-W", "error::SyntaxWarning", "-c", _COMPILE, *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            yield "\n".join(done.stderr.strip().splitlines()[-4:])
        return
    for file in files:
        try:
            ast.parse(file.read_text("utf-8"), str(file), feature_version=minor)
        except SyntaxError as error:
            yield f"{file}:{error.lineno}: {error.msg}"


def resolved(requirements: Path, cache: Path, minor: tuple[int, int]) -> str:
    """Return what is missing for a minor version, empty when all is there, or when no index can be asked."""
    mark = cache.parent / f".resolved-{minor[0]}.{minor[1]}"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if mark.is_file() and mark.read_text("ascii") == wanted:
        return ""
    try:
        fetch(requirements, cache, minor)
    except PackagingError as error:
        ask = [sys.executable, "-m", "pip", "index", "versions", "pip", "-q", "--disable-pip-version-check"]
        if subprocess.run(ask, capture_output=True, check=False).returncode:
            print(
                f"Python {minor[0]}.{minor[1]}: packages not checked, no package index answers",
                file=sys.stderr,
            )
            return ""
        return str(error)
    mark.write_text(wanted, "ascii")
    return ""


def environment(interpreter: str, folder: Path, root: Path) -> str:
    """Return the Python of an environment with what the tests need, made anew where the pins changed."""
    python, mark, pins = folder / "bin/python", folder / "pins.txt", root / "requirements/test.txt"
    if not mark.is_file() or mark.read_bytes() != pins.read_bytes():
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([interpreter, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([*install, "--require-hashes", "-r", str(pins)], check=True)
        subprocess.run([*install, "--no-deps", "-e", str(root), "-e", str(root / "local")], check=True)
        mark.write_bytes(pins.read_bytes())
    return str(python)


def tested(root: Path) -> int:
    """Run the tests on each of the versions that is installed; 0 where all passed, and one is."""
    ended = []
    for minor in MINORS:
        name = ".".join(map(str, minor))
        found = find_interpreter(minor)
        print(f"Python {found.version if found else f'{name} is not installed'}", flush=True)
        if found:
            python = environment(found.path, root / f"build/python-{name}", root)
            command = [python, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"]
            ended.append(subprocess.run([*command, *_TESTS], cwd=root, check=False).returncode)
    return 0 if ended and not any(ended) else 1


def main() -> int:
    """Check both versions; 1 where something does not fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    parser.add_argument("--tests", action="store_true", help="run unit and contract tests on both")
    options = parser.parse_args()
    root: Path = options.root
    if options.tests:
        return tested(root)
    sources = [path for part in DEPLOYED for path in (root / part).rglob("*.py")]
    wrong = []
    for minor in MINORS:
        pins = root / "layers" / "runtime" / "requirements.txt"
        found = [*compiled(sources, minor), *filter(None, [resolved(pins, root / "build" / "wheels", minor)])]
        wrong += [f"Python {minor[0]}.{minor[1]}: {each}" for each in found]
    print("\n".join(wrong), end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
