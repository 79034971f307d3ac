"""Leases where two might hold one: a release under way, a lost answer, a name that is used again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson
from tests.support.chaos.memory import Instance, MemoryBucket

from cardveil.core.errors import Retry
from cardveil.storage.leases import Lease, Leases

FIRST, SECOND, THIRD = (f"l/{generation:08d}" for generation in (1, 2, 3))


def at(seconds: float) -> Callable[[], float]:
    return lambda: seconds


def note(owner: str, expires: float) -> tuple[bytes, Mapping[str, str]]:
    return orjson.dumps({"owner": owner, "expires": expires}), {}


@dataclass
class Meanwhile(Instance):
    """Lets something happen between a listing and what is done with it."""

    happens: Callable[[], object] = field(default=lambda: None)

    def list(self, prefix: str) -> Iterator[str]:
        found = list(super().list(prefix))
        self.happens()
        return iter(found)


def test_nobody_takes_over_above_a_generation_that_is_being_given_back() -> None:
    """The next generation would stand above a gap, and beside it another would make the first anew."""
    bucket = MemoryBucket(content={FIRST: note("dead", 0), SECOND: note("slow", 0)})
    giving_back = Meanwhile(bucket, happens=lambda: bucket.content.pop(FIRST, None))
    one = Leases(giving_back, "one", at(1000)).take("l/", 60)
    two = Leases(Instance(bucket), "two", at(1000)).take("l/", 60)
    assert [lease for lease in (one, two) if lease], "it is free"
    assert not (one and two), "two would hold it"


def test_a_lost_answer_does_not_make_anothers_lease_ours() -> None:
    lost: list[str] = []

    class Lossy(Instance):
        def create(self, key: str, data: bytes) -> bool:
            made = super().create(key, data)
            if not lost:
                lost.append(key)
                raise Retry("network", "…")
            return made

    theirs = note("other", 2000)
    bucket = MemoryBucket(content={FIRST: theirs})
    assert Leases(Lossy(bucket), "me", at(1000)).take("l/", 60) is None
    assert lost
    assert bucket.content == {FIRST: theirs}


def test_a_release_takes_nothing_from_who_has_taken_over() -> None:
    standing = {FIRST: note("dead", 0), SECOND: note("slow", 0), THIRD: note("next", 2000)}
    bucket = MemoryBucket(content=standing)
    Leases(Instance(bucket), "slow", at(1000)).release(Lease(SECOND, first=False), "l/")
    assert bucket.content == {THIRD: note("next", 2000)}


def test_a_lease_that_was_lost_is_not_renewed_although_its_name_is_used_again() -> None:
    """It expired, and was taken over and given back by one; another has made the first generation anew."""
    bucket = MemoryBucket(content={FIRST: note("other", 2000)})
    mine = Lease(FIRST, first=True)
    assert not Leases(Instance(bucket), "me", at(1000)).renew(mine, "l/", 60)
    assert bucket.content == {FIRST: note("other", 2000)}
    assert Leases(Instance(bucket), "other", at(1000)).renew(mine, "l/", 60)
