"""Measures redaction beside other libraries and a bare transform: same files, rounds interleaved.

Peers load the whole picture before they draw on it, as they must to be compared: drawing on one that is not
loaded copies it. simplejpeg, PyTurboJPEG and pyvips are measured where they are installed.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from cardveil.card.model import Polygon
from cardveil.imaging import turbojpeg
from cardveil.redaction import Region, coefficient_path_available, dct, inspect, redact, verify
from cardveil.redaction.grid import cover, grid_for, snap

#: Width, height and rounds of each picture.
SIZES = {"0.6": (1000, 630, 25), "2.5": (1920, 1280, 15), "12": (4000, 3000, 15), "48": (8000, 6000, 3)}
QUALITY = 92
#: Standard deviation of the sensor's grain before its noise filter; gives a phone's two bits a pixel.
GRAIN = 8
#: Where the card's eight places lie, as shares of the picture: about 16% of it, all slightly aslant.
_PLACES = [(0.12, 0.12 + 0.1 * row, 0.36, 0.06) for row in range(7)] + [(0.60, 0.15, 0.26, 0.5)]


#: Where the card lies, as shares of the picture: left, top, right, bottom.
_CARD = (0.06, 0.06, 0.94, 0.92)


@dataclass(frozen=True)
class Work:
    """What is to be covered: places, and all beyond the card if that is told."""

    polygons: list[Polygon]
    card: Polygon | None
    around: list[Polygon]

    @property
    def everything(self) -> list[Polygon]:
        """What a library that only covers has to cover."""
        return [*self.polygons, *self.around]

    def copy(self, data: bytes) -> bytes:
        """Cover it as Cardveil does."""
        regions = [Region("a", polygon, "mask") for polygon in self.polygons]
        return redact(inspect(data), regions, shown=[self.card] if self.card else None).data


@dataclass(frozen=True)
class Row:
    """One way on one picture; ratios are medians over rounds, memory is above a process doing nothing."""

    megapixels: str
    coding: str
    covered: str
    way: str
    median_ms: float
    least_ms: float
    against_pillow: float
    against_transform: float
    peak_mb: float
    psnr_outside_db: float
    size: int


def photograph(width: int, height: int) -> Image.Image:
    """Draw a card on a desk: smooth paper, lines of digits, soft shadows, and the grain of a small sensor."""
    random = np.random.default_rng(7)
    coarse = random.integers(90, 200, (9, 12, 3), dtype=np.uint8)
    desk = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(desk)
    draw.rounded_rectangle(
        [width * 0.08, height * 0.08, width * 0.92, height * 0.9], 40, fill=(228, 232, 236)
    )
    for left, top, wide, high in _PLACES[:-1]:
        draw.text(
            (left * width, top * height),
            "990101199003070010",
            fill=(30, 30, 36),
            font_size=height * high * 0.8,
        )
        draw.text(
            ((left + wide) * width, top * height), "2031", fill=(60, 60, 70), font_size=height * high * 0.5
        )
    left, top, wide, high = _PLACES[-1]
    face = Image.fromarray(random.integers(40, 220, (24, 20, 3), dtype=np.uint8))
    face = face.resize((round(wide * width), round(high * height)), Image.Resampling.BICUBIC)
    desk.paste(face, (round(left * width), round(top * height)))
    pixels = np.asarray(desk)
    grain = cv2.GaussianBlur(random.normal(0, GRAIN, pixels.shape[:2]).astype(np.float32), (0, 0), 0.7)
    return Image.fromarray(np.clip(pixels + grain[..., None], 0, 255).astype(np.uint8))


def work(width: int, height: int, *, around: bool) -> Work:
    """Return what is covered, in pixels: eight places, and everything around the card as by default."""
    found = []
    for left, top, wide, high in _PLACES:
        x, y, w, h, slope = left * width, top * height, wide * width, high * height, 0.01 * wide * width
        found.append(Polygon.of([(x, y), (x + w, y + slope), (x + w, y + slope + h), (x, y + h)]))
    left, top, right, bottom = _CARD[0] * width, _CARD[1] * height, _CARD[2] * width, _CARD[3] * height
    if not around:
        return Work(found, None, [])
    beside = [
        Polygon.box(0, 0, width, top),
        Polygon.box(0, bottom, width, height),
        Polygon.box(0, top, left, bottom),
        Polygon.box(right, top, width, bottom),
    ]
    return Work(found, Polygon.box(left, top, right, bottom), beside)


def cardveil(data: bytes, asked: Work) -> bytes:
    """Headers, redaction, and the written copy decoded again: what is published."""
    return asked.copy(data)


def cardveil_unproven(data: bytes, asked: Work) -> bytes:
    """The same with every check left out, which nothing but this benchmark can do."""
    picture = inspect(data)
    header = picture.jpeg
    assert header is not None
    covered = cover(
        grid_for(header.width, header.height, header.mcu),
        [p.points for p in asked.polygons],
        shown=[asked.card.points] if asked.card else None,
    )
    step = turbojpeg.Step(dct._walk(dct.make_plan(header, covered, (0, 0, 0)), [0], dct._overwrite))
    expected = verify.Expected(header.width, header.height, 1, None)
    return verify.build_jpeg(turbojpeg.transform(data, [step])[0], expected)


def bare_transform(data: bytes, _asked: Work) -> bytes:
    """libjpeg-turbo decoding and encoding the coefficients, nothing covered."""
    return turbojpeg.transform(data, [turbojpeg.Step()])[0]


def pillow(data: bytes, asked: Work) -> bytes:
    """Open, load, draw, save."""
    image = Image.open(io.BytesIO(data))
    image.load()
    draw = ImageDraw.Draw(image)
    for polygon in asked.everything:
        draw.polygon(list(polygon.points), fill="black")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY, progressive=bool(image.info.get("progressive")))
    return out.getvalue()


def _filled(pixels: Any, asked: Work) -> Any:
    for polygon in asked.everything:
        cv2.fillPoly(pixels, [np.array(polygon.points).round().astype(np.int32)], (0, 0, 0))
    return pixels


def opencv(data: bytes, asked: Work) -> bytes:
    """Decode, fill, encode."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    progressive = b"\xff\xc2" in data[:2000]
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return bytes(cv2.imencode(".jpg", _filled(image, asked), options)[1].tobytes())


