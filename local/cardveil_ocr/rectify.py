"""Cuts quadrilaterals out of a picture at any size without aliasing."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cardveil_ocr.engine import LINE_HEIGHT, Picture
from cardveil_ocr.models import Floats

Quad = NDArray[np.floating[Any]]

#: A line is read no wider than this; the longest on a card has about 24 characters of 48 pixels.
_LONGEST = 1280


class Source:
    """A picture and its halves, quarters and so on, made when needed.

    Parameters
    ----------
    picture
        ``(H, W, 3)`` RGB.
    """

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self._levels = [picture]

    @property
    def width(self) -> int:
        return int(self.picture.shape[1])

    @property
    def height(self) -> int:
        return int(self.picture.shape[0])

    @cached_property
    def is_flat(self) -> bool:
        """Whether the picture is of one colour, and so holds no text."""
        small = self.picture[:: max(1, self.height // 256), :: max(1, self.width // 256)]
        return int(small.max()) - int(small.min()) < 8

    def cut(self, matrix: Floats, width: int, height: int) -> Picture:
        """Cut out a rectangle.

        Parameters
        ----------
        matrix
            ``(3, 3)``; takes pixels of the result to pixels of the picture.
        """
        corners = np.array([[(0, 0), (width, 0), (width, height), (0, height)]], np.float32)
        image = cv2.perspectiveTransform(corners, matrix.astype(np.float64))[0]
        shrink = np.sqrt(cv2.contourArea(image.astype(np.float32)) / (width * height))
        level = self._level(int(np.clip(np.floor(np.log2(max(shrink, 1.0) * 1.2)), 0, 6)))
        fx, fy = level.shape[1] / self.width, level.shape[0] / self.height
        scaled = np.diag([fx, fy, 1.0]) @ matrix
        return np.asarray(
            cv2.warpPerspective(
                level,
                scaled,
                (width, height),
                flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            np.uint8,
        )

    def line(self, quad: Quad, *, longest: int = _LONGEST, pressed: float = 1.0) -> Picture:
        """Cut out a line of text, ``(48, W, 3)``, from a quadrilateral that starts at the text's top left.

        Parameters
        ----------
        longest
            What would be wider than so many pixels is cut short.
        pressed
            The share of its width that the line is given in the end.
        """
        across = float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2
        down = float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2
        natural = across / max(down, 1e-3) * LINE_HEIGHT
        width = max(8, round(natural * pressed))
        shown = max(8, round(min(natural, longest) * pressed))
        flat = np.array([(0, 0), (width, 0), (width, LINE_HEIGHT), (0, LINE_HEIGHT)], np.float32)
        matrix = cv2.getPerspectiveTransform(flat, quad.astype(np.float32))
        return self.cut(matrix, shown, LINE_HEIGHT)

    def at_least(self, width: int, height: int) -> Picture:
        """Return the smallest of the picture and its halves that is no smaller than this.

        Shrinking a large photograph by halves takes an eighth of the time of shrinking it at once.
        """
        number = 0
        while self.width >> (number + 1) >= width and self.height >> (number + 1) >= height:
            number += 1
        return self._level(number)

    def _level(self, number: int) -> Picture:
        while len(self._levels) <= number:
            last = self._levels[-1]
            size = (max(1, last.shape[1] // 2), max(1, last.shape[0] // 2))
            self._levels.append(np.asarray(cv2.resize(last, size, interpolation=cv2.INTER_AREA), np.uint8))
        return self._levels[number]
