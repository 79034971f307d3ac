"""A receiver of webhooks in this process, and what was committed that it ought to hear of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from tests.support.chaos.memory import MemoryBucket

from cardveil.pipeline.pipeline import Pipeline
from cardveil.pipeline.telling import Teller
from cardveil.storage.notices import MARK

_MARK = f"x-cos-meta-{MARK}"


@dataclass
class MemoryReceiver:
    """Takes what `became` says; stands in the place of `core.webhook.Receiver`.

    Attributes
    ----------
    heard : Counter
        How often each message was sent, by its id.
    states : dict
        The state that each message told.
    attempts : dict
        The attempts by which it was told, in their order.
    """

    became: Callable[[str], str] = lambda _: "told"
    heard: Counter[str] = field(default_factory=Counter)
    states: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, list[int]] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)

    def tell(self, id: str, body: bytes, now: float, limit_s: float) -> str:
        """See `Receiver.tell`."""
        self.heard[id] += 1
        told: dict[str, Any] = orjson.loads(body)
        self.states[id] = told["data"]["state"]
        self.attempts.setdefault(id, []).append(told["attempt"])
        self.bodies.append(body)
        return self.became(id)

    def teller(self, pipeline: Pipeline, now: Callable[[], float]) -> Teller:
        """Return who tells this receiver of a pipeline's cards."""
        assert pipeline.results.notices is not None
        return Teller(pipeline.results.notices, self, lambda *_: None, now)  # type: ignore[arg-type]


class Commits(dict[str, tuple[bytes, Mapping[str, str]]]):
    """The content of a bucket in memory that remembers every sidecar that was ever committed."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: dict[str, str] = {}

    def __setitem__(self, key: str, value: tuple[bytes, Mapping[str, str]]) -> None:
        super().__setitem__(key, value)
        meta = value[1]
        if key.startswith("sidecars/") and _MARK in meta and "x-cos-meta-unfinished" not in meta:
            decided = meta.get("x-cos-meta-decided") == "yes"
            self.marks[meta[_MARK]] = "decided" if decided else meta["x-cos-meta-status"]


def recording(memory: MemoryBucket) -> Commits:
    """Have a bucket remember its commits."""
    commits = Commits()
    for key, value in memory.content.items():
        commits[key] = value
    memory.content = commits
    return commits
