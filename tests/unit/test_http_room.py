"""The HTTP room keeps its price to itself: nobody else pays for pydantic or Powertools' event handler."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "cardveil" / "cardveil"
OTHERS = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0] != "api" and path != PACKAGE / "handlers" / "http.py"
)


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_else_imports_what_it_needs(path: Path) -> None:
    for name in imported(path):
        assert name.split(".")[0] != "pydantic"
        assert not name.startswith(("cardveil.api", "aws_lambda_powertools.event_handler"))


@pytest.mark.parametrize("function", ["on_upload", "on_callback", "on_schedule"])
def test_the_other_functions_do_not_pay_for_it(function: str) -> None:
    program = (
        f"import json, sys; sys.path.insert(0, {str(ROOT / 'functions' / function)!r}); import index; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    modules = set(json.loads(done.stdout))
    assert "pydantic" not in modules
    assert not any(name.startswith("cardveil.api") for name in modules)


def test_every_page_s_part_is_there_and_names_no_other_place() -> None:
    assets = PACKAGE / "api" / "assets"
    for path in assets.iterdir():
        text = path.read_text("utf-8")
        assert text.strip(), path.name
        for address in ("http://", "https://"):
            # A namespace is a name, and is fetched by nobody.
            assert address not in text.replace("http://www.w3.org/2000/svg", ""), path.name
        assert "innerHTML" not in text
        assert "eval(" not in text
