"""The `cardveil` command as a user types it."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image
from tests.support.cloud_fixture import kept
from tests.support.command import InProcess

from cardveil.storage.sidecar import schema
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.files.manifest import FILE_NAME as MANIFEST


def cardveil(*arguments: str | Path, timeout: float = 150) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cardveil_cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Run the command here: what a start of its own shows is seen by the other tests."""
    return InProcess(monkeypatch)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    return folder


def fields_file(folder: Path, entries: Any) -> Path:
    file = folder / "fields.txt"
    file.write_text(json.dumps(entries), "utf-8")
    return file


BOX = [[100, 100], [300, 100], [300, 200], [100, 200]]


def test_a_folder_is_redacted_and_each_outcome_told(scans: Path, tmp_path: Path) -> None:
    (scans / "deep").mkdir()
    (scans / "deep" / "front.jpg").write_bytes(kept("id-front-flat.jpg"))
    (scans / "broken.jpg").write_bytes(b"not a picture")
    out = tmp_path / "out"
    done = cardveil("redact", scans, "--out", out, "--json")
    assert done.returncode == 3, done.stderr
    lines = {Path(line["file"]).name: line for line in map(json.loads, done.stdout.splitlines())}
    assert lines["front.jpg"]["status"] == "redacted"
    assert lines["broken.jpg"]["findings"] == ["not_a_picture"]
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == [MANIFEST, "broken.json", "deep/front.json", "deep/front.redacted.jpg"]
    for path in out.rglob("*.json"):
        jsonschema.validate(json.loads(path.read_text("utf-8")), schema())


def test_polygons_of_the_users_own_need_no_recogniser(scans: Path, tmp_path: Path) -> None:
    picture = scans / "anything.png"
    noise = np.random.default_rng(1).integers(64, 256, (400, 600, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture)
    out = tmp_path / "out"
    done = cardveil(
        "redact", picture, "--out", out, "--fields", fields_file(tmp_path, [{"name": "x", "polygon": BOX}])
    )
    assert done.returncode == 0, done.stderr
    copy = np.asarray(Image.open(out / "anything.redacted.png").convert("RGB"))
    assert copy[100:201, 100:301].max() == 0
    # Cells of 16 that lie within 16 pixels of the place are covered, and the pixel beside them.
    assert (copy[:79] == noise[:79]).all()
    sidecar = json.loads((out / "anything.json").read_text("utf-8"))
    jsonschema.validate(sidecar, schema())
    assert sidecar["redaction"]["regions"][0]["field"] == "x"


@pytest.mark.parametrize(
    "entries",
    [
        [],
        {},
        [{"name": "x"}],
        [{"name": "x", "polygon": BOX[:3]}],
        [{"name": "x", "polygon": [[0, 0], [1, 0], [1, float("nan")], [0, 1]]}],
        [{"name": "x", "polygon": [["a", "b"]] * 4}],
        ["x"],
    ],
    ids=["empty", "no list", "no polygon", "three points", "not finite", "no numbers", "no object"],
)
def test_polygons_that_are_none_are_wrong_use(
    run: InProcess, scans: Path, tmp_path: Path, entries: Any
) -> None:
    (scans / "a.png").write_bytes(png())
    out = tmp_path / "out"
    done = run("redact", scans / "a.png", "--out", out, "--fields", fields_file(tmp_path, entries))
    assert done.code == 2
    assert "--fields" in done.err
    assert not list(out.glob("*")) if out.exists() else True


@pytest.mark.parametrize(
    "polygon",
    [
        [[5000, 5000], [5100, 5000], [5100, 5100], [5000, 5100]],
        [[0, 0], [50, 50], [50, 0], [0, 50]],
        [[10, 10], [10, 10], [10, 10], [10, 10]],
    ],
    ids=["outside", "self-crossing", "a point"],
)
def test_an_odd_polygon_gives_a_covered_copy_or_none(
    run: InProcess, scans: Path, tmp_path: Path, polygon: Any
) -> None:
    (scans / "a.png").write_bytes(png())
    out = tmp_path / "out"
    fields = fields_file(tmp_path, [{"name": "x", "polygon": polygon}])
    done = run("redact", scans / "a.png", "--out", out, "--fields", fields)
    copy = out / "a.redacted.png"
    if done.code == 0:
        assert np.asarray(Image.open(copy).convert("L"))[10, 10] == 0
    else:
        assert done.code == 3
        assert not copy.exists()


def test_a_copy_that_no_longer_holds_is_taken_away(run: InProcess, scans: Path, tmp_path: Path) -> None:
    picture, out = scans / "a.png", tmp_path / "out"
    fields = fields_file(tmp_path, [{"name": "x", "polygon": BOX}])
    picture.write_bytes(png())
    assert run("redact", picture, "--out", out, "--fields", fields).code == 0
    picture.write_bytes(b"broken now")
    assert run("redact", picture, "--out", out, "--fields", fields).code == 3
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, "a.json"]


def test_two_pictures_of_one_stem_do_not_overwrite_each_other(
    run: InProcess, scans: Path, tmp_path: Path
) -> None:
    (scans / "a.png").write_bytes(b"x")
    (scans / "a.jpg").write_bytes(b"y")
    out = tmp_path / "out"
    assert run("redact", scans, "--out", out).code == 3
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, "a.jpg.json", "a.png.json"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["no-such-file.jpg", "--out", "o"], "no-such-file.jpg"),
        ([".", "--out", "o"], "no picture"),
        ([__file__, "--out", "o", "--policy", "no-such-policy"], "--policy"),
        ([__file__], "--out"),
    ],
)
def test_wrong_use_ends_with_2(
    scans: Path, arguments: list[str], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scans)
    done = cardveil("redact", *arguments)
    assert done.returncode == 2
    assert word in done.stderr


def test_up_prints_one_line_and_put_uploads(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = subprocess.Popen(
        [sys.executable, "-m", "cardveil_cli", "up", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        endpoint = Endpoint.from_line(line)
        assert set(json.loads(line)) >= {"proxy", "secret_id", "secret_key", "region", "app_id", "bucket"}
        (tmp_path / "note.txt").write_text("no picture")
        done = cardveil("put", tmp_path / "note.txt", "--data", data, "--prefix", "elsewhere/")
        assert done.returncode == 0, done.stderr
        assert endpoint.cos_client().object_exists(endpoint.bucket, "elsewhere/note.txt")
    finally:
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=90)
    assert "development" in errors
    assert not (data / "endpoint.json").exists()
    assert cardveil("put", tmp_path / "note.txt", "--data", data).returncode == 2


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cardveil("up", "--port", str(port), "--data", tmp_path / "data")
    assert done.returncode == 2
    assert str(port) in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_without_a_target_says_what_there_is() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(["make"], cwd=root, capture_output=True, text=True, check=True, env={**os.environ})
    assert "make demo" in done.stdout


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300), "white").save(buffer, "PNG")
    return buffer.getvalue()
