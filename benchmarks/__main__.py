"""`make bench`: the machine, then every benchmark in turn."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from cardveil_ocr.models import has_openvino

MODULES = (
    "benchmarks.redaction",
    "benchmarks.pipeline",
    "benchmarks.latency",
    "benchmarks.cold_start",
    "benchmarks.command",
    "benchmarks.recogniser",
    "benchmarks.peer_presidio",
    "benchmarks.http_api",
)


def machine() -> str:
    """Return processor, cores, memory and versions in one line."""
    info = Path("/proc/cpuinfo")
    models = [
        line.split(":", 1)[1].strip()
        for line in info.read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = ("pillow", "openvino" if has_openvino() else "onnxruntime", "rapidocr")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    processor = models[0] if models else platform.machine()
    python = platform.python_version()
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {python}, {packages}"


def main() -> int:
    print(f"Machine: {machine()}", flush=True)
    wanted = [name for name in MODULES if not sys.argv[1:] or name.rpartition(".")[2] in sys.argv[1:]]
    failed = 0
    for name in wanted:
        print(f"\n== {name}", flush=True)
        # A process of its own, so that no benchmark's memory or threads are another's.
        failed += subprocess.run([sys.executable, "-m", name], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
