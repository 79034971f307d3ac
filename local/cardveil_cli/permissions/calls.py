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
        # COS asks KMS for the object's key in the name of whoever reads or writes.
        "get_object": ("cos:GetObject", "kms:Decrypt"),
        "put_object": ("cos:PutObject", "kms:GenerateDataKey"),
        "delete_object": ("cos:DeleteObject",),
        "list_objects": ("cos:GetBucket",),
        "list_objects_versions": ("cos:GetBucketObjectVersions",),
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


@dataclass(frozen=True, slots=True)
class _Module:
    """What one module imports at run time, and which methods of a client it calls, with their lines."""

    imports: frozenset[str]
    calls: tuple[tuple[str, int], ...]


class PackageCode:
    """The modules of a package, each parsed once however many functions reach it.

    Parameters
    ----------
    package
        The folder of the domain package.
    """

    def __init__(self, package: Path) -> None:
        self._paths = {_name(path.relative_to(package)): path for path in package.rglob("*.py")}
        self._modules: dict[str, _Module] = {}

    def calls_of(self, entry: Path) -> tuple[Call, ...]:
        """Return every call that a function can make.

        Parameters
        ----------
        entry
            The function's entry file.

        Raises
        ------
        UnknownCallError
            If a client's method is called that `ACTIONS` does not know.
        """
        found: list[Call] = []
        for name, module in sorted(self._reachable(_parsed(entry)).items()):
            for method, line in module.calls:
                if method not in ACTIONS:
                    raise UnknownCallError(f"{name}:{line} calls {method}: say which permission it needs")
                found += [Call(action, name, line) for action in ACTIONS[method]]
        return tuple(found)

    def _reachable(self, entry: _Module) -> dict[str, _Module]:
        seen: dict[str, _Module] = {}
        waiting = list(entry.imports)
        while waiting:
            name = waiting.pop()
            if name in self._paths and name not in seen:
                if name not in self._modules:
                    self._modules[name] = _parsed(self._paths[name])
                seen[name] = self._modules[name]
                waiting += seen[name].imports
        return seen


def _name(path: Path) -> str:
    return ".".join(("cardveil", *path.with_suffix("").parts)).removesuffix(".__init__")


def _parsed(path: Path) -> _Module:
    nodes = list(_run_time(ast.parse(path.read_text("utf-8"))))
    imports = {name for node in nodes for name in _imported(node)}
    named = {
        id(node.func): f"call_json {ast.unparse(node.args[0])}".replace("'", "")
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "call_json"
    }
    calls = [
        (named.get(id(node)) or node.attr, node.lineno)
        for node in nodes
        if isinstance(node, ast.Attribute) and node.attr not in _SILENT and _is_client(node.value)
    ]
    return _Module(frozenset(imports), tuple(calls))


def _run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a module's nodes but for what only a type checker sees."""
    yield node
    for child in ast.iter_child_nodes(node):
        guarded = isinstance(child, ast.If) and isinstance(child.test, ast.Name)
        if not (guarded and child.test.id == "TYPE_CHECKING"):  # type: ignore[attr-defined]
            yield from _run_time(child)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_client(owner: ast.expr) -> bool:
    """Say whether something is named as a client; ``http.client`` is the standard library's."""
    if isinstance(owner, ast.Name):
        return owner.id == "client"
    return isinstance(owner, ast.Attribute) and owner.attr == "client" and ast.unparse(owner) != "http.client"
