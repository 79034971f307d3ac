"""What a picture takes of memory is known before it is decoded, and too little of it refuses the picture."""

from __future__ import annotations

import io
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cardveil.core.context import Invocation
from cardveil.core.errors import Reject
from cardveil.imaging.limits import memory_of
from cardveil.pipeline.factory import build_processor
from cardveil.redaction import Limits, inspect
from cardveil.settings import Settings

WIDTH, HEIGHT = 2400, 1600

#: Runs in a process of its own: the peak of one copy above what the process had, or what it was refused with.
MEASURE = """
import resource, sys
import PIL.BmpImagePlugin, PIL.JpegImagePlugin, PIL.PngImagePlugin, PIL.WebPImagePlugin, PIL.ImageFilter
import PIL.TiffImagePlugin
from cardveil.card.model import Polygon
from cardveil.core.errors import CardveilError
from cardveil.redaction import Region, inspect, redact, upright_copy

def status(name):
    return int(open("/proc/self/status").read().split(name + ":")[1].split()[0]) * 1024

def work(data):
    picture = inspect(data)
    redact(picture, [Region("a", Polygon.box(100, 100, 300, 200), "mask")])
    upright_copy(picture, max_bytes=10**6)

path, small, spare = sys.argv[1:]
work(open(small, "rb").read())  # what is loaded once is loaded
data = open(path, "rb").read()
before = status("VmHWM")
if int(spare):
    limit = status("VmSize") + int(spare)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    work(data)
except CardveilError as error:
    print(error.code)
else:
    print(status("VmHWM") - before)
"""


def _jpeg(pixels: Any, sampling: int, *, progressive: bool = False) -> bytes:
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return bytes(cv2.imencode(".jpg", pixels, options)[1].tobytes())


def _pillow(image: Image.Image, name: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS: dict[str, Any] = {
    "jpeg 4:2:0": lambda p: _jpeg(p, 0x221111),
    "jpeg 4:4:4, progressive": lambda p: _jpeg(p, 0x111111, progressive=True),
    "jpeg turned": lambda p: _pillow(Image.fromarray(p), "JPEG", exif=_turned()),
    "jpeg grey": lambda p: _pillow(Image.fromarray(p).convert("L"), "JPEG"),
    "jpeg 4:1:1": lambda p: _jpeg(p, 0x411111, progressive=True),
    "jpeg of four planes": lambda p: _pillow(Image.fromarray(p).convert("CMYK"), "JPEG"),
    "png turned": lambda p: _pillow(Image.fromarray(p), "PNG", compress_level=1, exif=_turned()),
    "png grey": lambda p: _pillow(Image.fromarray(p).convert("L"), "PNG", compress_level=1),
    "png sixteen bits": lambda p: _pillow(
        Image.fromarray(p[..., 0].astype(np.uint16) * 257), "PNG", compress_level=1
    ),
    "png transparent": lambda p: _pillow(_transparent(p), "PNG", compress_level=1),
    "png palette": lambda p: _pillow(
        Image.fromarray(p).quantize(16, Image.Quantize.FASTOCTREE), "PNG", compress_level=1
    ),
    "webp": lambda p: _pillow(Image.fromarray(p), "WEBP", lossless=True, quality=0, method=0),
    "bmp": lambda p: _pillow(Image.fromarray(p), "BMP"),
    "tiff": lambda p: _pillow(Image.fromarray(p), "TIFF", compression="tiff_lzw"),
    "tiff of jpeg": lambda p: _pillow(Image.fromarray(p), "TIFF", compression="jpeg"),
    "tiff of four planes": lambda p: _pillow(Image.fromarray(p).convert("CMYK"), "TIFF"),
    "tiff grey": lambda p: _pillow(Image.fromarray(p).convert("L"), "TIFF", compression="tiff_lzw"),
    "tiff fax": lambda p: _pillow(Image.fromarray(p).convert("1"), "TIFF", compression="group4"),
    "tiff transparent": lambda p: _pillow(_transparent(p), "TIFF", compression="tiff_lzw"),
    "tiff sixteen bits": lambda p: _pillow(Image.fromarray(p[..., 0].astype(np.uint16) * 257), "TIFF"),
}


def _transparent(pixels: Any) -> Image.Image:
    image = Image.fromarray(pixels).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


@cache
def _pixels(width: int, height: int) -> Any:
    random = np.random.default_rng(1)
    coarse = random.integers(30, 120, (height // 40, width // 40, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
    return np.clip(smooth + random.integers(-5, 6, (height, width, 1)), 0, 255).astype(np.uint8)


def _measured(folder: Path, kind: str, spare: int = 0) -> str:
    paths = [folder / "large", folder / "small"]
    for path, size in zip(paths, ((WIDTH, HEIGHT), (480, 320)), strict=True):
        path.write_bytes(KINDS[kind](_pixels(*size)))
    command = [sys.executable, "-c", MEASURE, *map(str, paths), str(spare)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize("kind", KINDS)
def test_no_copy_takes_more_than_is_reckoned_with(tmp_path: Path, kind: str) -> None:
    taken = int(_measured(tmp_path, kind))
    data = (tmp_path / "large").read_bytes()
    reckoned = WIDTH * HEIGHT * inspect(data).cost + 2 * len(data)
    assert taken <= reckoned
    # And no more than three times too much, or pictures are refused that there is room for.
    assert taken + 8 * 2**20 >= reckoned / 3


@pytest.mark.parametrize("kind", ["jpeg 4:2:0", "jpeg of four planes", "png transparent", "webp", "bmp"])
@pytest.mark.parametrize("spare", [6, 30])
def test_too_little_memory_refuses_the_picture(tmp_path: Path, kind: str, spare: int) -> None:
    found = _measured(tmp_path, kind, spare * 2**20)
    assert found == "picture_too_large" or (found.isdigit() and spare > 6)


def test_a_picture_that_does_not_fit_is_refused_before_it_is_decoded() -> None:
    data = KINDS["png palette"](_pixels(480, 320))
    wanted = 480 * 320 * inspect(data).cost + 2 * len(data)
    assert inspect(data, Limits(memory=int(wanted) + 1)).width == 480
    with pytest.raises(Reject, match="picture_too_large"):
        inspect(data, Limits(memory=int(wanted) - 1))


def test_a_function_of_half_a_gigabyte_takes_the_pictures_of_phones() -> None:
    """48 megapixels at 4:2:0, 24 turned, a screenshot of 12; a lossless WebP of 20 is refused."""
    limits = Limits(memory=memory_of(512))
    assert memory_of(512) == 362 * 2**20
    for area, cost in ((48e6, 0.6 + 2.3 * 1.5), (24e6, 12.0), (12e6, 13.0)):
        limits.check_memory(area * cost + 30e6)
    with pytest.raises(Reject):
        limits.check_memory(20e6 * 30.0)


@pytest.mark.parametrize(("function_mb", "memory"), [(512, 362 * 2**20), (0, None)])
def test_a_picture_is_held_to_its_function_s_own_memory(function_mb: int, memory: int | None) -> None:
    invocation = Invocation("r", "f", "ap-shanghai", "1250000000", 60.0, memory_mb=function_mb)
    environment = {"TENCENTCLOUD_SECRETID": "id", "TENCENTCLOUD_SECRETKEY": "key"}
    built = build_processor(
        Settings(), environment, invocation, bucket="cards-1250000000", region="ap-shanghai"
    )
    assert built.pipeline.rules.limits.memory == memory
