"""Reads the polygons that a user of `cardveil redact` brings, from a detector of their own."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from cardveil.card.model import Point, Polygon
from cardveil.redaction import Region

#: No detector writes more about one picture.
_MOST_BYTES: Final = 16 << 20
#: No picture is so wide: formats allow 65,535 pixels, or what no memory holds.
_MOST_PIXELS: Final = 10_000_000
_HEAD_KEYS: Final = frozenset({"width", "height", "fields"})
_NEEDED: Final = 'must be {"name": …, "polygon": [[x, y] × 4]}'


@dataclass(frozen=True, slots=True)
class FieldsFile:
    """Polygons of one picture.

    Attributes
    ----------
    width, height
        Of the frame that the polygons are in, if the file says so: the upright picture's, in pixels.
    digest
        SHA-256 of the file.
    """

    regions: tuple[Region, ...]
    width: int | None
    height: int | None
    digest: str

    def check_frame(self, width: int, height: int) -> None:
        """Raise `click.UsageError` when the polygons were made for a frame of another size."""
        if (self.width or width, self.height or height) != (width, height):
            raise click.UsageError(
                f"--fields: its frame is {self.width or '?'}×{self.height or '?'} pixels, but the upright "
                f"picture is {width}×{height}: give the polygons in the upright picture's pixels"
            )


def read_fields(path: Path) -> FieldsFile:
    """Read a JSON list of ``{"name", "polygon": [[x, y] × 4]}``, or an object that has it as ``fields``.

    The object, or any entry, may say the frame's ``width`` and ``height``.

    Raises
    ------
    click.UsageError
        Naming the place that is wrong; also for an empty list, since nothing would be covered.
    """
    data = _bytes(path)
    document = _json(data)
    head: Mapping[str, Any] = {}
    if isinstance(document, dict):
        if unknown := sorted(set(document) - _HEAD_KEYS):
            _wrong(f"{_quoted(unknown[0])} is not known: an object has fields, and may have width and height")
        head, document = document, document.get("fields")
    if not isinstance(document, list) or not document:
        _wrong("a list of at least one polygon is needed")
    entries = [_region(number, entry) for number, entry in enumerate(document, start=1)]
    sizes = [_size(head, "")] + [_size(entry, f"entry {n}: ") for n, entry in enumerate(document, start=1)]
    width, height = (_agreed([size[axis] for size in sizes]) for axis in (0, 1))
    return FieldsFile(tuple(entries), width, height, hashlib.sha256(data).hexdigest())


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        _wrong(f"it cannot be read ({error.strerror})")
    if len(data) > _MOST_BYTES:
        _wrong(f"it has more than {_MOST_BYTES >> 20} MB")
    return data


def _json(data: bytes) -> Any:
    try:
        # Given bytes, UTF-8, UTF-16 and UTF-32 are told apart, with a byte order mark or without.
        return json.loads(data, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        _wrong(f"not a JSON file: {error.msg} at line {error.lineno}, column {error.colno}")
    except RecursionError:
        _wrong("not such a file: its brackets are nested too deeply")
    except UnicodeDecodeError as error:
        _wrong(f"not a JSON file: byte {error.start + 1} is no text")
    except ValueError:
        # Python refuses numbers of more than some thousand digits.
        _wrong("a number in it has too many digits")


def _no_number(name: str) -> NoReturn:
    _wrong(f"{name} is not a number that a polygon can have")


def _region(number: int, entry: Any) -> Region:
    place = f"entry {number}"
    if not isinstance(entry, dict) or not {"name", "polygon"} <= set(entry):
        _wrong(f"{place} {_NEEDED}")
    name, points = entry["name"], entry["polygon"]
    if not isinstance(name, str) or not name.strip():
        _wrong(f"{place}: its name must be a text")
    if not _is_text(name):
        _wrong(f"{place}: its name holds half a character (a lone surrogate)")
    if not isinstance(points, list) or len(points) != 4:
        _wrong(f"{place}: its polygon must have four points; it {_NEEDED}")
    return Region(name, Polygon.of(_point(f"{place}, point {n}", p) for n, p in enumerate(points, 1)), "mask")


def _point(place: str, point: Any) -> Point:
    if not isinstance(point, list) or len(point) != 2:
        _wrong(f"{place} must be [x, y]")
    for axis, value in zip("xy", point, strict=True):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not abs(value) <= _MOST_PIXELS or not math.isfinite(value):
            _wrong(f"{place}: {axis} must be a number of pixels, at most {_MOST_PIXELS}")
    return float(point[0]), float(point[1])


def _size(entry: Mapping[str, Any], place: str) -> tuple[int | None, int | None]:
    for name in ("width", "height"):
        value = entry.get(name)
        if value is not None and (type(value) is not int or not 0 < value <= _MOST_PIXELS):
            _wrong(f"{place}{name} must be a whole number of pixels")
    return entry.get("width"), entry.get("height")


def _agreed(sizes: list[int | None]) -> int | None:
    said = {size for size in sizes if size is not None}
    if len(said) > 1:
        _wrong("its entries name frames of different sizes")
    return said.pop() if said else None


def _quoted(text: str) -> str:
    return f'"{text[:40]}"' if _is_text(text) and text.isprintable() else "a name in it"


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _wrong(what: str) -> NoReturn:
    raise click.UsageError(f"--fields: {what}") from None
