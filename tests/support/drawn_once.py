"""Has one process cover the same card in the same picture once, whichever test asks for it.

That takes most of the time of a picture whose recognition is looked up. Tests that kill, repeat or delay what
is asked of a bucket do it hundreds of times; which pixels are covered follows from the picture, the card and
the policy alone, and other tests look at it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cardveil.pipeline import covering


def remembered(work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same work once; what is raised is not remembered."""
    known: list[tuple[Any, Any]] = []

    def done(*given: Any, **named: Any) -> Any:
        for asked, made in known:
            if asked == (given, named):
                return made
        known.append(((given, named), made := work(*given, **named)))
        return made

    return done


#: By its name in `cardveil.pipeline.covering`.
DRAWN = {name: remembered(getattr(covering, name)) for name in ("card_place", "plan", "redact")}


def draw_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a test take what another has had drawn."""
    for name, work in DRAWN.items():
        monkeypatch.setattr(covering, name, work)