def simplejpeg(data: bytes, asked: Work) -> bytes:
    """Decode, fill with OpenCV, encode."""
    library: Any = importlib.import_module("simplejpeg")
    pixels = _filled(library.decode_jpeg(data), asked)
    return bytes(library.encode_jpeg(pixels, quality=QUALITY, colorsubsampling="420"))


def pyturbojpeg(data: bytes, asked: Work) -> bytes:
    """Decode, fill with OpenCV, encode."""
    library: Any = importlib.import_module("turbojpeg").TurboJPEG()
    return bytes(library.encode(_filled(library.decode(data), asked), quality=QUALITY, jpeg_subsample=2))


def pyvips(data: bytes, asked: Work) -> bytes:
    """Decode into memory, replace what a mask marks, encode."""
    library: Any = importlib.import_module("pyvips").Image
    image = library.new_from_buffer(data, "").copy_memory()
    mask = np.zeros((image.height, image.width), np.uint8)
    for polygon in asked.everything:
        cv2.fillPoly(mask, [np.array(polygon.points).round().astype(np.int32)], (255,))
    covered = library.new_from_memory(mask, image.width, image.height, 1, "uchar")
    return bytes(covered.ifthenelse([0, 0, 0], image).jpegsave_buffer(Q=QUALITY))


Way = Callable[[bytes, Work], bytes]
#: Peers beside their module.
_PEERS: dict[str, tuple[Way, str]] = {
    "OpenCV": (opencv, "cv2"),
    "simplejpeg": (simplejpeg, "simplejpeg"),
    "PyTurboJPEG": (pyturbojpeg, "turbojpeg"),
    "pyvips": (pyvips, "pyvips"),
}


def _installed(module: str) -> bool:
    try:
        library: Any = importlib.import_module(module)
        if module == "turbojpeg":
            library.TurboJPEG()  # its second version wants libjpeg-turbo 3
    except (ImportError, OSError, RuntimeError):
        return False
    return True


WAYS: dict[str, Way] = {
    "Cardveil, copy re-read": cardveil,
    "Cardveil, no proof": cardveil_unproven,
    "bare transform": bare_transform,
    "Pillow": pillow,
    **{name: run for name, (run, module) in _PEERS.items() if _installed(module)},
}


