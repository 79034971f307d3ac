"""What the attacks share: pictures of digits, every way of storing them, and naive redactors as controls."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from cardveil.card.model import Polygon
from cardveil.redaction import Region
from cardveil_ocr.adapter import EmbeddedRecogniser, embedded_recogniser

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

#: cv2's names of JPEG samplings: luma factors, then chroma (1, 1) twice.
SAMPLINGS = {"4:4:4": 0x111111, "4:2:2": 0x211111, "4:4:0": 0x121111, "4:2:0": 0x221111, "4:1:1": 0x411111}


@pytest.fixture(scope="module")
def recogniser() -> EmbeddedRecogniser:
    """The engine as `cardveil redact` has it, loaded when a picture is first recognised."""
    return embedded_recogniser(2)


@dataclass(frozen=True)
class Kit:
    """Functions for tests; `Kit` is handed out by the fixture of the same name."""

    @staticmethod
    def noise(seed: int, width: int, height: int) -> Pixels:
        """Return an RGB picture with detail of every size."""
        random = np.random.default_rng(seed)
        coarse = random.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
        smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        grain = random.normal(0, 12, smooth.shape)
        noisy: Pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        return noisy

    @staticmethod
    def digits(text: str, seed: int, *, noise: float = 1.5, size: tuple[int, int] = (240, 80)) -> Pixels:
        """Return dark digits on light paper, with a camera's grain."""
        image = Image.new("RGB", size, (236, 232, 222))
        ImageDraw.Draw(image).text((40, 25), text, fill=(40, 38, 44), font_size=30)
        grain = np.random.default_rng(seed).normal(0, noise, (size[1], size[0], 3))
        return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)

    @staticmethod
    def jpeg(
        pixels: Pixels, sampling: str = "4:2:0", *, progressive: bool = False, quality: int = 90
    ) -> bytes:
        """Encode RGB (or grey) pixels with OpenCV, which knows every sampling."""
        options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
        if pixels.ndim == 3:
            options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLINGS[sampling]]
            pixels = np.ascontiguousarray(pixels[..., ::-1])
        done, data = cv2.imencode(".jpg", pixels, options)
        assert done
        return data.tobytes()

    @staticmethod
    def pillow(image: Image.Image, name: str, **options: Any) -> bytes:
        out = io.BytesIO()
        if name == "WEBP":
            options.setdefault("lossless", True)  # what was saved with loss goes to review
        image.save(out, name, **options)
        return out.getvalue()

    @staticmethod
    def decoded(data: bytes) -> Pixels:
        """Decode as shown: upright, eight bits, RGB."""
        from PIL import ImageOps

        image: Image.Image = Image.open(io.BytesIO(data))
        if image.mode.startswith("I"):
            image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))

    @staticmethod
    def with_orientation(data: bytes, orientation: int) -> bytes:
        """Put an EXIF block with an orientation into a JPEG, a PNG or a WebP."""
        tiff = b"II*\x00\x08\x00\x00\x00" + struct.pack("<HHHIHHI", 1, 0x112, 3, 1, orientation, 0, 0)
        if data[:2] == b"\xff\xd8":
            body = b"Exif\x00\x00" + tiff
            return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
        image = Image.open(io.BytesIO(data))
        return Kit.pillow(
            image, str(image.format), exif=tiff, **({"lossless": True} if image.format == "WEBP" else {})
        )

    @staticmethod
    def stored(upright: Pixels, orientation: int) -> Pixels:
        """Undo what a viewer does for an orientation (CIPA DC-008, tag 274)."""
        undone: dict[int, Callable[[Pixels], Pixels]] = {
            1: lambda p: p,
            2: lambda p: p[:, ::-1],
            3: lambda p: p[::-1, ::-1],
            4: lambda p: p[::-1],
            5: lambda p: p.swapaxes(0, 1),
            6: lambda p: np.rot90(p, 1),
            7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
            8: lambda p: np.rot90(p, -1),
        }
        return np.ascontiguousarray(undone[orientation](upright))

    @staticmethod
    def inside(polygon: Polygon, width: int, height: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which pixels' centres lie in a convex polygon: the plainest test there is."""
        ys, xs = np.mgrid[0:height, 0:width] + 0.5
        within = np.ones((height, width), bool)
        points = polygon.points
        for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
            within &= (x1 - x0) * (ys - y0) - (y1 - y0) * (xs - x0) >= 0
        return within

    @staticmethod
    def region(polygon: Polygon) -> list[Region]:
        return [Region("id_number", polygon, "mask")]

    @staticmethod
    def naive(data: bytes, polygon: Polygon, *, keep: bool = True, name: str = "") -> bytes:
        """Redact as most people would: open, draw a black polygon, save. The control of every attack."""
        image = Image.open(io.BytesIO(data))
        name, info = name or str(image.format), dict(image.info)
        options: dict[str, Any] = {"quality": 92} if name == "JPEG" else {}
        if name == "WEBP":
            options = {"lossless": True, "exact": True}
        for key in ("exif", "icc_profile", "comment", "xmp"):
            if keep and key in info and name != "BMP":
                options[key] = info[key]
        fill = 0 if image.mode in ("1", "L", "P", "I;16", "I") else None
        ImageDraw.Draw(image).polygon(
            [(x, y) for x, y in polygon.points], fill=fill if fill is not None else "black"
        )
        return Kit.pillow(image, name, **options)

    @staticmethod
    def careless(data: bytes, polygon: Polygon) -> bytes:
        """Redact the pixels and leave all that stands around them, as tools that edit in place do.

        The control of every place besides the pixels: JPEGs as `Kit.jpeg` makes them, PNG, WebP without loss,
        BMP.
        """
        image = Image.open(io.BytesIO(data))
        if image.format == "BMP":
            return _black_rows(data, polygon)
        plain = image.convert("RGB") if image.format == "JPEG" else image
        ImageDraw.Draw(plain).polygon(list(polygon.points), fill=0 if plain.mode == "P" else "black")
        if image.format == "JPEG":
            # The same encoder, so that the scan fits the tables that stay.
            return _with_scan_of(data, Kit.jpeg(np.asarray(plain)))
        if image.format == "PNG":
            return _with_chunk_of(data, Kit.pillow(plain, "PNG"), b"IDAT", ">I4s", 8, 4)
        return _with_chunk_of(
            data, Kit.pillow(plain, "WEBP", lossless=True, exact=True), b"VP8L", "<4sI", 12, 0
        )


def _scan(data: bytes) -> tuple[int, int]:
    """Return where a JPEG's scan begins and where its first picture ends."""
    at = 2
    while data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at, data.index(b"\xff\xd9", at)


def _with_scan_of(data: bytes, other: bytes) -> bytes:
    (start, end), (begin, stop) = _scan(data), _scan(other)
    return data[:start] + other[begin:stop] + data[end:]


def _chunks(data: bytes, form: str, start: int, tail: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, begin and end of each chunk of a PNG or WebP."""
    at = start
    while at + 8 <= len(data):
        first, second = struct.unpack_from(form, data, at)
        kind, size = (first, second) if isinstance(first, bytes) else (second, first)
        end = at + 8 + size + tail + (size & 1 if tail == 0 else 0)
        if end > len(data):
            return  # what follows the last chunk
        yield kind, at, end
        at = end


def _with_chunk_of(data: bytes, other: bytes, kind: bytes, form: str, start: int, tail: int) -> bytes:
    (new,) = [other[begin:end] for name, begin, end in _chunks(other, form, start, tail) if name == kind]
    (old,) = [(begin, end) for name, begin, end in _chunks(data, form, start, tail) if name == kind]
    changed = data[: old[0]] + new + data[old[1] :]
    if kind == b"VP8L":
        size = struct.unpack_from("<I", data, 4)[0] + len(new) - (old[1] - old[0])
        changed = changed[:4] + struct.pack("<I", size) + changed[8:]
    return changed


def _black_rows(data: bytes, polygon: Polygon) -> bytes:
    """Write zeros over the rows of a BMP that a polygon reaches."""
    offset, width, height, bits = (
        struct.unpack_from("<I", data, 10)[0], *struct.unpack_from("<ii", data, 18),
        struct.unpack_from("<H", data, 28)[0],
    )  # fmt: skip
    stride = (width * bits + 31) // 32 * 4
    _, top, _, bottom = (round(each) for each in polygon.bounds())
    first, last = offset + (height - bottom) * stride, offset + (height - top) * stride
    return data[:first] + bytes(last - first) + data[last:]


@pytest.fixture
def kit() -> Kit:
    """Pictures, encoders and the naive redactor."""
    return Kit()
