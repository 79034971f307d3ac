"""CI's general OCR (`ci-process=OCR`): every line of text with its place, whatever it stands on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from cardveil.card.model import Point
from cardveil_cloud.ci.errors import CiError
from cardveil_cloud.ci.recognition import TextLine
from cardveil_cloud.xml import Content

_TYPES: Final = frozenset({"general", "accurate", "efficient", "fast"})


def check(params: Mapping[str, str]) -> None:
    """Refuse what the embedded recogniser cannot do.

    Raises
    ------
    CiError
        ``NotImplemented`` for handwriting and PDF, ``InvalidArgument`` for an unknown type.
    """
    kind = params.get("type") or "general"
    if kind == "handwriting" or params.get("ispdf", "false").lower() == "true":
        raise CiError("NotImplemented")
    if kind not in _TYPES:
        raise CiError("InvalidArgument", "type is general, accurate, efficient, fast or handwriting.")


def contents(lines: Sequence[TextLine], request_id: str) -> list[tuple[str, Content]]:
    """Return the answer's elements; without `Words`, since the recogniser places lines, not characters."""
    angle = _angle(lines)
    answer: list[tuple[str, Content]] = [
        ("TextDetections", _detection(line, angle)) for line in lines if line.text
    ]
    return [
        *answer,
        ("Language", "zh"),
        # Spelt so on the page.
        ("Angel", f"{angle:.2f}"),
        ("PdfPageSize", 0),
        ("RequestId", request_id),
    ]


def _detection(line: TextLine, angle: float) -> list[tuple[str, Content]]:
    top_left, top_right, _, bottom_left = line.polygon.points
    x, y = _turned(top_left, -angle)
    corners: list[tuple[str, Content]] = [
        ("Polygon", [("X", round(px)), ("Y", round(py))]) for px, py in line.polygon.points
    ]
    return [
        ("DetectedText", line.text),
        ("Confidence", round(line.score)),
        *corners,
        (
            "ItemPolygon",
            [
                ("X", round(x)),
                ("Y", round(y)),
                ("Width", round(math.dist(top_left, top_right))),
                ("Height", round(math.dist(top_left, bottom_left))),
            ],
        ),
    ]


def _angle(lines: Sequence[TextLine]) -> float:
    """Return the turn of the text in degrees, clockwise, as the median over the lines."""
    angles = []
    for line in lines:
        (x0, y0), (x1, y1) = line.polygon.points[:2]
        angles.append(math.degrees(math.atan2(y1 - y0, x1 - x0)))
    return statistics.median(angles) if angles else 0.0


def _turned(point: Point, degrees: float) -> Point:
    # About the picture's origin: the vendor does not say about which point it turns.
    angle = math.radians(degrees)
    x, y = point
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
