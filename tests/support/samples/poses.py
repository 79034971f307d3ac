"""How a card lies in front of the lens: turn, tilt and size give the corners of its image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

Corners = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pose:
    """Turn in the plane and tilt out of it, in degrees; `share` of the frame's area that the card takes.

    Attributes
    ----------
    tilt_towards
        Direction in the card's plane, in degrees, that is tilted away from the lens.
    """

    turn: float
    tilt: float
    tilt_towards: float
    share: float


def corners_of(
    pose: Pose, size: tuple[float, float], frame: tuple[float, float, float, float], random: Random
) -> Corners:
    """Return the image of a card's corners, ``(4, 2)`` pixels, clockwise from the card's own top left.

    Parameters
    ----------
    size
        Width and height of the card in any unit.
    frame
        Left, top, width and height in pixels of the part of the picture the card is to lie in. The card is
        made smaller than `pose` says where it would not fit.
    """
    w, h = size
    flat = np.array([(-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2)])
    space = np.column_stack([flat, np.zeros(4)]) @ _rotation(pose).T
    distance = 2.2 * max(w, h)
    image = space[:, :2] * (distance / (space[:, 2] + distance))[:, None]
    left, top, width, height = frame
    area = _area(image)
    scale = math.sqrt(pose.share * width * height / area)
    extent = image.max(axis=0) - image.min(axis=0)
    scale = min(scale, 0.985 * width / extent[0], 0.985 * height / extent[1])
    image = (image - image.min(axis=0)) * scale
    room = np.array([width, height]) - extent * scale
    share = np.array([random.uniform(0.1, 0.9), random.uniform(0.1, 0.9)])
    return np.asarray(image + np.array([left, top]) + room * share)


def _rotation(pose: Pose) -> Corners:
    turn, tilt, towards = (math.radians(a) for a in (pose.turn, pose.tilt, pose.tilt_towards))
    axis = np.array([-math.sin(towards), math.cos(towards), 0.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    lean = np.eye(3) + math.sin(tilt) * cross + (1 - math.cos(tilt)) * (cross @ cross)
    plane = np.array(
        [[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]], np.float64
    )
    return np.asarray(plane @ lean)


def _area(points: Corners) -> float:
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
