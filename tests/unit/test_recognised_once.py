"""A session's recognitions are kept apart by all that they depend on, and made by the recogniser itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.support.recognised_once import RecognisedOnce, environment_of

from cardveil.card.model import CardType, Polygon
from cardveil_ocr import Recogniser
from cardveil_ocr.results import Found, TextLine


def test_each_picture_is_recognised_once_for_each_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def look(self: Recogniser, picture: object, *, card_type: CardType | None = None) -> Found:
        asked.append(f"look {card_type}")
        return Found(lines=(TextLine(str(len(asked)), 1.0, Polygon.box(0, 0, 1, 1)),))

    def read_text(self: Recogniser, picture: object) -> tuple[TextLine, ...]:
        return look(self, picture).lines

    monkeypatch.setattr(Recogniser, "look", look)
    monkeypatch.setattr(Recogniser, "read_text", read_text)
    one, another = (RecognisedOnce(threads=1, folder=tmp_path) for _ in range(2))
    picture = np.zeros((4, 6, 3), np.uint8)
    other = picture.copy()
    other[3, 5, 2] = 1
    for shown in (picture, other, picture.reshape(6, 4, 3)):
        for kind in (None, *CardType):
            assert one.look(shown, card_type=kind) == another.look(shown.copy(), card_type=kind)
        assert one.read_text(shown) == another.read_text(shown)
    assert len(asked) == 3 * 4
    (tmp_path / "later").mkdir()
    RecognisedOnce(threads=1, folder=tmp_path / "later").look(picture)
    assert len(asked) == 3 * 4 + 1


@pytest.mark.parametrize("told", [False, True])
def test_a_python_that_is_started_recognises_as_the_session_does_if_it_is_told_to(
    tmp_path: Path, told: bool
) -> None:
    environment = {**os.environ, **(environment_of(tmp_path) if told else {})}
    command = [sys.executable, "-c", "import cardveil_ocr; print(cardveil_ocr.Recogniser.__name__)"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("RecognisedOnce" if told else "Recogniser")
