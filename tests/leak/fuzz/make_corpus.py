"""Draws the small files that the fuzz target mutates: one of each kind that is accepted, with a word in its
metadata.

Run ``python tests/leak/fuzz/make_corpus.py`` to write them anew; the files in ``corpus/`` are what counts.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent / "corpus"
CANARY = b"CANARY-3301"
_SAMPLINGS = {"444": 0x111111, "422": 0x211111, "440": 0x121111, "420": 0x221111, "411": 0x411111}


def main() -> None:
    """Write every file of the corpus."""
    FOLDER.mkdir(exist_ok=True)
    image = Image.new("RGB", (59, 43), (220, 214, 200))
    draw = ImageDraw.Draw(image)
    draw.text((6, 8), "99001", fill=(30, 30, 60), font_size=18)
    draw.ellipse((34, 4, 56, 30), fill=(180, 70, 60))
    for name, factors in _SAMPLINGS.items():
        _write(f"jpeg-{name}.jpg", _cv(image, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factors]))
    _write("jpeg-progressive.jpg", _cv(image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]))
    _write("jpeg-restarts.jpg", _cv(image, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]))
    _write("jpeg-grey.jpg", _pillow(image.convert("L"), "JPEG", quality=70))
    _write("jpeg-cmyk.jpg", _pillow(image.convert("CMYK"), "JPEG", quality=40))
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + struct.pack("<HHHIHHI", 1, 0x112, 3, 1, 6, 0, 0)
    _write("jpeg-metadata.jpg", _pillow(image, "JPEG", quality=60, exif=exif, comment=CANARY) + CANARY)
    _write("png-rgb.png", _pillow(image, "PNG"))
    _write("png-palette.png", _pillow(image.quantize(16), "PNG"))
    _write("png-alpha.png", _pillow(image.convert("LA"), "PNG"))
    _write("png-bits.png", _pillow(image.convert("1"), "PNG"))
    grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
    _write("png-sixteen.png", _pillow(Image.fromarray(grey), "PNG"))
    _write("bmp-rgb.bmp", _pillow(image.resize((20, 14)), "BMP"))
    _write("bmp-palette.bmp", _pillow(image.quantize(4).resize((24, 16)), "BMP"))
    _write("webp-lossy.webp", _pillow(image, "WEBP", quality=50))
    _write("webp-lossless.webp", _pillow(image.quantize(8).convert("RGB"), "WEBP", lossless=True))
    _write("webp-alpha.webp", _pillow(image.convert("RGBA"), "WEBP", quality=50, exif=exif[6:] + CANARY))
    told = {270: CANARY.decode(), 65000: CANARY.decode()}
    _write("tiff-lzw.tif", _pillow(image, "TIFF", compression="tiff_lzw", tiffinfo={**told, 274: 6}))
    _write("tiff-jpeg.tif", _pillow(image, "TIFF", compression="jpeg", tiffinfo=told))
    _write("tiff-fax.tif", _pillow(image.convert("1"), "TIFF", compression="group4", tiffinfo=told))
    _write("tiff-cmyk.tif", _pillow(image.resize((30, 22)).convert("CMYK"), "TIFF", tiffinfo=told))
    _write("tiff-sixteen.tif", _pillow(Image.fromarray(grey), "TIFF", compression="tiff_lzw"))


def _cv(image: Image.Image, options: list[int]) -> bytes:
    pixels = np.ascontiguousarray(np.asarray(image)[..., ::-1])
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60, *options])[1].tobytes())


def _pillow(image: Image.Image, name: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


def _write(name: str, data: bytes) -> None:
    (FOLDER / name).write_bytes(data)


if __name__ == "__main__":
    main()
