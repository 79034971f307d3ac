"""Finds regions of text in a picture, and reads lines, with three models."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cardveil.core.errors import Halt
from cardveil_ocr.models import Floats, Model, load

Picture = NDArray[np.uint8]

#: Height in pixels that the reading model takes (PP-OCR, `rec_img_shape`).
LINE_HEIGHT: Final = 48
#: Width in pixels of one step of the reading model's output.
STEP: Final = 8
#: Probability above which a pixel is text, mean above which a region is, and by how much a region is grown:
#: PP-OCR's own values (`Det.thresh`, `Det.box_thresh`, `Det.unclip_ratio`).
_TEXT, _REGION, _GROW = 0.3, 0.5, 1.6
#: Widths are rounded up to this: what an engine prepares for one width it keeps for the next such line.
_ROUNDED, _NARROWEST = 32, 64


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
        How many threads all calls together may use.
    watched
        The characters whose probabilities are kept for every step, for closed vocabularies.
    """

    def __init__(self, *, threads: int, watched: str = "") -> None:
        self._threads = threads
        self.watched = watched
        self._loaded: dict[str, Model] = {}
        self._readers = ThreadPoolExecutor(threads, "cardveil-reader")
        self._characters: tuple[str, ...] = ()
        self._watched_classes: NDArray[np.int64] = np.zeros(1, np.int64)
        self._lock = threading.Lock()

    def load(self) -> None:
        """Load all models that are not loaded yet."""
        for task in ("det", "cls", "rec"):
            self._model(task)

    def detect(self, picture: Picture, width: int, height: int) -> list[Floats]:
        """Find regions of text.

        Parameters
        ----------
        picture
            ``(H, W, 3)`` RGB.
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
        heat = self._model("det").run(
            np.ascontiguousarray(_planes(small)[None]), lambda output: output[0, 0].copy()
        )
        scale = np.array([picture.shape[1] / w, picture.shape[0] / h], np.float32)
        return [box * scale for box in _regions(heat)]

    def upside_down(self, lines: Sequence[Picture]) -> list[float]:
        """Say for each line, ``(48, W, 3)`` RGB, how likely it is (0 to 1) that it stands on its head."""
        if not lines:
            return []
        batch = np.zeros((len(lines), 3, 48, 192), np.float32)
        for place, line in zip(batch, lines, strict=True):
            width = min(192, line.shape[1])
            fitted = line if width == line.shape[1] else cv2.resize(line, (width, 48))
            place[:, :, :width] = _planes(fitted)
        return [
            float(p)
            for start in range(0, len(lines), 12)
            for p in self._model("cls").run(batch[start : start + 12], lambda output: output[:, 1].copy())
        ]

    def read(self, lines: Sequence[Picture]) -> list[Strip]:
        """Read lines, each ``(48, W, 3)`` RGB; the result is in the same order."""
        if not lines:
            return []
        model = self._model("rec")
        # One line a call and one call a thread: lines read together gain nothing and are padded to one width.
        return list(self._readers.map(lambda line: self._strip(model, line), lines))

    def _strip(self, model: Model, line: Picture) -> Strip:
        own = line.shape[1]
        data = np.zeros((1, 3, LINE_HEIGHT, max(_NARROWEST, -(-own // _ROUNDED) * _ROUNDED)), np.float32)
        data[0, :, :, :own] = _planes(line)

        def take(output: Floats) -> Strip:
            p = output[0]
            best = p.argmax(axis=1)
            best_p = np.take_along_axis(p, best[:, None], axis=1)[:, 0]
            return Strip(best, best_p, p[:, self._watched_classes], own / STEP)

        return model.run(data, take)

    def character(self, number: int) -> str:
        """Return the character of a class; class 0 ("no character") gives an empty string."""
        return self._characters[number]

    def _model(self, task: str) -> Model:
        with self._lock:
            if task not in self._loaded:
                model = load(task, threads=self._threads, at_once=self._threads if task == "rec" else 1)
                if task == "rec":
                    self._learn_characters(model.characters)
                self._loaded[task] = model
            return self._loaded[task]

    def _learn_characters(self, listed: Sequence[str]) -> None:
        # As rapidocr's CTCLabelDecode does: "no character" goes before them, the space after them.
        self._characters = ("", *listed, " ")
        number = {character: i for i, character in enumerate(self._characters)}
        unknown = [character for character in self.watched if character not in number]
        if unknown:
            raise Halt(
                "model_unfit", "install a rapidocr release whose reading model knows all watched characters"
            )
        self._watched_classes = np.array([0, *(number[character] for character in self.watched)])


def _planes(picture: Picture) -> Floats:
    """Return a picture as the models take it: blue, green and red apart, from -1 to 1."""
    values = picture.astype(np.float32)
    values *= 1 / 127.5
    values -= 1.0
    planes: Floats = values.transpose(2, 0, 1)[::-1]
    return planes


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
