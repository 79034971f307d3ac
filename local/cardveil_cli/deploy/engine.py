"""Whether functions whose settings ask for the engine have its layer, and the memory and time for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cardveil.recognition.engine_process import LAYER, MEMORY_MB
from cardveil.settings import variable
from cardveil.settings.regions import VENDOR
from cardveil_cloud.scf.deployment import Deployment

#: Seconds that an invocation with the engine may take at the least: a start, and pictures that take longest.
TIMEOUT_S: Final = 60
SETTING: Final = variable("engine")


def lacking(deployment: Deployment) -> Iterator[str]:
    """Yield what functions lack of what their setting asks for, a line each."""
    for spec in deployment.functions.values():
        asked = spec.environment.get(SETTING, VENDOR)
        if asked == VENDOR:
            continue
        begin = f"function {spec.name}: {SETTING} is {asked}"
        if LAYER not in spec.layers:
            yield f"{begin}, and the layer {LAYER} is not among its layers"
        if spec.memory_mb < MEMORY_MB:
            yield f"{begin}, which wants a memorySize of {MEMORY_MB} or more, not {spec.memory_mb}"
        if spec.reserved_mb is not None and spec.reserved_mb < MEMORY_MB:
            yield f"{begin}, and its reservedConcurrency of {spec.reserved_mb} is less than an instance"
        if spec.timeout_s < TIMEOUT_S:
            yield f"{begin}, which wants a timeout of {TIMEOUT_S} or more, not {spec.timeout_s}"


def asks(deployment: Deployment) -> bool:
    """Say whether any function's setting asks for the engine, or the file names its layer."""
    return any(
        spec.environment.get(SETTING, VENDOR) != VENDOR or LAYER in spec.layers
        for spec in deployment.functions.values()
    )
