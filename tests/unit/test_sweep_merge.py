"""Two ordered listings in step: every source meets its own sidecar, and a plan goes on from any place."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from cardveil.storage.objects import Entry
from cardveil.sweep.listing import Pair, Position, in_step

# What sorts before, at and after the full stop of ".json", which is where the two orders part.
NAMES = st.lists(st.text(alphabet="-.!/0aj仲\U0001f600son", min_size=1, max_size=6), max_size=25, unique=True)


def entries(keys: set[str], prefix: str, after: str = "") -> Iterator[Entry]:
    """List as COS does: by UTF-8 bytes."""
    for key in sorted(keys, key=str.encode):
        if key.startswith(prefix) and key.encode() > after.encode():
            yield Entry(key, 1, "e", 0.0)


def sidecar_of(key: str) -> str | None:
    return None if "\U0001f600" in key else f"sidecars/{key.removeprefix('inbox/')}.json"


def planned(sources: set[str], sidecars: set[str], start: Position) -> list[Pair]:
    listed = entries(sources, "inbox/", start.source_after)
    known = entries(sidecars, "sidecars/", start.sidecar_after)
    return list(in_step(listed, known, sidecar_of, start))


@settings(max_examples=300, deadline=None)
@given(names=NAMES, done=st.sets(st.integers(0, 24)), orphans=NAMES, cut=st.integers(0, 25))
def test_every_source_meets_its_sidecar_from_any_place_on(
    names: list[str], done: set[int], orphans: list[str], cut: int
) -> None:
    sources = {f"inbox/{name}" for name in names}
    sidecars = {f"sidecars/{name}.json" for number, name in enumerate(names) if number in done}
    sidecars |= {f"sidecars/{name}.json" for name in orphans if name not in names}
    pairs = planned(sources, sidecars, Position())
    assert sorted(pair.source.key for pair in pairs) == sorted(sources)
    for pair in pairs:
        target = sidecar_of(pair.source.key)
        assert pair.listed == (target is not None)
        assert (pair.sidecar.key if pair.sidecar else None) == (target if target in sidecars else None)
    start = pairs[cut].position if cut < len(pairs) else Position()
    rest = planned(sources, sidecars, start)
    expected = pairs[cut + 1 :] if cut < len(pairs) else pairs
    assert [(p.source.key, p.sidecar) for p in rest] == [(p.source.key, p.sidecar) for p in expected]


def test_what_is_held_back_is_no_more_than_a_key_has_characters() -> None:
    keys = {f"inbox/a{'!' * depth}{n}" for depth in range(30) for n in range(30)} | {"inbox/a"}
    pairs = planned(keys, {"sidecars/a.json"}, Position())
    assert max(len(pair.position.held_back) for pair in pairs) <= 32
    assert next(pair for pair in pairs if pair.source.key == "inbox/a").sidecar is not None


@settings(max_examples=200, deadline=None)
@given(names=NAMES, done=st.sets(st.integers(0, 24)), orphans=NAMES)
def test_every_sidecar_without_a_source_is_told(names: list[str], done: set[int], orphans: list[str]) -> None:
    sources = {f"inbox/{name}" for name in names}
    alone = {f"sidecars/{name}.json" for name in orphans if name not in names}
    sidecars = {
        sidecar
        for number, name in enumerate(names)
        if number in done and (sidecar := sidecar_of(f"inbox/{name}"))
    }
    sidecars |= alone
    told: list[str] = []
    list(
        in_step(
            entries(sources, "inbox/"),
            entries(sidecars, "sidecars/"),
            sidecar_of,
            Position(),
            lambda entry: told.append(entry.key),
        )
    )
    assert sorted(told) == sorted(alone)
