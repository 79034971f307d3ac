"""Compiles a layer's modules by the platform's own Python minor, so that no cold start has to."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from cardveil_cli.package.errors import PackagingError
from cardveil_cli.package.trees import Tree, read_tree, write_tree

_PATIENCE_S: Final = 180
#: Runs under the platform's Python. The source's hash is not checked at import: nothing can change it there.
_PROGRAM: Final = """
import pathlib, py_compile, sys
root, mounted = pathlib.Path(sys.argv[1]), sys.argv[2]
for path in sorted(root.rglob("*.py")):
    cache = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(
        str(path), cfile=str(cache), dfile=f"{mounted}/{path.relative_to(root).as_posix()}", doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
"""


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


def with_bytecode(tree: Tree, mounted: str, interpreter: Interpreter) -> Tree:
    """Return the tree with a ``.pyc`` beside every module.

    Parameters
    ----------
    mounted
        Where the platform unpacks it; tracebacks show that place.

    Raises
    ------
    PackagingError
        If a module does not compile.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tree(tree, folder)
        done = subprocess.run(  # noqa: S603 - a Python
            [interpreter.path, "-s", "-S", "-c", _PROGRAM, str(folder), mounted],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            # Constants that are sets are written in the order of their hashes.
            env={"PYTHONHASHSEED": "0", "PATH": os.defpath},
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise PackagingError(f"a module does not compile with Python {interpreter.version}: {last}")
        compiled = {
            path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.pyc"))
        }
        return {**read_tree(folder), **compiled}


def check_syntax(tree: Tree, minor: tuple[int, int]) -> None:
    """Parse every module by the grammar of an older minor: what is left when that Python is not to be had.

    Raises
    ------
    PackagingError
    """
    for name, data in tree.items():
        if name.endswith(".py"):
            try:
                ast.parse(data, name, feature_version=minor)
            except (SyntaxError, ValueError):
                raise PackagingError(f"{name} is no Python {minor[0]}.{minor[1]}") from None
