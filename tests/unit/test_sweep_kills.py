"""A sweep killed at ten random requests ends as one that was never killed; what is kept is paid once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
import pytest
from tests.support.chaos.memory import Instance, Killed, MemoryBucket
from tests.support.chaos.pictures import picture

from cardveil.card.model import CardType, Field, Side
from cardveil.core.context import Invocation
from cardveil.core.rate_limit import RateLimiter
from cardveil.core.retry import RetryPolicy
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.factory import RecognizerFactory
from cardveil.pipeline.jobs import CardProcessor
from cardveil.pipeline.pipeline import Pipeline
from cardveil.pipeline.signing import Signer
from cardveil.recognition.interfaces import Image, Reading
from cardveil.redaction import Limits, load_policy
from cardveil.settings import Settings
from cardveil.storage.circuit_breaker import CircuitBreaker
from cardveil.storage.job_store import JobNotes
from cardveil.storage.keys import keys_of
from cardveil.storage.leases import Leases
from cardveil.storage.response_cache import look
from cardveil.storage.results import Results
from cardveil.sweep.context import SweepContext
from cardveil.sweep.run import Run
from cardveil.sweep.selection import Selection, selection_of
from cardveil.sweep.sweep import sweep

pytestmark = pytest.mark.usefixtures("drawn_once")

#: `python -m benchmarks.sweep` has 2,000 cards and twenty kills.
CARDS = 50
KILLS = 10
LEASE_S = 60.0
SETTINGS = Settings(
    sweep_execution="direct",
    sweep_calls_per_run=10**6,
    sweep_calls_per_day=10**6,
    sweep_calls_per_second=1000.0,
    sweep_in_flight=2,
    sweep_min_age_s=0.0,
)


@dataclass
class Vendor:
    """Both paid APIs; counts what it is asked, by source and API."""

    calls: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def paid(self) -> int:
        return self.calls.total()

    def locate(self, image: Image, card_type: CardType) -> Reading:
        with self.lock:
            self.calls[image.key, "locate"] += 1
        fields = tuple(
            Field(f.name, f.text, score=99.0, polygon=f.polygon, sources=("AILicenseRec",))
            for f in picture(0).card.card.fields
            if f.polygon and f.text
        )
        return Reading("AILicenseRec", fields, CardType.ID_CARD, Side.FRONT, request_id="l")

    def read(self, image: Image, side: Side | None) -> Reading:
        with self.lock:
            self.calls[image.key, "read"] += 1
        fields = tuple(
            Field(f.name, f.text, score=99.0, sources=("Reader",))
            for f in picture(0).card.card.fields
            if f.text
        )
        return Reading("Reader", fields, CardType.ID_CARD, Side.FRONT, request_id="r")


@dataclass
class World:
    """What outlives every instance: the bucket, the vendor, the clock."""

    memory: MemoryBucket = field(default_factory=MemoryBucket)
    vendor: Vendor = field(default_factory=Vendor)
    now: float = 1_000_000.0
    instances: int = 0

    def context(self, last: int) -> tuple[SweepContext, Selection]:
        """Return a new instance's means; it is killed at its request number `last`."""
        self.instances += 1
        left, lock = [last], threading.Lock()

        def check(_: str) -> None:
            with lock:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed

        objects = Instance(self.memory, check=check)
        build = partial(self._processor, objects)
        processor = build(RateLimiter(), f"i{self.instances}")
        context = SweepContext(processor, build, SETTINGS, now=lambda: self.now, lease_s=LEASE_S)
        return context, selection_of({}, SETTINGS)

    def _processor(self, objects: Instance, rate_limiter: RateLimiter, owner: str) -> CardProcessor:
        leases = Leases(objects, owner=owner, now=lambda: self.now)
        retry_policy = RetryPolicy(2, lambda: 1e6, sleep=lambda _: None)
        pipeline = Pipeline(
            settings=SETTINGS,
            rules=RedactionRules(load_policy("standard"), Limits()),
            sources=objects,
            results=Results(objects),
            leases=leases,
            breaker=CircuitBreaker(objects, leases, SETTINGS.state_prefix, 300.0, now=lambda: self.now),
            recogniser=RecognizerFactory(self.vendor, self.vendor, None, retry_policy, rate_limiter, 0.0),
            invocation=Invocation("r", "f", "ap-shanghai", "1250000000", 1e6, clock=lambda: 0.0),
            sleep=lambda _: None,
        )
        return CardProcessor(
            pipeline=pipeline,
            service=None,  # type: ignore[arg-type]  # there are no jobs here
            notes=JobNotes(objects, f"{SETTINGS.state_prefix}jobs/"),
            signer=Signer(()),
            retry_policy=retry_policy,
            rate_limiter=rate_limiter,
        )

    def kept(self) -> set[tuple[str | None, str]]:
        """Return the calls whose answers stand in the bucket, or in a result: nobody need pay for them."""
        found: set[tuple[str | None, str]] = set()
        for source in self.memory.keys("inbox/"):
            keys = keys_of(source, SETTINGS)
            names = look(Instance(self.memory), keys.answers) or {}
            for api in ("locate", "read"):
                if keys.sidecar in self.memory.content or any(name.startswith(api) for name in names):
                    found.add((source, api))
        return found

    def states(self) -> list[tuple[Any, bytes]]:
        """Return every sidecar, times apart, and every copy."""
        found = []
        for key in self.memory.keys("sidecars/"):
            sidecar = orjson.loads(self.memory.content[key][0])
            del sidecar["created_at"]
            sidecar["calls"] = sorted(call["api"] for call in sidecar["calls"])
            copy = self.memory.content[f"redacted/{key[9:-5]}"][0]
            found.append((sidecar, copy))
        return found


