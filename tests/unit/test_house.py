"""The house keeps its rules: what a module says of itself, what data are made of, how long a file is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "cardveil" / "cardveil"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
#: Where the standard library's dataclasses are paid for already (see `core.frozen`).
STANDARD_DATACLASSES = {"api", "sweep"}


def imported(path: Path) -> set[str]:
    """Return the names of the modules that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 50


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_in_one_line_why_it_exists(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_a_card_needs_is_made_of_frozen_records(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] not in STANDARD_DATACLASSES and path.name != "frozen.py":
        assert "dataclasses" not in imported(path)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_is_longer_than_a_reader_holds(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 400


def test_every_client_of_cos_encrypts_what_it_writes() -> None:
    made = [
        (path.name, ast.unparse(node.func))
        for folder in (PACKAGE, ROOT / "local" / "cardveil_cli", ROOT / "functions")
        for path in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and any("Client" in str(arg) for arg in named_in(node.func))
    ]
    of_cos = {(file, call) for file, call in made if "S3Client" in call or "AIRecognitionClient" in call}
    assert len(of_cos) == 3
    assert all(call.startswith("encrypting(") for _, call in of_cos), of_cos


def named_in(node: ast.AST) -> list[str]:
    """Return the names that an expression holds."""
    return [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]


def test_handlers_are_short() -> None:
    handlers = sorted((ROOT / "functions").glob("*/index.py"))
    assert len(handlers) == 4
    for handler in handlers:
        assert len(handler.read_text("utf-8").splitlines()) < 60


def test_the_house_has_few_floors_and_no_circle() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "structure.py"), str(PACKAGE)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    first = done.stdout.splitlines()[0]
    rooms, floors, arrows, circles, upwards = [int(word) for word in first.split() if word.isdigit()][:5]
    assert rooms <= 14
    assert floors <= 8
    assert arrows <= 45
    assert (circles, upwards) == (0, 0)
