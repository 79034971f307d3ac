"""The recogniser's models load on either engine, read the same, and send nothing anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cardveil_ocr import models
from cardveil_ocr.engine import Engine
from cardveil_ocr.lines import line_of
from cardveil_ocr.models import Floats

needs_openvino = pytest.mark.skipif(not models.has_openvino(), reason="OpenVINO is not installed here")

#: Loads a model on OpenVINO and prints what a user would object to.
_LOAD = """
import json, socket, sys
from pathlib import Path

opened = []
def refuse(*arguments, **named):
    opened.append(str(arguments))
    raise OSError("no network here")
socket.socket.connect = refuse
socket.getaddrinfo = refuse

from cardveil_ocr.models import load
load("cls", threads=1)
import openvino
reporting = [name for name in sys.modules if "telemetry" in name or name.startswith("openvino.tools.ovc")]
print(json.dumps([opened, reporting, sorted(str(p) for p in Path.home().iterdir())]))
"""


@needs_openvino
def test_loading_openvino_reports_to_nobody(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "HOME")}
    done = subprocess.run(
        [sys.executable, "-c", _LOAD],
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [[], [], []]


@needs_openvino
def test_both_engines_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    line = np.full((48, 300, 3), 255, np.uint8)
    cv2.putText(line, "SAMPLE 2026", (8, 36), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (20, 20, 20), 3)
    quad = np.array([(0, 0), (300, 0), (300, 48), (0, 48)], np.float32)
    for here in (True, False):
        monkeypatch.setattr(models, "has_openvino", lambda here=here: here)
        engine = Engine(threads=1)
        read = line_of(engine, quad, engine.read([line])[0])
        assert read.text == "SAMPLE2026"
        assert read.p > 0.9


def test_onnxruntime_stands_in_where_openvino_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "has_openvino", lambda: False)
    loaded: list[str] = []

    def noted(path: Path, threads: int, at_once: int) -> models.Model:
        loaded.append(path.name)
        return models.Model(lambda batch, take: take(np.full((len(batch), 2), 0.25, np.float32)), ())

    monkeypatch.setattr(models, "_onnxruntime", noted)
    engine = Engine(threads=1)
    assert engine.upside_down([np.zeros((48, 100, 3), np.uint8)] * 13) == [0.25] * 13
    assert len(loaded) == 1


def test_lines_of_any_width_are_read_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []

    def call(batch: Floats, take: object) -> object:
        assert callable(take)
        widths.append(batch.shape[3])
        output = np.zeros((1, batch.shape[3] // 8, 4), np.float32)
        # What the model sees in the first column comes out as a character.
        output[0, :, round(float(batch[0, 0, 0, 0]) * 127.5 + 127.5)] = 0.9
        return take(output)

    monkeypatch.setattr(
        "cardveil_ocr.engine.load",
        lambda task, threads, at_once: models.Model(call, ("a", "b")),
    )
    engine = Engine(threads=2, watched="b")
    lines = [np.full((48, width, 3), shade, np.uint8) for width, shade in ((10, 1), (100, 2), (97, 1))]
    strips = engine.read(lines)
    assert [engine.character(int(strip.best[0])) for strip in strips] == ["a", "b", "a"]
    assert [strip.steps for strip in strips] == [10 / 8, 100 / 8, 97 / 8]
    assert sorted(widths) == [64, 128, 128]
    assert [float(strip.some[0, 1]) > 0.5 for strip in strips] == [False, True, False]
    assert engine.read([]) == []
