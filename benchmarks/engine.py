"""The engine's layer as SCF would run it: sizes, processor time and memory of its start and of a card."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.cloud_fixture import ROOT

from benchmarks.command import enlarged
from cardveil.recognition.engine_process import LAYER
from cardveil_cli.package.build import build, rehearsal_minor
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.scf.platform import find_interpreter, unzip

ROUNDS: Final = 3
#: Runs in the platform's Python, from the unpacked layers alone, on one core.
_PROGRAM: Final = """
import json, os, sys, time
os.sched_setaffinity(0, {next(iter(os.sched_getaffinity(0)))})
layers, rounds, *pictures = sys.argv[1:]
sys.path[:] = [layers, *sys.path]

def peak():
    return next(int(l.split()[1]) / 1024 for l in open("/proc/self/status") if l.startswith("VmHWM"))

from cardveil_ocr.adapter import EmbeddedRecogniser
from cardveil_ocr.recognizer import Recogniser
from cardveil.recognition.interfaces import Hint, Image
engine = Recogniser(threads=1)
engine.load()
told = {"start_ms": time.process_time() * 1000, "start_mb": peak(), "cards": {}}
recogniser = EmbeddedRecogniser(lambda: engine)
for path in pictures:
    data, times = open(path, "rb").read(), []
    for _ in range(int(rounds)):
        begun, wall = time.process_time(), time.perf_counter()
        found = recogniser.recognise(Image(data, 0, 0), Hint())
        times.append(((time.process_time() - begun) * 1000, (time.perf_counter() - wall) * 1000))
    told["cards"][os.path.basename(path)] = [times, len(found.cards), peak()]
print(json.dumps(told))
"""


def main() -> None:
    minor = rehearsal_minor()
    interpreter = find_interpreter(minor)
    if interpreter is None:
        raise SystemExit("there is no Python to run it by")
    package = build(ROOT, ROOT / "build" / "wheels", minor, engine=True)
    for name in package.layers:
        size = package.sizes[f"layers/{name}.zip"]
        print(f"{name:18} {size.zipped / 1e6:7.1f} MB zipped {size.unpacked / 1e6:7.1f} MB unpacked")
    pictures = {each.file: each.read() for each in kept_pictures()}
    pictures["12-megapixels.jpg"] = enlarged(pictures["id-front-photo.jpg"], 12)
    with tempfile.TemporaryDirectory() as place:
        layers = Path(place, "opt")
        for data in package.layers.values():
            unzip(data, layers)
        paths = [Path(place, name) for name in pictures]
        for path in paths:
            path.write_bytes(pictures[path.name])
        done = subprocess.run(
            [interpreter.path, "-I", "-S", "-c", _PROGRAM, str(layers), str(ROUNDS), *map(str, paths)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    _show(json.loads(done.stdout), interpreter.version)


def _show(told: dict[str, object], python: str) -> None:
    cards = told["cards"]
    assert isinstance(cards, dict)
    print(f"Python {python}, one core, one thread; {LAYER} from nothing to loaded models:")
    print(f"{told['start_ms']:.0f} ms of processor time, {told['start_mb']:.0f} MB")
    print(f"The first of {ROUNDS} looks at a picture, and their median, in processor time:")
    print(f"{'picture':30} {'cards':>5} {'first ms':>9} {'median ms':>10} {'wall ms':>8} {'peak MB':>8}")
    for name, (times, found, peak) in cards.items():
        median = statistics.median(each[0] for each in times)
        wall = statistics.median(each[1] for each in times)
        print(f"{name:30} {found:5} {times[0][0]:9.0f} {median:10.0f} {wall:8.0f} {peak:8.0f}")


if __name__ == "__main__":
    main()
