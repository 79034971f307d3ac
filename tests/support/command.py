"""Runs the `cardveil` command: as a user does, or here with a recogniser that knows the kept cards."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support import forked_python
from tests.support.drawn_once import draw_once

from cardveil.card.model import Card, Field
from cardveil.core.errors import Reject
from cardveil.recognition.interfaces import Hint, Image, Recognition
from cardveil_cli import group
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cli.samples.truth import CardTruth


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def cardveil(*arguments: str | bytes | Path, cwd: Path | None = None, **environment: str) -> Ended:
    """Run the command in a process of its own."""
    code, out, err = forked_python.run(
        ["cardveil_cli", *arguments], cwd=cwd or Path.cwd(), env={**os.environ, **environment}, timeout=240
    )
    return Ended(code, out.decode(), err.decode())


class TruthRecogniser:
    """Finds on a kept picture what its truth says, and no card on others."""

    def __init__(self, fail: Callable[[bytes], None] = lambda _: None) -> None:
        self._fail = fail

    def recognise(self, image: Image, hint: Hint, located: Any = None) -> Recognition:
        """Recognise a picture by its bytes; `fail` may raise instead."""
        self._fail(image.data)
        card = _cards().get(image.data)
        refusal = None if card else Reject("no_card", "upload a picture of a card")
        return Recognition((card,) if card else (), refusal=refusal)

    def texts(self, image: Image) -> tuple[str, ...]:
        """Read nothing."""
        return ()


@lru_cache(maxsize=1)
def _cards() -> Mapping[bytes, Card]:
    return {each.read(): _card(each.cards[0]) for each in kept_pictures() if each.cards}


def _card(truth: CardTruth) -> Card:
    fields = tuple(Field(f.name, f.text, f.normalized, 99.0, f.polygon) for f in truth.fields)
    return Card(truth.type, truth.side, fields)


class InProcess:
    """Runs the command in this process, in moments instead of seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        draw_once(monkeypatch)
        self.recogniser = TruthRecogniser()

    def __call__(self, *arguments: str | Path, **environment: str | None) -> Ended:
        self._monkeypatch.setattr(
            "cardveil_cli.commands.redact.embedded_recogniser", lambda _threads: self.recogniser
        )
        done = CliRunner().invoke(group, list(map(str, arguments)), env=environment)
        return Ended(done.exit_code, done.stdout, done.stderr)
