"""Finds and reads text with the models in the rapidocr wheel, on onnxruntime or, if installed, OpenVINO."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cardveil.errors import Halt

Floats = NDArray[np.floating[Any]]
Picture = NDArray[np.uint8]
_Run = Callable[[Floats], Floats]

#: Height in pixels that the reading model takes (PP-OCR, `rec_img_shape`).
LINE_HEIGHT: Final = 48
#: Width in pixels of one step of the reading model's output.
STEP: Final = 8
#: Probability above which a pixel is text, mean above which a region is, and by how much a region is grown:
#: PP-OCR's own values (`Det.thresh`, `Det.box_thresh`, `Det.unclip_ratio`).
_TEXT, _REGION, _GROW = 0.3, 0.5, 1.6
#: No batch is wider than this in all, which bounds the memory of one call (a step has 18,710 classes).
_BATCH_WIDTH: Final = 1920
#: Widths are rounded up to this, and a batch's widest line is so many times and pixels wider than its
#: narrowest: padding is paid for like text (75 µs a pixel on one core), and batching itself saves nothing.
_ROUNDED, _WIDER, _WIDER_BY = 16, 1.1, 16


@dataclass(frozen=True, slots=True)
class Strip:
    """What the reading model says of one line.

    Attributes
    ----------
    best, best_p
        ``(T,)``; for each step the most likely class and its probability; class 0 is "no character".
    some
        ``(T, K)``; the probabilities of "no character" and of each character of `Engine.watched`.
    steps
        How many steps the line's own pixels take; the rest is padding.
    """

    best: NDArray[np.int64]
    best_p: Floats
    some: Floats
    steps: float


class Engine:
    """The three models, loaded when first used; safe to be called from several threads.

    Parameters
    ----------
    threads
        How many threads one call may use.
    watched
        The characters whose probabilities are kept for every step, for closed vocabularies.
    """

    def __init__(self, *, threads: int, watched: str = "") -> None:
        self._threads = threads
        self.watched = watched
        self._loaded: dict[str, _Run] = {}
        self._characters: tuple[str, ...] = ()
        self._watched_classes: NDArray[np.int64] = np.zeros(1, np.int64)
        self._lock = threading.Lock()

    def detect(self, picture: Picture, width: int, height: int) -> list[Floats]:
        """Find regions of text.

        Parameters
        ----------
        picture
            ``(H, W, 3)`` BGR.
        width, height
            Size to look at it in; rounded to multiples of 32.

        Returns
        -------
        list of (4, 2) arrays
            Rectangles in pixels of `picture`; the first edge is the longer one.
        """
        w, h = (max(32, round(side / 32) * 32) for side in (width, height))
        shrink = w < picture.shape[1]
        small = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
        data = (small.astype(np.float32) / 127.5 - 1.0).transpose(2, 0, 1)[None]
        heat = self._model("det")(np.ascontiguousarray(data))[0, 0]
        scale = np.array([picture.shape[1] / w, picture.shape[0] / h], np.float32)
        return [box * scale for box in _regions(heat)]

    def upside_down(self, lines: Sequence[Picture]) -> list[float]:
        """Say for each line, ``(48, W, 3)`` BGR, how likely it is (0 to 1) that it stands on its head."""
        if not lines:
            return []
        batch = np.zeros((len(lines), 3, 48, 192), np.float32)
        for place, line in zip(batch, lines, strict=True):
            width = min(192, line.shape[1])
            fitted = line if width == line.shape[1] else cv2.resize(line, (width, 48))
            place[:, :, :width] = (fitted.astype(np.float32) / 127.5 - 1.0).transpose(2, 0, 1)
        return [
            float(p)
            for start in range(0, len(lines), 12)
            for p in self._model("cls")(batch[start : start + 12])[:, 1]
        ]

    def read(self, lines: Sequence[Picture]) -> list[Strip]:
        """Read lines, each ``(48, W, 3)`` BGR; the result is in the same order."""
        run = self._model("rec")
        widths = [max(64, -(-line.shape[1] // _ROUNDED) * _ROUNDED) for line in lines]
        strips: dict[int, Strip] = {}
        for group in _groups(widths):
            width = max(widths[i] for i in group)
            batch = np.zeros((len(group), 3, LINE_HEIGHT, width), np.float32)
            for place, i in zip(batch, group, strict=True):
                place[:, :, : lines[i].shape[1]] = (lines[i].astype(np.float32) / 127.5 - 1.0).transpose(
                    2, 0, 1
                )
            for i, p in zip(group, run(batch), strict=True):
                best = p.argmax(axis=1)
                strips[i] = Strip(
                    best=best,
                    best_p=np.take_along_axis(p, best[:, None], axis=1)[:, 0],
                    some=p[:, self._watched_classes],
                    steps=lines[i].shape[1] / STEP,
                )
        return [strips[i] for i in range(len(lines))]

    def character(self, number: int) -> str:
        """Return the character of a class; class 0 ("no character") gives an empty string."""
        return self._characters[number]

    def _model(self, task: str) -> _Run:
        with self._lock:
            if task not in self._loaded:
                path = _model_path(task)
                if task == "rec":
                    self._learn_characters(path)
                load = _openvino if importlib.util.find_spec("openvino") else _onnxruntime
                self._loaded[task] = load(path, self._threads)
            return self._loaded[task]

    def _learn_characters(self, path: Path) -> None:
        listed = _metadata(path)["character"].splitlines()
        # As rapidocr's CTCLabelDecode does: "no character" goes before them, the space after them.
        self._characters = ("", *listed, " ")
        number = {character: i for i, character in enumerate(self._characters)}
        unknown = [character for character in self.watched if character not in number]
        if unknown:
            raise Halt(
                "model_unfit", "install a rapidocr release whose reading model knows all watched characters"
            )
        self._watched_classes = np.array([0, *(number[character] for character in self.watched)])


def _regions(heat: Floats) -> list[Floats]:
    """Return the grown rectangles about what the detecting model takes for text, in pixels of `heat`."""
    mask = cv2.dilate((heat > _TEXT).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in contours[:1000]:
        centre, (w, h), angle = cv2.minAreaRect(contour)
        if min(w, h) < 3:
            continue
        left, top, width, height = cv2.boundingRect(contour)
        inside = np.zeros((height, width), np.uint8)
        cv2.drawContours(inside, [contour], -1, 1, -1, offset=(-left, -top))
        if cv2.mean(heat[top : top + height, left : left + width], inside)[0] < _REGION:
            continue
        by = w * h * _GROW / (2 * (w + h))
        box = cv2.boxPoints((centre, (w + 2 * by, h + 2 * by), angle)).astype(np.float32)
        longer = np.linalg.norm(box[1] - box[0]) >= np.linalg.norm(box[2] - box[1])
        # A quarter turn more where needed; boxPoints runs clockwise on the screen.
        found.append(box if longer else np.roll(box, -1, axis=0))
    return found


def _groups(widths: list[int]) -> list[list[int]]:
    """Put lines of like width together, so that little padding is read."""
    groups: list[list[int]] = []
    for i in sorted(range(len(widths)), key=widths.__getitem__):
        group = groups[-1] if groups else []
        fits = (
            group
            and (len(group) + 1) * widths[i] <= _BATCH_WIDTH
            and widths[i] <= _WIDER * widths[group[0]] + _WIDER_BY
        )
        if fits:
            group.append(i)
        else:
            groups.append([i])
    return groups


def _model_path(task: str) -> Path:
    folder = Path(str(resources.files("rapidocr"))) / "models"
    found = sorted(folder.glob(f"*_{task}_*.onnx"))
    if not found:
        raise Halt(
            "model_missing", "install a rapidocr release that carries its models in the wheel (3.10 does)"
        )
    return found[-1]


def _onnxruntime(path: Path, threads: int) -> _Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The arena never gives memory back: without it the peak is half as high.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    # Threads that spin while they wait take the cores from whatever else runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: np.asarray(session.run(None, {name: batch})[0], np.float32)


def _openvino(path: Path, threads: int) -> _Run:
    openvino: Any = importlib.import_module("openvino")
    # What is kept for each size of batch would add up to gigabytes, and is hardly used again.
    options = {"INFERENCE_NUM_THREADS": threads, "CPU_RUNTIME_CACHE_CAPACITY": 0}
    model = openvino.Core().compile_model(str(path), "CPU", options)
    lock = threading.Lock()

    def run(batch: Floats) -> Floats:
        with lock:
            return np.array(model(batch)[0], np.float32)

    return run


def _metadata(path: Path) -> dict[str, str]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(session.get_modelmeta().custom_metadata_map)