def filled() -> World:
    world, data = World(), picture(0).data()
    for number in range(CARDS):
        world.memory.content[f"inbox/{number:04}.jpg"] = data, {}
    return world


def test_ten_kills_change_nothing_and_what_is_kept_is_not_paid_again() -> None:
    calm = filled()
    undisturbed = sweep(*calm.context(10**9))
    assert undisturbed is not None
    assert (undisturbed.counts, calm.vendor.paid) == ({"redacted": CARDS}, 2 * CARDS)

    world, chance, killed = filled(), random.Random(2), 0
    run: Run | None = None
    while killed < KILLS:
        kept, before = world.kept(), world.vendor.calls.copy()
        try:
            run = sweep(*world.context(chance.randrange(20, 2 * 25 * CARDS // KILLS)))
        except Killed:
            killed += 1
            world.now += LEASE_S + 10  # whoever comes next finds the lease void
        assert run is None, "it was to be killed while there is work"
        assert not (world.vendor.calls - before).keys() & kept
    kept, before = world.kept(), world.vendor.calls.copy()
    run = sweep(*world.context(10**9))
    assert not (world.vendor.calls - before).keys() & kept
    assert run is not None
    assert run.state == "finished"
    # One that was killed before its first checkpoint is no tick of the run.
    assert killed // 2 < run.ticks <= killed + 1
    assert world.states() == calm.states()
    # Of cards that were done as the sweep was killed nothing is left either.
    assert [key for key in world.memory.keys(".cardveil/") if "/sweeps/" not in key] == []
    # Lost is only what was asked and not yet kept. How much that is, is a matter of the threads' turns, but
    # never more than both calls of each card under way.
    assert world.vendor.paid - 2 * CARDS <= KILLS * SETTINGS.sweep_in_flight * 2


def test_who_lost_the_lease_does_not_write_over_the_others_checkpoint() -> None:
    world = filled()
    context, selection = world.context(10**9)
    taken: list[bool] = []

    def tell(run: Run) -> None:
        if run.done == 20 and not taken:
            taken.append(True)
            prefix = ".cardveil/sweeps/lease/"
            (held,) = world.memory.keys(prefix)
            world.memory.content[f"{prefix}00000002"] = world.memory.content[held]
            object.__setattr__(context, "lease_s", 0.0)  # look at it at once

    object.__setattr__(context, "on_progress", tell)
    run = sweep(context, selection)
    assert run is not None
    assert run.state == "running", "it did not end the run"
    assert run.done < CARDS
