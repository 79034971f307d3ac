"""Loads the models in the rapidocr wheel, on OpenVINO or, where that is not installed, on onnxruntime."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import queue
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from cardveil.core.errors import Halt

Floats = NDArray[np.floating[Any]]
_T = TypeVar("_T")

#: Name under which a reading model carries its characters.
_CHARACTERS: Final = "character"

#: What was needed for an input of more values than this is given back: such inputs are rare, and large ones
#: take as much memory as all else together.
_LARGE: Final = 3_600_000
#: glibc's M_MMAP_THRESHOLD and M_TRIM_THRESHOLD: freed blocks of 4 MB and more go back to the system at once.
#: By itself glibc keeps blocks of up to 32 MB, and what large pictures leave adds up to a quarter of a GB.
_MALLOC: Final = {-3: 4 << 20, -1: 32 << 20}
#: What reports to OpenVINO's maker when it is imported.
_REPORTING: Final = ("openvino.tools.ovc", "openvino_telemetry")


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model; may be called from several threads.

    Attributes
    ----------
    call
        Runs it; see `run`.
    characters
        What a reading model reads, without "no character"; empty for other models.
    """

    call: Callable[[Floats, Callable[[Floats], Any]], Any]
    characters: tuple[str, ...]

    def run(self, batch: Floats, take: Callable[[Floats], _T]) -> _T:
        """Run the model and return what `take` makes of its output, which the next run overwrites."""
        made: _T = self.call(batch, take)
        return made


def load(task: str, *, threads: int, at_once: int = 1) -> Model:
    """Load a model.

    Parameters
    ----------
    task
        ``det`` (finds text), ``cls`` (tells what stands on its head) or ``rec`` (reads a line).
    threads
        How many threads all its calls together may use.
    at_once
        How many calls run at the same time; each has its share of the threads.
    """
    _give_memory_back()
    loader = _openvino if has_openvino() else _onnxruntime
    return loader(_path(task), threads, at_once)


def has_openvino() -> bool:
    """Whether models run on OpenVINO here; on a processor that knows bfloat16 it takes half the time."""
    return importlib.util.find_spec("openvino") is not None


def _give_memory_back() -> None:
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        # Only glibc has it, and only glibc needs it.
        if hasattr(library, "mallopt"):
            for option, size in _MALLOC.items():
                library.mallopt(option, size)


def _path(task: str) -> Path:
    folder = Path(str(resources.files("rapidocr"))) / "models"
    found = sorted(folder.glob(f"*_{task}_*.onnx"))
    if not found:
        raise Halt(
            "model_missing", "install a rapidocr release that carries its models in the wheel (3.10 does)"
        )
    return found[-1]


def _openvino(path: Path, threads: int, at_once: int) -> Model:
    core = _openvino_module().Core()
    model = core.read_model(str(path))
    known = ["framework", _CHARACTERS]
    listed = str(model.get_rt_info(known).value) if model.has_rt_info(known) else ""
    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": at_once}
    compiled = core.compile_model(model, "CPU", options)
    free: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(at_once):
        free.put(compiled.create_infer_request())

    def call(batch: Floats, take: Callable[[Floats], Any]) -> Any:
        request = free.get()
        try:
            # Nothing is copied: the output belongs to the request, which is not free before `take` is done.
            made = take(request.infer(batch, share_inputs=True, share_outputs=True)[0])
            if batch.size > _LARGE:
                compiled.release_memory()
            return made
        finally:
            free.put(request)

    return Model(call, tuple(listed.splitlines()))


def _openvino_module() -> Any:
    """Import OpenVINO without what it would do at its import: report to its maker over the network.

    The report is sent by its tools that convert models, which nothing here needs.
    """
    silenced = [name for name in _REPORTING if name not in sys.modules]
    for name in silenced:
        # None makes an import of the name fail, which OpenVINO takes for "not installed".
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        for name in silenced:
            del sys.modules[name]


def _onnxruntime(path: Path, threads: int, at_once: int) -> Model:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, threads // at_once)
    options.inter_op_num_threads = 1
    # The arena never gives memory back: without it the peak is half as high.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    # Threads that spin while they wait take the cores from whatever else runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    listed = dict(session.get_modelmeta().custom_metadata_map).get(_CHARACTERS, "")

    def call(batch: Floats, take: Callable[[Floats], Any]) -> Any:
        return take(session.run(None, {name: batch})[0])

    return Model(call, tuple(listed.splitlines()))
