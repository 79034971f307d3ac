"""Compares the nodes of a YAML file with shapes: which keys there are, and what their values may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml

from cardveil.settings import near

#: A value that holds a variable is known only when it is deployed.
OPEN: Final = re.compile(r"\$\{")
#: A scalar's check and what to say when it fails.
Scalar = tuple[Callable[[str], bool], str]
#: A shape: a scalar, a list of one shape, or keys with shapes (``*`` for any key, ``!`` marks a needed one).
Shape = Any
#: Line (from 0), place and what was expected.
Found = Iterator[tuple[int, str, str]]

ANY: Scalar = (lambda _: True, "")
#: A text in quotes, where it would be a number or a switch without: YAML 1.1 and 1.2 read those differently.
STRING: Scalar = (lambda _: True, "write it in quotes")
_TEXT_TAG: Final = "tag:yaml.org,2002:str"


def compare(node: yaml.Node, shape: Shape, place: str) -> Found:
    """Yield where a node is not of a shape."""
    line = node.start_mark.line
    if isinstance(shape, tuple):
        if not isinstance(node, yaml.ScalarNode):
            if shape is not ANY:
                yield line, place, "one value is expected"
        elif shape is STRING:
            if node.tag != _TEXT_TAG or _bare_number(node):
                yield line, place, shape[1]
        elif not OPEN.search(node.value) and not shape[0](node.value):
            yield line, place, shape[1]
    elif isinstance(shape, list):
        if not isinstance(node, yaml.SequenceNode):
            yield line, place, "a list is expected"
            return
        for index, item in enumerate(node.value):
            yield from compare(item, shape[0], f"{place}[{index}]")
    else:
        yield from _mapping(node, shape, place)


def _bare_number(node: yaml.ScalarNode) -> bool:
    # The one number of YAML 1.2 that is a text in 1.1.
    return node.style is None and bool(re.fullmatch(r"0o[0-7]+", node.value))


def _mapping(node: yaml.Node, shape: Mapping[str, Shape], place: str) -> Found:
    line = node.start_mark.line
    if not isinstance(node, yaml.MappingNode):
        yield line, place, "keys with values are expected"
        return
    keys: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        inner = f"{place}.{name}"
        if name in keys:
            yield key.start_mark.line, inner, "it stands here twice"
        keys.add(name)
        allowed = shape.get(name, shape.get(f"!{name}", shape.get("*")))
        if allowed is None:
            names = [each.lstrip("!") for each in shape]
            yield key.start_mark.line, inner, f"there is no such key{near(name, names)}"
        else:
            yield from compare(value, allowed, inner)
    for name in shape:
        if name.startswith("!") and name[1:] not in keys:
            yield line, f"{place}.{name[1:]}", "it is missing"


def get(node: Any, name: str) -> Any:
    """Return the value of a mapping's key, None where it is not there."""
    return next((value for key, value in node.value if key.value == name), None) if node is not None else None
