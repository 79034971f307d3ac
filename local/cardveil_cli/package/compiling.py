"""Compiles a layer's modules by the platform's own Python minor, so that no cold start has to."""

from __future__ import annotations

import ast
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from cardveil_cli.package.errors import PackagingError
from cardveil_cli.package.trees import Tree, read_tree, write_tree
from cardveil_cloud.scf.platform import Interpreter

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
