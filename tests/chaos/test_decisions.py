"""Random sequences of requests, persons' decisions, deliveries, settings and kills, against a model.

The way of a card, the API's two ways to change one, leases and the order of writing are the real ones, on a
bucket in memory. Only what makes a copy is not: a copy here is the name of the policy that it was made by.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

import orjson
import pytest
from tests.support.chaos.memory import Instance, Killed, MemoryBucket
from tests.support.chaos.receiver import MemoryReceiver, recording

from cardveil.api import cards, review, submit
from cardveil.api.context import FunctionContext, RequestContext
from cardveil.api.models import ObjectSource, ReviewRequest, SubmitRequest
from cardveil.api.problems import Problem
from cardveil.api.revoked import RevokedTokens
from cardveil.api.tokens import Caller
from cardveil.card.findings import Status
from cardveil.card.model import Card, CardType, Side
from cardveil.core.context import Invocation
from cardveil.core.errors import CardveilError
from cardveil.core.frozen import replace
from cardveil.core.rate_limit import RateLimiter
from cardveil.core.retry import RetryPolicy
from cardveil.pipeline import decisions, pipeline
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import ProcessingResult
from cardveil.pipeline.jobs import CardProcessor
from cardveil.pipeline.options import ProcessOptions
from cardveil.pipeline.pipeline import Pipeline
from cardveil.pipeline.signing import Signer
from cardveil.redaction import Limits, Policy, Proof, RedactedCopy, covers_as_much, load_policy, stricter
from cardveil.settings import Settings
from cardveil.storage.circuit_breaker import CircuitBreaker
from cardveil.storage.job_store import JobNotes
from cardveil.storage.keys import keys_of
from cardveil.storage.leases import Leases
from cardveil.storage.notices import Notices
from cardveil.storage.results import Results
from cardveil.storage.source import Source

STEPS: Final = 7
LIMIT_S: Final = 60.0
KEY: Final = "inbox/a.jpg"
NAMES: Final = ("strict", "standard", "minimal")
POLICIES: Final = {name: load_policy(name) for name in NAMES}
SETTINGS: Final = {name: Settings(bucket="cards-1250000000", policy=name) for name in NAMES}
HOOKED: Final = {
    name: replace(each, webhook="https://hooks.example.com/", webhook_secret=("s" * 32,), webhook_attempts=30)
    for name, each in SETTINGS.items()
}
KEYS: Final = keys_of(KEY, SETTINGS["standard"])
PICTURE: Final[Any] = SimpleNamespace(width=1000, height=630, orientation=1)
CARD: Final = Card(CardType.ID_CARD, Side.FRONT, ())


def made(result: ProcessingResult, policy: Policy) -> ProcessingResult:
    """Return a result with a copy, which is nothing but the name of its policy."""
    data = policy.name.encode()
    proof = Proof("reread", "pixels", "", 1, 1, (), 1, "RGB")
    copy = RedactedCopy(data, "image/png", hashlib.sha256(data).hexdigest(), "pixels", proof, 1000, 630)
    return replace(result, picture=PICTURE, cards=(CARD,), copy=copy)


@pytest.fixture(autouse=True)
def _copies_are_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def examined(*given: Any, **_: Any) -> ProcessingResult:
        return made(ProcessingResult(Status.REDACTED), given[3].policy)

    def again(*given: Any, **_: Any) -> ProcessingResult:
        return made(ProcessingResult(Status.REDACTED), given[3].policy)

    def covered(verdict: ProcessingResult, *given: Any) -> ProcessingResult:
        return made(verdict, given[1].policy)

    monkeypatch.setattr(pipeline, "examine_source", examined)
    monkeypatch.setattr(pipeline, "re_redact", again)
    for module in (decisions, review):
        monkeypatch.setattr(module, "covered", covered)


@dataclass
class World:
    """One bucket with one picture, its users, and what the model knows of them.

    Attributes
    ----------
    said : list
        What persons have decided and were answered: (reason, status, policy).
    unanswered : list
        What they have asked for since, and got no answer to: it may have been done, or not.
    chosen, tried : list of str
        Policies that machines have chosen and were answered; and those that they asked for.
    """

    chance: random.Random
    hooked: bool = False
    memory: MemoryBucket = field(default_factory=MemoryBucket)
    configured: str = "standard"
    now: float = 1000.0
    users: int = 0
    nested: bool = False
    said: list[tuple[str, str, str]] = field(default_factory=list)
    unanswered: list[tuple[str, str, str]] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.commits = recording(self.memory)
        self.memory.content[KEY] = b"picture", {}
        # Of five messages one is not taken.
        self.receiver = MemoryReceiver(lambda _: "told" if self.chance.random() < 0.8 else "refused")

    def step(self) -> None:
        """Have somebody do something, perhaps be killed at it, perhaps while another does something, too."""
        self.now += 1.0
        action = self.chance.choice(
            (self.deliver, self.deliver, self.machine, self.machine, self.person, self.person, self.configure)
            + (self.schedule,) * self.hooked
        )
        kill = self.chance.randrange(24) if self.chance.random() < 0.4 else None
        beside = self.chance.randrange(24) if not self.nested and self.chance.random() < 0.25 else None
        requests = 0
        dead = False

        def check(_: str) -> None:
            nonlocal requests, dead
            if dead:
                raise Killed
            requests += 1
            if requests - 1 == beside:
                self.nested = True
                try:
                    self.step()
                finally:
                    self.nested = False
            if requests - 1 == kill:
                dead = True
                raise Killed

        with suppress(Killed):
            action(check)
        if not self.nested:
            if dead:
                self.now += 2 * LIMIT_S  # its lease is void by then
            self.look(finished=False)

    def deliver(self, check: Callable[[str], None]) -> None:
        """An event comes, or a sweep that does all again."""
        options = ProcessOptions(force=self.chance.random() < 0.3)
        try:
            self.user(check).process(Source("cards-1250000000", "ap-shanghai", KEY), options=options)
        except CardveilError:
            return

    def schedule(self, check: Callable[[str], None]) -> None:
        """The schedule tells the receiver of webhooks what is due."""
        with suppress(CardveilError):
            self.receiver.teller(self.user(check).pipeline, lambda: self.now).tell_due(lambda: False)

    def configure(self, check: Callable[[str], None]) -> None:
        """The settings' policy is changed; a sweep follows sooner or later."""
        if not self.nested:  # nobody works by two settings at a time
            self.configured = self.chance.choice(NAMES)
        self.deliver(check)

    def machine(self, check: Callable[[str], None]) -> None:
        """A machine submits the picture again, with a policy or without."""
        policy = self.chance.choice((None, *NAMES))
        request = SubmitRequest(source=ObjectSource(kind="object", key=KEY), policy=policy)  # type: ignore[arg-type]
        self.tried += [policy] if policy else []
        try:
            done = submit.submit(self.request(check, "submit"), request)
        except (CardveilError, Problem):
            return
        if policy and not done.found.decided:
            self.chosen.append(policy)

    def person(self, check: Callable[[str], None]) -> None:
        """A person decides on what they saw, which may be out of date."""
        context = self.request(check, "review", "submit")
        found = cards.read(context, KEY)
        if found is None:
            return
        if not self.nested and self.chance.random() < 0.2:
            self.deliver(lambda _: None)
        named = self.chance.choice((None, *NAMES))
        decision = self.chance.choice(("accept", "accept", "reject"))
        reason = str(self.chance.random())
        request = ReviewRequest(decision=decision, version=found.version, reason=reason, policy=named)  # type: ignore[arg-type]
        status = "redacted" if decision == "accept" else "rejected"
        self.unanswered.append((reason, status, named or ""))
        try:
            done = review.review(context, found, request)
        except (CardveilError, Problem) as refused:
            if isinstance(refused, Problem):
                self.unanswered.pop()  # nothing was written
            return
        has = done.document["pipeline"]["policy"]["name"]
        assert named in {None, has}
        self.unanswered.remove((reason, status, named or ""))
        self.said.append((reason, status, has))

    def look(self, *, finished: bool) -> None:
        """Compare what stands in the bucket with the model.

        Parameters
        ----------
        finished : bool
            Whether all has come to its end: then the copy is exactly what it should be.
        """
        stored = self.memory.content.get(KEYS.sidecar)
        copy = self.memory.content.get(KEYS.redacted)
        shown = POLICIES[copy[0].decode()] if copy else None
        if stored is None:
            assert not self.said, "what was decided is gone"
            assert shown is None or covers_as_much(shown, self.asked()), "an early copy shows too much"
            return
        document, meta = orjson.loads(stored[0]), stored[1]
        history = [entry["reason"] for entry in document.get("history", ())]
        answered = [reason for reason, _, _ in self.said]
        assert [reason for reason in history if reason in answered] == answered, "a person's word is lost"
        decided = meta.get("x-cos-meta-decided") == "yes"
        assert decided is bool(history), "what no person said is taken for a decision, or the other way round"
        if not decided:
            chosen = meta.get("x-cos-meta-chosen", "")
            assert chosen in {"", *self.tried}
            present = stricter(self.asked(), POLICIES[chosen]) if chosen else self.asked()
            assert present in (self.asked(), POLICIES[chosen or "strict"]), "a choice was made weaker"
            if finished:
                assert shown == present, "the copy is not by the card's policy"
                assert document["pipeline"]["policy"]["name"] == present.name
            return
        words = {reason: (status, name) for reason, status, name in (*self.said, *self.unanswered)}
        status, name = words[history[-1]]
        assert document["status"] == status, "a decision was overturned"
        assert name in {"", document["pipeline"]["policy"]["name"]}, "a decision's policy was changed"
        present = POLICIES[document["pipeline"]["policy"]["name"]]
        if status == "rejected":
            assert shown is None, "a card that a person rejected is published"
        else:
            assert shown is None or covers_as_much(shown, present), "the copy shows more than was decided"
            assert shown == present or not finished, "a decision was not carried out"

    def asked(self) -> Policy:
        """Return what the settings and the machines together ask for, while no person has decided."""
        policy = POLICIES[self.configured]
        for name in self.chosen:
            policy = stricter(policy, POLICIES[name])
        return policy

    def request(self, check: Callable[[str], None], *roles: str) -> RequestContext:
        """Return what a request with these roles works with."""
        processor = self.user(check)
        settings = (HOOKED if self.hooked else SETTINGS)[self.configured]
        function = FunctionContext(
            settings, {}, processor.pipeline.invocation, RateLimiter(), lambda _: None, RevokedTokens()
        )
        context = RequestContext(function, Caller("somebody", frozenset(roles)), lambda: self.now)
        context.__dict__["processor"] = processor
        return context

    def user(self, check: Callable[[str], None]) -> CardProcessor:
        """Return a new instance."""
        self.users += 1
        settings = (HOOKED if self.hooked else SETTINGS)[self.configured]
        objects = Instance(self.memory, check=check)
        leases = Leases(objects, owner=f"i{self.users}", now=lambda: self.now)
        retry_policy = RetryPolicy(1, lambda: LIMIT_S)
        nobody: Any = SimpleNamespace()  # nothing is recognised here
        made_of = Pipeline(
            settings=settings,
            rules=RedactionRules(POLICIES[self.configured], Limits()),
            sources=objects,
            results=Results(
                objects,
                Notices(objects, objects, leases, settings, lambda: self.now) if self.hooked else None,
            ),
            leases=leases,
            breaker=CircuitBreaker(
                objects, leases, ".cardveil/", 300.0, lambda _: None, now=lambda: self.now
            ),
            recogniser=lambda *_: nobody,
            invocation=Invocation(
                "r", "f", "ap-shanghai", "1250000000", self.now + LIMIT_S, clock=lambda: self.now
            ),
            sleep=self._sleep,
        )
        notes = JobNotes(objects, ".cardveil/jobs/")
        return CardProcessor(made_of, nobody, notes, Signer(()), retry_policy, RateLimiter())

    def _sleep(self, seconds: float) -> None:
        self.now += max(seconds, 5.0)


