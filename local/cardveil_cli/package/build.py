"""Builds everything that is deployed from one checkout: function zips, layer zips, and their papers."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from cardveil.recognition.engine_process import LAYER
from cardveil_cli.package.authorities import hashed_directory
from cardveil_cli.package.compiling import check_syntax, with_bytecode
from cardveil_cli.package.contents import Component, package_tree
from cardveil_cli.package.engine import engine_tree, wanted_by
from cardveil_cli.package.errors import PackagingError
from cardveil_cli.package.limits import Size, check
from cardveil_cli.package.native import NAME, PACKAGE, find_library
from cardveil_cli.package.pins import fetch
from cardveil_cli.package.sbom import bill_of_materials, licence_list
from cardveil_cli.package.trees import Tree, digest, own_tree, unpacked_size, write_tree, zipped
from cardveil_cloud.scf.deployment import source_root
from cardveil_cloud.scf.platform import PLATFORM, Interpreter, find_interpreter

DOMAIN_LAYER: Final = "cardveil"
RUNTIME_LAYER: Final = "cardveil-runtime"
#: Where the platform unpacks functions and layers.
_FUNCTION_ROOT, _LAYER_ROOT = "/var/user", "/opt"
#: Folder of the certificate authorities in the runtime layer; serverless.yml names it to the functions.
AUTHORITIES: Final = "authorities"
#: What may lie beside a function's code.
_POLICIES: Final = ("**/*.yml", "**/*.yaml")


@dataclass(frozen=True, slots=True)
class Package:
    """What is deployed, in memory.

    Attributes
    ----------
    functions, layers
        Zip by function key and by layer name.
    deploy
        What Tencent's own tool deploys from: serverless.yml and the functions' folders as in their zips.
    sizes
        By the name of the zip's file.
    bytecode
        The Python that compiled it; None when there was none of the platform's minor.
    notes
        What is not as it should be, for whoever packages.
    """

    functions: Mapping[str, bytes]
    layers: Mapping[str, bytes]
    deploy: Tree
    sizes: Mapping[str, Size]
    components: tuple[Component, ...]
    bytecode: str | None
    notes: tuple[str, ...]
    version: str

    def manifest(self) -> dict[str, Any]:
        """Return digests and sizes as plain JSON values."""
        zips = {f"functions/{key}.zip": data for key, data in self.functions.items()}
        zips |= {f"layers/{name}.zip": data for name, data in self.layers.items()}
        return {
            "version": self.version,
            "bytecode": self.bytecode,
            "notes": list(self.notes),
            "files": {
                name: {
                    "sha256": digest(data),
                    "zipped": self.sizes[name].zipped,
                    "unpacked": self.sizes[name].unpacked,
                }
                for name, data in sorted(zips.items())
            },
        }

    def write(self, folder: Path) -> None:
        """Write zips, manifest, bill of materials and licence list; what was there before goes."""
        for part in ("functions", "layers", "deploy"):
            shutil.rmtree(folder / part, ignore_errors=True)
            (folder / part).mkdir(parents=True)
        write_tree(self.deploy, folder / "deploy")
        for key, data in self.functions.items():
            (folder / "functions" / f"{key}.zip").write_bytes(data)
        for name, data in self.layers.items():
            (folder / "layers" / f"{name}.zip").write_bytes(data)
        (folder / "manifest.json").write_text(json.dumps(self.manifest(), indent=2) + "\n", "utf-8")
        (folder / "sbom.cdx.json").write_bytes(bill_of_materials(self.version, self.components))
        (folder / "licences.txt").write_bytes(licence_list(self.components))


def build(
    root: Path,
    cache: Path,
    minor: tuple[int, int] = PLATFORM,
    tell: Callable[[str], None] = lambda _: None,
    *,
    engine: bool = False,
) -> Package:
    """Build the package of a checkout.

    Parameters
    ----------
    cache
        Folder of the fetched packages.
    minor
        Python's version; another than the platform's is of use for rehearsals only.
    tell
        Told what is being done.
    engine
        Whether the engine's layer is made although serverless.yml does not name it.

    Raises
    ------
    PackagingError
        If anything is missing, broken or too large.
    """
    notes: list[str] = []
    interpreter = find_interpreter(minor)
    if interpreter is None:
        notes.append(
            f"no Python {minor[0]}.{minor[1]} was found: no .pyc files, so that every cold start compiles"
        )
    tell("fetching the pinned packages")
    files = fetch(root / "layers" / "runtime" / "requirements.txt", cache, minor)
    tell("compiling")
    runtime, components = _runtime(files, notes)
    serverless = root / "serverless.yml"
    folders = function_folders(serverless)
    functions = {
        key: _finished(own_tree(folder, _POLICIES), _FUNCTION_ROOT, interpreter, minor)
        for key, folder in folders.items()
    }
    layers = {
        DOMAIN_LAYER: _finished(domain_tree(root), _LAYER_ROOT, interpreter, minor),
        RUNTIME_LAYER: _finished(runtime, _LAYER_ROOT, interpreter, minor),
    }
    if engine or wanted_by(serverless):
        tree, more = engine_tree(root, cache, minor, tell)
        layers[LAYER] = _finished(tree, _LAYER_ROOT, interpreter, minor)
        components += more
    tell("zipping")
    zips = {f"functions/{key}.zip": zipped(tree) for key, tree in functions.items()}
    zips |= {f"layers/{name}.zip": zipped(tree) for name, tree in layers.items()}
    trees = {f"functions/{key}.zip": tree for key, tree in functions.items()}
    trees |= {f"layers/{name}.zip": tree for name, tree in layers.items()}
    sizes = {name: Size(len(data), unpacked_size(trees[name])) for name, data in zips.items()}
    check(
        {key: sizes[f"functions/{key}.zip"] for key in functions},
        {name: sizes[f"layers/{name}.zip"] for name in layers},
    )
    return Package(
        functions={key: zips[f"functions/{key}.zip"] for key in functions},
        layers={name: zips[f"layers/{name}.zip"] for name in layers},
        deploy={
            "serverless.yml": serverless.read_bytes(),
            **{
                f"{folders[key].relative_to(root).as_posix()}/{name}": data
                for key, tree in functions.items()
                for name, data in tree.items()
            },
        },
        sizes=sizes,
        components=components,
        bytecode=interpreter.version if interpreter else None,
        notes=tuple(notes),
        version=_version(root),
    )


def rehearsal_minor() -> tuple[int, int]:
    """Return the platform's minor where such a Python is found to run it, else that of this Python."""
    return PLATFORM if find_interpreter(PLATFORM) else sys.version_info[:2]


