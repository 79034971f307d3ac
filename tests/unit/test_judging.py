"""What a sweep does to a source: nothing that a person decided, nothing of our own, nothing twice."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from tests.support.chaos.memory import Instance, MemoryBucket

from cardveil.pipeline.examine import PIPELINE_VERSION
from cardveil.settings import Settings
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.objects import Entry
from cardveil.storage.results import Version
from cardveil.sweep.decide import ChangeDetector, UpToDateMark
from cardveil.sweep.listing import Pair, Position
from cardveil.sweep.selection import Selection

SETTINGS = Settings()
NOW, UPLOADED, WRITTEN, STARTED = 10_000.0, 5_000.0, 5_010.0, 9_900.0
PICTURE = b"a picture"
ETAG = hashlib.md5(PICTURE).hexdigest()
SOURCE = Entry("inbox/a.jpg", len(PICTURE), ETAG, UPLOADED)
SIDECAR = Entry("sidecars/a.jpg.json", 2, "s", WRITTEN)
#: A sweep by this policy and pipeline has come to its end at that time.
VERIFIED = UpToDateMark("p1", PIPELINE_VERSION, STARTED)


def pair(source: Entry = SOURCE, sidecar: Entry | None = SIDECAR, listed: bool = True) -> Pair:
    return Pair(source, sidecar, listed, Position())


def judge(verified: UpToDateMark | None = None, **selection: Any) -> ChangeDetector:
    return ChangeDetector(Selection("inbox/", **selection), SETTINGS, "p1", STARTED, NOW, verified)


def changed(entry: Entry, **changes: Any) -> Entry:
    told = {"key": entry.key, "size": entry.size, "etag": entry.etag, "modified": entry.modified}
    return Entry(**{**told, **changes})


@pytest.mark.parametrize(
    ("verified", "source", "sidecar", "said"),
    [
        (None, SOURCE, None, "missing"),
        (None, SOURCE, SIDECAR, "look"),
        (VERIFIED, SOURCE, SIDECAR, None),
        # Whatever was written or uploaded since is asked for, and so is a sidecar older than its source.
        (VERIFIED, SOURCE, changed(SIDECAR, modified=STARTED), "look"),
        (VERIFIED, changed(SOURCE, modified=WRITTEN), SIDECAR, "look"),
        (VERIFIED, changed(SOURCE, modified=WRITTEN + 1), SIDECAR, "look"),
        (UpToDateMark("p0", PIPELINE_VERSION, STARTED), SOURCE, SIDECAR, "look"),
        (UpToDateMark("p1", "0", STARTED), SOURCE, SIDECAR, "look"),
    ],
)
def test_what_the_listings_tell(
    verified: UpToDateMark | None, source: Entry, sidecar: Entry | None, said: str | None
) -> None:
    assert judge(verified).by_listing(pair(source, sidecar)) == said


def test_without_a_listing_of_the_results_each_is_asked_for() -> None:
    assert judge(VERIFIED).by_listing(pair(sidecar=None, listed=False)) == "look"


@pytest.mark.parametrize(
    ("key", "uploaded"),
    [
        ("inbox/", UPLOADED),
        ("inbox/folder/", UPLOADED),
        ("inbox/a.txt", UPLOADED),
        ("elsewhere/a.jpg", UPLOADED),
        ("sidecars/a.jpg.json", UPLOADED),
        ("inbox/a.png", UPLOADED),
        ("inbox/a.jpg", NOW - 899),
        ("inbox/a.jpg", NOW - 6_001),
    ],
    ids=["inbox", "folder", "text", "elsewhere", "result", "suffix", "too young", "too old"],
)
def test_what_was_not_selected_is_left_alone(key: str, uploaded: float) -> None:
    chosen = judge(suffix=".jpg", min_age_s=900, max_age_s=6_000)
    assert chosen.by_listing(pair(sidecar=None)) == "missing"
    assert chosen.by_listing(pair(changed(SOURCE, key=key, modified=uploaded), None)) is None


def looked_at(
    verdict: ChangeDetector,
    told: dict[str, str] | None,
    *,
    written: float = WRITTEN,
    listed: bool = True,
    mark: bool = False,
    there: bool = True,
) -> str | None:
    """Return why a source is to be done, by what its sidecar's metadata tell; None for nothing to do."""
    bucket = MemoryBucket()
    if there:
        bucket.content[SOURCE.key] = PICTURE, {"x-cos-meta-cardveil": "redacted"} if mark else {}
    if told is not None:
        version = Version(ETAG, "p1", PIPELINE_VERSION, source_digest(SOURCE.key))
        meta = {**version.as_meta(), "status": "redacted", **told}
        sidecar = keys_of(SOURCE.key, SETTINGS).sidecar
        bucket.content[sidecar] = b"{}", {f"x-cos-meta-{name}": value for name, value in meta.items()}
    objects = Instance(bucket)
    asked = pair(SOURCE, changed(SIDECAR, modified=written), listed)
    found = verdict.by_look(asked, objects, objects)
    return found[0] if found else None


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (None, "missing"),
        ({}, None),
        ({"policy": "p0"}, "policy"),
        ({"pipeline": "0"}, "pipeline"),
        ({"source-etag": "e0"}, "source"),
        ({"policy": "p0", "decided": "yes"}, None),
        ({"pipeline": "0", "decided": "yes"}, None),
        ({"source-etag": "e0", "decided": "yes"}, "source"),
        ({"decided": "yes", "unfinished": "yes"}, "policy"),
        ({"source": "another"}, "source"),
    ],
)
def test_what_a_sidecar_s_head_tells(told: dict[str, str] | None, why: str | None) -> None:
    assert looked_at(judge(), told) == why


def test_a_status_is_redone_once_and_not_what_a_person_decided() -> None:
    redo = judge(states=("redacted",))
    assert looked_at(redo, {}) == "redacted"
    assert looked_at(redo, {"status": "rejected"}) is None
    assert looked_at(redo, {"decided": "yes"}) is None
    assert looked_at(redo, {}, written=STARTED) is None, "this very run has written it"


def test_a_source_that_no_listing_told_of_is_looked_at_itself() -> None:
    assert looked_at(judge(), None, listed=False) == "missing"
    assert looked_at(judge(), None, listed=False, there=False) is None
    assert looked_at(judge(), None, listed=False, mark=True) == "missing", "anybody can set our mark"


@pytest.mark.parametrize("only", [{"policy_digest": "p0"}, {"pipeline": "0"}])
def test_only_results_of_the_chosen_policy_or_version_are_redone(only: dict[str, Any]) -> None:
    ((name, value),) = only.items()
    told = {{"policy_digest": "policy"}.get(name, name): value}
    assert looked_at(judge(**only), told) is not None
    assert looked_at(judge(**only), {"source-etag": "e0"}) is None
