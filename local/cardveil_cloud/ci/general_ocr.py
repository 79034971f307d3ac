"""CI's general OCR (`ci-process=OCR`): every line of text with its place, whatever it stands on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from cardveil.card.model import Point, Polygon
from cardveil_cloud.ci.errors import CiError
from cardveil_cloud.ci.recognition import TextLine
from cardveil_cloud.xml import Content

_TYPES: Final = frozenset({"general", "accurate", "efficient", "fast"})
#: "type 值为 general、accurate 时有效": the types for which `isword` has an effect (general is the default).
_WITH_WORDS: Final = frozenset({None, "", "general", "accurate"})


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


def contents(
    lines: Sequence[TextLine], request_id: str, params: Mapping[str, str] = MappingProxyType({})
) -> list[tuple[str, Content]]:
    """Return the answer's elements: every line that was found anywhere in the picture.

    With ``isword`` each character follows, for the types that the page names.
    """
    angle = _angle(lines)
    words = params.get("isword", "false").lower() == "true" and params.get("type") in _WITH_WORDS
    answer: list[tuple[str, Content]] = [
        ("TextDetections", [*_detection(line, angle), *(_words(line) if words else ())]) for line in lines
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
    corners = _corners("Polygon", line.polygon)
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


def _words(line: TextLine) -> list[tuple[str, Content]]:
    """Return `Words` with the places of characters, as far as the recogniser has them."""
    return [
        (
            "Words",
            [
                ("Confidence", round(line.score)),
                ("Character", character),
                ("WordCoordPoint", _corners("WordCoordinate", place)),
            ],
        )
        for character, place in zip(line.text, line.characters, strict=False)
    ]


def _corners(name: str, polygon: Polygon) -> list[tuple[str, Content]]:
    return [(name, [("X", round(x)), ("Y", round(y))]) for x, y in polygon.points]


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
