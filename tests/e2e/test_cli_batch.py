"""`cardveil redact` on many files: each ends in an outcome of its own, and none stops the others."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.support.cloud_fixture import kept
from tests.support.command import Ended, InProcess, TruthRecogniser, cardveil

from cardveil.core.errors import Halt, Retry
from cardveil_cli.commands.redact_run import read_source
from cardveil_cli.files.finding import Source
from cardveil_cli.files.manifest import FILE_NAME as MANIFEST

FRONT = kept("id-front-flat.jpg")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> InProcess:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    return InProcess(monkeypatch)


def lines(ended: Ended) -> dict[str, dict[str, Any]]:
    assert "Traceback" not in ended.out + ended.err
    return {line["file"]: line for line in map(json.loads, ended.out.splitlines())}


def picture(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(buffer, form)
    return buffer.getvalue()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def _linked(goal: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(goal)


def _holding(data: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    return make


#: Odd things in a folder: name, how each comes there, outcome, and whether all counts as done with it.
ODD: tuple[tuple[str, Callable[[Path], None], str, bool], ...] = (
    ("b.jfif", _holding(FRONT), "redacted", True),
    ("without-ending", _holding(FRONT), "redacted", True),
    ("a.notes", _holding(FRONT), "redacted", True),
    ("LOUD.JPG", _holding(FRONT), "redacted", True),
    (os.fsdecode(b"\xc0\xee.jpg"), _holding(FRONT), "redacted", True),
    ("a[/]b.jpg", _holding(FRONT), "redacted", True),
    ("[red]c.jpg", _holding(FRONT), "redacted", True),
    ("line\nfeed\ttab\x1b[31m.jpg", _holding(FRONT), "redacted", True),
    ("身份证" * 27 + ".jpg", _holding(FRONT), "redacted", True),
    ("e" * 255, _holding(FRONT), "redacted", True),
    ("-out.jpg", _holding(FRONT), "redacted", True),
    ("link.jpg", _linked("good.jpg"), "same_file", True),
    ("notes.txt", _holding(b"notes"), "other_file", True),
    ("empty", _holding(b""), "other_file", True),
    ("self", _linked("."), "same_file", True),
    ("d.tif", _holding(picture("TIFF")), "no_card", False),
    ("d.gif", _holding(picture("GIF")), "format_not_supported", False),
    ("tiff-without-ending", _holding(picture("TIFF")), "no_card", False),
    ("e.avif", _holding(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1"), "picture_truncated", False),
    ("f.pdf", _holding(b"%PDF-1.7\n"), "picture_corrupt", False),
    ("scan", _holding(b"%PDF-1.7\n"), "picture_corrupt", False),
    ("text.jpg", _holding(b"notes"), "not_a_picture", False),
    ("empty.jpg", _holding(b""), "empty_file", False),
    ("half.jpg", _holding(FRONT[:5000]), "picture_truncated", False),
    ("broken.jpg", _linked("nowhere.jpg"), "broken_link", False),
    ("circle", _linked("circle"), "broken_link", False),
    ("folder", _linked("/usr"), "linked_folder", False),
    ("memory.jpg", _linked("/proc/self/mem"), "unreadable", False),
    ("memory", _linked("/proc/self/mem"), "unreadable", False),
    ("pipe.jpg", _pipe, "not_a_file", False),
    ("socket", _socket, "not_a_file", False),
    ("zero.jpg", _linked("/dev/zero"), "not_a_file", False),
)


@pytest.mark.parametrize(("name", "make", "outcome", "done"), ODD, ids=[ascii(odd[0])[:24] for odd in ODD])
def test_an_odd_file_is_done_or_named(
    run: InProcess, name: str, make: Callable[[Path], None], outcome: str, done: bool
) -> None:
    """It stands between two good ones, which are done whatever it is."""
    for good in ("good.jpg", "zz.jpg"):
        Path("in", good).write_bytes(FRONT)
    make(Path("in") / name)
    ended = run("redact", "in", "--out", "out", "--json")
    told = lines(ended)
    assert told.pop("in/good.jpg")["status"] == "redacted"
    assert told.pop("in/zz.jpg")["status"] == "redacted"
    ((_, odd),) = told.items()
    assert outcome in (odd["status"], *odd["findings"])
    assert ended.code == (0 if done else 3)
    again = run("redact", "in", "--out", "out")
    assert again.code == ended.code
    assert not (set(again.out) & {"\x1b"})
    assert all(len(line.split("\t")) == 5 for line in again.out.splitlines())


def test_all_odd_files_at_once(run: InProcess) -> None:
    for name, make, _, _ in ODD:
        make(Path("in") / name)
    Path("in/good.jpg").write_bytes(FRONT)
    told = lines(run("redact", "in", "--out", "out", "--json"))
    assert len(told) == len(ODD) + 1
    assert sum(line["status"] == "redacted" for line in told.values()) == 1 + sum(
        outcome == "redacted" for _, _, outcome, _ in ODD
    )


@pytest.mark.parametrize(
    "fault",
    [
        ValueError("郑鑫红"),
        MemoryError(),
        RecursionError(),
        OSError(28, "No space left on device"),
        KeyError("郑鑫红"),
        UnicodeError("郑鑫红"),
        Halt("service_not_open", "activate it"),
        Retry("vendor_fault", "nothing"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_of_one_picture_does_not_stop_the_others(run: InProcess, fault: Exception) -> None:
    """It is told without what the exception says, is not taken for done, and is shown whole on demand."""
    seen: list[bytes] = []

    def fail(data: bytes) -> None:
        seen.append(data)
        if len(seen) == 2:
            raise fault

    run.recogniser = TruthRecogniser(fail)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        Path("in", name).write_bytes(FRONT)
    ended = run("redact", "in", "--out", "out", "--json")
    told = lines(ended)
    assert [line["status"] for line in told.values()] == ["redacted", "failed", "redacted"]
    assert told["in/b.jpg"]["findings"]
    assert "in/b.jpg" in ended.err
    assert "郑鑫红" not in ended.out + ended.err
    assert ended.code == 3
    again = run("redact", "in", "--out", "out", "--json")
    assert (again.code, len(seen)) == (0, 4)


def test_debug_shows_a_picture_s_fault_whole(run: InProcess) -> None:
    def fail(data: bytes) -> None:
        raise ValueError("what exactly")

    run.recogniser = TruthRecogniser(fail)
    Path("a.jpg").write_bytes(FRONT)
    for options, environment in (((), {"CARDVEIL_DEBUG": "1"}), (("--debug",), {})):
        ended = run("redact", "a.jpg", "--out", "out", *options, **environment)
        assert (ended.code, "Traceback" in ended.err, "what exactly" in ended.err) == (3, True, True)


@pytest.mark.parametrize("at", range(1, 40))
def test_ctrl_c_at_any_moment_loses_nothing(run: InProcess, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Ends with 130 and a count, leaves no part; the next run goes on, and what there is then is whole."""
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        Path("in", name).write_bytes(FRONT)
    calls = 0

    def interrupted(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                raise KeyboardInterrupt
            return call(*args, **kwargs)

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", interrupted(os.fdopen))
        patch.setattr(Path, "replace", interrupted(Path.replace))
        patch.setattr(Path, "open", interrupted(Path.open))
        patch.setattr(Path, "lstat", interrupted(Path.lstat))
        patch.setattr(TruthRecogniser, "recognise", interrupted(TruthRecogniser.recognise))
        ended = run("redact", "in", "--out", "out", "--json")
    if calls < at:
        assert ended.code == 0
    else:
        assert ended.code == 130
        assert "left" in ended.err or "interrupted" in ended.err
    assert not [path for path in Path().rglob("*") if path.name.endswith(".part")]
    assert run("redact", "in", "--out", "out").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        MANIFEST, "a.json", "a.redacted.jpg", "b.json", "b.redacted.jpg", "c.json", "c.redacted.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_the_next_goes_on_with(tmp_path: Path, number: signal.Signals) -> None:
    """The real command, with its recogniser."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for index in range(12):
        # Each another picture to the recogniser.
        (folder / f"{index:02}.jpg").write_bytes(FRONT)
    command = [sys.executable, "-m", "cardveil_cli", "redact", str(folder), "--out", str(out), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        running.stdout.readline()
        running.send_signal(number)
        try:
            rest, errors = running.communicate(timeout=120)
        finally:
            running.kill()
    told = 1 + len(rest.splitlines())
    assert running.returncode == 130
    left = re.match(r"interrupted, (\d+) left", errors)
    assert left, errors
    # The signal may come between a picture's end and its line.
    done = 12 - int(left[1])
    assert done - told in {0, 1}
    assert f"{done} redacted" in errors
    assert not list(out.rglob("*.part"))
    for index in range(done, 12):
        (folder / f"{index:02}.jpg").unlink()
    again = lines(cardveil("redact", folder, "--out", out, "--json"))
    assert [line["earlier"] for line in again.values()] == [True] * done


def test_a_reader_that_goes_away_ends_the_run_quietly(run: InProcess, tmp_path: Path) -> None:
    for index in range(3):
        Path("in", f"{index}.jpg").write_bytes(b"no picture")
    ends = os.pipe()
    os.close(ends[0])
    done = subprocess.run(
        [sys.executable, "-m", "cardveil_cli", "redact", "in", "--out", "out", "--json"],
        stdout=ends[1], stderr=subprocess.PIPE, check=False, cwd=tmp_path, text=True,
    )  # fmt: skip
    os.close(ends[1])
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_named_paths_are_forgiven_singly(run: InProcess) -> None:
    """One of several that is missing is told, the others are done; alone it is refused."""
    Path("a.jpg").write_bytes(FRONT)
    Path("broken.jpg").symlink_to("nowhere")
    ended = run("redact", "gone.jpg", "a.jpg", "broken.jpg", "./a.jpg", "--out", "out", "--json")
    told = lines(ended)
    assert ended.code == 3
    assert [told[name]["findings"] for name in ("gone.jpg", "broken.jpg")] == [["missing"], ["broken_link"]]
    assert told["a.jpg"]["findings"] == ["same_file"] or told["a.jpg"]["status"] == "redacted"
    for alone in ("gone.jpg", "broken.jpg"):
        ended = run("redact", alone, "--out", "out")
        assert (ended.code, alone in ended.err) == (2, True)


def test_a_huge_file_is_rejected_without_being_kept_in_memory(run: InProcess) -> None:
    with Path("in/huge.jpg").open("wb") as file:
        file.truncate(300 << 20)
    source = Source(Path("in/huge.jpg"), Path("in/huge.jpg"), Path("huge.jpg"))
    content = read_source(source, most=1 << 20)
    assert (content.data, content.size) == (None, 300 << 20)
    told = lines(run("redact", "in", "--out", "out", "--json"))
    assert told["in/huge.jpg"]["findings"] == ["picture_too_large"]
    assert json.loads(Path("out/huge.json").read_bytes())["source"]["size"] == 300 << 20


def test_a_deep_folder_is_walked_to_its_end(run: InProcess) -> None:
    """As deep as paths may be; what lies deeper is named."""
    here = Path.cwd()
    os.chdir("in")
    for _ in range(40):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
    os.chdir(here)
    Path("in/good.jpg").write_bytes(FRONT)
    ended = run("redact", "in", "--out", "out", "--json")
    statuses = [(line["status"], line["findings"][:1]) for line in lines(ended).values()]
    assert statuses == [("passed_over", ["unreadable"]), ("redacted", statuses[-1][1])]
    assert ended.code == 3


def test_the_frame_of_polygons_must_be_the_pictures(run: InProcess) -> None:
    Path("a.png").write_bytes(picture("PNG"))
    entries = [{"name": "x", "polygon": [[1, 1], [30, 1], [30, 20], [1, 20]]}]
    for size, code in (((64, 48), 0), ((48, 64), 2)):
        document = {"width": size[0], "height": size[1], "fields": entries}
        Path("fields.json").write_text(json.dumps(document), "utf-8-sig")
        out = f"out-{code}"
        ended = run("redact", "a.png", "--out", out, "--fields", "fields.json")
        assert (ended.code, Path(out).exists()) == (code, code == 0)


def test_a_terminal_gets_a_table_with_hints(run: InProcess, tmp_path: Path) -> None:
    for name in ("a.jpg", "[bold]b.jpg"):
        Path("in", name).write_bytes(b"no picture")
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "cardveil_cli", "redact", "in", "--out", "out"],
        stdout=theirs, stderr=subprocess.PIPE, cwd=tmp_path, env={**os.environ, "COLUMNS": "250"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        pass  # the other end is closed: all is read
    _, errors = done.communicate(timeout=60)
    text = shown.decode()
    assert done.returncode == 3
    assert "what to do" in text
    assert "[bold]b.jpg" in text
    assert "upload a JPEG, PNG, TIFF, BMP or WebP" in text
    assert "\t" not in text
    assert b"2 rejected" in errors


def test_a_terminal_sees_progress_while_results_are_piped_on(run: InProcess, tmp_path: Path) -> None:
    """And a terminal that cannot show a name is no reason to fail."""
    for name in ("a.jpg", "身份证.jpg"):
        Path("in", name).write_bytes(b"no picture")
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "cardveil_cli", "redact", "in", "--out", "out"],
        stdout=subprocess.PIPE, stderr=theirs, cwd=tmp_path,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm", "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        pass  # the other end is closed: all is read
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 3
    assert [line.split(b"\t")[1] for line in out.splitlines()] == [
        b"in/a.jpg",
        b"in/\\u8eab\\u4efd\\u8bc1.jpg",
    ]
    assert b"redacting" in shown
    assert b"/s" in shown
    assert b"2 rejected" in shown


@pytest.mark.parametrize("far", [10**7, -(10**7)])
def test_a_polygon_far_outside_covers_what_it_meets(run: InProcess, far: int) -> None:
    Path("a.png").write_bytes(picture("PNG"))
    polygon = [[0, 0], [far, 0], [far, far], [0, far]]
    Path("fields.json").write_text(json.dumps([{"name": "x", "polygon": polygon}]), "utf-8")
    ended = run("redact", "a.png", "--out", "out", "--fields", "fields.json")
    assert ended.code in {0, 3}, ended
    assert "failed" not in ended.out
