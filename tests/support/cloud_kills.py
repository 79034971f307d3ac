"""Uploads while the whole local cloud is killed again and again, and what became of each picture.

As a program it is such a cloud: ``python -m tests.support.cloud_kills FOLDER PICTURES``.
"""

from __future__ import annotations

import logging
import random
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson
from qcloud_cos import CosClientError, CosServiceError
from requests import RequestException
from starlette.requests import Request
from tests.support.chaos.pictures import NumberRecogniser, picture
from tests.support.chaos.plan import Plan
from tests.support.cloud_fixture import ROOT, Bench, bench
from tests.support.killed_cloud import KilledCloud

from cardveil.settings import Settings
from cardveil.storage.keys import keys_of
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.faults import NoFaults

_SIDECARS: Final = "/sidecars/"
#: Clients that upload side by side.
_CLIENTS: Final = 3
_FINAL: Final = frozenset({"redacted", "needs_review", "rejected"})


class Ledger(NoFaults):
    """Writes down, in a file that outlives a kill, when commits begin and end, and what is paid for."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    async def before(self, service: str, operation: str, request: Request) -> None:
        """Note a paid call, or the beginning of a commit."""
        if service != "cos":
            self._file.write(f"paid {operation}\n")
        self._commit("begun", operation, request)

    async def after(self, service: str, operation: str, request: Request) -> None:
        """Note the end of a commit."""
        if service == "cos":
            self._commit("done", operation, request)

    def _commit(self, what: str, operation: str, request: Request) -> None:
        path = request.url.path
        if operation == "PutObject" and path.startswith(_SIDECARS):
            self._file.write(f"{what} {path}\n")


@dataclass
class Tally:
    """What a run came to.

    Attributes
    ----------
    ends : Counter
        How pictures ended.
    lost : int
        Pictures that were uploaded and have no such sidecar.
    doubled : int
        Pictures whose result was committed again although it was there; copies that no picture has.
    left : int
        Leases, kept answers and the like that nobody will take away.
    paid, needed : int
        Calls of recognition, and how many an undisturbed run makes.
    """

    uploads: int
    kills: int
    ends: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    left: int = 0
    dead_letters: int = 0
    paid: int = 0
    needed: int = 0

    @property
    def broken(self) -> bool:
        """Whether a promise was not kept."""
        whole = not (self.lost or self.doubled or self.left or self.dead_letters)
        return not whole or self.ends != {"redacted": self.uploads}


def run(folder: Path, uploads: int, kills: int, *, seed: int = 1, timeout_s: int = 12) -> Tally:
    """Upload so many pictures while the cloud is killed so often, wait for all, and judge.

    Parameters
    ----------
    timeout_s
        Time limit of the functions, and with it how long a killed one's lease stands in the way.
    """
    chosen = random.Random(seed)
    plan = Plan(uploads, uploads, timeout_s=timeout_s)
    clients = _Clients(uploads)
    program = ("-m", "tests.support.cloud_kills", str(folder), str(uploads), str(timeout_s))
    cloud = KilledCloud(*program)
    for kill in range(kills):
        clients.go_on(cloud)
        # Some die while uploads are under way, some while pictures are.
        clients.wait_for((kill + 1) * uploads // (kills + 1))
        time.sleep(chosen.uniform(0.0, 2.0))
        cloud.kill()
        cloud = KilledCloud(*program)
    clients.go_on(cloud)
    clients.wait_for(uploads)
    cloud.kill()
    with opened(folder, plan) as running:
        running.settle()
        tally = Tally(uploads, kills + 1)
        _judge(running, folder / "ledger", tally)
        return tally


def opened(folder: Path, plan: Plan) -> AbstractContextManager[Bench]:
    """Start the cloud on what earlier ones have left."""
    folder.mkdir(exist_ok=True)
    return bench(
        folder / "cloud",
        faults=Ledger(folder / "ledger"),
        environment={"CARDVEIL_CALLS_PER_SECOND": "0"},
        serverless=plan.serverless(folder / "plan"),
        recogniser=NumberRecogniser,
        # A killed instance's lease has run out when its event is tried for the third time.
        retry_interval_s=plan.lease_s / 2,
        ocr_rate=None,
        layers={"cardveil": ROOT / "layers" / "cardveil"},
    )


class _Clients:
    """Upload pictures, each until it is answered, by whatever cloud is there."""

    def __init__(self, uploads: int) -> None:
        self._left = deque(range(uploads))
        self._answered: list[int] = []
        self._endpoint: Endpoint | None = None
        for _ in range(_CLIENTS):
            threading.Thread(target=self._upload_all, daemon=True).start()

    def go_on(self, cloud: KilledCloud) -> None:
        """Upload to another cloud from now on."""
        self._endpoint = Endpoint.from_line(orjson.dumps(cloud.ready))

    def wait_for(self, count: int) -> None:
        """Wait until so many uploads were answered."""
        while len(self._answered) < count:
            time.sleep(0.01)

    def _upload_all(self) -> None:
        while self._left:
            try:
                number = self._left.popleft()
            except IndexError:
                return
            self._until_answered(number, self._put)
            self._answered.append(number)

    def _until_answered(self, number: int, put: Callable[[Endpoint, int], None]) -> None:
        while True:
            if endpoint := self._endpoint:
                try:
                    return put(endpoint, number)
                except (CosClientError, CosServiceError, RequestException):
                    pass
            time.sleep(0.05)

    def _put(self, endpoint: Endpoint, number: int) -> None:
        shown = picture(number)
        metadata = {f"x-cos-meta-{name}": value for name, value in shown.meta.items()}
        client = endpoint.cos_client()
        client.put_object(Bucket=endpoint.bucket, Key=shown.key, Body=shown.data(), Metadata=metadata)


def _judge(running: Bench, ledger: Path, tally: Tally) -> None:
    settings = Settings()
    whole = [keys_of(picture(number).key, settings) for number in range(tally.uploads)]
    for keys in whole:
        try:
            sidecar = orjson.loads(running.cloud.store.get(running.bucket, keys.sidecar)[1])
        except CosError:
            sidecar = {"status": "none", "findings": []}
        status = sidecar["status"]
        # Of what is not published the reason is of interest, too.
        reasons = () if status == "redacted" else sidecar["findings"]
        tally.ends[" ".join((status, *reasons))] += 1
        tally.lost += status not in _FINAL
    stored = [info.key for info in running.cloud.store.list(running.bucket, limit=100_000).entries]
    tally.doubled += abs(sum(key.startswith("redacted/") for key in stored) - tally.ends["redacted"])
    done: set[str] = set()
    for line in ledger.read_text("utf-8").splitlines():
        what, _, name = line.partition(" ")
        tally.paid += what == "paid"
        tally.doubled += what == "begun" and name in done
        if what == "done":
            done.add(name)
    tally.left = sum(key.startswith(".cardveil/") for key in stored)
    tally.dead_letters = len(running.cloud.dead_letters)
    tally.needed = sum(len(picture(number).needs) for number in range(tally.uploads))


def main() -> None:
    """Be a cloud until killed."""
    folder, uploads, timeout_s = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    with opened(Path(folder), Plan(int(uploads), int(uploads), timeout_s=int(timeout_s))) as running:
        sys.stdout.write(running.endpoint.to_line().decode())
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
