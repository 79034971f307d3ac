"""Sources and sidecars listed in step: which source has a result, in constant memory, asking for none.

COS lists keys in the order of their UTF-8 bytes, which is that of Python's texts. ``sidecars/<name>.json``
does not follow quite the order of ``inbox/<name>``: of ``a`` and ``a-1`` the sources come in this order,
their sidecars in the other, since ``-`` stands before ``.``. A source is therefore held back while others
that begin with its name may come before it by their sidecars. Those held back are each the beginning of the
next, so there are never more of them than a key has characters, and usually none.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from cardveil.storage.objects import Entry


@dataclass(frozen=True, slots=True)
class Position:
    """Where a plan stands: everything up to here has been given out.

    Attributes
    ----------
    source_after, sidecar_after : str
        The last source and sidecar that were dealt with; listings go on after them.
    held_back : tuple of Entry
        Sources that were listed already and not given out yet.
    file, line : int
        The same for inventories (file and line) and lists of keys (line).
    """

    source_after: str = ""
    sidecar_after: str = ""
    held_back: tuple[Entry, ...] = ()
    file: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """A source and its sidecar.

    Attributes
    ----------
    listed : bool
        Whether the listings told; otherwise `sidecar` is None and has to be asked for.
    position : Position
        Where the plan stands once this source is done.
    """

    source: Entry
    sidecar: Entry | None
    listed: bool
    position: Position


def in_step(
    sources: Iterable[Entry],
    sidecars: Iterable[Entry],
    sidecar_of: Callable[[str], str | None],
    start: Position,
    on_orphan: Callable[[Entry], None] = lambda _: None,
) -> Generator[Pair, None, None]:
    """Pair two ordered listings.

    Parameters
    ----------
    sources, sidecars
        Ordered by key, from `start` on.
    sidecar_of : callable
        The sidecar's key of a source; None where it follows no order (named by a digest).
    on_orphan : callable
        Told of each sidecar whose source the listing does not have.
    """
    rest = iter(sidecars)
    current = next(rest, None)
    for source, target, position in _by_sidecar(sources, sidecar_of, start):
        if target is None:
            yield Pair(source, None, False, position)
            continue
        while current is not None and current.key < target:
            on_orphan(current)
            current = next(rest, None)
        found = current if current is not None and current.key == target else None
        if found:
            current = next(rest, None)
        yield Pair(source, found, True, position)
    while current is not None:
        on_orphan(current)
        current = next(rest, None)


def _by_sidecar(
    sources: Iterable[Entry], sidecar_of: Callable[[str], str | None], start: Position
) -> Iterator[tuple[Entry, str | None, Position]]:
    """Give the sources out in the order of their sidecars' keys."""
    held: list[tuple[str, Entry]] = [(sidecar_of(entry.key) or "", entry) for entry in start.held_back]
    listed, given = start.source_after, start.sidecar_after

    def place() -> Position:
        return Position(listed, given, tuple(entry for _, entry in held))

    for source in sources:
        target = sidecar_of(source.key)
        while target is not None and held and held[-1][0] < target:
            given, entry = held.pop()
            yield entry, given, place()
        listed = source.key
        if target is None:
            yield source, None, place()
        else:
            held.append((target, source))
    while held:
        given, entry = held.pop()
        yield entry, given, place()
