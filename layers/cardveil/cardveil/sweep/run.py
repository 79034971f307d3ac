"""A run and its checkpoint in the bucket: where it stands, what it did, what it has paid."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

import orjson

from cardveil.core.errors import Reject
from cardveil.storage.objects import Entry, Objects
from cardveil.sweep.decide import UpToDateMark
from cardveil.sweep.listing import Position
from cardveil.sweep.selection import Selection

_FORM: Final = 1
_MAX_BYTES: Final = 16 * 1024 * 1024
#: Upper ends of the histogram's bars, in seconds; the last bar is open.
BARS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


@dataclass
class Run:
    """One pass over a selection.

    Attributes
    ----------
    state : str
        ``running``, ``stopped`` (time or person; goes on), ``halted`` (`code` says why; goes on), ``stalled``
        (everything failed; goes on) or ``finished``.
    listed, looked : int
        Sources that were passed, and sidecars that were asked for.
    counts : Counter
        Outcomes: statuses, ``failed``, ``over_budget``, ``already``, ``submitted``, ``unread`` …
    reasons, findings, errors : Counter
        Why sources were taken up; codes of findings and of errors.
    worked_s : float
        Time in ticks so far.
    """

    run_id: str
    selection: Mapping[str, Any]
    execution: str
    started_at: float
    policy_digest: str
    pipeline: str
    state: str = "running"
    code: str = ""
    updated_at: float = 0.0
    ended_at: float = 0.0
    ticks: int = 0
    worked_s: float = 0.0
    listed: int = 0
    looked: int = 0
    paid_calls: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    histogram: list[int] = field(default_factory=lambda: [0] * (len(BARS) + 1))
    seconds: float = 0.0
    position: Position = field(default_factory=Position)
    verified: UpToDateMark | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing left to go on with."""
        return self.state == "finished"

    @property
    def done(self) -> int:
        """Sources that were taken up."""
        return sum(self.counts.values())

    @property
    def left_over(self) -> int:
        """Sources that were taken up and are not in their final state."""
        return sum(self.counts[kind] for kind in ("failed", "over_budget", "unfinished"))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        # `asdict` cannot copy counters before Python 3.12.
        content = {name.name: getattr(self, name.name) for name in fields(self)}
        place = asdict(self.position)
        verified = asdict(self.verified) if self.verified else None
        return {**content, "position": place, "verified": verified}

    def took(self, seconds: float) -> None:
        """Count one source's duration."""
        self.histogram[sum(1 for bar in BARS if seconds > bar)] += 1
        self.seconds += seconds


def new_run(
    selection: Selection, execution: str, policy_digest: str, pipeline: str, now: float, before: Run | None
) -> Run:
    """Begin a run; what is known to be verified is taken over from the one before."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return Run(
        run_id=f"{stamp}-{secrets.token_hex(3)}",
        selection=asdict(selection),
        execution=execution,
        started_at=now,
        policy_digest=policy_digest,
        pipeline=pipeline,
        verified=before.verified if before else None,
    )


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The runs' notes in one bucket; `prefix` ends in a slash."""

    objects: Objects
    prefix: str

    def load(self, selection: Selection) -> Run | None:
        """Return the last run of a selection; None when there is none, or none that can be read."""
        try:
            _, data = self.objects.get(self._key(selection), max_bytes=_MAX_BYTES)
            document = orjson.loads(data or b"")
            return _run(document) if document["form"] == _FORM else None
        except (Reject, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return None

    def save(self, selection: Selection, run: Run) -> None:
        """Write a checkpoint, in place of the last."""
        content = orjson.dumps({"form": _FORM, **run.as_dict()})
        self.objects.put(self._key(selection), content, media_type="application/json", meta={"kind": "sweep"})

    def _key(self, selection: Selection) -> str:
        return f"{self.prefix}runs/{selection.digest}.json"


def _run(document: Mapping[str, Any]) -> Run:
    values = {name: value for name, value in document.items() if name != "form"}
    for name in ("counts", "reasons", "findings", "errors"):
        values[name] = Counter(values[name])
    place = values["position"]
    held = tuple(Entry(**entry) for entry in place["held_back"])
    values["position"] = Position(**{**place, "held_back": held})
    values["verified"] = UpToDateMark(**values["verified"]) if values["verified"] else None
    return Run(**values)
