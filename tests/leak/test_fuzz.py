"""A short run of the fuzz target: the long one is ``python tests/leak/fuzz/run.py --count 100000``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# It ends by its count; the seconds are for a machine that is far too busy.
TARGET = Path(__file__).parent / "fuzz" / "run.py"


def test_mutated_files_are_refused_or_covered() -> None:
    command = [sys.executable, str(TARGET), "--count", "3000", "--seconds", "90", "--seed", "20"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=160, check=False)
    report = json.loads(run.stdout)
    assert run.returncode == 0, report["findings"]
    assert report["mutations"] >= 1000
    # Nothing is learned from a target that refuses everything: both paths must have run.
    assert report["outcomes"]["redacted by coefficients"] > 50
    assert report["outcomes"]["redacted by pixels"] > 50
