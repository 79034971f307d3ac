"""What SCF takes, and what this project allows itself: a package that breaks either is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cardveil.recognition.engine_process import LAYER
from cardveil_cli.package.errors import PackagingError
from cardveil_cloud.scf.platform import SCF_UNPACKED, SCF_ZIP

_KIB: Final = 1024
_MIB: Final = 1024 * 1024
#: This project's own: a function is an entry and nothing else; a layer must not slow a cold start down.
FUNCTION_ZIP: Final = 20 * _KIB
LAYER_ZIP: Final = 15 * _MIB
LAYER_UNPACKED: Final = 40 * _MIB
#: The engine's layer, which only those have who ask for it. It goes by way of COS, as all large zips do.
ENGINE_ZIP: Final = 120 * _MIB
ENGINE_UNPACKED: Final = 320 * _MIB


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of one zip."""

    zipped: int
    unpacked: int


def most_of(layer: str) -> tuple[int, int]:
    """Return how large a layer may be, zipped and unpacked."""
    return (ENGINE_ZIP, ENGINE_UNPACKED) if layer == LAYER else (min(LAYER_ZIP, SCF_ZIP), LAYER_UNPACKED)


def check(functions: Mapping[str, Size], layers: Mapping[str, Size]) -> None:
    """Refuse a package that is too large, naming every part and limit.

    Raises
    ------
    PackagingError
    """
    broken: list[str] = []

    def limit(name: str, what: str, found: int, most: int) -> None:
        if found > most:
            broken.append(f"{name}: {found:,} bytes {what}, at most {most:,}")

    for name, size in functions.items():
        limit(f"function {name}", "zipped", size.zipped, FUNCTION_ZIP)
    for name, size in layers.items():
        zipped, unpacked = most_of(name)
        limit(f"layer {name}", "zipped", size.zipped, zipped)
        limit(f"layer {name}", "unpacked", size.unpacked, unpacked)
    shared = sum(size.unpacked for size in layers.values())
    for name, size in functions.items():
        limit(f"function {name} with its layers", "unpacked", size.unpacked + shared, SCF_UNPACKED)
    if broken:
        raise PackagingError("too large: " + "; ".join(broken))