def worlds(count: int) -> Iterator[tuple[int, World]]:
    for seed in range(count):
        yield seed, World(random.Random(seed))


def test_no_person_s_word_is_lost_and_no_copy_shows_more_than_its_card_s_policy(sequences: int) -> None:
    for seed, world in worlds(sequences):
        try:
            for _ in range(STEPS):
                world.step()
            # What nobody disturbs any more comes to its end by the next delivery.
            world.now += 2 * LIMIT_S
            world.user(lambda _: None).process(Source("cards-1250000000", "ap-shanghai", KEY))
            world.look(finished=True)
        except (AssertionError, KeyError) as wrong:
            raise AssertionError(f"sequence {seed}: {wrong}") from wrong


def test_every_state_that_came_about_is_told_and_no_other(sequences: int) -> None:
    for seed in range(sequences // 5):
        world = World(random.Random(seed), hooked=True)
        try:
            for _ in range(STEPS):
                world.step()
            for _ in range(20):
                world.now += 7 * 3600.0
                world.user(lambda _: None).process(Source("cards-1250000000", "ap-shanghai", KEY))
                world.schedule(lambda _: None)
            assert world.receiver.states == world.commits.marks
            assert world.memory.keys(".cardveil/webhooks/") == []
            assert not any(b"inbox" in body for body in world.receiver.bodies)
        except (AssertionError, KeyError) as wrong:
            raise AssertionError(f"sequence {seed}: {wrong}") from wrong


def test_a_policy_that_a_reviewer_names_overturns_no_decision_that_was_made_meanwhile() -> None:
    world = World(random.Random(0))
    world.deliver(lambda _: None)
    context = world.request(lambda _: None, "submit", "review")
    seen = cards.read(context, KEY)
    assert seen is not None
    review.review(context, seen, ReviewRequest(decision="reject", version=seen.version))
    with pytest.raises(Problem, match="decided_by_person"):
        review.redacted_by(context, seen, POLICIES["minimal"])
    assert KEYS.redacted not in world.memory.content