def function_folders(serverless: Path) -> dict[str, Path]:
    """Return the folder of each function that serverless.yml names.

    Raises
    ------
    PackagingError
        If a folder, or the entry that its handler names, is not there.
    """
    inputs = yaml.safe_load(serverless.read_text("utf-8"))["inputs"]
    sources = source_root(serverless, inputs)
    found = {}
    for key, function in inputs["functions"].items():
        folder = (sources / function["src"]).resolve()
        entry = str(function.get("handler") or inputs.get("handler", "")).rpartition(".")[0]
        if not (folder / f"{entry}.py").is_file():
            raise PackagingError(f"functions.{key}: there is no {entry}.py at the root of {function['src']}")
        found[key] = folder
    return found


def domain_tree(root: Path) -> Tree:
    """Return the files of the domain package, without what only type checkers read.

    Raises
    ------
    PackagingError
        If anything lies there that is neither code nor named in pyproject.toml.
    """
    text = (root / "pyproject.toml").read_text("utf-8")
    # A list of strings is written alike in TOML and in Python, whose oldest that runs this reads no TOML.
    named = re.search(
        r"^\[tool\.setuptools\.package-data\]\n(?:#.*\n)*cardveil = (\[[^\]]*\])$", text, re.MULTILINE
    )
    if named is None:
        raise PackagingError("pyproject.toml does not say what data belongs to the package")
    tree = own_tree(root / "layers" / "cardveil" / "cardveil", ast.literal_eval(named[1]))
    return {f"cardveil/{name}": data for name, data in tree.items() if name != "py.typed"}


def _runtime(files: dict[str, Path], notes: list[str]) -> tuple[Tree, tuple[Component, ...]]:
    packages, components = package_tree(files)
    tree = dict(packages)
    tree |= {
        f"{AUTHORITIES}/{name}": data for name, data in hashed_directory(tree["certifi/cacert.pem"]).items()
    }
    library = find_library()
    if library is None:
        notes.append(f"Debian's {PACKAGE} is not installed: JPEGs will be redacted by the slower pixel path")
    else:
        tree[f"lib/{NAME}"] = library.data
        tree[f"licences/{PACKAGE}/copyright"] = library.licence
        components.append(
            Component(PACKAGE, library.version, "BSD-3-Clause AND IJG AND Zlib", NAME, digest(library.data))
        )
    tree["licences/LIST.txt"] = licence_list(components)
    return tree, tuple(components)


def _finished(tree: Tree, mounted: str, interpreter: Interpreter | None, minor: tuple[int, int]) -> Tree:
    if interpreter is not None:
        return with_bytecode(tree, mounted, interpreter)
    check_syntax(tree, minor)
    return tree


def _version(root: Path) -> str:
    match = re.search(r'^version = "([^"]+)"', (root / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    return match[1] if match else "0"
