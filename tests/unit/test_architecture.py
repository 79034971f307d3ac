"""The house keeps its floors: what imports what, and what passing an event over may cost."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "cardveil" / "cardveil"

#: Rooms by floor, from the ground up; a module imports only what stands on its own floor or below.
FLOORS = (
    {"beside", "card", "provinces", "idnumber", "ethnicity", "normalize", "errors", "geometry", "layout",
     "findings", "importing", "privacy", "records", "retrying", "stages", "pacing", "signing"},
    {"events", "setting_values", "settings", "sidecar", "vendor_errors", "clients",
     "telemetry"},
    {"recognition", "bucket", "redaction"},
    {"claiming", "covering", "examine", "pipeline", "assembly", "uploads", "jobs", "job_submission",
     "callbacks", "schedule", "http", "renewal", "sweep"},
)  # fmt: skip
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE
)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor_of(name: str) -> int:
    return next(level for level, rooms in enumerate(FLOORS) if name in rooms)


def imported(path: Path) -> set[str]:
    """Names of the rooms that a module imports at run time (what only the type checker sees is left out)."""
    found = set()
    tree = ast.parse(path.read_text("utf-8"))
    guarded = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_below_it(path: Path) -> None:
    for name in imported(path):
        parts = name.split(".")
        assert parts[0] not in {"functions", "cardveil_local", "numpy", "cv2", "boto3"}, name
        if parts[0] == "cardveil" and len(parts) > 1:
            assert floor_of(parts[1]) <= floor_of(room(path)), f"{room(path)} imports {parts[1]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_in_one_line_why_it_exists(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_a_card_needs_is_made_of_records_that_are_quick_to_make(path: Path) -> None:
    if room(path) not in {"http", "sweep", "records"}:
        assert "dataclasses" not in imported(path)


def test_handlers_are_short() -> None:
    handlers = sorted((ROOT / "functions").glob("*/index.py"))
    assert handlers
    for handler in handlers:
        assert len(handler.read_text("utf-8").splitlines()) < 60
