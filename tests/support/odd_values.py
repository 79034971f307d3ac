"""Stored events with values in them that nobody should send: of another type, endless, half a character."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

#: What a field of an event may hold by mistake or by malice.
ODD: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.text(st.characters(codec=None), max_size=20),
    st.sampled_from(
        [
            "",
            "..",
            "/",
            "x/../../y",
            "evil.example/",
            "ap-shanghai@evil.example",
            "\ud800",
            "%ff",
            "a\r\nb: c",
        ]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)


@st.composite
def mutants(draw: st.DrawFn, *stored: Path) -> Any:
    """Give one of some stored events, with up to three of its values replaced or taken away."""
    event = copy.deepcopy(json.loads(draw(st.sampled_from(stored)).read_text("utf-8")))
    for _ in range(draw(st.integers(1, 3))):
        if not (found := _places(event)[1:]):
            break
        *way, last = draw(st.sampled_from(found))
        inner = event
        for name in way:
            inner = inner[name]
        if draw(st.booleans()):
            inner[last] = draw(ODD)
        else:
            del inner[last]
    return event


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value of a document, the document's own first."""
    inner: Any = ()
    if isinstance(document, dict):
        inner = document.items()
    elif isinstance(document, list):
        inner = enumerate(document)
    return [path, *(place for name, value in inner for place in _places(value, (*path, name)))]
