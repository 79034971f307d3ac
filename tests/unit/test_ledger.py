"""The ledger's chains: nothing entered is lost, whoever is killed; nothing is changed without being found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from tests.support.chaos.memory import Instance, Killed, MemoryBucket

from cardveil.core.errors import Retry
from cardveil.storage.ledger import Ledger, Mark, heads_prefix, segment_key
from cardveil.storage.ledger_check import chains_of, read_segment, verify

STATE = ".cardveil/"
CHAINS = f"{STATE}ledger/chains/"
HEADS = heads_prefix(STATE)

#: One change to a bucket, with what it is called.
Change = tuple[str, Callable[[MemoryBucket], None]]


def enter(ledger: Ledger, objects: Instance, *names: str) -> Mark:
    return ledger.enter(objects, STATE, [{"look": name} for name in names])


def entered(memory: MemoryBucket) -> list[str]:
    """Return what the entries of all segments say."""
    objects, found = Instance(memory), []
    for _, keys in chains_of(objects, STATE):
        for key in keys:
            segment = read_segment(objects, key)
            assert segment is not None
            found += [entry["look"] for entry in segment.entries]
    return found


def kinds(memory: MemoryBucket, *known: Mark) -> set[str]:
    """Return the kinds of the faults that are found."""
    return {fault.kind for fault in verify(Instance(memory), STATE, known).faults}


def three_chains() -> MemoryBucket:
    """A ledger of three processes, one after the other, with 5 segments of 2 entries each."""
    memory = MemoryBucket()
    for process in range(3):
        ledger = Ledger(lambda process=process: 1.8e9 + process)  # type: ignore[misc]
        for number in range(5):
            enter(ledger, Instance(memory), f"{process}-{number}-a", f"{process}-{number}-b")
    return memory


def segments(memory: MemoryBucket) -> list[str]:
    return memory.keys(CHAINS)


def changes() -> Iterator[Change]:
    """Fifty-odd ways to make the ledger say something else."""

    def at(number: int, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[MemoryBucket], None]:
        def do(memory: MemoryBucket) -> None:
            key = segments(memory)[number]
            data, meta = memory.content[key]
            memory.content[key] = b"\n".join(change(data.splitlines())) + b"\n", meta

        return do

    def gone(*numbers: int) -> Callable[[MemoryBucket], None]:
        def do(memory: MemoryBucket) -> None:
            for key in [segments(memory)[number] for number in numbers]:
                del memory.content[key]

        return do

    def swapped(one: int, other: int) -> Callable[[MemoryBucket], None]:
        def do(memory: MemoryBucket) -> None:
            first, second = segments(memory)[one], segments(memory)[other]
            content = memory.content
            content[first], content[second] = content[second], content[first]

        return do

    def moved(one: int, name: str) -> Callable[[MemoryBucket], None]:
        def do(memory: MemoryBucket) -> None:
            key = segments(memory)[one]
            memory.content[key.rpartition("/")[0] + "/" + name] = memory.content.pop(key)

        return do

    def heads(change: Callable[[MemoryBucket, str], None]) -> Callable[[MemoryBucket], None]:
        def do(memory: MemoryBucket) -> None:
            change(memory, memory.keys(HEADS)[-1])

        return do

    for number in range(15):
        yield (
            f"entry {number} edited",
            at(number, lambda lines: [*lines[:-1], lines[-1].replace(b"-b", b"-c")]),
        )
        yield f"segment {number} deleted", gone(number)
    for number in (0, 4, 5, 9, 14):
        yield f"entry of {number} deleted", at(number, lambda lines: lines[:-1])
        yield f"entries of {number} swapped", at(number, lambda lines: [lines[0], *lines[:0:-1]])
        yield f"entry of {number} doubled", at(number, lambda lines: [*lines, lines[-1]])
        yield (
            f"header of {number} changed",
            at(number, lambda lines: [lines[0].replace(b'"form":1', b'"form":1,"x":1'), *lines[1:]]),
        )
    yield "a chain's end deleted", gone(3, 4)
    yield "the last chain's end deleted", gone(13, 14)
    yield "a chain's beginning deleted", gone(0, 1)
    yield "a whole chain deleted", gone(0, 1, 2, 3, 4)
    yield "all segments deleted", gone(*range(15))
    yield "neighbours swapped", swapped(1, 2)
    yield "first and last swapped", swapped(0, 14)
    yield "the same numbers of two chains swapped", swapped(2, 7)
    yield "the last moved on", moved(14, "00000006.jsonl")
    yield "one moved on from the middle", moved(12, "00000006.jsonl")
    yield "one copied", lambda m: m.content.update({f"{CHAINS}x/00000001.jsonl": m.content[segments(m)[0]]})
    yield "one made empty", at(7, lambda _: [])
    yield "one no JSON", at(7, lambda _: [b"{"])
    yield "something beside", lambda m: m.content.update({f"{CHAINS}x/notes.txt": (b"", {})})
    yield "the last head deleted", heads(lambda m, key: m.content.__delitem__(key))
    yield "a head filled", heads(lambda m, key: m.content.update({key: (b"x", {})}))
    yield "a head altered", heads(lambda m, key: m.content.update({_altered(key): m.content.pop(key)}))


def _altered(key: str) -> str:
    return key[:-1] + ("1" if key[-1] == "0" else "0")


@pytest.mark.parametrize("change", [each for _, each in changes()], ids=[name for name, _ in changes()])
def test_every_change_is_found(change: Callable[[MemoryBucket], None]) -> None:
    memory = three_chains()
    assert kinds(memory) == set()
    change(memory)
    assert kinds(memory)


@pytest.mark.parametrize("number", [10, 12])
def test_a_changed_segment_whose_head_was_deleted_too_is_told_by_the_next(number: int) -> None:
    memory = three_chains()
    key = segments(memory)[number]
    data, meta = memory.content[key]
    memory.content[key] = data.replace(b'-b"', b'-c"'), meta
    (head,) = (each for each in memory.keys(HEADS) if f"/{number - 9:08}-" in each)
    del memory.content[head]
    assert kinds(memory) == {"altered"}


def test_what_verify_reads_is_all_there_is() -> None:
    found = verify(Instance(three_chains()), STATE)
    assert (found.chains, found.segments, found.entries, len(found.ends)) == (3, 15, 30, 3)


def test_ends_that_were_kept_elsewhere_find_a_chain_that_was_removed_with_all_that_names_it() -> None:
    memory = MemoryBucket()
    enter(Ledger(), Instance(memory), "a")
    ends = verify(Instance(memory), STATE).ends
    memory.content.clear()
    assert kinds(memory) == set()
    assert kinds(memory, *ends) == {"missing"}


def test_a_chain_names_the_ends_of_those_before_and_one_head_stands_for_all() -> None:
    memory = MemoryBucket()
    for name in "abcd":
        enter(Ledger(), Instance(memory), name)
    assert len(memory.keys(HEADS)) == 1
    assert kinds(memory) == set()


@pytest.mark.parametrize("versioned", [False, True], ids=["plain", "versioned"])
def test_what_comes_together_shares_a_segment_and_nothing_is_lost(versioned: bool) -> None:
    memory = MemoryBucket(versioned)
    ledgers = [Ledger() for _ in range(4)]
    names = [f"{number}" for number in range(400)]
    gate = threading.Barrier(16)

    def look(number: int) -> Mark:
        if number < 16:
            gate.wait()
        return enter(ledgers[number % 4], Instance(memory), names[number])

    with ThreadPoolExecutor(16) as pool:
        marks = list(pool.map(look, range(400)))
    assert sorted(entered(memory)) == sorted(names)
    assert kinds(memory) == set()
    found = verify(Instance(memory), STATE)
    assert (found.chains, found.entries) == (4, 400)
    assert found.segments == len(set(marks)) < 400, "those that waited were written together"
    assert all(segment_key(STATE, mark.chain, mark.number) in memory.content for mark in marks)


def test_who_was_answered_has_an_entry_wherever_the_process_ends() -> None:
    reached = 0
    for kill_at in range(60):
        memory, count = MemoryBucket(), [0]
        lock = threading.Lock()

        def check(
            _: str, kill_at: int = kill_at, count: list[int] = count, lock: threading.Lock = lock
        ) -> None:
            with lock:
                count[0] += 1
                if count[0] > kill_at:
                    raise Killed

        ledger, dying, told = Ledger(), Instance(memory, check=check), []
        try:
            for name in "abcdefgh":
                enter(ledger, dying, name)
                told.append(name)
        except Killed:
            reached += 1
        assert set(told) <= set(entered(memory)), kill_at
        before = kinds(memory)
        # Where an instance ended between a segment and its head, verify tells it from what was answered.
        assert before <= {"end_unknown", "missing"}
        enter(Ledger(), Instance(memory), "later")
        assert kinds(memory) <= before
    assert reached > 30


class Losing(Instance):
    """Requests that have their effect, or have none, and no answer."""

    failing = ""
    effect = True

    def put(self, key: str, data: bytes, **more: object) -> None:
        if self.failing and self.failing in key:
            if self.effect:
                super().put(key, data, media_type="", meta={})
            raise Retry("network", "…")
        super().put(key, data, media_type="", meta={})


@pytest.mark.parametrize("effect", [True, False], ids=["with effect", "without"])
@pytest.mark.parametrize("failing", ["chains/", "heads/"])
def test_after_a_lost_answer_another_chain_begins_and_says_so(failing: str, effect: bool) -> None:
    memory, ledger = MemoryBucket(), Ledger()
    objects = Losing(memory)
    enter(ledger, objects, "a")
    enter(ledger, objects, "b")
    objects.failing, objects.effect = failing, effect
    for _ in range(2):
        with pytest.raises(Retry):
            enter(ledger, objects, "lost")
    objects.failing = ""
    mark = enter(ledger, objects, "c")
    assert mark.number == 1
    assert {"a", "b", "c"} <= set(entered(memory))
    assert kinds(memory) == set()
    header = orjson.loads(memory.content[segment_key(STATE, mark.chain, 1)][0].splitlines()[0])
    assert len(header["doubted"]) == 2
    # And no segment was written over.
    assert memory.content[segment_key(STATE, mark.chain, 1)][0].count(b"\n") == 2


def test_heads_that_cannot_be_deleted_are_tried_again() -> None:
    class Keeping(Instance):
        refuse = True

        def delete(self, key: str) -> None:
            if self.refuse:
                raise Retry("network", "…")
            super().delete(key)

    memory, ledger = MemoryBucket(), Ledger()
    enter(Ledger(), Instance(memory), "before")
    objects = Keeping(memory)
    for number in range(40):
        enter(ledger, objects, str(number))
    assert len(memory.keys(HEADS)) == 41
    objects.refuse = False
    enter(ledger, objects, "d")
    assert len(memory.keys(HEADS)) == 2
    for number in range(100):
        enter(ledger, objects, str(number))
        assert len(memory.keys(HEADS)) <= 18
    assert kinds(memory) == set()


@pytest.mark.parametrize("text", ["", "a", "a/1-2", f"a/0000000x-{'0' * 64}", f"/00000001-{'0' * 64}"])
def test_what_is_no_mark_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="CHAIN"):
        Mark.of(text)
