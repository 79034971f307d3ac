"""Wall clock of one picture over its slowest remote call, with the remote services' times simulated."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import tempfile
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from starlette.requests import Request
from tests.support.cloud_fixture import ROOT, Bench, bench

from cardveil.core.timing import STAGES
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.faults import ARRIVED, NoFaults

ROUNDS: Final = 15
#: Seconds from request to answer.
COS_S, LICENCE_S, GENERAL_S, TEXT_S = 0.015, 0.4, 0.5, 0.6
TARGET: Final = 1.12
#: What is measured: three calls at once for a front, and two for a back that is known to be one.
CARDS: Final = {"id-front-flat": {}, "id-back-photo": {"card_type": "IDCard", "card_side": "back"}}
#: A thread's waking takes up to this; more of it would keep the processor from the other requests.
_WATCHED_S: Final = 0.0005


class Latency(NoFaults):
    """Has every request take its service's time, of which what the local cloud itself needs is a part."""

    def __init__(self) -> None:
        self._waiting = ThreadPoolExecutor(32)

    async def before(self, service: str, operation: str, request: Request) -> None:
        """Wait for half the time before the effect, as on the way there."""
        await _until(request.scope[ARRIVED] + _takes(service, operation) / 2, self._waiting)

    async def after(self, service: str, operation: str, request: Request) -> None:
        """Wait for what is left of it."""
        await _until(request.scope[ARRIVED] + _takes(service, operation), self._waiting)


async def _until(due: float, waiting: Executor) -> None:
    """Wait to the moment, mostly in a thread: a timer of the event loop may be a millisecond late."""
    left = due - time.monotonic() - _WATCHED_S
    if left > 0.0:
        await asyncio.get_running_loop().run_in_executor(waiting, time.sleep, left)
    while time.monotonic() < due:
        await asyncio.sleep(0)


def _takes(service: str, operation: str) -> float:
    if service == "ocr":
        return TEXT_S
    return {"AILicenseRec": LICENCE_S, "IDCardOCR": TEXT_S, "OCR": GENERAL_S}.get(operation, COS_S)


def run(running: Bench, name: str, data: bytes, **meta: str) -> tuple[float, float, dict[str, float]]:
    """Process one picture in a warm function; milliseconds: the whole, its slowest call, its stages."""
    key = f"inbox/{name}"
    running.upload(key, data, **meta)
    before = len(running.logs())
    done = running.cloud.invoke("on_upload", running.event(key), wait_s=60.0)
    if not done.ok:
        raise RuntimeError(done.trace)
    sidecar = running.sidecar(name)
    if sidecar is None or sidecar["status"] != "redacted":
        raise RuntimeError("the picture was not redacted")
    found = re.search(r'\{.*"stages_ms".*\}', running.logs()[before:])
    timings: dict[str, float] = json.loads(found[0])["stages_ms"] if found else {}
    return done.duration_ms, max(call["elapsed_ms"] for call in sidecar["calls"]), timings


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        bench(Path(folder), faults=Latency(), serverless=_quiet(Path(folder))) as running,
    ):
        print(
            f"Simulated milliseconds: COS {COS_S * 1000:.0f}, AILicenseRec {LICENCE_S * 1000:.0f}, "
            f"general OCR {GENERAL_S * 1000:.0f}, text provider {TEXT_S * 1000:.0f}"
        )
        for name, meta in CARDS.items():
            sample = next(each for each in kept_pictures() if each.file.startswith(name))
            data, ending = sample.read(), sample.file.rpartition(".")[2]
            runs = [run(running, f"{name}-{number}.{ending}", data, **meta) for number in range(ROUNDS + 1)]
            report(sample.file, runs[1:])


def report(file: str, runs: list[tuple[float, float, dict[str, float]]]) -> None:
    """Print the medians of one picture's runs, and the whole over the slowest call."""
    ratios = sorted(whole / slowest for whole, slowest, _ in runs)
    print(f"{ROUNDS} warm runs of {file}, milliseconds, medians:")
    print(f"whole invocation {statistics.median(each[0] for each in runs):8.1f}")
    print(f"slowest call     {statistics.median(each[1] for each in runs):8.1f}")
    for name in STAGES:
        print(f"  {name:15}{statistics.median(each[2].get(name, 0.0) for each in runs):8.1f}")
    ratio = statistics.median(ratios)
    print(f"whole over slowest: {ratio:.3f} (from {ratios[0]:.3f} to {ratios[-1]:.3f}; at most {TARGET})")


def _quiet(folder: Path) -> Path:
    """Return serverless.yml without its bucket trigger: the events are sent by hand, one at a time."""
    text = (ROOT / "serverless.yml").read_text("utf-8")
    for name in ("functions", "layers"):
        (folder / name).symlink_to(ROOT / name)
    path = folder / "serverless.yml"
    trigger = r"(prefix: inbox/\s+qualifier: \$DEFAULT\s+enable: )true"
    path.write_text(re.sub(trigger, r"\1false", text), "utf-8")
    return path


if __name__ == "__main__":
    main()
