#!/usr/bin/env python3
"""Prints how a package is built: rooms, floors, arrows, circles and arrows upwards, from its own imports.

``python tools/structure.py [FOLDER]`` counts layers/cardveil/cardveil, or another folder. A room is a
module or folder of the package's top level; an arrow is "this room imports that one" at run time (what only a
type checker sees does not count); a room's floor is the longest way down from it; a circle is a set of rooms
that import each other. With ``--trace`` the files are counted that an upload's handler can reach.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path

#: The order that the house is to have, from the left: a room imports only what stands to its right.
ORDER = (
    ("handlers", "library"), ("api", "sweep"), ("pipeline",), ("recognition", "redaction"),
    ("imaging", "storage"), ("settings",), ("card",), ("core",),
)  # fmt: skip


def modules_of(folder: Path) -> dict[str, Path]:
    """Return the modules of a package by their dotted names."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = (folder.name, *path.relative_to(folder).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of the package that a module imports at run time."""
    tree = ast.parse(path.read_text("utf-8"))
    unseen = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        else:
            continue
        yield from (name for name in names if name in modules)


def circles_of(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of rooms that reach each other."""
    reach = {room: _reached(room, arrows) for room in arrows}
    found: list[set[str]] = []
    for room in arrows:
        circle = {other for other in reach[room] if room in reach[other]}
        if room in reach[room] and circle not in found:
            found.append(circle)
    return found


def floors_of(arrows: dict[str, set[str]]) -> dict[str, int]:
    """Return each room's floor, 0 for those that import no other; rooms of one circle share theirs."""
    reach = {room: _reached(room, arrows) for room in arrows}
    floors: dict[str, int] = {}

    def floor(room: str) -> int:
        if room not in floors:
            below = [other for other in arrows[room] if room not in reach[other]]
            floors[room] = 1 + max(map(floor, below), default=-1)
        return floors[room]

    for room in sorted(arrows, key=lambda each: len(reach[each])):
        floor(room)
    return floors


def _reached(start: str, arrows: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(arrows[start])
    while waiting:
        room = waiting.pop()
        if room not in seen:
            seen.add(room)
            waiting.extend(arrows[room])
    return seen


def main() -> int:
    """Count a package and print it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("folder", nargs="?", type=Path, default=Path("layers/cardveil/cardveil"))
    options.add_argument("--trace", action="store_true", help="count the files that one upload can pass")
    chosen = options.parse_args()
    folder: Path = chosen.folder.resolve()
    modules = modules_of(folder)
    if not modules:
        sys.exit(f"there are no modules in {chosen.folder}")
    uses = {name: set(imports_of(path, modules)) - {name} for name, path in modules.items()}
    rooms = {name: name.split(".")[1] for name in modules if "." in name}
    arrows: dict[str, set[str]] = {room: set() for room in sorted(set(rooms.values()))}
    for name, used in uses.items():
        for other in used:
            if name in rooms and other in rooms and rooms[name] != rooms[other]:
                arrows[rooms[name]].add(rooms[other])
    floors, circles = floors_of(arrows), circles_of(arrows)
    place = {room: at for at, group in enumerate(ORDER) for room in group}
    upwards = [
        (room, other)
        for room, others in arrows.items()
        for other in sorted(others)
        if room in place and other in place and place[other] <= place[room]
    ]
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules.items()}
    print(
        f"{len(arrows)} rooms on {max(floors.values()) + 1} floors, {sum(map(len, arrows.values()))} arrows, "
        f"{len(circles)} circles, {len(upwards)} arrows upwards; "
        f"{len(modules)} modules, {sum(lines.values())} lines, the longest {max(lines.values())}"
    )
    for room in sorted(arrows, key=lambda each: (-floors[each], each)):
        print(f"  {floors[room]:2}  {room:12} -> {' '.join(sorted(arrows[room]))}")
    for circle in circles:
        print(f"  circle: {' '.join(sorted(circle))}")
    for room, other in upwards:
        print(f"  upwards: {room} -> {other}")
    if chosen.trace:
        start = f"{folder.name}.handlers.upload"
        passed = _reached(start, uses) | {start}
        print(f"{sum(1 for each in passed if lines[each] > 3)} files can be passed by an upload")
    return 0


if __name__ == "__main__":
    sys.exit(main())
