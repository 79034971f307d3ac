"""The engine's layer: recogniser, models and what they run on, without what is never loaded."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import yaml

from cardveil.recognition.engine_process import LAYER, PACKAGE
from cardveil_cli.package.contents import Component, package_tree
from cardveil_cli.package.pins import fetch
from cardveil_cli.package.sbom import licence_list
from cardveil_cli.package.trees import Tree, own_tree

#: Where the pins stand, and the recogniser.
REQUIREMENTS: Final = Path("layers", "engine", "requirements.txt")
SOURCE: Final = Path("local", PACKAGE)
#: Of rapidocr the models alone are used; they are found beside an empty module of its name.
_MODELS: Final = "rapidocr/models/"
#: What is never loaded, with the reason: models are read from ONNX and run on the processor.
PRUNED: Final[tuple[tuple[str, str], ...]] = (
    ("rapidocr/*", "the recogniser loads the models itself"),
    ("openvino/libs/libopenvino_intel_gpu_plugin*", "no such device"),
    ("openvino/libs/libopenvino_intel_npu_plugin*", "no such device"),
    ("openvino/libs/cache.json", "of the graphics device"),
    ("openvino/libs/libopenvino_auto*", "chooses between devices"),
    ("openvino/libs/libopenvino_hetero*", "parts a model between devices"),
    ("openvino/libs/libopenvino_tensorflow*", "another format of models"),
    ("openvino/libs/libopenvino_pytorch*", "another format of models"),
    ("openvino/libs/libopenvino_paddle*", "another format of models"),
    ("openvino/libs/libopenvino_jax*", "another format of models"),
    ("openvino/frontend/*.so", "converts models of other frameworks"),
    ("openvino/tools/*", "converts models, and reports to its maker"),
    ("openvino/include/*", "for compilers"),
    ("openvino/cmake/*", "for compilers"),
    ("openvino/torch/*", "of another framework"),
    ("cv2/data/*", "detectors of faces, which are not used"),
    ("cv2/gapi/*", "pipelines, which are not used"),
    ("numpy/f2py/*", "wraps Fortran"),
    ("numpy/distutils/*", "builds packages"),
    ("numpy/_core/lib/*", "for compilers"),
    ("numpy/random/lib/*", "for compilers"),
    ("numpy/_pyinstaller/*", "for another packager"),
)


def wanted_by(serverless: Path) -> bool:
    """Say whether a serverless.yml names the engine's layer."""
    inputs = yaml.safe_load(serverless.read_text("utf-8"))["inputs"]
    layers = [inputs.get("layers"), *(each.get("layers") for each in inputs["functions"].values())]
    return any(layer.get("name") == LAYER for named in layers for layer in named or ())


def engine_tree(
    root: Path, cache: Path, minor: tuple[int, int], tell: Callable[[str], None]
) -> tuple[Tree, tuple[Component, ...]]:
    """Return the layer's files, and what they are of.

    Parameters
    ----------
    root
        The checkout.
    cache, minor, tell
        As for `build`.

    Raises
    ------
    PackagingError
        If a package cannot be had, or something else lies among the sources.
    """
    tell("fetching the engine's packages")
    packages, components = package_tree(fetch(root / REQUIREMENTS, cache, minor))
    tree = {name: data for name, data in packages.items() if _loaded(name)}
    tree["rapidocr/__init__.py"] = b""
    own = own_tree(root / SOURCE, ("py.typed",))
    tree |= {f"{PACKAGE}/{name}": data for name, data in own.items() if name != "py.typed"}
    tree[f"licences/{LAYER}.txt"] = licence_list(components)
    return tree, tuple(components)


def _loaded(name: str) -> bool:
    return name.startswith(_MODELS) or not any(fnmatchcase(name, pattern) for pattern, _ in PRUNED)
