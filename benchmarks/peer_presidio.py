"""A peer on the same pictures: how much ink Presidio's image redactor with Tesseract covers, beside ours.

The peer needs an environment of its own (`python3 -m venv build/presidio`, `build/presidio/bin/pip install
presidio-image-redactor`) and Debian's tesseract-ocr and tesseract-ocr-chi-sim; without them it is skipped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tests.support.samples import CONDITIONS, Sample, make_samples

from cardveil.card.model import PORTRAIT
from cardveil_ocr import Recogniser

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / "build" / "presidio" / "bin" / "python"
_PAGE_SECONDS = 120

Mask = NDArray[np.uint8]


def missing() -> str | None:
    """Return what the peer lacks here, or None."""
    if not PEER.exists():
        return f"no environment at {PEER.relative_to(ROOT)}"
    asked = [str(PEER), "-c", "import presidio_image_redactor"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        return "presidio-image-redactor is not installed there"
    tesseract = shutil.which("tesseract")
    if tesseract is None:
        return "no tesseract"
    listed = subprocess.run([tesseract, "--list-langs"], capture_output=True, text=True, check=False).stdout
    return None if "chi_sim" in listed.split() else "no Chinese data for tesseract"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=12, help="pictures (default 12)")
    parser.add_argument("--seed", type=int, default=4242)
    arguments = parser.parse_args()
    if lacks := missing():
        print(f"skipped: Presidio cannot be run here ({lacks})")
        return 0
    conditions = tuple(name for name in CONDITIONS if name != "negative")
    samples = list(make_samples(arguments.count, arguments.seed, part="test", conditions=conditions))
    recogniser = Recogniser(threads=2)
    recogniser.recognise(samples[0].picture)
    ours = Tally("cardveil")
    theirs = Tally("presidio")
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, sample in enumerate(samples):
            # Upright, as Presidio does not look at the EXIF tag; compressed as the sample is.
            path = Path(folder) / f"{i}.{'jpg' if sample.quality else 'png'}"
            Image.fromarray(sample.picture).save(path, quality=sample.quality or 95)
            paths.append(path)
        for sample, path in zip(samples, paths, strict=True):
            with Image.open(path) as opened:
                picture = np.asarray(opened.convert("RGB"))
            start = time.perf_counter()
            found = recogniser.recognise(picture)
            seconds = time.perf_counter() - start
            polygons = [f.polygon.as_lists() for card in found for f in card.card.fields if f.polygon]
            ours.add(sample, polygons, seconds)
        for sample, (boxes, seconds) in zip(samples, _peer(paths), strict=True):
            theirs.add(sample, [[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes], seconds)
    _print(ours, theirs)
    print("ink: mean share of a field's ink that is covered; fully: at least 99.9% of it")
    print(f"{arguments.count} pictures of the test part, seed {arguments.seed}")
    return 0


class Tally:
    """What one tool covered, by field."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shares: dict[str, list[float]] = defaultdict(list)
        self.seconds: list[float] = []

    def add(self, sample: Sample, polygons: Sequence[Sequence[Sequence[float]]], seconds: float) -> None:
        self.seconds.append(seconds)
        covered: Mask = np.zeros(sample.ink.shape, np.uint8)
        for polygon in polygons:
            # Sixteenths of a pixel; OpenCV's pixels have their centres at whole numbers.
            fixed = np.round((np.array(polygon) - 0.5) * 16).astype(np.int32)
            cv2.fillConvexPoly(covered, fixed, 1, shift=4)
        for card in sample.cards:
            for field in card.fields:
                ink = sample.ink == field.ink_number
                if field.name != PORTRAIT and ink.any():
                    self.shares[field.name].append(float(covered[ink].mean()))

    def cells(self, shares: Sequence[float]) -> str:
        fully = sum(share >= 0.999 for share in shares)
        return f"{100 * float(np.mean(shares)):>8.1f}% {f'{fully}/{len(shares)}':>9}"


def _peer(paths: Sequence[Path]) -> list[tuple[list[tuple[float, float, float, float]], float]]:
    script = Path(__file__).resolve().parent / "peers" / "presidio_boxes.py"
    done = subprocess.run(
        [str(PEER), str(script), *map(str, paths)],
        capture_output=True, text=True, check=True, timeout=_PAGE_SECONDS * len(paths),
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [([tuple(box) for box in answer["boxes"]], float(answer["seconds"])) for answer in answers]


def _print(ours: Tally, theirs: Tally) -> None:
    both = (ours, theirs)
    print(f"{'field':<18}" + "  ".join(f"{tally.name:>19}" for tally in both))
    print(f"{'':<18}" + "  ".join(f"{'ink':>9} {'fully':>9}" for _ in both))
    for name in ours.shares:
        print(f"{name:<18}" + "  ".join(tally.cells(tally.shares[name]) for tally in both))
    _row("all", both, lambda tally: tally.cells([share for own in tally.shares.values() for share in own]))
    _row("seconds p50", both, lambda tally: f"{np.percentile(tally.seconds, 50):>19.2f}")
    _row("seconds p95", both, lambda tally: f"{np.percentile(tally.seconds, 95):>19.2f}")


def _row(label: str, tallies: Sequence[Tally], cell: Callable[[Tally], str]) -> None:
    print(f"{label:<18}" + "  ".join(cell(tally) for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
