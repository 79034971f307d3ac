"""Whatever the package keeps about a source is known to the eraser: a new place is judged, or this fails."""

from __future__ import annotations

import re
from pathlib import Path

from cardveil.core.frozen import fields
from cardveil.settings import Settings
from cardveil.storage.eraser import STEPS, state_of
from cardveil.storage.keys import Keys, copies_called, keys_of, source_called

PACKAGE = Path(__file__).parents[2] / "layers" / "cardveil" / "cardveil"
#: Under the state prefix: what is erased with a card, what is searched for its key, and what names no card
#: but by a digest.
ERASED = {"answers", "history", "jobs", "staged", "unread", "erasing", "retired"}
SEARCHED = {"sweeps", "retention"}
#: What is still to be told: its notes lose the key, and say that the card was erased.
TOLD = {"webhooks"}
NAMELESS = {"leases", "erased", "breaker", "breaker-probe", "holds", "ledger"}


def test_every_folder_of_the_state_is_judged() -> None:
    text = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    used = set(re.findall(r"state_prefix\}([a-z-]+)", text))
    assert used == ERASED | SEARCHED | TOLD | NAMELESS


def test_every_key_of_a_source_is_erased() -> None:
    settings = Settings()
    keys = keys_of("inbox/a.jpg", settings)
    prefixes = tuple(state_of("inbox/a.jpg", settings).values())
    apart = {"sidecar", "redacted", "former", "lease_prefix"}
    for field in fields(Keys):
        assert field.name in apart or getattr(keys, field.name).startswith(prefixes), field.name
    assert {"sidecar", "redacted", *state_of("inbox/a.jpg", settings)} <= set(STEPS)


def test_the_source_of_every_copy_is_known_by_its_name() -> None:
    names = [
        "a.jpg",
        "a.heic",
        "a.HEIC",
        "a.heic.redacted.jpg",
        "a.avif.redacted.jpg.redacted.jpg",
        "b.redacted.jpg",
    ]
    for name in names:
        copy = keys_of(f"inbox/{name}", Settings()).redacted.removeprefix("redacted/")
        assert source_called(copy) == name
        assert copy in copies_called(name)