def psnr_outside(source: bytes, copy: bytes, polygons: Sequence[Polygon]) -> float:
    """Return the PSNR (dB) of all pixels outside the cover: cells, their margin, one pixel around them."""
    with Image.open(io.BytesIO(source)) as one, Image.open(io.BytesIO(copy)) as other:
        before, after = np.asarray(one.convert("RGB")), np.asarray(other.convert("RGB"))
    height, width = before.shape[:2]
    outside = np.ones((height, width), bool)
    for left, top, right, bottom in snap(grid_for(width, height), [p.points for p in polygons], 17.0).boxes(
        1
    ):
        outside[top:bottom, left:right] = False
    squares = total = 0
    for top in range(0, height, 256):  # in bands, so that 48 megapixels need no gigabytes here
        band = outside[top : top + 256]
        off = before[top : top + 256][band].astype(np.int32) - after[top : top + 256][band]
        squares, total = squares + int((off * off).sum()), total + off.size
    return math.inf if squares == 0 else 10 * math.log10(255**2 * total / squares)


def peak_of(way: str, path: Path, width: int, height: int, *, around: bool) -> float:
    """Run one way once in a process of its own; return megabytes above the same process doing nothing."""

    def run(name: str) -> float:
        command = [
            sys.executable,
            "-m",
            "benchmarks.redaction",
            "--peak",
            name,
            str(path),
            str(width),
            str(height),
            "around" if around else "places",
        ]
        return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)

    return run(way) - run("nothing")


def measure(
    megapixels: str, progressive: bool, folder: Path, rounds: int | None, *, around: bool
) -> list[Row]:
    """Measure all ways on one picture."""
    width, height, usual = SIZES[megapixels]
    out = io.BytesIO()
    photograph(width, height).save(out, "JPEG", quality=QUALITY, progressive=progressive)
    data, asked = out.getvalue(), work(width, height, around=around)
    path = folder / f"{megapixels}-{progressive}.jpg"
    path.write_bytes(data)
    copies = {way: run(data, asked) for way, run in WAYS.items()}  # also warms everything up
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    names = list(WAYS)
    for number in range(rounds or usual):
        # Each round begins with another way, since one that follows a hungry one finds its memory cold.
        for way in names[number % len(names) :] + names[: number % len(names)]:
            started = time.perf_counter()
            WAYS[way](data, asked)
            times[way].append(1000 * (time.perf_counter() - started))
    medians = {way: statistics.median(values) for way, values in times.items()}
    return [
        Row(
            megapixels,
            "progressive" if progressive else "baseline",
            "all around" if around else "8 places",
            way,
            round(medians[way], 1),
            round(min(times[way]), 1),
            round(_ratio(times["Pillow"], times[way]), 2),
            round(_ratio(times[way], times["bare transform"]), 2),
            round(peak_of(way, path, width, height, around=around)),
            round(psnr_outside(data, copies[way], asked.everything), 1),
            len(copies[way]),
        )
        for way in WAYS
    ]


def _ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the median of the rounds' own ratios: what slows a whole round down cancels out."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="megapixels")
    parser.add_argument("--rounds", type=int, help="rounds (default: by size)")
    parser.add_argument("--json", type=Path, help="write one JSON line a row here, too")
    parser.add_argument("--peak", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return _print_peak(*options.peak)
    print(f"libturbojpeg {coefficient_path_available().reason}; JPEG quality {QUALITY}, 4:2:0, 8 places")
    head = f"{'MP':>5} {'coding':<12} {'covered':<11} {'way':<24}{'ms':>7}{'least':>7}{'×Pillow':>9}"
    head += f"{'/transform':>12}{'peak MB':>9}{'dB outside':>12}{'bytes':>12}"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in options.sizes:
            for progressive, around in ((False, False), (False, True), (True, False)):
                print(head if not rows else "", flush=True)
                for row in measure(megapixels, progressive, Path(folder), options.rounds, around=around):
                    rows.append(row)
                    line = f"{row.megapixels:>5} {row.coding:<12} {row.covered:<11} {row.way:<24}"
                    line += f"{row.median_ms:>7.1f}{row.least_ms:>7.1f}{row.against_pillow:>9.2f}"
                    line += f"{row.against_transform:>12.2f}{row.peak_mb:>9.0f}"
                    line += f"{row.psnr_outside_db:>12.1f}{row.size:>12}"
                    print(line, flush=True)
    lines = [json.dumps({key: _finite(value) for key, value in asdict(row).items()}) for row in rows]
    if options.json:
        options.json.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n" + "\n".join(lines))
    return 0


def _finite(value: Any) -> Any:
    return None if value == math.inf else value


def _print_peak(way: str, path: str, width: str, height: str, covered: str) -> int:
    data = Path(path).read_bytes()
    asked = work(int(width), int(height), around=covered == "around")
    if way != "nothing":
        WAYS[way](data, asked)
    # `ru_maxrss` would begin with what the parent held when it forked.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
    return 0


if __name__ == "__main__":
    sys.exit(main())
