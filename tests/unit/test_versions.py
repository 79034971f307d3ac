"""What a sidecar's metadata tell: whether there is anything to do, and whether that has to be paid for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cardveil.pipeline.claim import Confirmation
from cardveil.storage.objects import Stored
from cardveil.storage.results import Version

NOW = Version("e1", "p1", "1", "s1")


@pytest.mark.parametrize(
    ("changes", "made", "decided", "located"),
    [
        ({}, True, False, True),
        ({"policy": "p0"}, False, False, True),
        ({"pipeline": "0"}, False, False, False),
        ({"source-etag": "e0"}, False, False, False),
        # A person's decision stands until the source changes, and nothing is redacted anew from it.
        ({"decided": "yes"}, True, True, False),
        ({"decided": "yes", "policy": "p0"}, True, True, False),
        ({"decided": "yes", "pipeline": "0"}, True, True, False),
        ({"decided": "yes", "source-etag": "e0"}, False, False, False),
        # The same bytes under another key are another card, whatever a sidecar in its place says.
        ({"source": "s0"}, False, False, False),
        ({"source": "s0", "decided": "yes"}, False, False, False),
        ({"source": ""}, True, False, True),  # of an earlier version
        # A machine's choice holds beside what the settings ask for: their change makes it out of date.
        ({"policy": "p9", "chosen": "strict", "configured": "p1"}, True, False, True),
        ({"policy": "p1", "chosen": "strict", "configured": "p0"}, False, False, True),
        ({"decided": "yes", "unfinished": "yes"}, False, True, False),
    ],
)
def test_what_a_result_is_good_for(changes: dict[str, str], made: bool, decided: bool, located: bool) -> None:
    meta = {f"x-cos-meta-{name}": value for name, value in {**NOW.as_meta(), **changes}.items()}
    sidecar = Stored("s", 2, meta)
    assert (NOW.made(sidecar), NOW.decided(sidecar), NOW.located(sidecar)) == (made, decided, located)


def test_a_choice_is_found_again_for_the_same_source_alone() -> None:
    chosen = Version("e1", "p1", "1", "s1", "strict", "p9")
    sidecar = Stored("s", 2, {f"x-cos-meta-{name}": value for name, value in chosen.as_meta().items()})
    assert chosen.made(sidecar)
    assert NOW.chosen_in(sidecar) == "strict"
    assert Version("e2", "p1", "1", "s1").chosen_in(sidecar) == ""
    assert Version("e1", "p1", "1", "s2").chosen_in(sidecar) == ""


def test_an_object_without_metadata_is_no_result() -> None:
    assert not NOW.made(Stored("s", 2, {}))
    assert not NOW.located(Stored("s", 2, {}))


def test_only_a_look_after_the_last_reading_confirms_a_source() -> None:
    before, after = Stored("e1", 1, {}), Stored("e2", 1, {})
    looks = iter([before, after])
    with ThreadPoolExecutor(1) as pool:
        confirmation = Confirmation(lambda: next(looks), pool)
        confirmation.start()
        confirmation.start()
        assert confirmation.result() == after


def test_a_source_that_no_service_has_read_by_its_key_is_looked_at_all_the_same() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert Confirmation(lambda: None, pool).result() is None
