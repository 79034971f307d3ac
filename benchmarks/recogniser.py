"""Measures the embedded recogniser on invented photographs: what is found, read and covered, and how fast."""

from __future__ import annotations

import argparse
import io
import json
import resource
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cardveil.card import PORTRAIT
from cardveil_local.recogniser import Recogniser
from cardveil_local.samples import CONDITIONS, Sample, make_samples
from cardveil_local.samples.scoring import FieldScore, score

_NUMBERS = ("id_number", "licence_number")


@dataclass
class Tally:
    """What came out of the pictures of one condition."""

    pictures: int = 0
    cards: int = 0
    found: int = 0
    false: int = 0
    fields: list[FieldScore] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        text = [f for f in self.fields if f.name != PORTRAIT]
        numbers = [f for f in text if f.name in _NUMBERS]
        portraits = [f for f in self.fields if f.name == PORTRAIT]
        return {
            "pictures": self.pictures,
            "cards": f"{self.found}/{self.cards}",
            "exact": _share(sum(f.exact for f in text), len(text)),
            "numbers": f"{sum(f.exact for f in numbers)}/{len(numbers)}",
            "ink>=.999": _share(sum(f.covered >= 0.999 for f in text), len(text)),
            "worst": round(min((f.covered for f in text), default=1.0), 3),
            "portraits": f"{sum(f.covered >= 0.999 for f in portraits)}/{len(portraits)}",
            "worst_p": round(min((f.covered for f in portraits), default=1.0), 3),
            "false": self.false,
            "p50_s": round(float(np.percentile(self.seconds, 50)), 2),
            "p95_s": round(float(np.percentile(self.seconds, 95)), 2),
            "cpu50_s": round(float(np.percentile(self.cpu, 50)), 2),
        }


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40, help="pictures (default 40)")
    parser.add_argument("--seed", type=int, default=7001)
    parser.add_argument(
        "--part", choices=("tuning", "test"), default="test", help="fonts and backgrounds (default test)"
    )
    parser.add_argument("--condition", action="append", choices=CONDITIONS, help="only this; may be repeated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--mistakes", action="store_true", help="print every field that was misread or not covered"
    )
    arguments = parser.parse_args()
    conditions = tuple(arguments.condition or CONDITIONS)
    recogniser = Recogniser(threads=arguments.threads)
    # Models are loaded, and the first run's memory is taken, before the clock runs.
    recogniser.recognise(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    tallies: dict[str, Tally] = defaultdict(Tally)
    for i, sample in enumerate(
        make_samples(arguments.count, arguments.seed, part=arguments.part, conditions=conditions)
    ):
        _measure(recogniser, sample, (tallies[sample.condition], tallies["all"]), arguments.mistakes)
        if sys.stderr.isatty():
            print(f"\r{i + 1}/{arguments.count}", end="", file=sys.stderr, flush=True)
    rows = {name: tallies[name].row() for name in (*conditions, "all") if name in tallies}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    calibration = _calibration(tallies["all"].fields)
    if arguments.json:
        print(
            json.dumps(
                {"rows": rows, "calibration": calibration, "peak_mb": round(peak), "part": arguments.part}
            )
        )
    else:
        _print(rows)
        for line in calibration:
            print(line)
        print(f"peak memory {peak:.0f} MB, with the making of the pictures")
        print(f"part {arguments.part}, seed {arguments.seed}, {arguments.threads} threads")
    return 0


def _measure(recogniser: Recogniser, sample: Sample, tallies: tuple[Tally, ...], mistakes: bool) -> None:
    picture = _decoded(sample)
    start, cpu = time.perf_counter(), time.process_time()
    found = recogniser.recognise(picture)
    seconds, worked = time.perf_counter() - start, time.process_time() - cpu
    result = score(sample, [(card.card, card.outline) for card in found])
    for tally in tallies:
        tally.pictures += 1
        tally.cards += len(sample.cards)
        tally.found += result.found
        tally.false += result.false
        tally.fields += result.fields
        tally.seconds.append(seconds)
        tally.cpu.append(worked)
    if mistakes:
        if result.missed or result.false:
            print(f"{sample.name}: missed {result.missed}, false {result.false}")
        for f in result.fields:
            if not f.exact or f.covered < 0.999:
                came = f"read {f.read!r}, true {f.true!r}, score {f.score}, covered {f.covered:.3f}"
                print(f"{sample.name} {f.name}: {came}")


def _decoded(sample: Sample) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(sample.encode())) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _calibration(fields: list[FieldScore]) -> list[str]:
    lines = []
    scored = [f for f in fields if f.score is not None]
    for low, high in ((95, 101), (90, 95), (80, 90), (0, 80)):
        own = [f for f in scored if f.score is not None and low <= f.score < high]
        lines.append(
            f"scores from {low}: {len(own)} fields, {_share(sum(f.exact for f in own), len(own))} exact"
        )
    return lines


def _print(rows: dict[str, dict[str, object]]) -> None:
    names = list(next(iter(rows.values())))
    print(f"{'condition':<10}" + "".join(f"{name:>11}" for name in names))
    for condition, row in rows.items():
        print(f"{condition:<10}" + "".join(f"{row[name]!s:>11}" for name in names))


if __name__ == "__main__":
    sys.exit(main())
