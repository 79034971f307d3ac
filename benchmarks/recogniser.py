"""Measures the embedded recogniser on invented photographs: what is found, read and covered, and how fast."""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tests.support.samples import CONDITIONS, Sample, make_samples
from tests.support.samples.scoring import FieldScore, score

from cardveil.card.model import PORTRAIT
from cardveil_ocr import Recogniser, models

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
            "cpu95_s": round(float(np.percentile(self.cpu, 95)), 2),
        }


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=38, help="pictures of cards (default 38)")
    parser.add_argument("--negatives", type=int, default=8, help="pictures without a card (default 8)")
    parser.add_argument(
        "--full", action="store_true", help="320 pictures of cards and 56 without: half an hour on two cores"
    )
    parser.add_argument("--seed", type=int, default=9090)
    parser.add_argument(
        "--part", choices=("tuning", "test"), default="test", help="fonts and backgrounds (default test)"
    )
    parser.add_argument("--condition", action="append", choices=CONDITIONS, help="only this; may be repeated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--mistakes", action="store_true", help="print every field that was misread or not covered"
    )
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="measure no more pictures after so long (default 60)"
    )
    parser.add_argument("--memory-of", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    recogniser = Recogniser(threads=arguments.threads)
    if arguments.memory_of:
        return _memory(recogniser, arguments.memory_of)
    # Models are loaded before the clock runs.
    recogniser.recognise(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    tallies: dict[str, Tally] = defaultdict(Tally)
    count, negatives = (320, 56) if arguments.full else (arguments.count, arguments.negatives)
    end = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as folder:
        for i, sample in enumerate(_samples(arguments, count, negatives)):
            names = ("all", f"  {sample.condition}", *_kinds(sample))
            _measure(recogniser, sample, [tallies[name] for name in names], arguments.mistakes)
            if i % max(1, (count + negatives) // 24) == 0:
                Path(folder, f"{i}{sample.suffix}").write_bytes(sample.encode())
            if time.monotonic() > end:
                break
            if sys.stderr.isatty():
                print(f"\r{i + 1}/{count + negatives}", end="", file=sys.stderr, flush=True)
        peak = _peak(arguments.threads, sorted(str(path) for path in Path(folder).iterdir()))
    rows = {name: tallies[name].row() for name in sorted(tallies, key=lambda name: (name[0] != " ", name))}
    remarks = [*_calibration(tallies["all"].fields), *_names(tallies)]
    if arguments.json:
        print(json.dumps({"rows": rows, "remarks": remarks, "peak_mb": peak, "part": arguments.part}))
        return 0
    _print(rows)
    for line in remarks:
        print(line)
    print(f"peak memory of a process that decodes and recognises such pictures: {peak} MB")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    engine = "OpenVINO" if models.has_openvino() else "onnxruntime"
    print(
        f"part {arguments.part}, seed {arguments.seed}, {engine}, {arguments.threads} threads, "
        f"machine's load {load}"
    )
    return 0


def _samples(arguments: argparse.Namespace, count: int, negatives: int) -> Iterator[Sample]:
    conditions = tuple(arguments.condition or CONDITIONS)
    cards = tuple(name for name in conditions if name != "negative")
    if "negative" in conditions:
        yield from make_samples(negatives, arguments.seed + 1, part=arguments.part, conditions=("negative",))
    if cards:
        yield from make_samples(count, arguments.seed, part=arguments.part, conditions=cards)


def _kinds(sample: Sample) -> list[str]:
    """Return the groups, besides its condition, that a sample is counted in."""
    height, width = sample.picture.shape[:2]
    sizes = {630_000: "1000x630", 12_000_000: "12 MP"}
    kinds = {f"{card.type.value} {card.side.value}" for card in sample.cards}
    named = [kinds.pop()] if len(kinds) == 1 else []
    size = sizes.get(width * height)
    return [*named, size] if size and sample.cards else named


def _memory(recogniser: Recogniser, paths: list[str]) -> int:
    for path in paths:
        with Image.open(path) as image:
            recogniser.recognise(np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
    # Not getrusage: after exec it still counts the memory of the process that started this one.
    status = Path("/proc/self/status").read_text()
    print(round(int(status.split("VmHWM:")[1].split()[0]) / 1024))
    return 0


def _peak(threads: int, paths: list[str]) -> int:
    """Return the peak memory in MB of a process of its own, in which no pictures are made."""
    command = [sys.executable, "-m", "benchmarks.recogniser", "--threads", str(threads), "--memory-of"]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=True)
    return int(done.stdout)


def _names(tallies: Mapping[str, Tally]) -> list[str]:
    """Tell names with rare characters apart, and fields with and without the pictures that hold them."""
    everything, rare = tallies["all"].fields, tallies["  rare"].fields if "  rare" in tallies else []
    lines = []
    for label, fields in (("rare characters", rare), ("all", everything)):
        own = [f for f in fields if f.name == "name"]
        lines.append(f"names, {label}: {sum(f.exact for f in own)}/{len(own)} exact")
    texts = [f for f in everything if f.name != PORTRAIT]
    wrong_rare = sum(not f.exact for f in rare if f.name != PORTRAIT)
    count_rare = sum(f.name != PORTRAIT for f in rare)
    wrong = sum(not f.exact for f in texts)
    lines.append(
        f"fields exact: {_share(len(texts) - wrong, len(texts))} with rare names, "
        f"{_share(len(texts) - count_rare - wrong + wrong_rare, len(texts) - count_rare)} without"
    )
    return lines


def _measure(recogniser: Recogniser, sample: Sample, tallies: Sequence[Tally], mistakes: bool) -> None:
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
    print(f"{'condition':<20}" + "".join(f"{name:>11}" for name in names))
    for condition, row in rows.items():
        print(f"{condition:<20}" + "".join(f"{row[name]!s:>11}" for name in names))


if __name__ == "__main__":
    sys.exit(main())
