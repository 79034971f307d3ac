"""Every code that the package can fail or refuse with, read from the code itself."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cardveil.core import errors

#: Every class that may be raised, with its leaf.
_LEAVES: Final = {
    name: kind.leaf()
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.CardveilError) and kind is not errors.CardveilError
}


@dataclass(slots=True)
class Code:
    """One code: its leaves, and what the error itself says is to be done."""

    leaves: set[str] = field(default_factory=set)
    advice: str = ""


def codes(package: Path) -> dict[str, Code]:
    """Return every code of the vendor's errors and of those that the package raises itself.

    Parameters
    ----------
    package
        The folder of the domain package.
    """
    found: dict[str, Code] = {}
    for leaf, name, advice in errors.VENDOR_CODES.values():
        code = found.setdefault(name, Code())
        code.leaves.add(leaf.leaf())
        code.advice = code.advice or advice
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _LEAVES:
                _add(found, _LEAVES[node.func.id], node.args)
    return dict(sorted(found.items()))


def _add(found: dict[str, Code], leaf: str, arguments: list[ast.expr]) -> None:
    first = arguments[0] if arguments else None
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return
    code = found.setdefault(first.value, Code())
    code.leaves.add(leaf)
    if not code.advice and len(arguments) > 1:
        code.advice = _text(arguments[1])


def _text(node: ast.expr) -> str:
    """Return a text as far as it is fixed; what is filled in shows as an ellipsis."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "see the log line's what_to_do"
