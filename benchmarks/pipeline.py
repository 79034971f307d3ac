"""Time of one picture through the function against the local cloud, by stage, recognition apart from ours."""

from __future__ import annotations

import json
import re
import statistics
import tempfile
from pathlib import Path

from tests.support.cloud_fixture import Bench, bench

from cardveil.core.timing import STAGES
from cardveil_cli.samples.bundled import KeptPicture, kept_pictures

ROUNDS = 12


def stage_times(running: Bench, sample: KeptPicture) -> list[dict[str, float]]:
    """Upload one sample again and again, each time under a new key, and return each run's stages."""
    before = len(logged(running))
    for number in range(ROUNDS + 1):
        running.upload(f"inbox/{number}-{sample.file}", sample.read())
        running.settle()
    # The first run of a picture pays for cold starts.
    return logged(running)[before + 1 :]


def logged(running: Bench) -> list[dict[str, float]]:
    """Return the stages of every card that the functions have logged."""
    found = []
    for line in running.logs().splitlines():
        if match := re.search(r'\{.*"stages_ms".*\}', line):
            found.append(json.loads(match[0])["stages_ms"])
    return found


def main() -> None:
    print(f"Milliseconds, medians of {ROUNDS} warm runs; recognition answers from a table, at once,")
    print("so `recognise` is the two calls themselves (signing, HTTP, Base64).")
    # The table knows pictures as they are stored, not as they are turned.
    samples = [s for s in kept_pictures() if s.verdict == "redacted" and s.orientation == 1]
    print(f"{'sample':34}{'KB':>6}" + "".join(f"{name:>11}" for name in STAGES) + f"{'total':>9}{'ours':>9}")
    # No pace: it would hold calls back that take no time here.
    unpaced = {"CARDVEIL_CALLS_PER_SECOND": "0"}
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder), environment=unpaced) as running:
        for sample in samples:
            runs = stage_times(running, sample)
            medians = {name: statistics.median(run.get(name, 0.0) for run in runs) for name in STAGES}
            total = sum(medians.values())
            ours = sum(medians[name] for name in ("inspect", "upright", "plan", "redact"))
            print(
                f"{sample.file:34}{len(sample.read()) / 1024:6.0f}"
                + "".join(f"{medians[name]:11.1f}" for name in STAGES)
                + f"{total:9.1f}{ours:9.1f}"
            )
    print("ours: inspect, upright, plan, redact (with the proof); the rest talks to COS, CI and the OCR API.")
    print("An ID card's front is covered ahead of its text's coming: that time is in `recognise`.")


if __name__ == "__main__":
    main()
