"""One chaos run: uploads, deliveries again and again, faults, kills; then settling, and the verdict."""

from __future__ import annotations

import logging
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import orjson
from tests.support.chaos.pictures import ChaosPicture, NumberRecogniser, picture
from tests.support.chaos.plan import Plan
from tests.support.chaos.strangers import Strangers
from tests.support.chaos.verdict import Findings, judge
from tests.support.cloud_fixture import ROOT, Bench, bench

from cardveil_cloud.fault_rules import FaultRules

Progress = Callable[[str], None]
_TIMER: Final = "every-five-minutes"
#: How often dead letters are sent again, as the README tells an operator to, and the schedule is run.
_ROUNDS: Final = 8


def run(plan: Plan, progress: Progress = lambda _: None) -> Findings:
    """Run a plan and judge what it came to; nothing is left on the disk."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        faults = FaultRules(plan.rules(), seed=plan.seed, roles_only=True)
        with (
            _server_log(folder / "server.log"),
            bench(
                folder / "cloud",
                faults=faults,
                environment=plan.environment(),
                serverless=plan.serverless(folder / "plan"),
                recogniser=NumberRecogniser,
                # The platform waits a minute; there too a killed instance's lease has run out by then.
                retry_interval_s=plan.lease_s if plan.pause_s is None else plan.pause_s,
                ocr_rate=None,
                layers={"cardveil": ROOT / "layers" / "cardveil"},
                max_instances=plan.instances,
                restore_s=0.0,
            ) as running,
        ):
            started = time.monotonic()
            chaos = _Chaos(plan, running, progress)
            chaos.deliver()
            redriven = chaos.settle()
            seconds = time.monotonic() - started
            return judge(plan, running, faults, folder / "server.log", chaos.strangers, redriven, seconds)


class _Chaos:
    """The hands of one run."""

    def __init__(self, plan: Plan, running: Bench, progress: Progress) -> None:
        self._plan = plan
        self._bench = running
        self._progress = progress
        self._random = random.Random(plan.seed)
        self.strangers = Strangers(running, plan.seed)
        self._archived: list[ChaosPicture] = []

    def deliver(self) -> None:
        """Upload every picture, and deliver events of those that are there until the count is reached."""
        plan = self._plan
        again = max(0, plan.deliveries - plan.pictures)
        doubled = min(again, round(plan.deliveries * plan.duplicated))
        # A place in the order for each further delivery; a doubled one comes at once, with the first.
        places = sorted(self._random.randrange(plan.pictures) for _ in range(again - doubled))
        twice = set(self._random.sample(range(plan.pictures), min(doubled, plan.pictures)))
        ticker = threading.Event()
        clock = threading.Thread(target=self._tick, args=(ticker,), daemon=True)
        clock.start()
        try:
            for number in range(plan.pictures):
                shown = picture(number)
                self._upload(shown)
                if number in twice:
                    self._again(shown)
                while places and places[0] <= number:
                    places.pop(0)
                    self._again(picture(self._random.randrange(number + 1)))
                self._wait_for_room()
                if number % 50 == 0:
                    self.strangers.knock(number)
                    self._progress(f"{number} of {plan.pictures} pictures uploaded")
        finally:
            ticker.set()
            clock.join()

    def settle(self) -> int:
        """Wait until nothing moves, send dead letters again, run the schedule; return the letters' number.

        What was archived is restored first, and its event sent once more.
        """
        done = 0
        self._bench.settle()
        for shown in self._archived:
            self._bench.client.restore_object(
                Bucket=self._bench.bucket,
                Key=shown.key,
                RestoreRequest={"Days": "1", "CASJobParameters": {"Tier": "Expedited"}},
            )
            self._again(shown)
        for round_ in range(_ROUNDS):
            self._bench.settle()
            letters = self._bench.cloud.dead_letters[done:]
            waiting = [
                key
                for key in self._bench.listing(".cardveil/")
                if not key.startswith((".cardveil/breaker", ".cardveil/sweeps/"))
            ]
            self._progress(f"settling, round {round_ + 1}: {len(letters)} dead letters, {len(waiting)} notes")
            if not letters and not waiting:
                break
            for letter in letters:
                if "Timer" not in letter["Body"]["ClientContext"][:20]:
                    event = orjson.loads(letter["Body"]["ClientContext"])
                    self._bench.cloud.invoke_async("on_upload", event)
            done += len(letters)
            if not letters:
                # What is left waits for a lease to run out, or for a callback that does not come.
                time.sleep(self._plan.lease_s if round_ else self._plan.overdue_s)
            self._bench.cloud.fire_timer(_TIMER)
        self._bench.settle()
        return done

    def _upload(self, shown: ChaosPicture) -> None:
        how = "job" if self._random.random() < self._plan.jobs else "direct"
        headers = {f"x-cos-meta-{name}": value for name, value in {**shown.meta, "execution": how}.items()}
        more = {}
        if self._random.random() < self._plan.archived:
            self._archived.append(shown)
            more = {"StorageClass": "ARCHIVE"}
        self._bench.client.put_object(
            Bucket=self._bench.bucket, Key=shown.key, Body=shown.data(), Metadata=headers, **more
        )

    def _again(self, shown: ChaosPicture) -> None:
        self._bench.cloud.invoke_async("on_upload", self._bench.event(shown.key))

    def _wait_for_room(self) -> None:
        # Events that wait for their next try do not count: they take up no instance.
        while self._bench.cloud.scf.queue.ready > 30:
            time.sleep(0.02)

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(20.0):
            self._bench.cloud.fire_timer(_TIMER)


@contextmanager
def _server_log(path: Path) -> Iterator[None]:
    """Write what the local cloud itself logs to a file: that is looked through for personal data, too."""
    handler = logging.FileHandler(path, encoding="utf-8")
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
