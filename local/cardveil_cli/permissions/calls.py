"""Finds what a function's code calls: every SDK call in every module that its entry can reach."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

#: The permissions that each call of the SDKs needs, as the operations' own pages name them.
ACTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "head_object": ("cos:HeadObject",),
        "get_object": ("cos:GetObject",),
        "put_object": ("cos:PutObject",),
        "delete_object": ("cos:DeleteObject",),
        "list_objects": ("cos:GetBucket",),
        # A link carries the permissions of whoever signed it.
        "get_presigned_url": ("cos:GetObject", "cos:PutObject"),
        # CI reads the object by the caller's own permission.
        "cos_ai_license_rec": ("ci:CreateAILicenseRecognitionJob", "cos:GetObject"),
        "cos_ai_id_card_ocr": ("ci:CreateIDCardOCRJob", "cos:GetObject"),
        "ci_ocr_process": ("ci:CreateOCRJob", "cos:GetObject"),
        # ``PUT …?ci-process=…``: the picture is stored and recognised in one request.
        "send_request": ("cos:PutObject", "ci:CreateAILicenseRecognitionJob"),
        # A job works by CI's own role, which the caller passes on.
        "ci_create_media_jobs": ("ci:CreateMediaJobs", "cam:PassRole", "cos:GetObject"),
        "ci_get_media_jobs": ("ci:DescribeMediaJob",),
        "ci_list_media_jobs": ("ci:DescribeMediaJobs",),
        "ci_cancel_jobs": ("ci:CancelMediaJob",),
        # The generic client, by the action that it is given.
        "call_json API": ("ocr:RecognizeMainlandIDCardOCR",),
        "call_json Invoke": ("scf:Invoke",),
    }
)
#: Methods of a client that ask nothing of the service.
_SILENT: Final = frozenset({"get_conf"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the permission it needs, and where it stands."""

    action: str
    module: str
    line: int


class UnknownCallError(Exception):
    """The code calls something whose permission is not known here; the text names the place."""


def calls_of(entry: Path, package: Path) -> tuple[Call, ...]:
    """Return every call that a function can make.

    Parameters
    ----------
    entry
        The function's entry file.
    package
        The folder of the domain package.

    Raises
    ------
    UnknownCallError
        If a client's method is called that `ACTIONS` does not know.
    """
    found: list[Call] = []
    for module, path in sorted(_reachable(entry, package).items()):
        for name, line in _client_calls(ast.parse(path.read_text("utf-8"))):
            if name not in ACTIONS:
                raise UnknownCallError(f"{module}:{line} calls {name}: say which permission it needs")
            found += [Call(action, module, line) for action in ACTIONS[name]]
    return tuple(found)


def _reachable(entry: Path, package: Path) -> dict[str, Path]:
    modules = {_name(path.relative_to(package)): path for path in package.rglob("*.py")}
    seen: dict[str, Path] = {}
    waiting = [name for name in _imports(ast.parse(entry.read_text("utf-8"))) if name in modules]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen[name] = modules[name]
            tree = ast.parse(modules[name].read_text("utf-8"))
            waiting += [found for found in _imports(tree) if found in modules]
    return seen


def _name(path: Path) -> str:
    return ".".join(("cardveil", *path.with_suffix("").parts)).removesuffix(".__init__")


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports at run time, wherever in it."""
    guarded = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _client_calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    named = {
        id(node.func): f"call_json {ast.unparse(node.args[0])}".replace("'", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".call_json")
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr not in _SILENT:
            owner = ast.unparse(node.value)
            # ``http.client`` is the standard library's.
            if owner == "client" or (owner.endswith(".client") and owner != "http.client"):
                yield (named.get(id(node)) or node.attr), node.lineno
