"""Good cards among objects of every kind that is refused, and what became of each."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from tests.support.chaos.pictures import NumberRecogniser, picture
from tests.support.cloud_fixture import Bench, bench, role_documents

from cardveil.settings import Settings
from cardveil.storage.keys import keys_of
from cardveil_cli.permissions.documents import CamPolicy
from cardveil_cloud.accounts import Policy
from cardveil_cloud.cos.errors import CosError

#: Kinds of hostile objects: how a key is made of a number, what it holds (None: gone before it is read).
_MAX_BYTES: Final = 200_000
KINDS: Final[dict[str, tuple[str, bytes | None]]] = {
    "archived": ("cold/{}.jpg", b"\xff\xd8\xff cold"),
    "odd key": ("odd/{}/..", b"\xff\xd8\xff odd"),
    "another's key": ("../sidecars/{}", b"\xff\xd8\xff odd"),
    "signs in the key": ("si %2e%2e/?#&=+;\n{}\x7f.jpg", b"GIF89a"),
    "wrong type": ("scan/{}.jpg", b"%PDF-1.7 no card"),
    "refused": ("denied/{}.jpg", b"\xff\xd8\xff denied"),
    "huge": ("huge/{}.jpg", b"\xff\xd8\xff" + bytes(_MAX_BYTES)),
    "empty": ("empty/{}.jpg", b""),
    "vanishing": ("gone/{}.jpg", None),
}
#: Records of one event.
_BATCH: Final = 6


@dataclass
class Forbidden:
    """What a bucket's policy forbids: one action, or all if none is named; a test may lift it."""

    prefix: str
    action: str = ""
    lifted: bool = False


@dataclass(frozen=True)
class Forbidding:
    """A role's policy under a bucket that forbids some of its objects, whatever the role may do."""

    role: Policy
    forbidden: Sequence[Forbidden]

    def allows(self, action: str, resource: str) -> bool:
        """Say whether the role may, and the bucket does not forbid it."""
        for each in self.forbidden:
            if not each.lifted and f"/{each.prefix}" in resource and each.action in {"", action}:
                return False
        return self.role.allows(action, resource)


def forbidding(
    forbidden: Forbidden | str | Sequence[Forbidden], environment: dict[str, str] | None = None
) -> dict[str, Forbidding]:
    """Return the policies of all functions' roles, under a bucket that forbids what begins with a prefix."""
    if isinstance(forbidden, str):
        forbidden = Forbidden(forbidden)
    what = [forbidden] if isinstance(forbidden, Forbidden) else forbidden
    documents = role_documents({"CARDVEIL_SCHEME": "http", **(environment or {})})
    return {key: Forbidding(CamPolicy(document), what) for key, document in documents.items()}


@dataclass
class Tally:
    """What became of a run.

    Attributes
    ----------
    good, unfinished : int
        Good cards that are redacted, and those that are not.
    ends : Counter
        Statuses of hostile objects, by kind.
    unaccounted : Counter
        Hostile objects that are there and that no sidecar speaks of, by kind.
    alarms : int
        Lines by which the account is told to be refused, and openings of the breaker.
    """

    good: int = 0
    unfinished: int = 0
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    unaccounted: Counter[str] = field(default_factory=Counter)
    alarms: int = 0
    dead_letters: int = 0
    sweep_exit: int = 0

    @property
    def broken(self) -> bool:
        """Whether a promise was not kept."""
        whole = not (self.unfinished or self.unaccounted or self.alarms or self.dead_letters)
        return not whole or self.sweep_exit != 3


def run(folder: Path, pairs: int) -> Tally:
    """Put so many good and hostile objects into a bucket, half of them without an event, and sweep it."""
    environment = {"CARDVEIL_MAX_BYTES": str(_MAX_BYTES)}
    with bench(
        folder / "cloud",
        environment=environment,
        policies=forbidding("inbox/denied/", environment),
        recogniser=NumberRecogniser,
        ocr_rate=None,
    ) as running:
        kinds = list(KINDS)
        # Each kind by event and without one, whether their number is even or odd.
        chosen = [kinds[(n + n // len(kinds)) % len(kinds)] for n in range(pairs)]
        hostile = [(kind, f"inbox/{KINDS[kind][0].format(n)}") for n, kind in enumerate(chosen)]
        good = [picture(number) for number in range(pairs)]
        for number in range(pairs):
            running.cloud.store.put(running.bucket, good[number].key, good[number].data())
            kind, key = hostile[number]
            _put(running, kind, key)
        told = [key for n in range(0, pairs, 2) for key in (hostile[n][1], good[n].key)]
        for start in range(0, len(told), _BATCH):
            running.cloud.invoke_async("on_upload", _event(running, told[start : start + _BATCH]))
        running.settle()
        tally = Tally(sweep_exit=_sweep(running, folder / "endpoint"))
        running.settle()
        _judge(running, [shown.key for shown in good], hostile, tally)
        return tally


def _put(running: Bench, kind: str, key: str) -> None:
    data = KINDS[kind][1]
    if kind == "archived":
        running.client.put_object(Bucket=running.bucket, Key=key, Body=data, StorageClass="ARCHIVE")
    elif data is not None:
        running.cloud.store.put(running.bucket, key, data)


def _event(running: Bench, keys: list[str]) -> dict[str, Any]:
    records = []
    for key in keys:
        (record,) = running.event("inbox/x")["Records"]
        del record["cos"]["cosObject"]["url"]
        record["cos"]["cosObject"]["key"] = f"/1250000000/cards/{key}"
        records.append(record)
    return {"Records": records}


def _sweep(running: Bench, folder: Path) -> int:
    """Run the command as an operator does, and return its exit code."""
    folder.mkdir()
    (folder / "endpoint.json").write_bytes(running.endpoint.to_line())
    command = [sys.executable, "-m", "cardveil_cli", "sweep", "--data", str(folder), "--json"]
    command += ["--set", f"CARDVEIL_MAX_BYTES={_MAX_BYTES}", "--set", "CARDVEIL_SWEEP_CALLS_PER_SECOND=200"]
    return subprocess.run(command, check=False, capture_output=True).returncode


def _judge(running: Bench, good: list[str], hostile: list[tuple[str, str]], tally: Tally) -> None:
    for key in good:
        final = _status(running, key) in {"redacted", "needs_review"}
        tally.good += final
        tally.unfinished += not final
    for kind, key in hostile:
        status = _status(running, key)
        tally.ends[kind, status or "none"] += 1
        tally.unaccounted[kind] += status not in {"needs_review", "rejected"} and kind != "vanishing"
    tally.unaccounted += Counter()  # without what counts nothing
    logs = running.logs()
    tally.alarms = logs.count('"leaf":"Halt"') + logs.count("BreakerOpened")
    tally.dead_letters = len(running.cloud.dead_letters)


def _status(running: Bench, key: str) -> str | None:
    try:
        sidecar = orjson.loads(running.cloud.store.get(running.bucket, keys_of(key, Settings()).sidecar)[1])
    except CosError:
        return None
    return str(sidecar["status"])
