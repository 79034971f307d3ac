"""Names, leases and the order of writing, on a bucket in memory that keeps COS's promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import orjson
import pytest

from cardveil.card.findings import Status
from cardveil.core.errors import Retry, SourceGone
from cardveil.recognition.interfaces import Image
from cardveil.recognition.staging import staged
from cardveil.settings import from_environment
from cardveil.settings.kinds import MAX_KEY_BYTES
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.leases import Leases
from cardveil.storage.objects import Entry, Stored
from cardveil.storage.results import Results, Version

SETTINGS = from_environment({})


@dataclass
class Memory:
    """A bucket; `versioned` makes it ignore forbid-overwrite, as COS does."""

    bucket: str = "b-1"
    versioned: bool = False
    lose_answers: int = 0
    content: dict[str, bytes] = field(default_factory=dict)
    meta: dict[str, Mapping[str, str]] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)

    def head(self, key: str) -> Stored | None:
        return self._stored(key) if key in self.content else None

    def get(self, key: str, *, max_bytes: int) -> tuple[Stored, bytes | None]:
        if key not in self.content:
            raise SourceGone("source_gone", "…")
        data = self.content[key]
        return self._stored(key), data if len(data) <= max_bytes else None

    def put(self, key: str, data: bytes, *, media_type: str, meta: Mapping[str, str]) -> None:
        self.log.append(("put", key))
        self.content[key], self.meta[key] = data, {f"x-cos-meta-{k}": v for k, v in meta.items()}

    def create(self, key: str, data: bytes) -> bool:
        if key in self.content and not self.versioned:
            return False
        self.content[key] = data
        if self.lose_answers:
            self.lose_answers -= 1
            raise Retry("network", "…")
        return True

    def delete(self, key: str) -> None:
        self.log.append(("delete", key))
        self.content.pop(key, None)

    def list(self, prefix: str) -> Iterator[str]:
        return iter(sorted(key for key in self.content if key.startswith(prefix)))

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]:
        raise NotImplementedError

    def fetch(self, key: str, file: BinaryIO) -> None:
        raise NotImplementedError

    def _stored(self, key: str) -> Stored:
        return Stored("etag", len(self.content[key]), self.meta.get(key, {}))


class Now:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


def test_results_are_named_like_their_source() -> None:
    keys = keys_of("inbox/a/证件.jpg", SETTINGS)
    assert (keys.sidecar, keys.redacted) == ("sidecars/a/证件.jpg.json", "redacted/a/证件.jpg")


def test_names_that_hold_id_numbers_can_be_hidden() -> None:
    hidden = from_environment({"CARDVEIL_RESULT_NAMES": "digest"})
    keys = keys_of("inbox/990101199003071237.jpg", hidden)
    assert "990101199003071237" not in keys.sidecar + keys.redacted + keys.lease_prefix


def test_no_result_has_a_key_that_cos_refuses() -> None:
    longest = "inbox/" + "é" * ((MAX_KEY_BYTES - 6) // 2)
    keys = keys_of(longest, SETTINGS)
    assert len(keys.sidecar.encode()) <= MAX_KEY_BYTES
    assert len(keys.redacted.encode()) <= MAX_KEY_BYTES
    assert keys_of(longest[:-1], SETTINGS).sidecar != keys.sidecar


def test_no_source_can_be_named_as_another_s_results() -> None:
    """A name is a source's own, or a digest; never may a source's own name be one."""
    longest = "inbox/" + "é" * ((MAX_KEY_BYTES - 6) // 2)
    digest = source_digest(longest)
    names = [
        longest,
        f"inbox/{digest}",
        f"inbox/{digest.upper()}",
        f"inbox/{source_digest(f'inbox/{digest}')}",
    ]
    all_keys = [keys_of(name, SETTINGS) for name in names]
    assert keys_of(longest, SETTINGS).redacted == f"redacted/{digest}"
    assert len({keys.sidecar for keys in all_keys}) == len({keys.redacted for keys in all_keys}) == len(names)


def test_a_copy_of_another_format_is_called_so() -> None:
    for name in ("a.heic", "A.HEIC", "b/c.heif", "d.hif", "e.avif"):
        keys = keys_of(f"inbox/{name}", SETTINGS)
        assert keys.redacted == f"redacted/{name}.redacted.jpg"
        assert (keys.sidecar, keys.former) == (f"sidecars/{name}.json", f"redacted/{name}")
    # Phones' exports are called so, and are the same pictures still.
    assert keys_of("inbox/a.heic.jpg", SETTINGS).redacted == "redacted/a.heic.jpg"
    assert keys_of("inbox/a.heic.jpg", SETTINGS).former == ""


def test_no_two_copies_share_a_key_however_sources_are_called() -> None:
    names = [
        f"{stem}{ending}{more}"
        for stem in ("a", "a.jpg", "b.heic/c", ".heic", "")
        for ending in ("", ".heic", ".heic.redacted", ".avif", ".jpg", ".heic.jpg")
        for more in ("", ".redacted.jpg", ".redacted.jpg.redacted.jpg", ".REDACTED.JPG")
    ]
    sources = {f"inbox/{name}" for name in names if name}
    found = [keys_of(source, SETTINGS) for source in sources]
    assert len({keys.redacted for keys in found}) == len(sources)
    # Where a copy stood once, none of another source's stands now.
    assert not {keys.former for keys in found if keys.former} & {keys.redacted for keys in found}


def test_a_copy_of_another_format_has_no_longer_key_than_cos_takes() -> None:
    longest = "inbox/" + "x" * (MAX_KEY_BYTES - 11) + ".heic"
    keys = keys_of(longest, SETTINGS)
    assert keys.redacted == f"redacted/{source_digest(longest)}"
    assert keys.former == ""


def test_a_lease_is_held_by_one(now: Now) -> None:
    bucket = Memory()
    mine, yours = Leases(bucket, "me", now), Leases(bucket, "you", now)
    lease = mine.take("l/", 60)
    assert lease is not None
    assert yours.take("l/", 60) is None
    mine.release(lease, "l/")
    assert yours.take("l/", 60) is not None


def test_an_expired_lease_is_taken_over_by_one_only(now: Now) -> None:
    bucket = Memory()
    assert Leases(bucket, "dead", now).take("l/", 60)
    now.seconds += 61
    assert Leases(bucket, "early", now).take("l/", 60) is None  # clocks may differ by a few seconds
    now.seconds += 10
    taken = Leases(bucket, "one", now).take("l/", 60)
    assert taken is not None
    assert Leases(bucket, "two", now).take("l/", 60) is None
    Leases(bucket, "one", now).release(taken, "l/")
    assert bucket.content == {}  # the void generation went too


def test_two_that_see_the_same_expired_lease_race_for_one_name(now: Now) -> None:
    bucket = Memory()
    Leases(bucket, "dead", now).take("l/", 1)
    now.seconds += 100
    winners = [owner for owner in ("a", "b", "c") if Leases(bucket, owner, now).take("l/", 60)]
    assert winners == ["a"]


def test_a_void_generation_above_a_gap_hides_nobody(now: Now) -> None:
    """A release was cut short: the second generation stands, void, and the first was made anew."""
    void = orjson.dumps({"owner": "dead", "expires": 0})
    bucket = Memory(content={"l/00000002": void})
    living = Leases(bucket, "living", now).take("l/", 60)
    assert living is not None
    assert Leases(bucket, "other", now).take("l/", 60) is None
    assert Leases(bucket, "other", now).held("l/")
    Leases(bucket, "living", now).clear("l/")
    assert bucket.content == {}


def test_a_lease_that_is_given_back_just_now_is_not_passed_over(now: Now) -> None:
    """It is gone between the listing and the reading: the next claim is the first again, not the second."""

    class Fading(Memory):
        def list(self, prefix: str) -> Iterator[str]:
            found = list(super().list(prefix))
            self.content.clear()
            return iter(found)

    bucket = Fading()
    bucket.content["l/00000001"] = orjson.dumps({"owner": "other", "expires": now() + 60})
    lease = Leases(bucket, "me", now).take("l/", 60)
    assert lease is not None
    assert list(bucket.content) == ["l/00000001"]


def test_a_release_that_is_cut_short_lets_nobody_in_beside_another(now: Now) -> None:
    bucket = Memory()
    assert Leases(bucket, "dead", now).take("l/", 1)
    now.seconds += 100
    mine = Leases(bucket, "me", now)
    lease = mine.take("l/", 60)
    assert lease is not None
    mine.release(lease, "l/")
    assert [key for verb, key in bucket.log if verb == "delete"] == ["l/00000001", "l/00000002"], "own last"


def test_a_lost_answer_is_not_taken_for_somebody_elses_lease(now: Now) -> None:
    bucket = Memory(lose_answers=1)
    assert Leases(bucket, "me", now).take("l/", 60) is not None


@pytest.mark.parametrize("note", [b"", b"{}", b"not json", orjson.dumps({"owner": "x", "expires": "soon"})])
def test_a_lease_that_cannot_be_read_is_void(note: bytes, now: Now) -> None:
    bucket = Memory(content={"l/00000001": note})
    assert Leases(bucket, "me", now).take("l/", 60) is not None


def test_on_a_versioned_bucket_both_may_work(now: Now) -> None:
    bucket = Memory(versioned=True)
    assert Leases(bucket, "a", now).take("l/", 60)
    assert Leases(bucket, "b", now).take("l/", 60)


VERSION = Version("e1", "p1", "1", "s1")


def test_the_sidecar_is_written_last() -> None:
    bucket = Memory()
    keys = keys_of("inbox/a.jpg", SETTINGS)
    Results(bucket).commit(keys, VERSION, Status.REDACTED, b"{}", (b"copy", "image/jpeg"))
    assert bucket.log == [("put", "redacted/a.jpg"), ("put", "sidecars/a.jpg.json")]
    made = Results(bucket).current(keys)
    assert made is not None
    assert VERSION.made(made)
    assert not Version("e2", "p1", "1", "s1").made(made)
    assert not Version("e1", "p2", "1", "s1").made(made)
    assert not Version("e1", "p1", "2", "s1").made(made)


def test_a_decision_is_written_so_that_no_crash_leaves_a_copy_that_it_would_not_publish() -> None:
    bucket = Memory(content={"redacted/a.jpg": b"old", "sidecars/a.jpg.json": b"old"})
    keys = keys_of("inbox/a.jpg", SETTINGS)
    Results(bucket).commit_decision(keys, VERSION, Status.REDACTED, b"{}", (b"copy", "image/jpeg"))
    sidecar, copy = ("put", "sidecars/a.jpg.json"), ("put", "redacted/a.jpg")
    assert bucket.log == [sidecar, ("delete", "redacted/a.jpg"), sidecar, copy, sidecar]
    made = Results(bucket).current(keys)
    assert made is not None
    assert VERSION.made(made)
    assert VERSION.decided(made)


def test_the_copy_tells_nothing_of_its_source() -> None:
    bucket = Memory()
    keys = keys_of("inbox/a.jpg", SETTINGS)
    Results(bucket).commit(keys, VERSION, Status.REDACTED, b"{}", (b"copy", "image/jpeg"))
    assert bucket.meta[keys.redacted] == {"x-cos-meta-kind": "redacted"}


def test_an_old_copy_goes_before_the_sidecar_says_that_there_is_none() -> None:
    bucket = Memory(content={"redacted/a.jpg": b"old"})
    keys = keys_of("inbox/a.jpg", SETTINGS)
    Results(bucket).commit(keys, VERSION, Status.NEEDS_REVIEW, b"{}", None)
    assert bucket.log == [("delete", "redacted/a.jpg"), ("put", "sidecars/a.jpg.json")]


def test_a_staged_picture_is_taken_away_whatever_happens() -> None:
    bucket = Memory()

    def fail_meanwhile() -> None:
        with staged(bucket, keys_of("inbox/a.jpg", SETTINGS), Image(b"x", 1, 1)) as key:
            assert bucket.content == {key: b"x"}
            assert key.startswith(".cardveil/staged/")
            raise Retry("network", "…")

    with pytest.raises(Retry):
        fail_meanwhile()
    assert bucket.content == {}
