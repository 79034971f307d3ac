"""A decoder that dies, hangs or takes all memory ends in an outcome, and this process goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cardveil.core.errors import Reject
from cardveil.imaging.children import ChildLimits, run_child

HEAD = """
import json, os, resource, sys
told = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_CPU, (int(told["limits"]["seconds"]),) * 2)
resource.setrlimit(resource.RLIMIT_AS, (told["limits"]["memory"],) * 2)
data = sys.stdin.buffer.read()
"""
LIMITS = ChildLimits(seconds=1, memory=200 * 2**20)


def _run(folder: Path, body: str, data: bytes = b"picture", limits: ChildLimits = LIMITS) -> bytes:
    script = folder / "child.py"
    script.write_text(HEAD + body)
    return run_child(script, {}, data, limits)


def test_what_it_writes_is_returned(tmp_path: Path) -> None:
    large = os.urandom(3_000_000)
    assert _run(tmp_path, "sys.stdout.buffer.write(data)", large) == large


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("os.kill(os.getpid(), 11)", "decoding_failed"),
        ("os.abort()", "decoding_failed"),
        ("raise KeyError('an error that nobody thought of')", "decoding_failed"),
        ("while True: pass", "decoding_too_costly"),
        ("import time; time.sleep(60)", "decoding_too_costly"),
        ("try: bytearray(2**40)\nexcept MemoryError: sys.exit(4)", "picture_too_large"),
        ("sys.exit(3)", "picture_corrupt"),
        ("sys.exit(5)", "format_not_supported"),
    ],
)
def test_it_ends_in_an_outcome(tmp_path: Path, body: str, code: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Reject, match=code):
        _run(tmp_path, body)
    assert time.monotonic() - begun < 20


def test_one_that_does_not_read_its_file_to_the_end_does_no_harm(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text("import sys; sys.exit(3)")
    with pytest.raises(Reject, match="picture_corrupt"):
        run_child(script, {}, bytes(5_000_000), LIMITS)


def test_it_sees_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENCENTCLOUD_SECRETKEY", "CANARY-3301")
    assert b"CANARY" not in _run(tmp_path, "sys.stdout.write(repr(dict(os.environ)))")
